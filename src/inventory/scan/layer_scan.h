// What one pass over one layer yields: compact records of all members and the facts of the few
// files worth reading. A pure function of the layer's bytes and the scan options, so that it can be
// kept by digest.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "device/prune.h"
#include "image/layers/merged_tree.h"
#include "inventory/scan/model_file.h"
#include "inventory/scan/packages.h"

namespace flense::inventory {

/// Device code of one kind and architecture within a file or an image.
struct ArchCount {
  std::string vendor;  ///< "nvidia", "amd"
  std::string kind;    ///< "cubin", "ptx", "ltoir", "code-object", "unknown"
  std::string arch;    ///< "sm_90a"; PTX: "compute_90"; AMD: "gfx90a:sramecc+:xnack-", "unknown"
  std::uint64_t count = 0;
  /// Stored, headers included; of a compressed AMD bundle the entry's share.
  std::uint64_t bytes = 0;
  /// The newest among them: of PTX the ISA version, "8.4"; of cubins the CUDA toolkit, where they
  /// tell; else empty.
  std::string version;
  std::uint64_t zstd = 0;  ///< compressed with Zstandard, which drivers know from CUDA 12.4 on
  /// Entries without a kernel: no GPU misses them, and none is served by them.
  std::uint64_t hollow = 0;
  bool operator==(const ArchCount&) const = default;
};

/// Device code of one kind and architecture within a file whose entries share one fate.
struct CodeFate {
  std::string kind, arch;  ///< as ArchCount names them
  device::Reason reason = device::Reason::kServesTarget;
  std::uint64_t bytes = 0;
  bool operator==(const CodeFate&) const = default;
};

/// What pruning one file for the asked targets would do.
struct PruneSummary {
  std::map<device::Reason, std::uint64_t> bytes;  ///< entry bytes by reason
  std::uint64_t output_size = 0;                  ///< of the file, when it can be rewritten
  std::uint64_t removed_debug_bytes = 0;
  std::uint64_t recompressed_bytes = 0;  ///< by which kept entries become smaller
  std::uint64_t raised_entries =
      0;                          ///< kept ones that drivers before CUDA 12.4 read, and no longer
  std::uint64_t amd_dropped = 0;  ///< of `bytes`, what goes of code for AMD
  std::string left_alone;         ///< why it cannot; then output_size = input
  std::uint64_t withheld = 0;     ///< as in PrunePlan
  std::map<std::string, std::uint64_t> bolder;  ///< what bolder rules would give on top
  std::vector<CodeFate> code;                   ///< `bytes` by kind and architecture as well
};

/// The note .note.cuda.fwd_compatibility of a libcuda: what it says it loads on.
struct ForwardNote {
  std::string cuda;                    ///< "12.9"
  std::vector<std::uint64_t> drivers;  ///< majors of host drivers
  std::vector<std::uint64_t> brands;   ///< NVML brand numbers
  bool operator==(const ForwardNote&) const = default;
};

/// Device code of a file that is no ELF file: offload bundles.
struct BareCode {
  std::uint64_t regions = 0, device_bytes = 0;
  std::vector<ArchCount> code;
};

/// The newest versions of GCC's C++ library: "3.4.30", "1.3.13"; empty for none.
struct CxxVersions {
  std::string glibcxx, cxxabi;
  bool operator==(const CxxVersions&) const = default;
};

/// Symbol versions of other libraries than those of C and C++.
struct SymbolVersions {
  std::vector<std::string> asked;  ///< "libgomp.so.1 GOMP_4.0"
  std::vector<std::string> own;    ///< "OPENSSL_3.0.0"; empty: none, or too many to keep
  bool operator==(const SymbolVersions&) const = default;
};

struct ElfFacts {
  std::uint16_t machine = 0, type = 0;
  std::string soname, rpath, runpath, interpreter, build_id;
  std::vector<std::string> needed;
  std::string glibc;               ///< newest version asked of glibc: "2.28"
  std::string libc_release;        ///< of a libc.so.6: its own version
  CxxVersions cxx_asked, cxx;      ///< asked of libstdc++.so.6; of that library: its own
  SymbolVersions versions;         ///< asked of other libraries, and of the file itself
  std::uint64_t debug_bytes = 0;   ///< debug sections
  std::uint64_t symbol_bytes = 0;  ///< .symtab and its strings, which nothing reads at run time
  std::uint64_t regions = 0;       ///< fat binary regions, AMD bundles and code objects
  std::uint64_t device_bytes = 0;  ///< of the sections that hold them
  std::vector<ArchCount> code;     ///< sorted by kind and architecture; AMD last
  std::uint32_t x86_isa = 0;       ///< levels that the file needs (elf/notes.h); 0: not stated
  std::uint64_t page = 0;          ///< least alignment of its load segments
  std::string toolkit;  ///< CUDA of a ptxas, of nvJitLink, and which nvJitLink is asked for
  /// Functions that an NCCL or torch's libc10 has, or that are asked of them; sorted.
  std::vector<std::string> functions;
  std::optional<ForwardNote> forward;
  std::optional<PruneSummary> prune;
  std::vector<PruneSummary> further;  ///< by ScanOptions::further, where `prune` is set
  std::string unreadable;             ///< why device code could not be read, though ELF
  std::vector<std::string> mentions;  ///< CUDA libraries named in its data (mentions.h)
  std::uint8_t compiles = 0;          ///< CompileMarks (compile_marks.h)
};

struct LayerScan {
  std::shared_ptr<const image::LayerListing> listing;  ///< all members; indices below refer to it
  std::map<std::uint32_t, ElfFacts> elf;
  std::map<std::uint32_t, BareCode> bare_code;
  std::map<std::uint32_t, std::vector<Package>> packages;  ///< of package databases
  std::map<std::uint32_t, std::string> texts;     ///< small files kept whole (see wants_text)
  std::map<std::uint32_t, std::string> scripts;   ///< first lines of executable scripts, after "#!"
  std::map<std::uint32_t, std::uint64_t> stored;  ///< content bytes in the layer of sparse files
  std::map<std::uint32_t, std::vector<std::string>> mentions;  ///< of scripts and settings
  std::map<std::uint32_t, std::uint8_t> compiles;  ///< CompileMarks of Python modules that have any
  std::map<std::uint32_t, ModelFile> models;
  /// Of the first 4 KiB of files from kMinCompared bytes on: what differs here differs.
  std::map<std::uint32_t, std::uint64_t> heads;
  /// SHA-256 in hex of those that have an equal one in this layer (equal_hashes.h).
  std::map<std::uint32_t, std::string> hashes;
  /// What vouches for the very content of files: "security.ima", "security.evm", "fs-verity".
  std::map<std::uint32_t, std::string> signatures;
  std::uint64_t unpacked_bytes = 0;  ///< of the uncompressed archive
  std::uint64_t content_bytes = 0;   ///< of all members; the rest is headers and padding

  /// Bytes of the layer that are content of this member.
  std::uint64_t stored_bytes(std::uint32_t index) const;
};

/// Smaller files are not compared with each other.
inline constexpr std::uint64_t kMinCompared = 64U << 10;

/// Small files whose text later steps read: os-release, version files, pyvenv.cfg, passwd, the
/// loader's configuration, what flense slim left.
bool wants_text(std::string_view path);
inline constexpr std::uint64_t kMaxText = 64u << 10;
inline constexpr std::string_view kLoaderCache = "etc/ld.so.cache";
inline constexpr std::uint64_t kMaxLoaderCache = 1U << 20;

}  // namespace flense::inventory
