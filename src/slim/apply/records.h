// Package bookkeeping that lists file digests: when slim changes or drops a file, the list follows,
// so that `pip`, `dpkg -V`, `apk audit` and conda still find the truth.
// Wheel RECORD: PyPA "Recording installed projects"; md5sums: dpkg; installed: apk; conda-meta.
#pragma once

#include <bitset>
#include <cstdint>
#include <future>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"
#include "image/layers/merged_tree.h"

namespace flense::slim {

/// A list of files beyond this is left as it is.
inline constexpr std::uint64_t kMaxRecord = 64U << 20;

enum class RecordKind : std::uint8_t { kWheelRecord, kDpkgMd5sums, kApkInstalled, kCondaMeta };

/// Which kinds of lists may name a file: each wants a digest of its own.
using RecordKinds = std::bitset<4>;
inline constexpr RecordKinds kAllRecords = 0b1111;

/// Those that the lists at hand want; the others are empty.
struct FileDigests {
  std::string sha256_hex;
  std::string sha256_record;  ///< URL-safe base64 without padding
  std::string md5_hex;
  std::string sha1_base64;  ///< apk: base64 of the SHA-1 ("Q1" prefix excluded)
};

/// What became of one file of the layer.
struct FileFate {
  bool dropped = false;
  std::uint64_t size = 0;  ///< new size
  /// Of the new content. get() waits for those that are being made.
  std::shared_future<FileDigests> digests;
};

/// Fates by image path.
using Fates = std::map<std::string, FileFate, std::less<>>;

/// Which kind of list `path` is, by its place; nullopt for every other file.
std::optional<RecordKind> record_kind(std::string_view path);
/// When a list is updated, lowest first: it may name those before it. RECORDs come first, of them
/// those that lie deepest, which packages within a package have; dpkg, apk and conda list RECORDs.
std::size_t update_rank(RecordKind kind, std::string_view path);
/// The kinds in a layer.
RecordKinds record_kinds(const image::LayerListing& layer);

/// The list with the lines of changed files corrected and those of dropped files removed; nullopt
/// when nothing in it is concerned. `path` is the list's own image path.
Result<std::optional<std::string>> update_record(RecordKind kind, std::string_view path,
                                                 std::string_view text, const Fates& fates);

/// The fate of a file with new content, for lists of these kinds.
FileFate fate_of(Bytes content, RecordKinds lists = kAllRecords);
/// The same, with the digests made by a thread of its own.
FileFate fate_behind(MappedFile content, RecordKinds lists);

}  // namespace flense::slim
