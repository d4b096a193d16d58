// Two CUDA installations in one image: the system's (a base image, a distribution's packages) and
// the libraries that Python packages bring along. Which copy a program gets is decided as ld.so(8)
// decides it, for every ELF file that lists or names a library and for every script that names one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "image/model/image.h"
#include "inventory/scan/contents.h"
#include "slim/candidates/equal_files.h"

namespace flense::slim {

/// A library of the system of which a Python package has a copy with the same SONAME.
struct CudaCopy {
  image::EntryRef entry;
  std::string path;
  std::uint64_t bytes = 0;
  std::string twin;       ///< the package's copy
  std::string link_text;  ///< from `path` to the twin
  std::string stays;      ///< what speaks against a link; empty: nothing loads this copy
};

/// In path order. A copy may become a link to its twin when no ELF file's DT_NEEDED, no name in an
/// ELF file's data or in a script, and no RPATH of any file leads to it; when the twin is not
/// older; and when the same holds for the libraries that the twin asks for. Whoever opens it all
/// the same gets the twin.
std::vector<CudaCopy> find_cuda_copies(const image::Image& image,
                                       const inventory::Contents& contents, const Stays& stays);

/// "12.4.5.8" of "libcublas.so.12.4.5.8"; empty without one.
std::string_view library_file_version(std::string_view path);
/// True when `a` is at least `b`, both dotted numbers, as far as both go; false for others.
bool at_least_as_written(std::string_view a, std::string_view b);

}  // namespace flense::slim
