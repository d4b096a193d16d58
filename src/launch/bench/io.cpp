#include "launch/bench/io.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <system_error>

#include "base/file.h"
#include "base/private_directory.h"
#include "launch/bench/io_measure.h"
#include "launch/bench/io_overlay.h"

namespace flense::launch {
namespace {

constexpr std::size_t kFiles = 500, kEntries = 2000;

/// An overlay leaves a directory that nobody may list, and so nobody could remove.
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
  // What is not on the disk yet, the page cache cannot be told to forget.
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
      .hint("--size takes less, --dir another place");
}

}  // namespace

Result<IoReport> bench_io(const IoBenchOptions& options) {
  const auto found = find_file(options.root, options.bytes);
  if (!found)
    return bad_input("{} has no file of 1 MiB or more to measure with", options.root.string());
  IoReport out;
  out.bytes = std::min(options.bytes, found->bytes);
  out.file = "/" + std::filesystem::relative(found->path, options.root).string();
  // Copying up takes the file as a whole, however little of it is read.
  TRY_DO(check_room(options.directory, found->bytes));
  TRY(const TemporaryDirectory scratch,
      TemporaryDirectory::create(options.directory, ".flense-bench"));
  const OverlayScratch listable(scratch.path());

  const std::filesystem::path own = scratch.path() / "file", tree = scratch.path() / "tree";
  TRY_DO(write_file(own, found->bytes, options.stop));
  TRY(out.mount.create_microseconds, create_files(scratch.path() / "new", kFiles));
  // The same names as in the image: how deep they lie decides as much as where.
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
