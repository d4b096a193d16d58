// What ties a build to the base that it names: its versions of CUDA, and what a newer distribution
// has not.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "knowledge/knowledge.h"
#include "lint/project/project.h"

namespace flense::lint {

/// What a file takes from its distribution and another one has not, at most three words:
/// "clang-6.0", "python3.8", "torch==1.7.1". An empty name is a distribution that is not known.
std::vector<std::string> ties_to_distribution(const ProjectFile& file,
                                              const knowledge::Images& images, std::string_view own,
                                              std::string_view other);

/// Whether something else than the distribution brings Python, by a Dockerfile's text.
bool has_other_python(std::string_view text);

/// Packages that a file pins to the versions of one CUDA, at most ten:
/// "libcublas-12-6=12.6.0.22-1", "libnccl2=2.18.3-1+cuda12.2". `base` is the text of FROM: what its
/// variables pin counts too, as "libcudnn8=8.1.0.77-1+cuda${CUDA}". With `names` those that have
/// the minor in their name alone: "cuda-nvcc-11-3".
std::vector<std::string> pinned_to_cuda(const ProjectFile& file, std::string_view base,
                                        std::string_view cuda, bool names);

/// The lines, from 1 on and at most five, that name a version of CUDA elsewhere than in FROM, ARG
/// and a comment: "13.0.1" of a comparison, and where another minor follows "cuda-13.0" of a path.
std::vector<std::size_t> lines_of_version(const ProjectFile& file, std::string_view cuda,
                                          bool other_minor);

/// The first line that removes, by rm without -f, a list of NVIDIA's repository that images since
/// 2022 hold by another name; 0: none does.
std::size_t line_of_old_list(const ProjectFile& file);

/// Lists and keys of NVIDIA's repository that another stage copies from the one with this FROM, and
/// images since 2022 hold by other names: "/etc/apt/sources.list.d/cuda.list".
std::vector<std::string> copied_sources(const Dockerfile& dockerfile, Span base);

}  // namespace flense::lint
