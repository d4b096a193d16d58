// What decides whether the loader of another root file system accepts a library: class and machine,
// names, and the symbol versions that it needs and defines. For 32- and 64-bit little-endian files,
// from the dynamic segment alone, so that files without section headers are read as the loader
// does.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/bytes.h"
#include "base/result.h"

namespace flense::elf {

/// GNU symbol versioning, .gnu.version_r.
struct VersionNeed {
  std::string library;  ///< "libc.so.6"
  std::string version;  ///< "GLIBC_2.34"
  bool operator==(const VersionNeed&) const = default;
};

struct AbiFacts {
  bool wide = true;           ///< ELFCLASS64
  std::uint16_t machine = 0;  ///< EM_*
  std::uint16_t type = 0;     ///< ET_*
  std::string soname;
  std::vector<std::string> needed;
  std::vector<VersionNeed> needs;    ///< without the weak ones, which the loader lets pass
  std::vector<std::string> defines;  ///< .gnu.version_d: "GLIBC_2.2.5", …
};

/// Bad input: no ELF file, big-endian, or program headers out of bounds. Tables that lead out of
/// the file end there.
Result<AbiFacts> read_abi_facts(Bytes bytes, std::string_view name);

}  // namespace flense::elf
