#include "elf/wrappers.h"

#include "elf/format.h"

namespace flense::elf {

std::vector<std::uint64_t> wrapper_words(const File& file) {
  std::vector<std::uint64_t> words;
  for (const Section& section : file.sections()) {
    const bool hip = section.name == ".hipFatBinSegment";
    if ((section.name != ".nvFatBinSegment" && !hip) || (section.flags & SHF_ALLOC) == 0) continue;
    const Bytes bytes = file.section_bytes(section);
    for (std::size_t at = 0; at + kWrapperSize <= bytes.size(); at += kWrapperSize) {
      if (load_le<std::uint32_t>(bytes, at) != (hip ? kHipWrapperMagic : kWrapperMagic)) continue;
      words.push_back(section.address + at + 8);
      if (!hip && load_le<std::uint32_t>(bytes, at + 4) == 2)
        words.push_back(section.address + at + 16);
    }
  }
  return words;
}

}  // namespace flense::elf
