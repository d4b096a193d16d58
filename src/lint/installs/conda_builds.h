// What conda's channels hold: CUDA that was never made there, and builds of pytorch that were not.
#pragma once

#include "lint/facts/gpu_image.h"
#include "lint/rules/rules.h"

namespace flense::lint {

/// What a list is installed into.
struct CondaPlace {
  const GpuImage* image = nullptr;  ///< null: none, or not in every build
  bool loads_system = false;        ///< pip's packages load the base's CUDA
  bool own_channels = false;        ///< a configuration may name any channel
  bool old_python = false;          ///< for which there is no pytorch of today
  bool unknown_python = false;      ///< of somebody's machine
  bool chooses_cuda = false;        ///< some step or variable names the CUDA of conda's packages
  bool more_channels = false;       ///< conda may know others than a command names
};

/// "=2.5.1=py3.11_cuda12.4_cudnn9.1.0_0"
bool has_build(const PackageRequest& one);

/// Tells of a pytorch-cuda, a cudatoolkit, or a pytorch for one of them that no channel has.
bool asks_for_what_was_never_made(const PackageList& list, const ProjectFile& file,
                                  const CondaPlace& place, FindingSink& sink);

}  // namespace flense::lint
