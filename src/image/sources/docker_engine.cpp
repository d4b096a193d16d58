#include "image/sources/docker_engine.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
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
/// Questions for a broker.
constexpr std::string_view kAddress = "address", kGet = "get";
/// What percent_encode() leaves, and writes.
constexpr std::string_view kEncoded =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-._~/:%";

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

Result<HttpResponse> get(const Engine& engine, std::string target) {
  if (engine.broker != nullptr) {
    TRY(guard::Answer answer, engine.broker->ask({std::string(kGet), std::move(target)}));
    return read_response(std::move(answer.fd));
  }
  TRY(UniqueFd connection, connect_engine(engine.address));
  HttpRequest request;
  request.target = std::move(target);
  return http_request(std::move(connection), request);
}

std::string path_of(const std::string& reference) {
  return "/images/" + percent_encode(reference);
}

/// "/json", "/get", "/get?platform=…" of one of the images.
bool is_question(std::string_view target, const std::vector<std::string>& references) {
  return std::ranges::any_of(references, [&](const std::string& reference) {
    const std::string path = path_of(reference);
    if (!target.starts_with(path)) return false;
    std::string_view rest = target.substr(path.size());
    if (rest == "/json" || rest == "/get") return true;
    constexpr std::string_view kPlatform = "/get?platform=";
    if (!rest.starts_with(kPlatform)) return false;
    rest.remove_prefix(kPlatform.size());
    return rest.find_first_not_of(kEncoded) == rest.npos;
  });
}

/// A pipe that gives what comes from the connection: whoever gets the connection itself could ask
/// the engine for anything.
Result<UniqueFd> only_to_read(UniqueFd connection) {
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error(errno, "cannot create a pipe");
  UniqueFd out(ends[0]), in(ends[1]);
  const pid_t pump = ::fork();
  if (pump < 0) return system_error(errno, "cannot start a process");
  if (pump != 0) return out;
  out = UniqueFd();
  // An engine that hangs shall keep nobody waiting for the end of our output.
  static_cast<void>(::prctl(PR_SET_PDEATHSIG, SIGKILL));
  std::array<std::byte, 1 << 16> block{};
  while (true) {
    const ssize_t got = ::read(connection.get(), block.data(), block.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) break;
    if (!write_fully(in.get(), Bytes(block).first(static_cast<std::size_t>(got)), "a pipe")) break;
  }
  ::_exit(0);
}

}  // namespace

Result<Engine> docker_engine(guard::Broker* broker) {
  if (broker == nullptr) {
    TRY(std::string address, docker_address());
    return Engine{std::move(address), nullptr};
  }
  TRY(guard::Answer answer, broker->ask({std::string(kAddress)}));
  return Engine{std::move(answer.text), broker};
}

Result<guard::Answer> ask_docker(const std::vector<std::string>& words,
                                 const std::vector<std::string>& references) {
  TRY(std::string address, docker_address());
  if (words.size() == 1 && words[0] == kAddress) return guard::Answer{std::move(address), {}};
  if (words.size() != 2 || words[0] != kGet || !is_question(words[1], references))
    return fail(Code::kInternal, "the sandbox does not allow to ask Docker: {}",
                fmt::join(words, " "));
  TRY(UniqueFd connection, connect_engine(address));
  HttpRequest request;
  request.target = words[1];
  TRY_DO(send_request(connection.get(), request));
  TRY(UniqueFd answer, only_to_read(std::move(connection)));
  return guard::Answer{{}, std::move(answer)};
}

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

Result<std::optional<std::string>> docker_inspect(const Engine& engine,
                                                  const std::string& reference) {
  TRY(HttpResponse response, get(engine, path_of(reference) + "/json"));
  if (response.status == 404) return std::nullopt;
  if (response.status == 200) {
    TRY(std::string body, read_all(*response.body, kMaxReply, "the engine's reply"));
    return std::optional(std::move(body));
  }
  return fail(Code::kEnvironment, "the engine answers: {}", message_of(response));
}

Result<MappedFile> docker_save(const Engine& engine, const std::string& reference,
                               const OpenOptions& options) {
  std::string target = path_of(reference) + "/get";
  if (!options.platform.empty()) {
    TRY(const Platform platform, parse_platform(options.platform));
    text::Json json = text::Json::object();
    json.set("os", platform.os);
    json.set("architecture", platform.architecture);
    if (!platform.variant.empty()) json.set("variant", platform.variant);
    target += "?platform=" + percent_encode(text::dump_json(json));
  }
  TRY(HttpResponse response, get(engine, std::move(target)));
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
