// A host profile for other programs: build arguments, node labels.
#pragma once

#include <span>
#include <string>
#include <utility>
#include <vector>

#include "host/profile.h"

namespace flense::report {

/// Names and values in the order in which they are printed.
using HostWords = std::vector<std::pair<std::string, std::string>>;

struct BuildArgs {
  HostWords words;
  /// What is known of some machines alone and hence of no use for all: "CUDA_VERSION: …".
  std::vector<std::string> left_out;
};

/// What Dockerfiles and build systems ask for: CUDAARCHS, TORCH_CUDA_ARCH_LIST and their like, for
/// all machines: every architecture, and of all else what the weakest has. A value that is unknown
/// is left out. Values hold no blanks and nothing that a shell expands.
BuildArgs build_args(std::span<const host::Profile> hosts);

/// Kubernetes node labels; every value is one that Kubernetes accepts.
HostWords node_labels(const host::Profile& profile);

/// GPUs whose architecture is unknown, by name: what is missing from both.
std::vector<std::string> gpus_without_architecture(const host::Profile& profile);

}  // namespace flense::report
