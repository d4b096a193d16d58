// The cost of reading and writing in three places: the unpacked image, an overlay over it, and a
// directory on the user's own disk through a bind mount.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <stop_token>
#include <string>
#include <vector>

#include "base/result.h"

namespace flense::launch {

struct IoBenchOptions {
  std::filesystem::path root;       ///< of the image; only read
  std::filesystem::path directory;  ///< the user's own; a directory is made in it and removed
  std::uint64_t bytes = 256U << 20;
  std::stop_token stop;
};

/// One place. What could not be measured there is absent, and `problem` says why.
struct IoFigures {
  std::optional<double> sequential_bytes_per_second;
  std::optional<double> random_microseconds;       ///< one read of 4 KiB
  std::optional<double> first_write_milliseconds;  ///< of 4 KiB into the large file that exists
  std::optional<double> create_microseconds;       ///< one file of one byte
  std::optional<double> stat_microseconds;         ///< one entry, by its whole path
  std::string problem;
};

struct IoReport {
  std::string file;  ///< of the image that is read; absolute there
  std::uint64_t bytes = 0;
  std::uint64_t entries = 0;  ///< of the image that were looked at
  std::string sequential_method, random_method;
  IoFigures mount, image, overlay;
};

/// Removes what it made, also when it fails. Bad input when the image has no file of a mebibyte; an
/// environment error when the directory cannot be written to or is too full.
Result<IoReport> bench_io(const IoBenchOptions& options);

}  // namespace flense::launch
