// The builds that a template could use, and the image that each would produce: compat then judges
// it like a real one.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "host/profile.h"
#include "knowledge/knowledge.h"
#include "needs/needs.h"
#include "scaffold/template_set.h"

namespace flense::scaffold {

struct Candidate {
  std::string name;     ///< for people: "torch 2.14.1+cu130"
  std::string version;  ///< "2.14.1"; of toolkits empty: there the newest is no end in itself
  std::string variant;  ///< "cu130", "rocm7.2", "cuda13", "ubuntu24.04"
  std::string cuda;     ///< "13.0", "12.9.1"; empty for ROCm
  std::string rocm;     ///< "7.2"
  bool ended = false;   ///< the driver branch of its CUDA has ended, and its image tag goes with it
  std::string source;   ///< table row
};

/// Newest version first; none for a stack that has no build at all.
std::vector<Candidate> candidates(const Template& chosen, const knowledge::Knowledge& tables);

/// The image made with `candidate`. `architectures` are what a toolkit compiles for. The platform
/// is "linux/amd64" or "linux/arm64".
needs::Needs described_image(const Template& chosen, const Candidate& candidate,
                             const std::vector<std::string>& architectures,
                             std::string_view platform, const knowledge::Knowledge& tables);

/// The least NVIDIA driver that runs a CUDA at all: of its major's minor-version mode, or of the
/// toolkit itself where there is no such mode. Empty when no table tells.
std::string least_driver(std::string_view cuda, const knowledge::Knowledge& tables);
/// The minimum driver for that CUDA on GPUs of these architectures.
std::string least_driver(std::string_view cuda, const std::vector<std::string>& architectures,
                         const knowledge::Knowledge& tables);

}  // namespace flense::scaffold
