#include "lint/facts/compiled_code.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/ascii.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/packages/requirement_text.h"
#include "lint/source/blanks.h"

namespace flense::lint {

bool is_source_only(std::string_view package) {
  return is_one_of(package, {"flash-attn", "mmcv", "mmcv-full", "torch-scatter", "torch-sparse",
                             "torch-cluster", "torch-spline-conv"});
}

bool is_torch_extension(std::string_view package) {
  return is_one_of(package, {"apex", "causal-conv1d", "detectron2", "diff-gaussian-rasterization",
                             "fused-ssim", "gsplat", "mamba-ssm", "mmcv", "nvdiffrast", "pytorch3d",
                             "simple-knn", "torchsparse"});
}

namespace {

/// Repositories whose setup.py asks for a GPU, as they are written.
constexpr auto kAskForGpu = std::to_array<std::string_view>(
    {"detectron2", "GroundingDINO", "maskrcnn-benchmark", "pytorch3d"});

}  // namespace

bool asks_for_a_gpu(const PackageRequest& request) {
  // Before 2.0 mmcv is the one without operators.
  if (request.name == "mmcv" && request.url.empty() &&
      (request.version.empty()
           ? !meets("2.0.1", request.specifier) && !meets("2.2.0", request.specifier)
           : compare_versions(request.version, "2") < 0))
    return false;
  return std::ranges::any_of(
             kAskForGpu, [&](std::string_view name) { return same_text(name, request.name); }) ||
         (request.name != "flash-attn" && is_source_only(request.name));
}

bool may_compile(const FileView& view, std::size_t stage) {
  constexpr auto kTools = std::to_array<std::string_view>(
      {"nvcc", "cmake", "make", "ninja", "meson", "cargo", "bazel", "gcc", "g++", "configure",
       "colcon", "catkin_make", "luarocks"});
  for (const std::string_view name : {"TORCH_CUDA_ARCH_LIST", "FORCE_CUDA", "MAX_JOBS", "setup.py",
                                      "build_ext", "--no-build-isolation", "--no-binary", "bazel"})
    if (commands_mention(view, stage, name)) return true;
  constexpr auto kNames = std::to_array<std::string_view>(
      {"TORCH_CUDA_ARCH_LIST", "FORCE_CUDA", "MAX_JOBS", "CUDAARCHS", "CMAKE_ARGS"});
  if (!settings_of(view, stage, kNames).empty()) return true;
  for (const std::size_t one : view.dockerfile->lineage(stage))
    for (const Instruction& run : view.dockerfile->stages[one].instructions) {
      if (run.keyword != Keyword::kRun) continue;
      for (const StepCommand& command : commands_of(run))
        // Of a script nobody knows what it does.
        if (is_one_of(command.program, kTools) || command.program.contains('$') ||
            command.program.ends_with(".sh") ||
            (command.program == "git" && command.has("clone")) ||
            (is_shell(command.program) &&
             std::ranges::any_of(command.arguments,
                                 [](const Argument& word) { return word.text.ends_with(".sh"); })))
          return true;
    }
  for (const Install* install : view.installs_in(stage))
    for (const PackageList* list : lists_of(*install))
      for (const PackageRequest& request : list->packages)
        if (request.url.starts_with("git+") ||
            is_one_of(request.name, {"flash-attn", "apex", "cmake", "ninja-build", "ccache",
                                     "natten", "horovod", "mamba-ssm", "causal-conv1d"}) ||
            starts_with_any(request.name, {"gcc-toolset", "devtoolset"}))
          return true;
  return false;
}

bool may_compile_extension(const FileView& view, std::size_t stage) {
  if (const Context* context = view.project->context_of(*view.file);
      context != nullptr && std::ranges::any_of(context->files, [](const ContextFile& file) {
        return file.path.ends_with(".cu");
      }))
    return true;
  const auto compiles = [](const PackageRequest& one) {
    return is_source_only(one.name) ||
           is_one_of(one.name, {"causal-conv1d", "deepspeed", "detectron2", "gsplat", "mamba-ssm",
                                "nvdiffrast", "pytorch3d"});
  };
  // Also in the stages that are built on it.
  return std::ranges::any_of(view.stages, [&](const StageView& user) {
    const auto lineage = view.dockerfile->lineage(user.index);
    if (std::ranges::find(lineage, stage) == lineage.end()) return false;
    if (may_compile(view, user.index)) return true;
    return std::ranges::any_of(view.installs_in(user.index), [&](const Install* install) {
      return std::ranges::any_of(lists_of(*install), [&](const PackageList* list) {
        return std::ranges::any_of(list->packages, compiles);
      });
    });
  });
}

namespace {

/// A repository whose setup.py asks for a GPU: without one it compiles no CUDA code.
bool clones_what_asks(const FileView& view, std::size_t stage) {
  return std::ranges::any_of(kAskForGpu, [&](std::string_view name) {
    return commands_mention(view, stage, "/" + std::string(name));
  });
}

}  // namespace

bool compiles_torch_extension(const FileView& view, std::size_t stage) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"TORCH_CUDA_ARCH_LIST", "FORCE_CUDA", "FLASH_ATTENTION_FORCE_BUILD", "DS_BUILD_OPS"});
  // Others compile for the processor alone without FORCE_CUDA, and flash-attn fetches a wheel.
  const auto compiles = [](const PackageRequest& one) {
    return one.url.starts_with("git+") && is_torch_extension(one.name) && !asks_for_a_gpu(one);
  };
  return std::ranges::any_of(view.stages, [&](const StageView& user) {
    const auto lineage = view.dockerfile->lineage(user.index);
    if (std::ranges::find(lineage, stage) == lineage.end()) return false;
    return std::ranges::any_of(
               kNames, [&](auto name) { return commands_mention(view, user.index, name); }) ||
           !settings_of(view, user.index, kNames).empty() ||
           (commands_mention(view, user.index, "setup.py") &&
            !clones_what_asks(view, user.index)) ||
           std::ranges::any_of(view.installs_in(user.index), [&](const Install* install) {
             return std::ranges::any_of(lists_of(*install), [&](const PackageList* list) {
               return std::ranges::any_of(list->packages, compiles);
             });
           });
  });
}

bool is_for_a_shell(const FileView& view, std::size_t stage) {
  const Instruction* start = nullptr;
  bool copies = false;
  for (const std::size_t one : view.dockerfile->lineage(stage))
    for (const Instruction& instruction : view.dockerfile->stages[one].instructions)
      if (instruction.copies())
        copies = true;
      else if (instruction.keyword == Keyword::kEntrypoint || instruction.keyword == Keyword::kCmd)
        start = &instruction;
  if (start == nullptr) return !copies;
  const std::string_view text = view.text(start->span);
  const auto commands = commands_of(*start);
  return text.contains("/dev/null") || text.contains("infinity") ||
         (commands.size() == 1 && is_shell(commands.front().program) &&
          commands.front().arguments.empty());
}

}  // namespace flense::lint
