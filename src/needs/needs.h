// What an image asks of the machine it will run on: the plain value that verdicts are made of.
// Everything is either known with the place it was seen at, or told to be unknown; an empty list
// means "looked and found none" only where `contents` says that the layers were read.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "inventory/describe/inventory.h"
#include "inventory/describe/slim_mark.h"

namespace flense::needs {

/// Device code of one library or executable.
struct CodeFile {
  std::string path;
  std::uint64_t device_bytes = 0;
  std::vector<inventory::ArchCount> entries;
  /// Path of a file that lists or opens it, its own where the image starts it; empty: none was
  /// seen, as for extension modules of Python.
  std::string user = {};
  bool operator==(const CodeFile&) const = default;
};

/// The image's own libcuda for older drivers: cuda-compat-X-Y, /usr/local/cuda*/compat.
struct CompatPackage {
  std::string path;     ///< of libcuda.so.VERSION
  std::string version;  ///< "575.57.08"
  bool note = false;    ///< carries .note.cuda.fwd_compatibility; the members below are its text
  std::string cuda;     ///< "12.9"
  std::vector<std::uint64_t> drivers;  ///< majors of host drivers it loads on
  std::vector<std::uint64_t> brands;   ///< NVML brand numbers
  bool aside = false;  ///< /usr/local/cuda/compat, where toolkits look, does not lead to its folder
  bool operator==(const CompatPackage&) const = default;
};

/// Something at a path, with one sentence about it.
struct Sighting {
  std::string path;
  std::string what;
  std::uint64_t bytes = 0;  ///< 0 where the size does not matter
  bool operator==(const Sighting&) const = default;
};

/// A library that a file asks for and the image does not have.
struct MissingLibrary {
  std::string library;  ///< SONAME
  std::string user;     ///< path of the file that asks
  /// "DT_NEEDED", "dlopen", "PT_INTERP"; "execve", "mode": the command itself, or its permission
  std::string how;
  std::string path;  ///< of one that the loader does not find; empty: there is none
  std::vector<std::string> askers = {};  ///< paths of those that load the user, from near to far
  std::string machine = {};  ///< of one that is there for another processor: "aarch64"; else empty
  bool operator==(const MissingLibrary&) const = default;
};

/// A file whose symbols are newer than every C or C++ library of the image: it cannot be loaded.
struct TooNewFile {
  std::string path;
  std::string version;  ///< that it asks for: "GLIBC_2.34"
  std::string there;    ///< the newest that the image has: "GLIBC_2.31"
  std::string library;  ///< path of the library that has it
  bool needed = false;  ///< another file lists it, or the image starts it
  bool first = false;   ///< `there` is what the loader finds first; the image may have newer ones
  bool operator==(const TooNewFile&) const = default;
};

/// A package in Python's site-packages of which no module can be imported here.
struct ForeignPackage {
  std::string package;    ///< directory or module, as imported: "torch"
  std::string path;       ///< of one of its files
  std::string built_for;  ///< "Python 3.12", "aarch64", "Windows", "macOS"
  std::string there;      ///< "Python 3.11", "x86_64"
  bool gpu = false;       ///< it holds device code, or links libraries of CUDA or ROCm
  bool operator==(const ForeignPackage&) const = default;
};

/// A compiler that runs at run time: Triton, Inductor, NVRTC, CuPy, Numba, cpp_extension.
struct RunTimeCompiler {
  std::string name, evidence;
  std::vector<std::string> missing;  ///< "C compiler", "Python headers", "ptxas", "nvcc", "ninja",
                                     ///< "CUDA headers", "NVRTC", "writable cache"
  std::string cuda = {};             ///< of the ptxas that it starts; empty: not told
  bool operator==(const RunTimeCompiler&) const = default;
};

/// A driver library outside of plain compute, and the NVIDIA_DRIVER_CAPABILITIES word that has it
/// injected.
struct CapabilityNeed {
  std::string capability;  ///< "video", "graphics", "display", "utility"
  std::string library;     ///< "libnvcuvid.so.1"
  std::string user;
  bool operator==(const CapabilityNeed&) const = default;
};

/// Processor level that a file states it needs (x86-64 psABI, .note.gnu.property).
struct CpuNeed {
  std::string level;  ///< "x86-64-v2"
  std::string path;
  bool operator==(const CpuNeed&) const = default;
};

/// An engine that TensorRT has built for one GPU.
struct EnginePlan {
  std::string path;
  std::string version;  ///< of the TensorRT that made it; empty: not told
  std::string untold;   ///< why its GPU, or its version, is not known
  bool operator==(const EnginePlan&) const = default;
};

/// What the image's own command loads before it runs.
struct StartNeeds {
  std::string program;                  ///< what the kernel maps first; empty: none is known
  std::vector<MissingLibrary> missing;  ///< with the program's own loader ("PT_INTERP")
  /// In directories that ld.so.conf names and ld.so.cache lacks: found where ldconfig runs first.
  std::vector<MissingLibrary> uncached = {};
  std::vector<Sighting> driver_libraries;  ///< names, with who asks for them
  bool operator==(const StartNeeds&) const = default;
};

struct Needs {
  std::string name;
  std::string platform;  ///< "linux/amd64"; empty when not told
  /// Processors that the ELF files are for, most files first; "x86_64".
  std::vector<std::string> machines;
  bool contents = true;  ///< the layers were read
  std::string unread;    ///< why they were not
  std::map<std::string, std::string> environment, labels;
  std::string user;  ///< as the configuration names it; empty: root
  std::vector<inventory::Runtime> runtimes;
  /// pip and conda packages, and deb/rpm/apk packages of CUDA, ROCm and their libraries.
  std::vector<inventory::InstalledPackage> packages;
  std::vector<CodeFile> code;  ///< largest device code first
  std::vector<CompatPackage> compat;
  std::vector<Sighting>
      driver_files;  ///< driver libraries baked into the image (no stub, no compat)
  std::vector<Sighting> stubs_in_path;            ///< stub driver libraries where the loader looks
  std::vector<MissingLibrary> missing_libraries;  ///< driver libraries excepted
  StartNeeds start;
  std::vector<TooNewFile> too_new;      ///< at most 200
  std::vector<ForeignPackage> foreign;  ///< at most 50
  /// For arm64, whose kernels have pages of 4, 16 or 64 KiB: files that the largest do not map,
  /// with their own alignment as `bytes`; those that the image's start loads first. At most 200.
  std::vector<Sighting> small_pages;
  std::vector<RunTimeCompiler> compilers;
  std::vector<CapabilityNeed> capabilities;
  std::vector<Sighting> rdma;     ///< verbs libraries and providers: "libmlx5", "libefa"
  std::vector<Sighting> weights;  ///< model weights, largest first
  std::vector<EnginePlan> plans;  ///< of TensorRT, largest first; at most 50
  std::string libc;               ///< "glibc", "musl"; empty: none
  std::string libc_version;
  std::optional<CpuNeed> cpu;  ///< the highest level of loader, libc and start program
  std::optional<inventory::SlimMark> slim;
  std::uint64_t unpacked_bytes = 0;
  bool operator==(const Needs&) const = default;
};

}  // namespace flense::needs
