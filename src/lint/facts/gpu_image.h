// What images and package lists bring for the GPU: vendor, CUDA, cuDNN, ROCm, flavour,
// distribution, frameworks with their variant. What is not known stays empty; nothing is guessed.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/knowledge.h"
#include "lint/packages/packages.h"
#include "lint/project/project.h"
#include "lint/source/image_name.h"

namespace flense::lint {

/// A value and what told it: a tag, a table row, a command. Empty: not known.
struct Brought {
  std::string value, evidence;

  bool known() const { return !value.empty(); }
  bool operator==(const Brought&) const = default;
};

struct GpuImage {
  std::string repository;  ///< without a mirror in front: "nvidia/cuda", "nvcr.io/nvidia/pytorch"
  bool official = false;   ///< of the registry that its rows speak of, no mirror
  Brought vendor;          ///< "nvidia", "amd"
  Brought cuda;            ///< "12.4.1", "12.4"
  Brought cudnn;           ///< the major: "9"
  Brought rocm;            ///< "6.4"
  Brought flavour;         ///< "base", "runtime", "devel"
  Brought distribution;    ///< "ubuntu22.04", "alpine", "distroless"
  Brought python;          ///< "3.10"
  Brought framework;       ///< "torch"
  Brought framework_version;
  Brought driver;        ///< the driver it was made for: "575.51.02"
  std::string platform;  ///< "jetson"; empty: servers
  std::string release;   ///< of NGC: "25.04"
  const knowledge::NgcRow* ngc = nullptr;
  const knowledge::RepositoryRow* row = nullptr;  ///< of the repository; null: none
};

/// By name, tag and the tables; `image` as resolved.
GpuImage describe_image(const ImageName& image, const knowledge::Images& images);

/// Of a stage: of the image at the root of its lineage; all empty when that is not known.
GpuImage image_of_stage(const Dockerfile& file, std::size_t stage, const knowledge::Images& images);

/// A framework, or a package of CUDA, as a list of packages asks for it.
struct Framework {
  std::string package;  ///< "torch", "tensorflow", "jax", "cupy-cuda12x", "onnxruntime-gpu"
  std::string version;  ///< empty: not fixed
  Brought variant;      ///< "cu124", "rocm6.2", "cpu"
  Brought cuda;         ///< that its wheels hold or are built for: "12.4"; the major alone: "12"
  bool from_index = false;  ///< the variant is what an index URL says
  const PackageRequest* request = nullptr;
};

/// The variant that the address of an index names: "cu124", "rocm6.2", "cpu"; empty for others.
std::string variant_of_index(std::string_view url);

/// The torch that links to PyG's extensions are for: "2.0.0" of "…/whl/torch-2.0.0+cu118.html";
/// empty: they are no such links.
std::string torch_of_links(std::string_view url);

/// PyPI, a mirror of it, or an index of NVIDIA's that has no torch: with these pip takes PyPI's.
bool is_pypi(std::string_view url);

/// The major of the CUDA that the address of a feed names ("…/onnxruntime-cuda-11/pypi/simple"); 0:
/// none.
std::uint64_t cuda_of_feed(std::string_view url);

/// The GPU frameworks of a list, in its order. `list` must outlive the result.
std::vector<Framework> frameworks_of(const PackageList& list, const knowledge::Frameworks& tables);

/// The CUDA that a package by its name or version is made for: "12.4", or the major alone ("12" of
/// "nvidia-cudnn-cu12", "cupy-cuda12x", extras like jax[cuda12]); empty for others.
std::string cuda_of_package(const PackageRequest& request);

/// True for packages whose wheels hold or load GPU code: torch, jax, vllm, flash-attn, cupy-….
bool is_gpu_package(std::string_view name);

/// A list that an instruction installs: its command, or a file that the command names.
struct Install {
  PackageList command;
  std::vector<const ProjectFile*> files;  ///< those of the command that are part of the call
  /// Of each of the files, what the command takes; null: all of it.
  std::vector<std::shared_ptr<const PackageList>> taken;
  const Instruction* instruction = nullptr;
  std::size_t stage = 0;
  bool filtered = false;    ///< a command before leaves lines out of one of the files
  bool conditional = true;  ///< a branch, a loop, a test or an exit decides whether it runs
};

struct FileView;

/// The files of a project that hold lists of packages, by normal path.
using ListFiles = std::map<std::string, const ProjectFile*, std::less<>>;
ListFiles list_files_of(const Project& project);

/// In the order of the file, of all stages, which the view holds already. Files are found through
/// COPY, ADD and bind mounts from the build context.
std::vector<Install> installs_of(const FileView& view, const ListFiles& files);

/// The lists of one install: the command's own, and what it takes of those of its files.
std::vector<const PackageList*> lists_of(const Install& install);
/// The file that holds one of these lists: the Dockerfile for the command's own.
const ProjectFile& file_of(const Install& install, const PackageList& list,
                           const ProjectFile& dockerfile);

}  // namespace flense::lint
