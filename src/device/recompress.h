// Kept device code of one file recompressed with zstd, as NVIDIA's fatbinary would have done it.
// Drivers can read that from CUDA 12.4 on. The rules: docs/device-code-rules.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"
#include "device/fatbin.h"
#include "device/frame_store.h"

namespace flense::device {

/// What is compressed how: the modes of fatbinary and nvcc (--compress-mode).
enum class CodeCompression : std::uint8_t {
  kKeep,     ///< everything stays as it is stored
  kBalance,  ///< what is raw or LZ4 becomes zstd of level 5
  kSize,     ///< zstd of level 19; zstd that was packed less hard too
};
/// "balance", "size"; "keep".
std::string_view to_string(CodeCompression mode);

struct RecompressOptions {
  CodeCompression mode = CodeCompression::kKeep;
  /// Shared by plans of several files and by planning and writing; null: one for this file alone.
  std::shared_ptr<FrameStore> store = {};
  std::filesystem::path scratch_directory = {};
};

/// What recompressing did to the entries of one file.
struct RecompressTotals {
  std::uint64_t entries = 0;
  std::uint64_t before = 0, after = 0;  ///< bytes of these entries
  std::uint64_t raised = 0;             ///< entries that older drivers read before, and no longer
  std::uint64_t saved() const { return before - after; }
};

/// An entry of a file.
struct EntryPlace {
  std::size_t section = 0, region = 0, entry = 0;  ///< indices into FileCode
};

struct Recompressed {
  RecompressTotals totals;
  /// For each of the asked places: the new entry, header and payload; empty: it stays as it is.
  std::vector<Bytes> entries;
  std::optional<MappedFile> frames;  ///< where these bytes are
};

/// Packs what lies at `places` of `file`. An entry stays when it would not become smaller, is no
/// cubin or PTX, or does not check out; PTX that is stored raw stays too, since its length is not
/// stated. The result depends on the input and the mode alone. Errors are of the environment.
Result<Recompressed> recompress(Bytes file, const FileCode& code,
                                const std::vector<EntryPlace>& places,
                                const RecompressOptions& options);

}  // namespace flense::device
