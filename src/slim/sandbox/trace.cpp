#include "slim/sandbox/trace.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <optional>
#include <thread>

#include "base/become.h"
#include "base/file.h"
#include "slim/sandbox/trace_calls.h"

namespace flense::slim {

namespace {

constexpr std::size_t kMostErrorOutput = 1u << 20;

/// A descriptor from which bubblewrap reads the program for the command.
Result<UniqueFd> filter_file() {
  UniqueFd out(::memfd_create("filter", MFD_CLOEXEC));
  if (!out) return system_error(errno, "cannot make a file in memory");
  const std::vector<sock_filter> filter = trace_filter();
  TRY_DO(write_fully(out.get(), std::as_bytes(std::span(filter)), "a seccomp filter"));
  if (::lseek(out.get(), 0, SEEK_SET) != 0) return system_error(errno, "cannot rewind a file");
  return out;
}

/// To the end; what comes beyond the limit is read and forgotten.
std::string drain(int fd) {
  std::string out;
  std::array<char, 65536> buffer{};
  while (true) {
    const ssize_t got = ::read(fd, buffer.data(), buffer.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return out;
    if (out.size() < kMostErrorOutput) out.append(buffer.data(), static_cast<std::size_t>(got));
  }
}

}  // namespace

Result<TracedRun> trace_in_root(const std::filesystem::path& root, const std::string& command,
                                const SandboxEnvironment& environment,
                                const std::stop_token& stop) {
  TRY(const UniqueFd filter, filter_file());
  TRY(const SandboxStart start,
      prepare_sandbox(root, command, environment, "--trace", filter.get()));
  const UniqueFd directory(::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
  if (!directory) return system_error(errno, "cannot open " + root.string());
  const UniqueFd nothing(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!nothing) return system_error(errno, "cannot open /dev/null");
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error(errno, "cannot create a pipe");
  const UniqueFd errors(ends[0]);
  UniqueFd errors_in(ends[1]);

  const NextProgram sandbox(start.argv.front(), start.argv, environment_here());
  // After a fork of a process with threads: system calls alone.
  const auto become_sandbox = [&] {
    ::dup2(nothing.get(), STDIN_FILENO);
    ::dup2(nothing.get(), STDOUT_FILENO);
    ::dup2(errors_in.get(), STDERR_FILENO);
    const std::array<int, 1> kept = {filter.get()};
    static_cast<void>(sandbox.become(kept));
    return 127;
  };

  PathRecorder recorder(directory.get(), start.covered);
  std::optional<Result<TracedEnd>> end;
  TracedRun out;
  {
    // Processes are traced by a thread, and wait for it alone.
    const std::jthread tracer([&] {
      end = run_traced(become_sandbox, recorder, {stop, SIGKILL});
      errors_in = UniqueFd();
    });
    out.run.err = drain(errors.get());
  }
  if (stop.stop_requested()) return interrupted();
  if (recorder.full())
    return fail(Code::kEnvironment, "'{}' meets more files than a trace may hold", command);
  TRY(const TracedEnd ended, *std::move(end));
  out.run.status = ended.status;
  if (auto failure = sandbox_failure(out.run)) return std::unexpected(*std::move(failure));
  out.met = recorder.take();
  out.gaps = ended.gaps;
  return out;
}

}  // namespace flense::slim
