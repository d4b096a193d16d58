#include "lint/facts/tool_caches.h"

#include <algorithm>
#include <array>

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

bool empties(const Instruction& run, std::string_view directory, std::string_view tool,
             bool unknown) {
  // What poetry downloads lies in a directory of its own.
  const std::string packages = fmt::format("{}/artifacts", directory);
  const auto removes = [&](std::string path) {
    if (path.starts_with("~")) path = "/root" + path.substr(1);
    while (path.ends_with('/') || path.ends_with('*')) path.pop_back();
    if (holds(path, "$")) return unknown;
    return !path.empty() && (lies_in(directory, path) || path == packages);
  };
  for (const StepCommand& command : commands_of(run)) {
    if (command.program == "rm" &&
        std::ranges::any_of(command.arguments,
                            [&](const Argument& word) { return removes(word.text); }))
      return true;
    // trap 'rm -rf ~/.cache' EXIT; a function that it names may remove anything.
    if (command.program == "trap" && command.has("EXIT") && !command.arguments.empty()) {
      const std::vector<std::string_view> words =
          parts_of(command.arguments.front().text, " \t\n;&|\"");
      const bool removal = std::ranges::find(words, "rm") != words.end();
      if (removal ? std::ranges::any_of(
                        words, [&](std::string_view word) { return removes(std::string(word)); })
                  : unknown)
        return true;
    }
    if (command.program == "find" && command.has("-delete") && !command.arguments.empty() &&
        lies_in(directory, normal_path(command.arguments.front().text)))
      return true;
    // find / -name .cache -exec rm …; a program of somebody's own
    if (unknown &&
        (command.program.contains("clean") || (command.program == "find" && command.has(".cache"))))
      return true;
    const bool cache = command.has("cache");
    if (holds(command.program, tool) && cache &&
        (command.has("purge") || command.has("clean") || command.has("remove")))
      return true;
    if (command.program.starts_with("python") && command.has(tool) && cache && command.has("purge"))
      return true;
  }
  return false;
}

std::string mount_owner(const std::string& user) {
  if (user.empty() || is_root(user)) return {};
  return all_digits(user) ? fmt::format("uid={0},gid={0}", user)
                          : fmt::format("uid=…,gid=… (the numbers of {})", user);
}

namespace {

/// PyPI's torch comes with what requires it: nothing before brought one, or may have.
bool may_bring_torch(const FileView& view, const Install& install) {
  const GpuImage& base = view.stages[install.stage].image;
  if (base.framework.value == "torch" || !install.command.indexes.empty() ||
      install.command.has_option("--no-deps") || install.command.manager != PackageManager::kPip ||
      (base.repository.contains('/') && base.repository != "nvidia/cuda" &&
       !base.distribution.known()) ||
      commands_mention(view, install.stage, "torch", install.instruction))
    return false;
  return std::ranges::none_of(view.installs_in(install.stage), [&](const Install* other) {
    if (other->command.span.begin >= install.command.span.begin ||
        is_of_system(other->command.manager))
      return false;
    if (other->files.size() < other->command.requirement_files.size() ||
        other->command.verb == "sync")
      return true;
    return std::ranges::any_of(lists_of(*other), [](const PackageList* list) {
      return std::ranges::any_of(list->packages, [](const PackageRequest& request) {
        return request.name.starts_with("torch") || brings_torch(request.name);
      });
    });
  });
}

}  // namespace

bool brings_much(const FileView& view, const Install& install) {
  const GpuImage& base = view.stages[install.stage].image;
  const auto before = view.installs_in(install.stage);
  const bool torch_comes = may_bring_torch(view, install);
  for (const PackageList* list : lists_of(install)) {
    // An earlier step has installed this file.
    if (list != &install.command && std::ranges::any_of(before, [&](const Install* other) {
          return other->command.span.begin < install.command.span.begin &&
                 std::ranges::find(other->files, &file_of(install, *list, *view.file)) !=
                     other->files.end();
        }))
      continue;
    for (const PackageRequest& request : list->packages) {
      // Their torch is what weighs.
      const bool held = request.name.starts_with("torch") ? base.framework.value == "torch"
                                                          : request.name == base.framework.value;
      // A wheel that lies in the image is not downloaded.
      const bool local = !request.url.empty() && !request.url.contains("://");
      // What an earlier list of packages brought meets the project's own ranges.
      const bool met =
          list != &install.command && request.version.empty() &&
          std::ranges::any_of(before, [&](const Install* other) {
            return other->command.span.begin < install.command.span.begin &&
                   std::ranges::any_of(
                       lists_of(*other),
                       [&](const PackageList* had) { return had->find(request.name) != nullptr; });
          });
      const bool alone = install.command.has_option("--no-deps") &&
                         is_one_of(request.name, {"sglang", "torchvision", "torchaudio"});
      const bool brings = torch_comes && list->indexes.empty() && brings_torch(request.name) &&
                          request.group.empty();
      if ((is_large(request) || brings) && !alone && !held && !local && !met &&
          !is_of_branch(request) && !is_for_processor(install, *list, request) &&
          !is_without_kernels(install, request) &&
          !(request.specifier.empty() &&
            holds_extension(*view.project->knowledge, base.repository, request.name)))
        return true;
    }
  }
  return false;
}

}  // namespace flense::lint
