// Images of GPUs by a tag that moves: the next pull may bring another CUDA or ROCm.
#pragma once

#include "lint/images/cuda_tags.h"
#include "lint/rules/rules.h"

namespace flense::lint {

/// Whether a kustomization of the project says which release it is: images: [{name, newTag}].
bool is_set_by_kustomization(const Project& project, const ImageUse& use);

/// Of the vendors' own images. False where images.json does not know it, and nothing was told.
bool floating_tag(const Project& project, const ImageUse& use, FindingSink& sink);

/// What a service or a container with GPUs starts.
void floating_start(const ImageUse& use, const Workload& workload, FindingSink& sink);

/// What is built on, or fetched: known by its name, or its tag names a kind of GPU.
void floating_name(const ImageUse& use, FindingSink& sink);

}  // namespace flense::lint
