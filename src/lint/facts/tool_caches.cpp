#include "lint/facts/tool_caches.h"

#include <algorithm>
#include <array>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/compiled_code.h"
#include "lint/facts/table_facts.h"
#include "lint/facts/torch_installs.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Packages of hundreds of megabytes, their dependencies included.
bool is_large(const PackageRequest& request) {
  if (request.name == "jax")
    return std::ranges::any_of(request.extras,
                               [](const std::string& extra) { return extra.starts_with("cuda"); });
  return is_one_of(
             request.name,
             {"torch",          "torchvision",     "torchaudio",       "pytorch",    "pytorch-gpu",
              "pytorch-cuda",   "tensorflow",      "tensorflow-gpu",   "tf-nightly", "vllm",
              "sglang",         "xformers",        "flash-attn",       "tensorrt",   "tensorrt-llm",
              "torch-tensorrt", "onnxruntime-gpu", "paddlepaddle-gpu", "cudf",       "cuml",
              "cudatoolkit",    "cuda-toolkit",    "cuda-runtime"}) ||
         starts_with_any(request.name, {"nvidia-cu", "nvidia-nccl", "nvidia-dali", "cudf-cu",
                                        "cuml-cu", "tensorrt-cu", "mxnet-cu"});
}

/// Of a branch or a tag pip keeps no wheel: "…@COMMIT" alone stays what it is.
bool is_of_branch(const PackageRequest& request) {
  if (!request.url.starts_with("git+")) return false;
  std::string_view url = request.url;
  url = url.substr(0, url.find('#'));
  const std::size_t at = url.rfind('@');
  if (at == url.npos) return true;
  const std::string_view revision = url.substr(at + 1);
  return revision.size() != 40 || revision.find_first_not_of("0123456789abcdef") != revision.npos;
}

/// torch for processors: a twentieth of the one for GPUs.
bool is_for_processor(const Install& install, const PackageList& list,
                      const PackageRequest& request) {
  if (!request.name.starts_with("torch")) return false;
  const auto is_cpu = [](const Word& index) { return variant_of_index(index.text) == "cpu"; };
  return request.version.ends_with("+cpu") || std::ranges::any_of(list.indexes, is_cpu) ||
         std::ranges::any_of(install.command.indexes, is_cpu);
}

/// flash-attn of the Triton backend, or without its CUDA code, is a few megabytes of Python.
bool is_without_kernels(const Install& install, const PackageRequest& request) {
  const ShellCommand* command = command_at(*install.instruction, install.command.span);
  return request.name == "flash-attn" &&
         std::ranges::any_of(std::to_array<std::string_view>({"FLASH_ATTENTION_TRITON_AMD_ENABLE",
                                                              "FLASH_ATTENTION_SKIP_CUDA_BUILD"}),
                             [&](std::string_view name) {
                               return variable_at(*install.instruction, command, name).on();
                             });
}

}  // namespace

const knowledge::ToolCacheRow* tool_of(const FileView& view, const PackageList& list) {
  return view.project->knowledge->build.cache(to_string(list.manager));
}

// pip takes every value of PIP_NO_CACHE_DIR for a yes, "0" and "off" too
// (_internal/cli/cmdoptions.py).
std::string switched_off(const Instruction& run, const ShellCommand* command,
                         const PackageList& list, const knowledge::ToolCacheRow& tool) {
  for (const std::string& option : tool.options)
    if (list.has_option(option)) return option;
  // A directory on the command line is used whatever a variable says.
  if (list.has_option("--cache-dir")) return {};
  for (const std::string& name : tool.off)
    if (const VariableState state = variable_at(run, command, name);
        name == "PIP_NO_CACHE_DIR" ? state.set && state.value.value_or("?") != "" : state.on())
      return name;
  return {};
}

bool keeps_copies(const Instruction& run, const ShellCommand* command, const PackageList& list) {
  if (list.manager != PackageManager::kUv) return true;
  return list.has_option("--link-mode=copy") ||
         variable_at(run, command, "UV_LINK_MODE").value.value_or("") == "copy";
}

