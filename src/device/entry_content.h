// What an entry of a fat binary holds, decompressed if necessary:
// docs/formats/cuda-fatbin.md.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <optional>

#include "base/bytes.h"
#include "base/result.h"
#include "device/fatbin.h"

namespace flense::device {

/// How an entry's payload is stored.
struct StoredForm {
  enum class Packing : std::uint8_t { kRaw, kLz4, kZstd };
  Packing packing = Packing::kRaw;
  std::uint64_t packed = 0;    ///< bytes of the payload without its padding
  std::uint64_t unpacked = 0;  ///< bytes of what it holds; of a raw payload padding included
  bool operator==(const StoredForm&) const = default;
};

/// `entry_bytes` are header and payload. Nullopt: no cubin or PTX, link-time IR that is enciphered,
/// numbers that contradict each other, or that claim more than 512 times the payload or 1 GiB.
std::optional<StoredForm> stored_form(Bytes entry_bytes, const Entry& entry);

/// Calls `use` with what the entry holds. Bad input: no stored_form(), or it does not unpack to
/// what it states. Environment: no room in `scratch`, where large contents go.
Result<void> with_entry_content(Bytes entry_bytes, const Entry& entry,
                                const std::filesystem::path& scratch,
                                const std::function<Result<void>(Bytes)>& use);

/// The first bytes of what the entry holds, at most `most`. Errors as of with_entry_content, but
/// for what follows them.
Result<std::string> entry_start(Bytes entry_bytes, const Entry& entry, std::size_t most);

/// The header of an entry that holds the same in a zstd frame of `packed` bytes.
std::vector<std::byte> zstd_entry_header(Bytes header, std::uint64_t packed,
                                         std::uint64_t unpacked);

/// Both hold the same, bit by bit, and their headers differ in how it is stored alone. Errors as of
/// with_entry_content, and bad input that names the difference.
Result<void> same_entry(Bytes before, const Entry& entry_before, Bytes after,
                        const Entry& entry_after, const std::filesystem::path& scratch);

}  // namespace flense::device
