// The libraries of a driver: which files belong to it, for which processor, and the names that
// programs use for them.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cdi/generate/driver_root.h"

namespace flense::cdi {

/// For whom a library is, by its ELF header.
enum class Abi { kX86_64, kAarch64, kI386, kArm };
inline bool is_32_bit(Abi abi) {
  return abi == Abi::kI386 || abi == Abi::kArm;
}
/// "x86_64-linux-gnu".
std::string_view multiarch(Abi abi);

struct Library {
  std::string stem;       ///< "libcuda"
  std::string name;       ///< "libcuda.so.550.54.15"
  std::string subfolder;  ///< of the library directory: "vdpau" or empty
  std::string host_path;  ///< all links followed
  Abi abi = Abi::kX86_64;
  std::set<std::string> names;  ///< `name`, the SONAME, and the links beside the file
};

/// Directories below the root that may hold libraries, those first that win.
std::vector<std::string> library_folders(const GenerateOptions& options, const host::Tree& root);

/// Those of `version`, and those that have versions of their own, 32-bit ones included; of several
/// files of one name and ABI the first. What is no ELF file is told and left out.
std::vector<Library> find_libraries(Discovery& discovery, const DriverRoot& root,
                                    std::string_view version);

/// One library of any name and place; nullopt, and a notice, when it is no ELF file.
std::optional<Library> read_library(Discovery& discovery, const DriverRoot& root,
                                    const std::string& path);

}  // namespace flense::cdi
