// Builds for CUDA that name no GPU at all: the project's own default decides.
#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/gpu_architectures.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/table_facts.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr auto kListNames =
    std::to_array<std::string_view>({"CMAKE_CUDA_ARCHITECTURES", "CUDAARCHS"});

/// A file, or a variable that nobody knows here, may name the architectures.
bool may_be_set_elsewhere(const Instruction& run, const ShellCommand& command) {
  if (std::ranges::any_of(command.assignments,
                          [](const ShellAssignment& set) { return set.name == "CUDAFLAGS"; }) ||
      (run.environment && run.environment->contains("CUDAFLAGS")))
    return true;
  return std::ranges::any_of(command.words, [&](const ShellWord& word) {
    return starts_with_any(word.text, {"-C", "--preset", "--toolchain", "-DCMAKE_TOOLCHAIN_FILE",
                                       "-DCMAKE_PROJECT_INCLUDE"}) ||
           (word.text.starts_with('$') && !word.quoted && !word.text.contains('/') &&
            (!run.environment || !expand(word.text, *run.environment)));
  });
}

/// cmake -DGGML_CUDA=ON without any list of architectures.
void unset_lists(const FileView& view, const StageView& stage, FindingSink& sink) {
  if (stage.image.flavour.value != "devel" || stage.image.vendor.value != "nvidia") return;
  if (!settings_of(view, stage.index, kListNames).empty()) return;
  for (const std::string_view word : {"CMAKE_CUDA_ARCHITECTURES", "CUDA_ARCH_BIN", "CUDAARCHS"})
    if (commands_mention(view, stage.index, word)) return;
  for (const Instruction& run : stage.stage->instructions)
    for (const ShellCommand& command : run.commands) {
      if (program_of(command).name != "cmake" || !runs_in_build(&run) ||
          may_be_set_elsewhere(run, command))
        continue;
      for (const ShellWord& word : command.words) {
        const std::string& text = word.text;
        if (!text.starts_with("-D") || !text.contains("CU") ||
            !(text.ends_with("=ON") || text.ends_with("=1") || text.ends_with("=on")))
          continue;
        Finding& found = sink.add(
            "cuda-architectures", *view.file, word.span,
            "CUDA is switched on, and CMAKE_CUDA_ARCHITECTURES is not set: the project's default "
            "decides, which is the builder's GPU, every GPU, or the oldest");
        found.evidence = {stage.image.flavour.evidence, "ggml-org/llama.cpp#18413"};
        // Many have a list of their own, as OpenCV, CTranslate2, DGL and older llama.cpp have.
        found.pedantic = true;
        found.fix =
            fmt::format("add -DCMAKE_CUDA_ARCHITECTURES with the GPUs to support, as \"{}\"",
                        example_architectures(view, stage, ArchitectureSyntax::kCmake));
        break;
      }
    }
}

/// CMAKE_ARGS="-DGGML_CUDA=on" for what pip compiles.
void unset_for_pip(const FileView& view, const StageView& stage, FindingSink& sink) {
  if (stage.image.flavour.value != "devel" || stage.image.vendor.value != "nvidia" ||
      !settings_of(view, stage.index, kListNames).empty())
    return;
  for (const std::string_view word : {"CMAKE_CUDA_ARCHITECTURES", "CUDAARCHS",
                                      "GGML_NATIVE=", "LLAMA_NATIVE=", "CUDA_DOCKER_ARCH"})
    if (commands_mention(view, stage.index, word)) return;
  for (const Install* install : view.installs_in(stage.index)) {
    const Instruction& run = *install->instruction;
    const PackageRequest* compiled = nullptr;
    for (const PackageList* list : lists_of(*install))
      if (const PackageRequest* one = list->find("llama-cpp-python");
          one != nullptr && list->indexes.empty() && !is_of_system(list->manager))
        compiled = one;
    const ShellCommand* command = command_at(run, install->command.span);
    if (compiled == nullptr || command == nullptr || run.keyword != Keyword::kRun) continue;
    const auto arguments = variable_at(run, command, "CMAKE_ARGS").value;
    if (!arguments || arguments->contains("NATIVE=") || arguments->contains("ARCHITECTURES"))
      continue;
    const auto names = parts_of(*arguments, " \t;\"'");
    const auto on = std::ranges::find_if(names, [](std::string_view name) {
      return starts_with_any(name,
                             {"-DGGML_CUDA", "-DLLAMA_CUDA", "-DLLAMA_CUBLAS", "-DGGML_CUBLAS"}) &&
             ends_with_any(name, {"=on", "=ON", "=On", "=1", "=true", "=TRUE"});
    });
    if (on == names.end()) continue;
    // Each release reads its own names; others build nothing for GPUs.
    const bool renamed = on->starts_with("-DGGML_CUDA");
    const std::string& version = compiled->version;
    if (version.empty() ? !renamed : renamed != (compare_versions(version, "0.2.80") >= 0))
      continue;
    Finding& found = sink.add(
        "cuda-architectures", *view.file, command->span,
        fmt::format("{} is compiled for CUDA, and CMAKE_ARGS has no CMAKE_CUDA_ARCHITECTURES: the "
                    "project's default decides, which is the builder's GPU, every GPU, or the "
                    "oldest",
                    compiled->name));
    found.evidence = {fmt::format("CMAKE_ARGS has {}", *on), stage.image.flavour.evidence,
                      "ggml-org/llama.cpp#18413"};
    found.pedantic = true;  // older ones have a list that serves every GPU
    found.fix = fmt::format(
        "add -DCMAKE_CUDA_ARCHITECTURES to CMAKE_ARGS with the GPUs to support, as \"{}\"",
        example_architectures(view, stage, ArchitectureSyntax::kCmake));
  }
}

}  // namespace

void judge_architectures_unset(const Project& /*project*/, const std::vector<FileView>& views,
                               FindingSink& sink) {
  for (const FileView& view : views)
    for (const StageView& stage : view.stages) {
      unset_lists(view, stage, sink);
      unset_for_pip(view, stage, sink);
    }
}

}  // namespace flense::lint