bool compiles_wheels(const Install& install, const ShellCommand* command) {
  // Those that the index has as sources alone.
  const auto compiled = [](const PackageRequest& one) {
    return (is_source_only(one.name) ||
            is_one_of(one.name, {"llama-cpp-python", "apex", "causal-conv1d", "mamba-ssm",
                                 "pytorch3d", "detectron2", "tiny-cuda-nn"})) &&
           !is_of_branch(one) && !one.url.ends_with(".whl");
  };
  const auto told = [](const ShellAssignment& one) {
    return is_one_of(one.name, {"CMAKE_ARGS", "FORCE_CMAKE", "FORCE_CUDA", "TORCH_CUDA_ARCH_LIST"});
  };
  return (command != nullptr && std::ranges::any_of(command->assignments, told)) ||
         std::ranges::any_of(lists_of(install), [&](const PackageList* list) {
           return list->has_option("--no-build-isolation") || list->has_option("--no-binary") ||
                  (list->indexes.empty() && std::ranges::any_of(list->packages, compiled));
         });
}

std::string mount_owner(const std::string& user) {
  if (user.empty() || is_root(user)) return {};
  return all_digits(user) ? fmt::format("uid={0},gid={0}", user)
                          : fmt::format("uid=…,gid=… (the numbers of {})", user);
}

Downloads::Downloads(const FileView& view, std::size_t stage) : view_(view) {
  for (const std::size_t one : view.dockerfile->lineage(stage))
    for (const Instruction& step : view.dockerfile->stages[one].instructions)
      if (step.span.begin < torch_named_ &&
          mentions(step, [](std::string_view word) { return word.contains("torch"); }))
        torch_named_ = step.span.begin;
  std::set<const PackageList*> seen;
  for (const Install* install : view.installs_in(stage)) {
    const std::size_t place = install->command.span.begin;
    const bool python = !is_of_system(install->command.manager);
    if (python && (install->files.size() < install->command.requirement_files.size() ||
                   install->command.verb == "sync"))
      torch_brought_ = std::min(torch_brought_, place);
    for (const ProjectFile* file : install->files) files_.try_emplace(file, place);
    for (const PackageList* list : lists_of(*install)) {
      if (!seen.insert(list).second) continue;
      for (const PackageRequest& request : list->packages) {
        packages_.try_emplace(request.name, place);
        if (python && (request.name.starts_with("torch") || brings_torch(request.name)))
          torch_brought_ = std::min(torch_brought_, place);
      }
    }
  }
}

/// PyPI's torch comes with what requires it: nothing before brought one, or may have.
bool Downloads::may_bring_torch(const Install& install) const {
  const GpuImage& base = view_.stages[install.stage].image;
  return base.framework.value != "torch" && install.command.indexes.empty() &&
         !install.command.has_option("--no-deps") &&
         install.command.manager == PackageManager::kPip &&
         (!base.repository.contains('/') || base.repository == "nvidia/cuda" ||
          base.distribution.known()) &&
         torch_named_ > install.instruction->span.begin &&
         torch_brought_ >= install.command.span.begin;
}

bool Downloads::brings_much(const Install& install) const {
  const GpuImage& base = view_.stages[install.stage].image;
  const std::size_t place = install.command.span.begin;
  const bool torch_comes = may_bring_torch(install);
  for (const PackageList* list : lists_of(install)) {
    const bool of_file = list != &install.command;
    // An earlier step has installed this file.
    if (const auto first = files_.find(&file_of(install, *list, *view_.file));
        of_file && first != files_.end() && first->second < place)
      continue;
    for (const PackageRequest& request : list->packages) {
      // Their torch is what weighs.
      const bool held = request.name.starts_with("torch") ? base.framework.value == "torch"
                                                          : request.name == base.framework.value;
      // A wheel that lies in the image is not downloaded.
      const bool local = !request.url.empty() && !request.url.contains("://");
      // What an earlier list of packages brought meets the project's own ranges.
      const auto first = packages_.find(request.name);
      const bool met =
          of_file && request.version.empty() && first != packages_.end() && first->second < place;
      const bool alone = install.command.has_option("--no-deps") &&
                         is_one_of(request.name, {"sglang", "torchvision", "torchaudio"});
      const bool brings = torch_comes && list->indexes.empty() && brings_torch(request.name) &&
                          request.group.empty();
      if ((is_large(request) || brings) && !alone && !held && !local && !met &&
          !is_of_branch(request) && !is_for_processor(install, *list, request) &&
          !is_without_kernels(install, request) &&
          !(request.specifier.empty() &&
            holds_extension(*view_.project->knowledge, base.repository, request.name)))
        return true;
    }
  }
  return false;
}

}  // namespace flense::lint
