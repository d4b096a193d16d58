// The headers of offload bundles, read and written. Clang documentation, "Offload Bundler": bundled
// code object layout; LLVM, OffloadBundler.cpp: compressed bundles ("CCOB"), versions 1 to 3.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "codec/packed_block.h"

namespace flense::device {

inline constexpr std::string_view kBundleMagic = "__CLANG_OFFLOAD_BUNDLE__";
inline constexpr std::string_view kCompressedMagic = "CCOB";

/// A row of a plain bundle's table.
struct AmdRow {
  std::string id;  ///< "hipv4-amdgcn-amd-amdhsa--gfx942", "host-x86_64-unknown-linux--"
  std::uint64_t offset = 0, size = 0;  ///< from the bundle's start
  std::uint64_t end() const { return offset + size; }
};

struct AmdTable {
  std::vector<AmdRow> rows;
  std::uint64_t header = 0;  ///< bytes of the table
  std::uint64_t end = 0;     ///< of the table and of all contents
};

/// The table of a plain bundle; nullopt when it is damaged or does not fit `bytes`. Contents may
/// reach beyond `bytes`, up to `limit`: of an unpacked bundle only the start may be at hand.
std::optional<AmdTable> parse_amd_table(Bytes bytes, std::uint64_t limit);
std::vector<std::byte> amd_table_bytes(const std::vector<AmdRow>& rows);

/// The header of a compressed bundle.
struct AmdCompressed {
  unsigned version = 0;
  std::uint16_t method = 0;
  std::uint64_t header = 0;    ///< bytes of this header
  std::uint64_t total = 0;     ///< header included; 0: a version 1 header does not state it
  std::uint64_t unpacked = 0;  ///< bytes of the plain bundle
  std::uint64_t hash = 0;      ///< of the plain bundle, see amd_bundle_hash
  /// nullopt for a number that LLVM does not write.
  std::optional<codec::BlockMethod> block_method() const;
};

/// nullopt when `bytes` do not begin with a header of a known version, or when the bundle does not
/// fit them.
std::optional<AmdCompressed> parse_amd_compressed(Bytes bytes);
/// The header as bytes; nullopt when a number does not fit its field.
std::optional<std::vector<std::byte>> amd_compressed_bytes(const AmdCompressed& header);
/// The first eight bytes of the MD5 of a plain bundle, little-endian.
std::uint64_t amd_bundle_hash(Bytes plain);

}  // namespace flense::device
