// CUDA fat binaries: regions of entries, wherever they are in a file. Layouts: docs/formats/
// cuda-fatbin.md. Reading never decompresses.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"
#include "device/target.h"
#include "elf/file.h"

namespace flense::device {

enum class EntryKind { kPtx, kCubin, kLtoIr, kUnknown };
std::string_view to_string(EntryKind kind);

struct Entry {
  EntryKind kind = EntryKind::kUnknown;
  CudaArch arch;
  std::uint64_t offset = 0;  ///< of the entry header, from the region's start
  std::uint32_t header_size = 0;
  std::uint64_t payload_size = 0;  ///< stored, padding included
  std::uint64_t flags = 0;
  std::uint16_t version_major = 0, version_minor = 0;  ///< PTX: ISA version
  std::uint64_t uncompressed_size = 0;
  std::uint64_t size() const { return header_size + payload_size; }
  bool compressed() const { return (flags & (0x2000 | 0x8000)) != 0; }
  bool zstd() const { return (flags & 0x8000) != 0; }  ///< the payload is a Zstandard frame
};

struct Region {
  std::uint64_t offset = 0;   ///< in the file
  std::uint64_t address = 0;  ///< virtual; 0 when not mapped
  std::uint64_t size = 0;     ///< header included
  std::vector<Entry> entries;
};

inline constexpr std::uint64_t kRegionHeaderSize = 16;

/// Parses one region at `offset`; the reason when it is not a plausible one: every entry header is
/// checked, and the entries fill the region exactly. Region::address is left 0.
Result<Region> parse_region(Bytes bytes, std::uint64_t offset);

/// The header of a region whose entries take `entries_size` bytes.
std::vector<std::byte> region_header(std::uint64_t entries_size);

/// A run of bytes of a device-code section that is not a region.
struct Gap {
  std::uint64_t offset = 0, size = 0;
  bool zero = false;  ///< all bytes are zero (padding); else opaque
};

/// The device code of one section: regions and gaps cover every byte, in order.
struct SectionCode {
  std::string section;
  std::size_t section_index = 0;
  std::uint64_t offset = 0, address = 0, size = 0;
  std::vector<Region> regions;
  std::vector<Gap> gaps;
};

/// A 24-byte wrapper of .nvFatBinSegment.
struct Wrapper {
  std::uint64_t address = 0;
  std::uint32_t version = 0;
  std::uint64_t data = 0;   ///< address of the region
  std::uint64_t extra = 0;  ///< v1: file name or 0; v2: array of further regions
};

struct FileCode {
  std::vector<SectionCode> sections;
  std::vector<Wrapper> wrappers;
  bool any() const { return !sections.empty(); }
};

/// Finds all device code of an ELF file: .nv_fatbin, __nv_relfatbin, .cask_resource by name, other
/// data sections (.rodata, .ldata, .data, …) of at least 4 KiB by magic. A bad-input error for
/// files made to exhaust memory or time (more than a million regions or entries).
Result<FileCode> find_device_code(const elf::File& file);

/// A stand-alone .fatbin file: one section without a name that covers the whole file; nullopt when
/// the bytes do not begin with a region.
std::optional<FileCode> find_standalone_fatbin(Bytes bytes);

/// A cubin is an ELF file of machine EM_CUDA: the number it was built for; nullopt for other files.
/// The variant is not recorded in the file's header, so it always is kPlain.
std::optional<CudaArch> cubin_arch(const elf::File& file);

/// "12.4": the CUDA toolkit whose compiler wrote the cubin that begins with these bytes; empty
/// where they do not tell. How many of them are looked at: kToolkitStart.
std::string cubin_toolkit(Bytes start);
inline constexpr std::size_t kToolkitStart = 64U << 10;
/// "12.4" of a text with "Cuda compilation tools, release 12.4"; empty where it has no such words.
std::string toolkit_release(std::string_view text);

}  // namespace flense::device
