#include "image/registry/credential_helper.h"

#include <poll.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <iterator>

#include "base/ascii.h"
#include "base/format.h"
#include "base/process.h"
#include "codec/base64.h"
#include "text/json.h"

namespace flense::image {

namespace {

constexpr std::size_t kMostAnswer = 64u << 10;
/// The name that stands for "the secret is an identity token", which no Basic header takes.
constexpr std::string_view kToken = "<token>";

/// What helpers know Docker's own registry by.
std::string server_of(const std::string& host) {
  return host == "docker.io" ? "https://index.docker.io/v1/" : host;
}

bool is_fit_name(std::string_view name) {
  return !name.empty() && std::ranges::all_of(name, [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
  });
}

CredentialHelper checked(std::string_view name, std::string server) {
  if (!is_fit_name(name)) return {};
  return {std::string(name), std::move(server)};
}

/// Up to the end, or what came in time: one that leaves a process behind does not close it.
std::string read_in_time(int fd, std::chrono::seconds patience) {
  const auto until = std::chrono::steady_clock::now() + patience;
  std::string out;
  char block[4096];
  while (out.size() <= kMostAnswer) {
    const auto left = std::chrono::duration_cast<std::chrono::milliseconds>(
        until - std::chrono::steady_clock::now());
    pollfd one{fd, POLLIN, 0};
    const int ready = left.count() <= 0 ? 0 : ::poll(&one, 1, static_cast<int>(left.count()));
    if (ready < 0 && errno == EINTR) continue;
    if (ready <= 0) break;
    const ssize_t got = ::read(fd, block, sizeof block);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return {};
    if (got == 0) return out;
    out.append(block, static_cast<std::size_t>(got));
  }
  return out;
}

/// What it prints for the server, which it reads from a file in memory: a pipe whose reader has
/// ended would end us, too.
std::string ask(const std::string& program, const std::string& server,
                std::chrono::seconds patience) {
  const UniqueFd input(::memfd_create("server", MFD_CLOEXEC));
  if (::write(input.get(), server.data(), server.size()) != std::ssize(server) ||
      ::lseek(input.get(), 0, SEEK_SET) != 0)
    return {};
  ChildProcess::Options options;
  options.stdin_fd = input.get();
  options.pipe_stdout = options.discard_stderr = true;
  const auto child = ChildProcess::start({program, "get"}, options);
  if (!child) return {};
  // Its end is not waited for, which it may never come to.
  return read_in_time((*child)->stdout_fd(), patience);
}

}  // namespace

CredentialHelper helper_of_host(std::string_view file, const std::string& host) {
  const auto json = text::parse_json(file, "the file of logins");
  if (!json) return {};
  for (const std::string& key : {host, server_of(host)})
    if (auto one = checked((*json)["credHelpers"][key].text(), key); !one.name.empty()) return one;
  return {};
}

CredentialHelper helper_of_all(std::string_view file, const std::string& host) {
  const auto json = text::parse_json(file, "the file of logins");
  return json ? checked((*json)["credsStore"].text(), server_of(host)) : CredentialHelper{};
}

std::string helper_login(const CredentialHelper& helper, std::chrono::seconds patience) {
  constexpr std::size_t kMostServer = 1024;
  if (helper.name.empty() || helper.server.size() > kMostServer) return {};
  const auto program = find_program("docker-credential-" + helper.name);
  if (!program) return {};
  const auto json = text::parse_json(ask(*program, helper.server, patience), helper.name);
  if (!json) return {};
  const std::string_view name = (*json)["Username"].text(), secret = (*json)["Secret"].text();
  if (name.empty() || name == kToken || name.find(':') != std::string_view::npos) return {};
  return codec::base64(as_bytes(fmt::format("{}:{}", name, secret)));
}

}  // namespace flense::image
