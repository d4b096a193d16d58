#include "launch/bench/io.h"

#include <fcntl.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>
#include <system_error>

#include "base/file.h"
#include "base/private_directory.h"
#include "base/stream.h"
#include "launch/bench/io_measure.h"
#include "launch/container/stage.h"
#include "text/json.h"

namespace flense::launch {
namespace {

constexpr std::size_t kFiles = 500, kEntries = 2000;

/// An overlay leaves a directory that nobody may list, and hence nobody could remove.
class OverlayScratch {
 public:
  explicit OverlayScratch(const std::filesystem::path& scratch)
      : inner_(scratch / "work" / "work") {}
  OverlayScratch(const OverlayScratch&) = delete;
  OverlayScratch& operator=(const OverlayScratch&) = delete;
  ~OverlayScratch() { static_cast<void>(::chmod(inner_.c_str(), 0700)); }

 private:
  std::filesystem::path inner_;
};

/// Bytes that no file system stores smaller than they are.
Result<void> write_file(const std::filesystem::path& path, std::uint64_t bytes,
                        const std::stop_token& stop) {
  const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
  if (!fd) return system_error(errno, "cannot create " + path.string());
  std::string block(1U << 20, '\0');
  std::uint64_t state = 88172645463325252ULL;
  while (bytes > 0) {
    if (stop.stop_requested()) return fail(Code::kInterrupted, "interrupted");
    for (std::size_t i = 0; i + 8 <= block.size(); i += 8) {
      state ^= state << 13;
      state ^= state >> 7;
      state ^= state << 17;
      std::memcpy(block.data() + i, &state, 8);
    }
    const std::uint64_t part = std::min<std::uint64_t>(bytes, block.size());
    TRY_DO(write_fully(fd.get(), as_bytes(std::string_view(block).substr(0, part)), path.string()));
    bytes -= part;
  }
  // The page cache cannot drop what is not on disk yet.
  if (::fsync(fd.get()) != 0) return system_error(errno, "cannot sync " + path.string());
  return {};
}

Result<void> check_room(const std::filesystem::path& directory, std::uint64_t bytes) {
  struct statvfs room{};
  if (::statvfs(directory.c_str(), &room) != 0)
    return system_error(errno, "cannot use " + directory.string());
  const std::uint64_t free = room.f_bavail * room.f_frsize;
  // The file itself, and its copy in the upper layer.
  if (free >= 2 * bytes + (64U << 20)) return {};
  return fail(Code::kEnvironment, "{} has {} left, and {} are needed", directory.string(),
              human_bytes(free), human_bytes(2 * bytes + (64U << 20)))
      .hint("--size needs less, --dir uses another place");
}

constexpr std::uint64_t kMaxAnswer = 64U << 10;

/// As `flense run --writable` does it, in a process of its own.
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
  // Last, since they change what is read: the whole file moves to the upper layer.
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

/// Measures on an overlay of `root`, whose upper layer is made in `scratch`; `file` lies below
/// `root`, and so do `entries`. Where none can be mounted, the result holds the reason alone.
Result<IoFigures> measure_overlay(const std::filesystem::path& root,
                                  const std::filesystem::path& file, std::uint64_t bytes,
                                  const std::filesystem::path& scratch,
                                  const std::vector<std::string>& entries, std::size_t files) {
  const std::filesystem::path merged = scratch / "merged";
  if (::mkdir(merged.c_str(), 0700) != 0)
    return system_error(errno, "cannot create " + merged.string());
  const std::filesystem::path inside = std::filesystem::relative(file, root);
  std::array<int, 2> ends{};
  if (::pipe2(ends.data(), O_CLOEXEC) != 0) return system_error(errno, "cannot create a pipe");
  UniqueFd reading(ends[0]), writing(ends[1]);
  const pid_t child = ::fork();
  if (child < 0) return system_error(errno, "cannot start a process");
  if (child == 0) {
    // Ends with its parent, and at once when told to: there is nothing to clean up in it.
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

}  // namespace

Result<IoReport> bench_io(const IoBenchOptions& options) {
  const auto found = find_file(options.root, options.bytes);
  if (!found)
    return bad_input("{} has no file of 1 MiB or more to measure with", options.root.string());
  IoReport out;
  out.bytes = std::min(options.bytes, found->bytes);
  out.file = "/" + std::filesystem::relative(found->path, options.root).string();
  // Copy-up copies the whole file, however little of it is read.
  TRY_DO(check_room(options.directory, found->bytes));
  TRY(const TemporaryDirectory scratch,
      TemporaryDirectory::create(options.directory, ".flense-bench"));
  const OverlayScratch listable(scratch.path());

  const std::filesystem::path own = scratch.path() / "file", tree = scratch.path() / "tree";
  TRY_DO(write_file(own, found->bytes, options.stop));
  TRY(out.mount.create_microseconds, create_files(scratch.path() / "new", kFiles));
  // The same names as in the image: their depth matters as much as their file system.
  const std::vector<std::string> entries = sample_entries(options.root, kEntries);
  if (::mkdir(tree.c_str(), 0700) != 0)
    return system_error(errno, "cannot create " + tree.string());
  TRY_DO(mirror_entries(entries, options.root, tree));
  measure_reading(own, out.bytes, tree, entries, out.mount);
  TRY(out.mount.first_write_milliseconds, write_first(own));
  std::error_code ignored;
  std::filesystem::remove(own, ignored);
  if (options.stop.stop_requested()) return fail(Code::kInterrupted, "interrupted");

  TRY(const Reading sequential, read_sequentially(found->path, out.bytes));
  TRY(const Reading random, read_randomly(found->path, out.bytes));
  out.sequential_method = sequential.method;
  out.random_method = random.method;
  out.image.sequential_bytes_per_second = sequential.value;
  out.image.random_microseconds = random.value;
  TRY(out.image.stat_microseconds, stat_entries(options.root, entries));
  out.entries = entries.size();
  if (options.stop.stop_requested()) return fail(Code::kInterrupted, "interrupted");

  TRY(out.overlay,
      measure_overlay(options.root, found->path, out.bytes, scratch.path(), entries, kFiles));
  return out;
}

}  // namespace flense::launch
