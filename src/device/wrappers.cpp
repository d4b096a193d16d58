#include "device/wrappers.h"

#include <map>
#include <optional>

namespace flense::device {
namespace {

constexpr std::uint32_t kWrapperMagic = 0x466243B1;
constexpr std::size_t kWrapperSize = 24;
constexpr std::size_t kMostWrappers = 1'000'000;
constexpr std::uint16_t kTypeRelocatable = 1;
constexpr std::uint16_t kMachineX86_64 = 62;
constexpr std::uint16_t kMachineAarch64 = 183;
constexpr std::uint32_t kSectionRela = 4;
constexpr std::uint32_t kSectionNoBits = 8;
constexpr std::uint64_t kFlagAlloc = 2;
constexpr std::size_t kRelaSize = 24;
constexpr std::size_t kSymbolSize = 24;

struct RelocationTypes {
  std::uint32_t relative, absolute;
};

std::optional<RelocationTypes> relocation_types(std::uint16_t machine) {
  if (machine == kMachineX86_64) return RelocationTypes{8, 1};
  if (machine == kMachineAarch64) return RelocationTypes{1027, 257};
  return std::nullopt;
}

/// Value of a defined symbol of the symbol table section `link`.
std::optional<std::uint64_t> symbol_value(const elf::File& file, std::uint32_t link,
                                          std::uint64_t index) {
  if (link >= file.sections().size()) return std::nullopt;
  const Bytes table = file.section_bytes(file.sections()[link]);
  if (index >= table.size() / kSymbolSize) return std::nullopt;
  const Bytes symbol = table.subspan(index * kSymbolSize, kSymbolSize);
  if (load_le<std::uint16_t>(symbol, 6) == 0) return std::nullopt;
  return load_le<std::uint64_t>(symbol, 8);
}

/// Pointers that the loader writes into [begin, end): address -> value.
std::map<std::uint64_t, std::uint64_t> relocated_words(const elf::File& file, std::uint64_t begin,
                                                       std::uint64_t end) {
  std::map<std::uint64_t, std::uint64_t> words;
  const auto types = relocation_types(file.machine());
  if (!types) return words;
  for (const elf::Section& section : file.sections()) {
    if (section.type != kSectionRela || (section.flags & kFlagAlloc) == 0) continue;
    const Bytes table = file.section_bytes(section);
    for (std::size_t at = 0; at + kRelaSize <= table.size(); at += kRelaSize) {
      const auto where = load_le<std::uint64_t>(table, at);
      if (where < begin || where >= end) continue;
      const auto info = load_le<std::uint64_t>(table, at + 8);
      const auto addend = load_le<std::uint64_t>(table, at + 16);
      const auto type = static_cast<std::uint32_t>(info & 0xffffffff);
      if (type == types->relative) {
        words[where] = addend;
      } else if (type == types->absolute) {
        if (const auto value = symbol_value(file, section.link, info >> 32))
          words[where] = *value + addend;
      }
    }
  }
  return words;
}

}  // namespace

Result<std::vector<Wrapper>> read_wrappers(const elf::File& file) {
  std::vector<Wrapper> wrappers;
  if (file.type() == kTypeRelocatable) return wrappers;
  for (const elf::Section& section : file.sections()) {
    if (section.name != ".nvFatBinSegment" || section.type == kSectionNoBits) continue;
    const Bytes bytes = file.section_bytes(section);
    if (bytes.size() / kWrapperSize > kMostWrappers - wrappers.size())
      return bad_input("{}: .nvFatBinSegment holds more than {} wrappers", file.name(),
                       kMostWrappers);
    const auto words = relocated_words(file, section.address, section.address + bytes.size());
    const auto pointer = [&](std::size_t at) {
      const auto relocated = words.find(section.address + at);
      return relocated != words.end() ? relocated->second : load_le<std::uint64_t>(bytes, at);
    };
    for (std::size_t at = 0; at + kWrapperSize <= bytes.size(); at += kWrapperSize) {
      if (load_le<std::uint32_t>(bytes, at) != kWrapperMagic) continue;
      Wrapper wrapper;
      wrapper.address = section.address + at;
      wrapper.version = load_le<std::uint32_t>(bytes, at + 4);
      wrapper.data = pointer(at + 8);
      wrapper.extra = pointer(at + 16);
      wrappers.push_back(wrapper);
    }
  }
  return wrappers;
}

}  // namespace flense::device
