// Test helper: an image of one layer in memory, and its closure.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "closure/reach.h"
#include "inventory/scan/testing_files.h"

namespace flense::closure::testing {

using image::fixture::must;
using image::fixture::Tar;
using inventory::testing::Container;

/// A program or library whose data holds `data` and which imports the functions `calls`.
inline std::string elf_with_names(const inventory::testing::ElfText& text, const std::string& data,
                                  const std::vector<std::string>& calls = {}) {
  elf::testing::Builder builder = inventory::testing::elf_builder(text);
  builder.add({.name = ".rodata", .flags = SHF_ALLOC, .address = 0x3000, .bytes = data});
  std::string names(1, '\0'), symbols(24, '\0');
  for (const std::string& call : calls) {
    symbols +=
        elf::testing::pack(static_cast<std::uint32_t>(names.size()), std::uint8_t{0x12},
                           std::uint8_t{0}, std::uint16_t{0}, std::uint64_t{0}, std::uint64_t{0});
    names += call + '\0';
  }
  // Sections of a built file: null, .dynstr, .dynamic, .interp if any, .rodata, then this one.
  const std::uint32_t before = text.interpreter.empty() ? 4 : 5;
  builder.add({.name = ".callnames",
               .type = SHT_STRTAB,
               .flags = SHF_ALLOC,
               .address = 0x4000,
               .bytes = names});
  builder.add({.name = ".dynsym",
               .type = SHT_DYNSYM,
               .flags = SHF_ALLOC,
               .address = 0x5000,
               .bytes = symbols,
               .link = before,
               .alignment = 8,
               .entry_size = 24});
  return builder.build();
}

inline text::Json words(const std::vector<std::string>& list) {
  text::Json out = text::Json::array();
  for (const std::string& word : list) out.push(word);
  return out;
}

class ReachTest : public inventory::testing::OpenedTest {
 protected:
  Result<Reach> reach_of(Tar& tar, const Container& container, const ReachOptions& options = {}) {
    const auto image = open(tar.bytes(), container);
    inventory::ScanOptions scan;
    scan.scratch_directory = dir_.path();
    const inventory::Contents contents = must(inventory::Contents::read(*image, scan));
    static const auto kOpened = knowledge::OpenedFiles::read(must(knowledge::TableSet::load()));
    ReachFactsOptions reading;
    reading.calls = reach_calls(kOpened);
    reading.scratch_directory = dir_.path();
    const ReachFacts facts = must(read_reach_facts(*image, contents, reading));
    return find_reach(*image, contents, facts, kOpened, options);
  }
  Reach reached(Tar& tar, const std::vector<std::string>& command,
                const ReachOptions& options = {}) {
    return must(reach_of(tar, Container::object().set("Cmd", words(command)), options));
  }
  /// "error message | hint"
  std::string refusal(Tar& tar, const std::vector<std::string>& command,
                      const ReachOptions& options = {}) {
    const auto result = reach_of(tar, Container::object().set("Cmd", words(command)), options);
    return result ? std::string() : result.error().message + " | " + result.error().hint;
  }
};

}  // namespace flense::closure::testing
