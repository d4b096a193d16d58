// The measurements of io.h, each on one file or directory.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "launch/bench/io.h"

namespace flense::launch {

/// The largest regular file below a directory of at most `limit` bytes, and without one the
/// smallest that is larger. Links are not followed; at most 200,000 entries are looked at, and
/// files of less than 1 MiB do not count.
struct FoundFile {
  std::filesystem::path path;
  std::uint64_t bytes = 0;
};
std::optional<FoundFile> find_file(const std::filesystem::path& root, std::uint64_t limit);

struct Reading {
  double value = 0;
  std::string method;
};
/// Bytes a second over the first `bytes`, after the page cache was told to forget the file.
Result<Reading> read_sequentially(const std::filesystem::path& file, std::uint64_t bytes);
/// Microseconds a read of 4 KiB at places that are the same each time; past the page cache
/// (O_DIRECT) where the file system can.
Result<Reading> read_randomly(const std::filesystem::path& file, std::uint64_t bytes);
/// Milliseconds from opening a file for writing to 4 KiB written and synced.
Result<double> write_first(const std::filesystem::path& file);
/// Microseconds a file; they are left in the directory, which must not exist.
Result<double> create_files(const std::filesystem::path& directory, std::size_t count);
/// Names of entries below a directory, relative to it, in the order of a walk: at most `count`.
std::vector<std::string> sample_entries(const std::filesystem::path& root, std::size_t count);
/// Directories and empty files of these names below a directory that exists.
Result<void> mirror_entries(const std::vector<std::string>& entries,
                            const std::filesystem::path& from, const std::filesystem::path& to);
/// Microseconds a stat(2) of one of the entries, when an earlier round has filled the caches.
Result<double> stat_entries(const std::filesystem::path& root,
                            const std::vector<std::string>& entries);

/// What a place that is not written to allows.
void measure_reading(const std::filesystem::path& file, std::uint64_t bytes,
                     const std::filesystem::path& root, const std::vector<std::string>& entries,
                     IoFigures& out);

}  // namespace flense::launch
