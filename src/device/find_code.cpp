#include <elf.h>

#include <algorithm>
#include <array>
#include <string_view>

#include "base/format.h"
#include "base/version_numbers.h"
#include "device/fatbin.h"
#include "device/scan.h"
#include "device/wrappers.h"

namespace flense::device {
namespace {

constexpr std::uint32_t kSectionProgBits = 1;
constexpr std::uint64_t kFlagAlloc = 2;
constexpr std::uint64_t kFlagExecute = 4;
constexpr std::uint64_t kFlagCompressed = 0x800;
constexpr std::uint64_t kLeastDataSection = 4096;

bool holds_device_code_by_name(std::string_view name) {
  constexpr std::array<std::string_view, 4> kNames = {".nv_fatbin", "__nv_fatbin", "__nv_relfatbin",
                                                      ".cask_resource"};
  return std::ranges::find(kNames, name) != kNames.end();
}

/// Sections that a compiler puts constant or initialised data in; tables of fixed purpose are left
/// out because they are large and cannot hold a fat binary, and so is code for AMD.
bool may_hold_device_code(const elf::Section& section) {
  constexpr std::array<std::string_view, 6> kTables = {".eh_frame",         ".eh_frame_hdr",
                                                       ".gcc_except_table", ".dynstr",
                                                       ".nvFatBinSegment",  ".hip_fatbin"};
  return section.type == kSectionProgBits && (section.flags & kFlagAlloc) != 0 &&
         (section.flags & (kFlagExecute | kFlagCompressed)) == 0 &&
         section.size >= kLeastDataSection &&
         std::ranges::find(kTables, section.name) == kTables.end();
}

bool has_entries(const SectionCode& code) {
  return std::ranges::any_of(code.regions,
                             [](const Region& region) { return !region.entries.empty(); });
}

}  // namespace

Result<FileCode> find_device_code(const elf::File& file) {
  FileCode code;
  if (file.machine() == EM_CUDA) return code;
  ScanBudget budget;
  budget.bytes = file.bytes().size();
  const auto& sections = file.sections();
  for (std::size_t i = 0; i < sections.size(); ++i) {
    const elf::Section& section = sections[i];
    const bool named = section.type == kSectionProgBits && section.size != 0 &&
                       (section.flags & kFlagCompressed) == 0 &&
                       holds_device_code_by_name(section.name);
    if (!named && !may_hold_device_code(section)) continue;
    SectionCode found;
    found.section = section.name;
    found.section_index = i;
    found.offset = section.offset;
    found.address = (section.flags & kFlagAlloc) != 0 ? section.address : 0;
    found.size = section.size;
    TRY_DO(with_context(scan_section(file.section_bytes(section), found, budget),
                        "reading section {} of {}", section.name, file.name()));
    // Programs that write fat binaries carry empty header templates in their data.
    if (named || has_entries(found)) code.sections.push_back(std::move(found));
  }
  if (code.any()) {
    TRY(code.wrappers, read_wrappers(file));
  }
  return code;
}

std::optional<FileCode> find_standalone_fatbin(Bytes bytes) {
  if (bytes.size() < kRegionHeaderSize || !parse_region(bytes, 0)) return std::nullopt;
  SectionCode found;
  found.size = bytes.size();
  ScanBudget budget;
  if (!scan_section(bytes, found, budget) || !has_entries(found)) return std::nullopt;
  FileCode code;
  code.sections.push_back(std::move(found));
  return code;
}

std::optional<CudaArch> cubin_arch(const elf::File& file) {
  constexpr std::size_t kAbiVersionOffset = 8;
  constexpr std::size_t kFlagsOffset = 48;
  if (file.machine() != EM_CUDA || file.bytes().size() < 64) return std::nullopt;
  const auto abi = load_le<std::uint8_t>(file.bytes(), kAbiVersionOffset);
  const auto flags = load_le<std::uint32_t>(file.bytes(), kFlagsOffset);
  // LLVM's ELF.h, EF_CUDA_SM: the field moved with ABI version 8. nvcc 13 writes the same flags for
  // sm_100, sm_100a and sm_100f.
  CudaArch arch;
  arch.number = abi >= 8 ? (flags >> 8) & 0xff : flags & 0xff;
  if (arch.number < 10) return std::nullopt;
  return arch;
}

std::string cubin_toolkit(Bytes start) {
  constexpr std::size_t kAbiVersionOffset = 8, kVersionOffset = 20, kHeader = 64;
  if (start.size() < kHeader || !elf::looks_like_elf(start)) return {};
  // Before ABI version 8 e_version is the toolkit: 124 is CUDA 12.4. Since, .note.nv.tkinfo says
  // it.
  if (load_le<std::uint8_t>(start, kAbiVersionOffset) < 8) {
    const auto version = load_le<std::uint32_t>(start, kVersionOffset);
    constexpr std::uint32_t kLeast = 50, kMost = 200;
    if (version < kLeast || version >= kMost) return {};
    return fmt::format("{}.{}", version / 10, version % 10);
  }
  return toolkit_release(as_text(start.first(std::min(start.size(), kToolkitStart))));
}

std::string toolkit_release(std::string_view text) {
  constexpr std::string_view kRelease = "Cuda compilation tools, release ";
  const std::size_t at = text.find(kRelease);
  if (at == std::string_view::npos) return {};
  text = text.substr(at + kRelease.size(), 5);
  text = text.substr(0, text.find_first_not_of("0123456789."));
  return is_version(text) && !text.ends_with('.') ? std::string(text) : std::string();
}

}  // namespace flense::device
