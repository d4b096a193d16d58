// Which of the vendor's base images would do: what the image's own programs ask for that the image
// does not bring along outside the system's CUDA directories.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "inventory/describe/inventory.h"

namespace flense::inventory {

/// One visible ELF file, or a tool, as a user or supplier of libraries.
struct LibraryUse {
  std::string path;
  std::string soname;  ///< or the file name where there is none
  std::vector<std::string> needed;
  bool device_code = false;
  std::string search_path = {};  ///< RPATH and RUNPATH
};

BaseFlavour smallest_flavour(const std::vector<LibraryUse>& files, const BuildNeeds& needs);

}  // namespace flense::inventory
