#include "launch/bench/io_overlay.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "base/file.h"
#include "base/stream.h"
#include "launch/bench/io_measure.h"
#include "launch/container/stage.h"
#include "text/json.h"

namespace flense::launch {
namespace {

constexpr std::uint64_t kMaxAnswer = 64U << 10;

/// As `flense run --writable` does it.
Result<void> mount_overlay(const std::filesystem::path& root,
                           const std::filesystem::path& scratch) {
  TRY_DO(enter_namespaces());
  return mount_changes(root, scratch, scratch / "merged");
}

text::Json as_json(const IoFigures& figures) {
  text::Json out = text::Json::object();
  const auto put = [&](const char* name, const std::optional<double>& value) {
    if (value) out.set(name, *value);
  };
  put("sequential", figures.sequential_bytes_per_second);
  put("random", figures.random_microseconds);
  put("first_write", figures.first_write_milliseconds);
  put("create", figures.create_microseconds);
  put("stat", figures.stat_microseconds);
  if (!figures.problem.empty()) out.set("problem", figures.problem);
  return out;
}

IoFigures from_json(const text::Json& json) {
  IoFigures out;
  const auto take = [&](const char* name, std::optional<double>& value) {
    if (const text::Json* found = json.find(name)) value = found->number_or(0);
  };
  take("sequential", out.sequential_bytes_per_second);
  take("random", out.random_microseconds);
  take("first_write", out.first_write_milliseconds);
  take("create", out.create_microseconds);
  take("stat", out.stat_microseconds);
  out.problem = json["problem"].text();
  return out;
}

IoFigures measure(const std::filesystem::path& merged, const std::filesystem::path& file,
                  std::uint64_t bytes, const std::vector<std::string>& entries, std::size_t files) {
  IoFigures out;
  measure_reading(merged / file, bytes, merged, entries, out);
  // Last, since they change what is read: the file moves to the upper layer as a whole.
  if (const auto one = create_files(merged / ".flense-bench", files))
    out.create_microseconds = *one;
  else if (out.problem.empty())
    out.problem = one.error().message;
  if (const auto one = write_first(merged / file))
    out.first_write_milliseconds = *one;
  else if (out.problem.empty())
    out.problem = one.error().message;
  return out;
}

}  // namespace

Result<IoFigures> measure_overlay(const std::filesystem::path& root,
                                  const std::filesystem::path& file, std::uint64_t bytes,
                                  const std::filesystem::path& scratch,
                                  const std::vector<std::string>& entries, std::size_t files) {
  const std::filesystem::path merged = scratch / "merged";
  if (::mkdir(merged.c_str(), 0700) != 0)
    return system_error(errno, "cannot create " + merged.string());
  const std::filesystem::path inside = std::filesystem::relative(file, root);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error(errno, "cannot make a pipe");
  UniqueFd reading(ends[0]), writing(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return system_error(errno, "cannot start a process");
  if (child == 0) {
    // Ends with its parent, and at once when it is told to: there is nothing to tidy up in it.
    static_cast<void>(::prctl(PR_SET_PDEATHSIG, SIGKILL));
    sigset_t none;
    sigemptyset(&none);
    static_cast<void>(::sigprocmask(SIG_SETMASK, &none, nullptr));
    IoFigures figures;
    if (const auto mounted = mount_overlay(root, scratch))
      figures = measure(merged, inside, bytes, entries, files);
    else
      figures.problem = mounted.error().message;
    const std::string answer = text::dump_json(as_json(figures));
    const bool told = write_fully(writing.get(), as_bytes(answer), "a pipe").has_value();
    ::_exit(told ? 0 : 1);
  }
  writing = UniqueFd();
  FdSource source(reading.get(), "the measuring process");
  const Result<std::string> answer = read_all(source, kMaxAnswer, "the measuring process");
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  if (!answer || !WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return fail(Code::kEnvironment, "the process that measured the overlay ended early");
  TRY(const text::Json json, text::parse_json(*answer, "the measuring process"));
  return from_json(json);
}

}  // namespace flense::launch
