// What the rules repeatedly derive from an image's needs and a host's profile: versions of
// runtimes, the build of a framework, the GPU vendor of the image. No input or output.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "host/profile.h"
#include "knowledge/knowledge.h"
#include "needs/needs.h"

namespace flense::compat {

/// A version with the place it was seen at.
struct Seen {
  std::string version, evidence;
};

/// "usr/lib/ollama/cuda_v*" of a path below usr/lib/ollama/cuda_v12: folders of one program, each
/// for a CUDA, of which it takes the one that the driver serves. Empty for other paths.
std::string variant_folders(std::string_view path);

/// All runtimes of this name with a version, of variant_folders() the oldest ("CUDA runtime",
/// "cuDNN", "ROCm").
std::vector<Seen> versions_of(const needs::Needs& image, std::string_view runtime);

/// Python and conda packages by their normalised names; of several the first.
using Packages = std::map<std::string, const inventory::InstalledPackage*, std::less<>>;
Packages packages_of(const needs::Needs& image);
/// Null when it is not there.
const inventory::InstalledPackage* find_package(const Packages& packages, std::string_view name);
/// One whose name begins with one of these is there.
bool has_package_like(const Packages& packages, std::initializer_list<std::string_view> stems);
/// "torch 2.6.0+cu124 (pip, PATH)".
std::string describe(const inventory::InstalledPackage& installed);

/// A wheel of PyPI, of which the tables speak: not conda's, not NVIDIA's own build
/// ("2.14.0+nv23.10"), whose image has a variable for it.
bool is_published_wheel(const needs::Needs& image, const inventory::InstalledPackage& installed);

/// The build of PyTorch in the image.
struct TorchBuild {
  std::string version;  ///< "2.6.0+cu124"
  std::string variant;  ///< "cu124", "rocm6.2.4", "cpu"; empty: not told
  std::string evidence;
  std::string assumed;  ///< why the variant is thought to be that, where the version does not say
};
/// From the package, or torch/version.py, or for images that were not read PYTORCH_VERSION. The
/// variant of a wheel without one comes from the table of PyPI's wheels, for amd64.
std::optional<TorchBuild> torch_build(const needs::Needs& image, const Packages& packages,
                                      const knowledge::Knowledge& tables);

/// What shows that the image is for GPUs of a vendor; empty when nothing does.
std::string cuda_evidence(const needs::Needs& image);
/// A library of NVIDIA's driver that the image's command is linked with: it does not start without.
const needs::Sighting* linked_driver(const needs::Needs& image);
std::string rocm_evidence(const needs::Needs& image);

/// "12.4" of "torch/version.py (built for CUDA 12.4)"; empty where that is not said.
std::string built_for(std::string_view evidence, std::string_view product);

/// The C library of an image.
struct Libc {
  std::string kind, version;  ///< "glibc", "2.35"; empty: unknown
  std::string evidence, source;
};
/// By its distribution's name or labels where the library itself was not seen.
Libc libc_of(const needs::Needs& image, const knowledge::Glibc& tables);

/// Why nothing inside the image is known, where its layers were not read.
std::string unread_reason(const needs::Needs& image);

/// "amd64" of "linux/amd64/v3".
std::string_view architecture_of(std::string_view platform);

/// "NVIDIA A100 (8.0) ×4, NVIDIA T400 (7.5)".
std::string describe(const std::vector<const host::Gpu*>& gpus);
/// "unknown: REASON".
template <class T>
std::string unknown_because(const host::Fact<T>& fact) {
  return fact.evidence.empty() ? std::string("unknown") : "unknown: " + fact.evidence;
}

}  // namespace flense::compat
