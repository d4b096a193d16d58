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
};

/// The flavour whose packages bring this library (SONAME, "libcublas.so.12"); nullopt: not one of
/// the vendor's CUDA libraries. Source: the vendor's published CUDA image build files.
std::optional<Flavour> flavour_of_library(std::string_view soname);

/// True for the places where the vendor's base images and packages put CUDA libraries.
bool in_system_cuda(std::string_view path);

/// SONAMEs that a library is known to open by name although it does not list them. Frameworks open
/// theirs only in builds for GPUs, which `device_code` tells.
std::vector<std::string_view> opened_by_name(std::string_view soname, bool device_code);

BaseFlavour smallest_flavour(const std::vector<LibraryUse>& files, const BuildNeeds& needs);

}  // namespace flense::inventory
