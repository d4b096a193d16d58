#include "image/sources/docker_engine.h"

#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <cstdlib>
#include <optional>
#include <utility>

#include "codec/sha256.h"
#include "image/model/platform.h"
#include "image/sources/http.h"
#include "image/sources/spool.h"
#include "text/json.h"

namespace flense::image {

namespace {

constexpr std::uint64_t kMaxReply = 16u << 20;

std::string environment(const char* name) {
  const char* value = std::getenv(name);
  return value == nullptr ? std::string() : std::string(value);
}

bool is_socket(const std::string& path) {
  struct stat status{};
  return ::stat(path.c_str(), &status) == 0 && S_ISSOCK(status.st_mode);
}

/// The endpoint of the current `docker context`, kept under the digest of its name.
std::optional<std::string> context_address() {
  std::string directory = environment("DOCKER_CONFIG");
  if (directory.empty()) directory = environment("HOME") + "/.docker";
  std::string context = environment("DOCKER_CONTEXT");
  if (context.empty()) {
    const auto config = read_file(directory + "/config.json", kMaxReply);
    if (!config) return std::nullopt;
    const auto json = text::parse_json(*config, "config.json");
    if (!json) return std::nullopt;
    context = (*json)["currentContext"].text();
  }
  if (context.empty() || context == "default") return std::nullopt;
  const std::string digest = codec::sha256_digest(as_bytes(context)).substr(7);
  const auto meta = read_file(directory + "/contexts/meta/" + digest + "/meta.json", kMaxReply);
  if (!meta) return std::nullopt;
  const auto json = text::parse_json(*meta, "meta.json");
  if (!json) return std::nullopt;
  std::string host((*json)["Endpoints"]["docker"]["Host"].text());
  if (host.empty()) return std::nullopt;
  return host;
}

/// The engine's own words: {"message": "…"}.
std::string message_of(HttpResponse& response) {
  const auto body = read_all(*response.body, kMaxReply, "the engine's reply");
  if (!body) return fmt::format("status {}", response.status);
  const auto json = text::parse_json(*body, "the engine's reply");
  if (json && (*json)["message"].is_string()) return std::string((*json)["message"].text());
  return fmt::format("status {}", response.status);
}

Result<HttpResponse> get(const std::string& address, std::string target) {
  TRY(UniqueFd connection, connect_engine(address));
  HttpRequest request;
  request.target = std::move(target);
  return http_request(std::move(connection), request);
}

}  // namespace

Result<std::string> docker_address() {
  if (std::string host = environment("DOCKER_HOST"); !host.empty()) return host;
  if (const auto address = context_address()) return *address;
  const std::string runtime = environment("XDG_RUNTIME_DIR");
  const std::string home = environment("HOME");
  for (const std::string& path : {std::string("/var/run/docker.sock"), runtime + "/docker.sock",
                                  home + "/.docker/run/docker.sock"}) {
    if (is_socket(path)) return "unix://" + path;
  }
  return fail(Code::kEnvironment,
              "no Docker engine is running here: there is no "
              "/var/run/docker.sock and DOCKER_HOST is not set")
      .hint("start the engine, or give a saved archive (docker save -o image.tar NAME)");
}

Result<std::optional<std::string>> docker_inspect(const std::string& address,
                                                  const std::string& reference) {
  TRY(HttpResponse response, get(address, "/images/" + percent_encode(reference) + "/json"));
  if (response.status == 404) return std::nullopt;
  if (response.status == 200) {
    TRY(std::string body, read_all(*response.body, kMaxReply, "the engine's reply"));
    return std::optional(std::move(body));
  }
  return fail(Code::kEnvironment, "the engine answers: {}", message_of(response));
}

Result<MappedFile> docker_save(const std::string& address, const std::string& reference,
                               const OpenOptions& options) {
  std::string target = "/images/" + percent_encode(reference) + "/get";
  if (!options.platform.empty()) {
    TRY(const Platform platform, parse_platform(options.platform));
    text::Json json = text::Json::object();
    json.set("os", platform.os);
    json.set("architecture", platform.architecture);
    if (!platform.variant.empty()) json.set("variant", platform.variant);
    target += "?platform=" + percent_encode(text::dump_json(json));
  }
  TRY(HttpResponse response, get(address, std::move(target)));
  if (response.status == 404) {
    return fail(Code::kBadInput, "Docker has no image {}", reference);
  }
  if (response.status != 200) {
    return fail(Code::kEnvironment, "Docker cannot save {}: {}", reference, message_of(response));
  }
  return spool(*response.body, "docker-daemon:" + reference, options.scratch_directory);
}

Result<void> docker_load(const std::string& address, const std::filesystem::path& archive) {
  TRY(const MappedFile file, MappedFile::open(archive));
  MemorySource body(file.bytes());
  HttpRequest request;
  request.method = "POST";
  request.target = "/images/load?quiet=1";
  request.content_type = "application/x-tar";
  request.body = &body;
  request.body_size = file.bytes().size();
  TRY(UniqueFd connection, connect_engine(address));
  TRY(HttpResponse response, http_request(std::move(connection), request));
  if (response.status != 200) {
    return fail(Code::kEnvironment, "Docker cannot load the image: {}", message_of(response));
  }
  // A stream of JSON objects, one a line; a failure after the 200 stands in one of them.
  TRY(const std::string reply, read_all(*response.body, kMaxReply, "the engine's reply"));
  for (std::size_t at = 0; at < reply.size();) {
    const std::size_t end = std::min(reply.find('\n', at), reply.size());
    const auto json = text::parse_json(std::string_view(reply).substr(at, end - at), "reply");
    if (json && (*json)["error"].is_string()) {
      return fail(Code::kEnvironment, "Docker cannot load the image: {}", (*json)["error"].text());
    }
    at = end + 1;
  }
  return {};
}

}  // namespace flense::image
