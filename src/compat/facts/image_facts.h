// What the rules ask about an image repeatedly, computed once: one image is judged for many
// hosts. Pure; points into the Needs and the tables that it was made from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "compat/facts/amd.h"
#include "compat/facts/software.h"
#include "device/target.h"
#include "knowledge/knowledge.h"
#include "needs/needs.h"

namespace flense::compat {

enum class Answer : std::uint8_t { kNo, kUnknown, kYes };

/// The CUDA whose runtime the image brings.
struct ImageCuda {
  std::string version;  ///< "12.4", "12.4.127"; "12" where the minor is not told
  bool exact = true;    ///< false: a lower bound
  std::string evidence;
};

/// A file with CUDA code that a program could load; link-time IR does not count.
struct CudaFile {
  struct Entry {
    const inventory::ArchCount* row = nullptr;
    device::CudaArch arch;  ///< including its variant
  };
  const needs::CodeFile* file = nullptr;
  std::uint64_t bytes = 0;  ///< of device code
  bool core = false;        ///< without its code a framework does nothing on a GPU
  bool feature = false;     ///< linked for one feature that most programs never use
  bool unreadable = false;  ///< has entries of an unknown kind or architecture
  /// What the files of one package have in common of which each is for another CUDA, and one is
  /// opened: "libbitsandbytes_cuda*.so"; else empty.
  std::string variants;
  std::vector<Entry> cubins, ptx;
};

/// Code objects for AMD GPUs: all targets of the image, and of each file which of them it has.
struct AmdCode {
  struct File {
    const needs::CodeFile* file = nullptr;
    std::vector<std::size_t> targets;
  };
  std::vector<std::string> names;  ///< "gfx90a:xnack+"; "unknown"
  std::vector<AmdTarget> targets;  ///< in the order of `names`
  std::vector<File> files;
};

/// The folder with the most weights: the shards of one model lie beside each other.
struct ModelWeights {
  std::string folder;
  std::uint64_t bytes = 0;
  std::size_t files = 0;
};

struct ImageFacts {
  ImageFacts(const needs::Needs& image, const knowledge::Knowledge& tables);

  Packages packages;
  /// A framework's own runtime wins over the base image's variable; nullopt when nothing tells.
  std::optional<ImageCuda> cuda;
  /// Unknown where the layers were not read and the configuration is silent.
  Answer needs_cuda = Answer::kNo;
  std::string cuda_evidence,
      rocm_evidence;  ///< evidence that it is for that vendor; empty: there is none
  std::optional<TorchBuild> torch;
  Seen rocm;  ///< user space; without a version where nothing tells
  Libc libc;
  std::string multi_node;  ///< NCCL or MPI: what would use several machines; empty: none
  std::vector<CudaFile> cuda_code;
  AmdCode amd_code;
  ModelWeights weights;
};

/// Code of "sm_90a", "compute_100f": including its variant, which GPU names do not have.
/// The highest processor level that a file of the image states, or the label of whoever built it.
std::optional<needs::CpuNeed> stated_cpu(const needs::Needs& image);

std::optional<device::CudaArch> code_arch(std::string_view text);

}  // namespace flense::compat
