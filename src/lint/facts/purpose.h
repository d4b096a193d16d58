// What a file is for: which GPUs, if any, and whether somebody runs it.
#pragma once

#include <initializer_list>
#include <set>
#include <string>
#include <string_view>

#include "lint/facts/stage_view.h"

namespace flense::lint {

/// True where the file's path or a base says that it is for none of the GPUs that the rules know:
/// a CPU, Intel's XPU and Gaudi, AWS Neuron, a TPU, Apple's MPS.
bool is_for_other_device(std::string_view words);

/// A file that shows or tests how something is done, whatever release is current, by its path in
/// the project.
bool is_example(std::string_view project_path);

/// In a directory whose name says that its owner no longer works on what is in it, or a file with
/// such a name (Dockerfile.old), by its path in the project.
bool is_put_aside(std::string_view project_path);

/// Of a container that somebody works in.
bool is_devcontainer(const ProjectFile& file);

/// A Dockerfile for a look at something: "Dockerfile.debug", or its first comment says that it is
/// an example.
bool is_trial(const ProjectFile& file);

/// Dockerfiles that Compose files name in comments alone, and nothing else of the project: they
/// were taken out of use.
std::set<const ProjectFile*> commented_out(const Project& project);

/// A script or a workflow of the project makes images of one layer: what a later step deletes or
/// changes is in none.
bool builds_one_layer(const Project& project);

/// The comments in the lines above a place, one blank line apart at most; empty: none.
std::string_view comments_above(const SourceText& source, Span span);

/// A comment not far above a place has all these words, which are in lower case, or their forms
/// with "s" and "d".
bool comment_says(const SourceText& source, std::size_t place,
                  std::initializer_list<std::string_view> words);

/// True for a file that GPU rules care about: a GPU base, or GPU packages.
inline bool is_gpu_file(const FileView& view) {
  return view.for_gpu;
}

/// A file for Arm's processors, by its path.
bool names_arm(std::string_view path);

/// "linux/arm64".
bool is_arm_platform(std::string_view platform);

/// A stage for 64-bit Arm, by the file's name or its platform.
bool is_for_arm(const FileView& view, const StageView& stage);

/// True where the final stage is an NVIDIA one: by its base or by what it installs. `why` says by
/// which.
bool is_nvidia_final(const FileView& view, std::string& why);

}  // namespace flense::lint
