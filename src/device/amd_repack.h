// An offload bundle without some of its entries, as parts of an ELF edit. What stays keeps its
// bytes, order and alignment; a compressed bundle is compressed again with its own method.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "device/amd_bundle.h"
#include "device/amd_table.h"
#include "elf/edit.h"

namespace flense::device {

/// A bundle of HIP is aligned to the page, and so is each code object in it (clang's option
/// -bundle-align).
inline constexpr std::uint64_t kBundleAlignment = 4096;

/// A plain bundle that is available: as stored, or decompressed.
struct PlainBundle {
  Bytes bytes;
  AmdTable table;
};

/// Whether the hash of a compressed bundle's content is computed and compared, which takes longer
/// than unpacking it.
enum class BundleHash { kCompare, kSkip };

/// Unpacks the bundle at the front of `stored` where it is compressed, checks it and hands it to
/// `use`. Bad input: what makes it unsound (it cannot be unpacked, its size or hash is another, its
/// contents overlap). Environment: no scratch space.
Result<void> with_plain_bundle(Bytes stored, const AmdBundle& bundle,
                               const std::filesystem::path& scratch, BundleHash hash,
                               const std::function<Result<void>(const PlainBundle&)>& use);

/// What becomes of a bundle.
struct Repacked {
  std::uint64_t size = 0;
  std::vector<elf::PiecePart> parts;  ///< of a plain bundle; ranges are those of the file
  std::vector<std::byte> packed;      ///< of a compressed one; empty when beyond `most_held`
};

/// At most `most_held` bytes of a compressed bundle are held; 0 measures only, and looks at no
/// hash. `keep` has an item for each of bundle.entries; what is no code of a GPU always stays.
/// Errors as those of with_plain_bundle; bad input also when a number of the header no longer fits.
Result<Repacked> repack(Bytes file, const AmdBundle& bundle, const std::vector<bool>& keep,
                        std::uint64_t most_held, const std::filesystem::path& scratch);

}  // namespace flense::device
