#include "inventory/describe/compile_evidence.h"

#include <algorithm>
#include <array>

#include "base/path.h"
#include "inventory/names/cuda_libraries.h"
#include "inventory/scan/compile_marks.h"

namespace flense::inventory {

namespace {

constexpr unsigned kCallsRtc = kCallsNvrtc | kCallsHiprtc;
constexpr unsigned kStarts = kStartsCompiler | kStartsNvcc;

struct Innocent {
  std::string_view begin;  ///< of a library's name, or of the path below site-packages
  unsigned marks;          ///< that mean nothing there
};

/// Vendors' libraries, which define these functions or hand them sources that include nothing.
constexpr auto kLibraries = std::to_array<Innocent>({
    {"libnvrtc", kCallsRtc},
    {"libcudnn", kCallsRtc},
    {"libnvinfer", kCallsRtc},
    {"libamdhip64", kCallsRtc},
    {"libhiprtc", kCallsRtc},
    {"libMIOpen", kCallsRtc},
    {"librocfft", kCallsRtc},
    // The drivers' compilers of OpenCL.
    {"libamd_comgr", kHoldsFrontEnd},
    {"libnvidia-compiler", kHoldsFrontEnd},
    {"libnvidia-nvvm", kHoldsFrontEnd},
    // Its interface in C parses for tools and makes no code.
    {"libclang.so", kHoldsFrontEnd},
    {"libclang-1", kHoldsFrontEnd},
    {"libclang-2", kHoldsFrontEnd},
});

constexpr auto kPackages = std::to_array<Innocent>({
    // Its jiterator includes nothing; what else it builds is decided by build_needs.cpp.
    {"torch/", kCallsRtc | kStarts},
    {"nvidia/", kCallsRtc},
    // Bindings: who calls NVRTC over them names it too.
    {"cuda/bindings/", kCallsRtc},
    // These build packages, before an image runs.
    {"setuptools/", kStarts},
    {"_distutils_hack/", kStarts},
    {"pkg_resources/", kStarts},
    {"distutils/", kStarts},
    {"pip/", kStarts},
    {"wheel/", kStarts},
    {"numpy/", kStarts},
    {"mesonbuild/", kStarts},
    {"skbuild/", kStarts},
    {"scikit_build_core/", kStarts},
});

unsigned innocent(std::span<const Innocent> rows, std::string_view text) {
  unsigned out = 0;
  for (const Innocent& row : rows)
    if (text.starts_with(row.begin)) out |= row.marks;
  return out;
}

/// Of an ELF file with these marks, those that count.
unsigned counted(unsigned marks, std::string_view path, std::string_view in_package) {
  const std::string_view name = base_name(path);
  marks &= ~innocent(kLibraries, name) & ~innocent(kPackages, in_package);
  return flavour_of_library(name) ? marks & ~kCallsRtc : marks;
}

/// What lies behind site-packages/ or dist-packages/; empty elsewhere.
std::string_view in_python_package(std::string_view path) {
  for (const std::string_view folder : {"site-packages/", "dist-packages/"})
    if (const std::size_t at = path.rfind(folder); at != std::string_view::npos)
      return path.substr(at + folder.size());
  return {};
}

/// Python's own library, and what distributions put beside their programs.
bool of_system(std::string_view path) {
  constexpr auto kPlaces =
      std::to_array<std::string_view>({"usr/lib/", "usr/lib64/", "usr/share/", "lib/"});
  return path.find("/lib/python") != std::string_view::npos ||
         std::ranges::any_of(kPlaces,
                             [&](std::string_view place) { return path.starts_with(place); });
}

/// Tests and set-up scripts do not run in an image.
bool runs_elsewhere(std::string_view path) {
  return base_name(path) == "setup.py" || path.find("/tests/") != std::string_view::npos ||
         path.find("/_build_utils/") != std::string_view::npos;
}

/// The compiler proper, which its driver starts, and Clang's tools that only read.
bool is_part_of_toolchain(std::string_view path) {
  const std::string_view name = base_name(path);
  return path.find("/gcc/") != std::string_view::npos || name.starts_with("clangd") ||
         name.starts_with("clang-");
}

void note(std::string& evidence, std::string_view path) {
  if (evidence.empty()) evidence = path;
}

void see_library(std::string_view path, const ElfFacts& facts, CompileEvidence& out) {
  const std::string_view in_package = in_python_package(path);
  const unsigned marks = counted(facts.compiles, path, in_package);
  if (marks == 0 || path.starts_with("opt/rocm") || path.starts_with("usr/local/cuda")) return;
  if ((marks & kCallsNvrtc) != 0) note(out.nvrtc, path);
  if ((marks & kCallsHiprtc) != 0) note(out.hiprtc, path);
  // DeepGEMM's extension within vLLM.
  if ((marks & kStartsNvcc) != 0 && !in_package.empty()) note(out.starts_nvcc, path);
  if ((marks & kHoldsFrontEnd) == 0) return;
  const bool library = !facts.soname.empty() && !base_name(path).starts_with("libclang");
  if (!in_package.empty() || library)
    note(out.front_end, path);
  else if (facts.soname.empty() && !is_part_of_toolchain(path))
    note(out.program, path);
}

void see_module(std::string_view path, unsigned marks, CompileEvidence& out) {
  const std::string_view in_package = in_python_package(path);
  if ((in_package.empty() && of_system(path)) || runs_elsewhere(path)) return;
  marks &= ~innocent(kPackages, in_package);
  if ((marks & kCallsNvrtc) != 0) note(out.nvrtc, path);
  if ((marks & kCallsHiprtc) != 0) note(out.hiprtc, path);
  if ((marks & kStartsCompiler) != 0) note(out.starts_host, path);
  if ((marks & kStartsNvcc) != 0) note(out.starts_nvcc, path);
}

}  // namespace

CompileEvidence find_compile_evidence(const Contents& contents) {
  CompileEvidence out;
  contents.for_each_file([&](const VisibleFile& file) {
    if (const ElfFacts* facts = contents.elf(file.content)) {
      if (facts->compiles != 0) see_library(file.path, *facts, out);
      return;
    }
    const auto& modules = contents.scan(file.content).compiles;
    if (const auto marks = modules.find(file.content.index); marks != modules.end())
      see_module(file.path, marks->second, out);
  });
  return out;
}

}  // namespace flense::inventory
