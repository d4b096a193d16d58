#include "image/registry/logins.h"

#include <algorithm>
#include <system_error>

#include "base/ascii.h"
#include "base/file.h"
#include "base/format.h"
#include "text/json.h"

namespace flense::image {

namespace {

constexpr std::uint64_t kMostBytes = 1u << 20;
constexpr std::size_t kMostLogin = 8192;

/// "HOST/a/b", "HOST/a", "HOST", then what Docker calls its own registry.
std::vector<std::string> keys_for(const std::string& repository) {
  std::vector<std::string> out;
  std::string_view rest = repository;
  while (true) {
    out.emplace_back(rest);
    const auto slash = rest.rfind('/');
    if (slash == std::string_view::npos) break;
    rest = rest.substr(0, slash);
  }
  if (out.back() == "docker.io") {
    out.emplace_back("index.docker.io");
    out.emplace_back("https://index.docker.io/v1/");
  }
  return out;
}

}  // namespace

std::vector<std::filesystem::path> login_files(const Environment& environment, unsigned user) {
  const auto variable = [&](std::string_view name) { return environment(name).value_or(""); };
  if (const std::string named = variable("REGISTRY_AUTH_FILE"); !named.empty()) return {named};
  std::vector<std::filesystem::path> out;
  const std::string run = variable("XDG_RUNTIME_DIR"), home = variable("HOME");
  const std::string config = variable("XDG_CONFIG_HOME"), docker = variable("DOCKER_CONFIG");
  out.push_back(run.empty() ? fmt::format("/run/containers/{}/auth.json", user)
                            : run + "/containers/auth.json");
  if (!config.empty())
    out.push_back(config + "/containers/auth.json");
  else if (!home.empty())
    out.push_back(home + "/.config/containers/auth.json");
  if (!docker.empty())
    out.push_back(docker + "/config.json");
  else if (!home.empty())
    out.push_back(home + "/.docker/config.json");
  return out;
}

std::string login_in(std::string_view file, const std::string& repository) {
  const auto json = text::parse_json(file, "the file of logins");
  if (!json) return {};
  const text::Json& logins = (*json)["auths"];
  for (const std::string& key : keys_for(repository)) {
    const std::string_view login = logins[key]["auth"].text();
    const bool base64 = std::ranges::all_of(
        login, [](char c) { return is_alphanumeric(c) || c == '+' || c == '/' || c == '='; });
    if (!login.empty() && login.size() <= kMostLogin && base64) return std::string(login);
  }
  return {};
}

std::string KeptLogins::of_helper(const CredentialHelper& helper) {
  const auto [at, fresh] = told_.try_emplace({helper.name, helper.server});
  if (fresh) at->second = helper_login(helper, patience_);
  return at->second;
}

std::string KeptLogins::find(const std::string& repository) {
  const std::string host = repository.substr(0, repository.find('/'));
  for (const std::filesystem::path& path : files_) {
    const auto text = read_file(path, kMostBytes);
    if (!text) continue;
    std::string login = of_helper(helper_of_host(*text, host));
    if (login.empty()) login = login_in(*text, repository);
    if (login.empty()) login = of_helper(helper_of_all(*text, host));
    if (!login.empty()) return login;
  }
  return {};
}

std::string authority_of(const std::string& host) {
  for (const char* const top : {"/etc/containers/certs.d", "/etc/docker/certs.d"}) {
    std::vector<std::string> found;
    std::error_code error;
    for (std::filesystem::directory_iterator at(std::filesystem::path(top) / host, error), end;
         !error && at != end; at.increment(error))
      if (at->path().extension() == ".crt") found.push_back(at->path().string());
    if (!found.empty()) return std::ranges::min(found);
  }
  return {};
}

}  // namespace flense::image
