// Package bookkeeping that lists file digests: when slim changes or drops a file, the list follows,
// so that `pip`, `dpkg -V`, `apk audit` and conda still find the truth.
// Wheel RECORD: PyPA "Recording installed projects"; md5sums: dpkg; installed: apk; conda-meta.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/result.h"

namespace flense::slim {

/// A list of files beyond this is left as it is.
inline constexpr std::uint64_t kMaxRecord = 64U << 20;

/// What became of one file of the layer.
struct FileFate {
  bool dropped = false;
  std::uint64_t size = 0;     ///< new size
  std::string sha256_hex;     ///< of the new content
  std::string sha256_record;  ///< URL-safe base64 without padding
  std::string md5_hex;
  std::string sha1_base64;  ///< apk: base64 of the SHA-1 ("Q1" prefix excluded)
};

/// Fates by image path.
using Fates = std::map<std::string, FileFate, std::less<>>;

enum class RecordKind { kWheelRecord, kDpkgMd5sums, kApkInstalled, kCondaMeta };

/// Which kind of list `path` is, by its place; nullopt for every other file.
std::optional<RecordKind> record_kind(std::string_view path);

/// The list with the lines of changed files corrected and those of dropped files removed; nullopt
/// when nothing in it is concerned. `path` is the list's own image path.
Result<std::optional<std::string>> update_record(RecordKind kind, std::string_view path,
                                                 std::string_view text, const Fates& fates);

/// Digests for a FileFate in one pass.
FileFate fate_of(Bytes content);

}  // namespace flense::slim
