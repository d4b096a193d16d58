// The vendor's CUDA libraries by name: which base image brings them, where they lie, what they open
// by name.
#pragma once

#include <optional>
#include <string_view>
#include <vector>

namespace flense::inventory {

/// Vendor base images nest: none < base < runtime < cudnn-runtime < devel.
enum class Flavour { kNone, kBase, kRuntime, kCudnn, kDevel };
std::string_view to_string(Flavour flavour);

/// The flavour whose packages bring this library (SONAME, "libcublas.so.12"); nullopt: not one of
/// the vendor's CUDA libraries. Source: the vendor's published CUDA image build files.
std::optional<Flavour> flavour_of_library(std::string_view soname);

/// True for the places where the vendor's base images and packages put CUDA libraries.
bool in_system_cuda(std::string_view path);

/// SONAMEs that a library is known to open by name although it does not list them. Frameworks open
/// theirs only in builds for GPUs, which `device_code` tells, and of the CUDA whose directory their
/// RPATH or RUNPATH (`search_path`) names: nvidia/cu13/lib, while CUDA 12 has one for each library.
std::vector<std::string_view> opened_by_name(std::string_view soname, bool device_code,
                                             std::string_view search_path);

}  // namespace flense::inventory
