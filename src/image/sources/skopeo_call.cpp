#include "image/sources/skopeo_call.h"

#include <poll.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <optional>

#include "image/sources/registry_answer.h"

namespace flense::image {

namespace {

Result<std::string> skopeo_program() {
  if (auto program = find_program("skopeo")) return *program;
  return fail(Code::kEnvironment,
              "skopeo is not installed; it is "
              "needed for registries and Podman's storage")
      .hint("install skopeo, or save the image to a file and give that");
}

}  // namespace

Result<ProcessOutput> ask_skopeo(const std::vector<std::string>& arguments, const std::string& name,
                                 SkopeoCall kind, const SkopeoAsking& how) {
  using Clock = std::chrono::steady_clock;
  TRY(const std::string program, skopeo_program());
  std::vector<std::string> argv = {program};
  argv.insert(argv.end(), arguments.begin(), arguments.end());
  ChildProcess::Options pipes;
  pipes.pipe_stdout = true;
  pipes.starter = how.starter;
  TRY(const auto child, ChildProcess::start(argv, pipes));
  Progress* const progress = how.progress;
  const bool remote = name.starts_with(kRegistryForm);
  const auto limit = kind == SkopeoCall::kQuestion ? how.limits.answer : how.limits.stall();
  std::optional<std::uint64_t> moved;
  Clock::time_point moved_at = Clock::now();
  ProcessOutput out;
  std::array<char, 65536> buffer{};
  pollfd fd{child->stdout_fd(), POLLIN, 0};
  while (true) {
    const int ready = ::poll(&fd, 1, 200);
    if (ready < 0 && errno != EINTR) return system_error(errno, "cannot wait for skopeo");
    if (ready > 0) {
      const ssize_t got = ::read(fd.fd, buffer.data(), buffer.size());
      if (got == 0 || (got < 0 && errno != EINTR)) break;
      // Past the limit the output is still drained, so that the child can end.
      if (got > 0 && out.out.size() < kMostAnswer)
        out.out.append(buffer.data(), static_cast<std::size_t>(got));
    }
    if (kind == SkopeoCall::kQuestion && progress != nullptr) TRY_DO(progress->add(0));
    if (kind == SkopeoCall::kTransfer) {
      const auto now = child->written();
      // Who cannot see whether anything moves does not end it.
      if (!now || now != moved) moved_at = Clock::now();
      if (progress != nullptr && now) TRY_DO(progress->add(*now - moved.value_or(0)));
      moved = now;
    }
    if (remote && Clock::now() - moved_at > limit) return registry_silent(name, limit);
  }
  TRY(out.status, child->wait());
  out.err = child->said();
  return out;
}

Result<std::string> run_skopeo(const std::vector<std::string>& arguments, const std::string& name,
                               SkopeoCall kind, const SkopeoAsking& how) {
  TRY(ProcessOutput output, ask_skopeo(arguments, name, kind, how));
  if (output.status != 0) return registry_failure(output.err, name);
  return std::move(output.out);
}

Result<SourceName> source_name(Transport transport, const std::string& reference) {
  if (transport == Transport::kContainersStorage) {
    return SourceName{"containers-storage:" + reference, {}, false, false};
  }
  const auto full = normalise_reference(reference);
  if (!full) return fail(Code::kUsage, "\"{}\" is not an image name", reference);
  SourceName out;
  std::string_view repository = *full;
  const auto at = repository.find('@');
  repository = repository.substr(0, at);
  const auto colon = repository.rfind(':');
  if (colon != std::string_view::npos && colon > repository.rfind('/')) {
    repository = repository.substr(0, colon);
  }
  out.repository = "docker://" + std::string(repository);
  // skopeo takes a tag or a digest; the digest is what names the image.
  out.tagged = at == std::string::npos ? "docker://" + *full : out.repository + full->substr(at);
  out.local = is_local_registry(*full);
  return out;
}

Result<ProcessOutput> ask_about(SourceName& source, std::vector<std::string> words,
                                const SkopeoAsking& how) {
  words.push_back(source.tagged);
  TRY(ProcessOutput output, ask_skopeo(words, source.tagged, SkopeoCall::kQuestion, how));
  if (output.status == 0 || !source.local || !speaks_plain_http(output.err)) return output;
  source.plain_http = true;
  words.insert(words.end() - 1, "--tls-verify=false");
  return ask_skopeo(words, source.tagged, SkopeoCall::kQuestion, how);
}

Result<ProcessOutput> ask_manifest(SourceName& source, const SkopeoAsking& how) {
  return ask_about(source, {"inspect", "--raw"}, how);
}

}  // namespace flense::image
