// Tags of nvidia/cuda: that are missing, were never made, or are retired, and what to move to.
#pragma once

#include <string>

#include "lint/facts/gpu_image.h"
#include "lint/project/project.h"
#include "lint/rules/rules.h"

namespace flense::lint {

/// A place that names an image: FROM, a service, a pod, a command line, an argument of a build.
struct ImageUse {
  const ProjectFile* file = nullptr;
  Span span;
  const ImageName* name = nullptr;
  const GpuImage* image = nullptr;
  const knowledge::Knowledge* knowledge = nullptr;
  std::string smaller;    ///< the tag that suffices, as the base's libraries go unused; empty: none
  bool heads = false;     ///< takes_heads()
  bool replaced = false;  ///< the default of an argument that a file gives, or of no use
  bool looks = false;     ///< a script starts it for a look at the machine
  bool never_fetched = false;  ///< what the machine has is started
  /// Of the FROM, where the place holds a part of the version; else empty.
  std::string_view pattern = {};
  const ProjectFile* built = nullptr;  ///< the Dockerfile that is built on it; null: none
};

/// Of an official image by its tag.
bool is_cuda_tag(const ImageUse& use);

/// Where is_cuda_tag().
void judge_cuda_tag(const ImageUse& use, FindingSink& sink);

}  // namespace flense::lint
