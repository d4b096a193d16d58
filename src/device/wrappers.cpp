#include "device/wrappers.h"

#include <map>

#include "elf/relocations.h"

namespace flense::device {
namespace {

/// Where the wrappers of one runtime stand, and how one begins.
struct Kind {
  std::string_view section;
  std::uint32_t magic = 0;
};
constexpr Kind kCuda = {".nvFatBinSegment", 0x466243B1};
constexpr Kind kHip = {".hipFatBinSegment", 0x48495046};
constexpr std::size_t kWrapperSize = 24;
constexpr std::size_t kMostWrappers = 1'000'000;
constexpr std::uint16_t kTypeRelocatable = 1;
constexpr std::uint32_t kSectionNoBits = 8;

/// Pointers that the loader writes into [begin, end) from RELATIVE entries: address -> value.
std::map<std::uint64_t, std::uint64_t> relocated_words(const elf::File& file, std::uint64_t begin,
                                                       std::uint64_t end) {
  std::map<std::uint64_t, std::uint64_t> words;
  // If the tables cannot be read, the words in place are still shown; the file will not be edited.
  const auto tables = elf::find_relocation_tables(file);
  if (!tables) return words;
  elf::for_each_rela(file, tables->rela, [&](const elf::Rela& rela) {
    if (rela.where >= begin && rela.where < end && elf::is_relative(file.machine(), rela.type))
      words[rela.where] = rela.addend;
  });
  return words;
}

Result<std::vector<Wrapper>> read_kind(const elf::File& file, const Kind& kind) {
  std::vector<Wrapper> wrappers;
  if (file.type() == kTypeRelocatable) return wrappers;
  for (const elf::Section& section : file.sections()) {
    if (section.name != kind.section || section.type == kSectionNoBits) continue;
    const Bytes bytes = file.section_bytes(section);
    if (bytes.size() / kWrapperSize > kMostWrappers - wrappers.size())
      return bad_input("{}: {} holds more than {} wrappers", file.name(), kind.section,
                       kMostWrappers);
    const auto words = relocated_words(file, section.address, section.address + bytes.size());
    const auto pointer = [&](std::size_t at) {
      const auto relocated = words.find(section.address + at);
      return relocated != words.end() ? relocated->second : load_le<std::uint64_t>(bytes, at);
    };
    for (std::size_t at = 0; at + kWrapperSize <= bytes.size(); at += kWrapperSize) {
      if (load_le<std::uint32_t>(bytes, at) != kind.magic) continue;
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

}  // namespace

Result<std::vector<Wrapper>> read_wrappers(const elf::File& file) {
  return read_kind(file, kCuda);
}

Result<std::vector<Wrapper>> read_hip_wrappers(const elf::File& file) {
  TRY(std::vector<Wrapper> wrappers, read_kind(file, kHip));
  for (Wrapper& wrapper : wrappers) wrapper.extra = 0;
  return wrappers;
}

}  // namespace flense::device
