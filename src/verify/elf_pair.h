// An ELF file before and after, and what is asked of both.
#pragma once

#include <filesystem>
#include <string>

#include "elf/file.h"
#include "verify/finding.h"
#include "verify/load_rule.h"
#include "verify/memory_image.h"

namespace flense::verify {

struct ElfSide {
  const elf::File& file;
  MemoryImage memory;

  /// Addresses of the program header table; empty where it is not mapped.
  elf::Range header_table() const;
};

struct ElfPair {
  const ElfSide& before;
  const ElfSide& after;
  const CodeRule& rule;
  const std::filesystem::path& scratch;
  const std::string& path;
  Findings& findings;

  void differ(std::string what, std::string where, std::string expected, std::string found) const {
    findings.differ(
        {path, std::move(what), std::move(where), std::move(expected), std::move(found)});
  }
};

std::string hex(std::uint64_t value);

}  // namespace flense::verify
