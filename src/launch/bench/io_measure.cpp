#include "launch/bench/io_measure.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <cstdlib>
#include <memory>
#include <random>
#include <system_error>

#include "base/file.h"

namespace flense::launch {
namespace {

using Clock = std::chrono::steady_clock;

constexpr std::size_t kBlock = 4096, kChunk = 1U << 20;
constexpr std::size_t kRandomReads = 1000, kMaxEntries = 200'000;
constexpr std::chrono::seconds kMost{5};

double seconds_since(Clock::time_point start) {
  return std::chrono::duration<double>(Clock::now() - start).count();
}

struct Free {
  void operator()(void* memory) const { std::free(memory); }
};
using Buffer = std::unique_ptr<char, Free>;

/// Aligned as direct reads need it.
Buffer buffer_of(std::size_t size) {
  return Buffer(static_cast<char*>(std::aligned_alloc(kBlock, size)));
}

Result<UniqueFd> open_file(const std::filesystem::path& file, int flags) {
  UniqueFd fd(::open(file.c_str(), flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
  if (!fd) return system_error(errno, "cannot open " + file.string());
  struct stat status{};
  if (::fstat(fd.get(), &status) != 0 || !S_ISREG(status.st_mode))
    return bad_input("{} is not a regular file", file.string());
  return fd;
}

}  // namespace

std::optional<FoundFile> find_file(const std::filesystem::path& root, std::uint64_t limit) {
  std::optional<FoundFile> out;
  std::error_code error;
  std::filesystem::recursive_directory_iterator at(
      root, std::filesystem::directory_options::skip_permission_denied, error);
  for (std::size_t seen = 0;
       !error && seen < kMaxEntries && at != std::filesystem::recursive_directory_iterator();
       at.increment(error), ++seen) {
    struct stat status{};
    if (::lstat(at->path().c_str(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
    const auto size = static_cast<std::uint64_t>(status.st_size);
    // Holes are not read from anywhere.
    const auto stored = static_cast<std::uint64_t>(status.st_blocks) * 512;
    if (stored + kBlock < size || ::access(at->path().c_str(), R_OK) != 0) continue;
    if (size < kChunk) continue;
    const bool better = !out            ? true
                        : size <= limit ? out->bytes > limit || size > out->bytes
                                        : out->bytes > limit && size < out->bytes;
    if (better) out = {at->path(), size};
  }
  return out;
}

Result<Reading> read_sequentially(const std::filesystem::path& file, std::uint64_t bytes) {
  TRY(const UniqueFd fd, open_file(file, O_RDONLY));
  const bool forgotten = ::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_DONTNEED) == 0;
  const Buffer buffer = buffer_of(kChunk);
  std::uint64_t done = 0;
  const auto start = Clock::now();
  while (done < bytes) {
    const ssize_t count = ::read(fd.get(), buffer.get(), kChunk);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) return system_error(errno, "cannot read " + file.string());
    if (count == 0) break;
    done += static_cast<std::uint64_t>(count);
  }
  const double time = seconds_since(start);
  if (done == 0 || time <= 0) return bad_input("{} is empty", file.string());
  return Reading{static_cast<double>(done) / time,
                 forgotten ? "1 MiB at a time, after posix_fadvise(DONTNEED)" : "1 MiB at a time"};
}

Result<Reading> read_randomly(const std::filesystem::path& file, std::uint64_t bytes) {
  std::string method = "4 KiB at a time with O_DIRECT";
  auto opened = open_file(file, O_RDONLY | O_DIRECT);
  const Buffer buffer = buffer_of(kBlock);
  // Some file systems refuse O_DIRECT on open, others on read.
  if (!opened || ::pread(opened->get(), buffer.get(), kBlock, 0) < 0) {
    opened = open_file(file, O_RDONLY);
    method = "4 KiB at a time, after posix_fadvise(DONTNEED)";
    if (opened) static_cast<void>(::posix_fadvise(opened->get(), 0, 0, POSIX_FADV_DONTNEED));
  }
  TRY(const UniqueFd fd, std::move(opened));
  static_cast<void>(::posix_fadvise(fd.get(), 0, 0, POSIX_FADV_RANDOM));
  const std::uint64_t blocks = bytes / kBlock;
  if (blocks == 0) return bad_input("{} is too small", file.string());
  std::mt19937_64 random(1);  // NOLINT: the same offsets each time
  std::size_t reads = 0;
  const auto start = Clock::now();
  for (; reads < kRandomReads && Clock::now() - start < kMost; ++reads) {
    const auto at = static_cast<off_t>(random() % blocks * kBlock);
    if (::pread(fd.get(), buffer.get(), kBlock, at) < 0)
      return system_error(errno, "cannot read " + file.string());
  }
  return Reading{seconds_since(start) * 1e6 / static_cast<double>(reads), std::move(method)};
}

Result<double> write_first(const std::filesystem::path& file) {
  const Buffer buffer = buffer_of(kBlock);
  std::fill_n(buffer.get(), kBlock, 'x');
  const auto start = Clock::now();
  TRY(const UniqueFd fd, open_file(file, O_RDWR));
  if (::pwrite(fd.get(), buffer.get(), kBlock, 0) < 0 || ::fdatasync(fd.get()) != 0)
    return system_error(errno, "cannot write " + file.string());
  return seconds_since(start) * 1e3;
}

Result<double> create_files(const std::filesystem::path& directory, std::size_t count) {
  if (::mkdir(directory.c_str(), 0700) != 0)
    return system_error(errno, "cannot create " + directory.string());
  const auto start = Clock::now();
  for (std::size_t i = 0; i < count; ++i) {
    const std::string file = fmt::format("{}/{}", directory.string(), i);
    const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd || ::write(fd.get(), "x", 1) != 1) return system_error(errno, "cannot create " + file);
  }
  return seconds_since(start) * 1e6 / static_cast<double>(count);
}

std::vector<std::string> sample_entries(const std::filesystem::path& root, std::size_t count) {
  std::vector<std::string> out;
  std::error_code error;
  std::filesystem::recursive_directory_iterator at(
      root, std::filesystem::directory_options::skip_permission_denied, error);
  const std::size_t start = root.string().size() + 1;
  for (; !error && at != std::filesystem::recursive_directory_iterator() && out.size() < count;
       at.increment(error))
    out.push_back(at->path().string().substr(start));
  return out;
}

Result<void> mirror_entries(const std::vector<std::string>& entries,
                            const std::filesystem::path& from, const std::filesystem::path& to) {
  for (const std::string& name : entries) {
    struct stat status{};
    const std::filesystem::path path = to / name;
    const bool folder = ::lstat((from / name).c_str(), &status) == 0 && S_ISDIR(status.st_mode);
    if (folder && ::mkdir(path.c_str(), 0700) != 0)
      return system_error(errno, "cannot create " + path.string());
    if (folder) continue;
    const UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600));
    if (!fd) return system_error(errno, "cannot create " + path.string());
  }
  return {};
}

Result<double> stat_entries(const std::filesystem::path& root,
                            const std::vector<std::string>& entries) {
  if (entries.empty()) return bad_input("{} has no entries", root.string());
  const auto round = [&] {
    for (const std::string& name : entries) {
      struct stat status{};
      static_cast<void>(::lstat((root / name).c_str(), &status));
    }
  };
  round();
  const auto start = Clock::now();
  round();
  return seconds_since(start) * 1e6 / static_cast<double>(entries.size());
}

void measure_reading(const std::filesystem::path& file, std::uint64_t bytes,
                     const std::filesystem::path& root, const std::vector<std::string>& entries,
                     IoFigures& out) {
  const auto note = [&](const Error& error) {
    if (out.problem.empty()) out.problem = error.message;
  };
  if (const auto one = read_sequentially(file, bytes))
    out.sequential_bytes_per_second = one->value;
  else
    note(one.error());
  if (const auto one = read_randomly(file, bytes))
    out.random_microseconds = one->value;
  else
    note(one.error());
  if (const auto one = stat_entries(root, entries))
    out.stat_microseconds = *one;
  else
    note(one.error());
}

}  // namespace flense::launch
