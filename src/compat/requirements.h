// What an image requires of the machines it may run on, without looking at any machine: minimum
// drivers, the GPUs that its device code serves, libc, processor, disk.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "host/profile.h"
#include "knowledge/knowledge.h"
#include "needs/needs.h"

namespace flense::compat {

/// How the libraries with device code serve GPUs of one architecture.
enum class Service : std::uint8_t {
  kNative,  ///< every library has machine code
  kPtx,     ///< some are compiled from PTX at first use
  kPartly,  ///< some have no code that could be loaded, though none that the image lives by
};
std::string_view to_string(Service service);

struct ServedGpu {
  std::string vendor;                 ///< "nvidia", "amd"
  std::string architecture;           ///< "9.0"; "gfx942", "gfx9-4-generic"
  std::string service;                ///< to_string(Service)
  std::uint64_t ptx_bytes = 0;        ///< what the driver compiles at first use
  std::vector<std::string> from_ptx;  ///< paths of libraries, largest first
  std::vector<std::string> without;   ///< paths of libraries that it cannot use
  bool operator==(const ServedGpu&) const = default;
};

/// A library that serves fewer architectures than the image as a whole names.
struct NarrowLibrary {
  std::string path;
  std::uint64_t device_bytes = 0;
  std::vector<std::string> code;  ///< "sm_90a", "compute_90", "gfx942"
  bool operator==(const NarrowLibrary&) const = default;
};

struct Requirements {
  std::string name;
  host::Text platform;       ///< "linux/amd64"
  host::Text cuda;           ///< that the image brings: "12.4"
  host::Text driver_native;  ///< minimum driver that supports this CUDA itself: "550.54.14"
  /// Least driver of minor-version mode: every library has machine code for the GPU, and nothing is
  /// compiled at run time.
  host::Text driver_minor;
  host::Text driver_ptx;              ///< minimum driver that compiles all PTX of the image
  host::Text compat;                  ///< CUDA of the image's own compat library
  host::List compat_branches;         ///< driver branches that the compat library loads on: "535"
  host::Text rocm;                    ///< of the image's user space
  std::vector<ServedGpu> gpus;        ///< NVIDIA in ascending order, then AMD
  std::vector<std::string> unserved;  ///< NVIDIA architectures of this table that are not there
  /// NVIDIA GPUs newer than every known one are served by PTX of this architecture: "9.0".
  host::Text ptx_onwards;
  std::vector<NarrowLibrary> narrowest;  ///< fewest architectures first; at most ten
  host::Text libc;          ///< "glibc 2.35": what the host injects must not need a newer one
  host::Text cpu_level;     ///< "x86-64-v2"
  host::Number disk_bytes;  ///< unpacked layers
  std::vector<std::string> notices;
  bool operator==(const Requirements&) const = default;
};

/// How the evidence of `cuda` begins where it is a lower bound, told by the device code alone; the
/// drivers for it are then lower bounds too.
inline constexpr std::string_view kAtLeast = "at least, by ";

/// Pure. What the configuration alone does not tell is unknown with that reason.
Requirements requirements_of(const needs::Needs& image, const knowledge::Knowledge& tables);

}  // namespace flense::compat
