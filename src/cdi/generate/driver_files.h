// What NVIDIA's driver consists of, by capability: the file lists of libnvidia-container and
// nvidia-container-toolkit, as tables.
#pragma once

#include <initializer_list>
#include <span>
#include <string_view>

#include "cdi/generate/generate.h"

namespace flense::cdi {

/// Several capabilities, any of which asks for the file.
class AnyOf {
 public:
  constexpr AnyOf(std::initializer_list<Capability> list) {
    for (const Capability one : list) bits_ |= 1u << static_cast<unsigned>(one);
  }
  constexpr bool contains(Capability one) const {
    return (bits_ >> static_cast<unsigned>(one) & 1u) != 0;
  }

 private:
  unsigned bits_ = 0;
};

struct LibraryRow {
  std::string_view stem;  ///< "libcuda": libcuda.so.550.54.15
  AnyOf capabilities;
  bool development = false;  ///< programs ask for libcuda.so as well
};

/// The row of a library of the driver's own version. Libraries that no row names are new ones, and
/// of compute.
const LibraryRow& library_row(std::string_view stem);

/// Libraries with versions of their own, as stems.
std::span<const LibraryRow> other_versions();

struct FileRow {
  std::string_view path;       ///< "glvnd/egl_vendor.d/10_nvidia.json", or a program's name
  std::string_view container;  ///< directory of the container
  AnyOf capabilities;
};

std::span<const FileRow> configuration_rows();
std::span<const FileRow> program_rows();

}  // namespace flense::cdi
