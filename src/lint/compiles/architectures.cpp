// The GPUs that a build compiles for: lists of architectures, their spelling, what the base's
// toolkit supports, and what the given hosts have.
#include <algorithm>
#include <array>
#include <optional>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/compiles/architecture_lists.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/table_facts.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr auto kTorchNames = std::to_array<std::string_view>({"TORCH_CUDA_ARCH_LIST"});
constexpr auto kTorchRocmNames = std::to_array<std::string_view>({"PYTORCH_ROCM_ARCH"});
constexpr auto kCmakeNames =
    std::to_array<std::string_view>({"CMAKE_CUDA_ARCHITECTURES", "CUDAARCHS"});
constexpr auto kRocmNames = std::to_array<std::string_view>(
    {"GPU_TARGETS", "AMDGPU_TARGETS", "CMAKE_HIP_ARCHITECTURES", "GPU_ARCHS"});

/// What stands behind the list that is to be written, where some of the old one are left out.
std::string left_out(const Listed& at, std::size_t old, const ArchitectureList& kept) {
  return kept.items.size() == old
             ? std::string()
             : fmt::format(", without what CUDA {} of the base does not compile for",
                           major_minor(at.stage->image.cuda.value));
}

/// Whether all Python packages of the stages on this one are known, and neither they nor a tool
/// beside them compile for GPUs.
bool compiles_nothing(const FileView& view, const StageView& stage) {
  bool python = false;
  for (const StageView& user : view.stages) {
    const auto lineage = view.dockerfile->lineage(user.index);
    if (std::ranges::find(lineage, stage.index) == lineage.end()) continue;
    if (!knows_all_installs(view, user.index)) return false;
    for (const std::string_view tool : {"cmake", "ninja", "ninja-build", "nvcc", "setup.py", "make",
                                        "bazel", "meson", "cargo", "git+"})
      if (commands_mention(view, user.index, tool)) return false;
    for (const Install* install : view.installs_in(user.index))
      for (const PackageList* list : lists_of(*install))
        for (const PackageRequest& request : list->packages) {
          if (is_gpu_package(request.name) || !request.url.empty()) return false;
          python = python || !is_of_system(request.manager);
        }
  }
  return python;
}

/// A semicolon outside quotes ends a shell's command.
bool may_stand(const Setting& setting, const FileView& view, std::string_view value) {
  return !value.contains(';') ||
         (setting.instruction->keyword == Keyword::kEnv && !view.is_definition()) ||
         (setting.span.begin > 0 && std::string_view("\"'").contains(
                                        view.text({setting.span.begin - 1, setting.span.begin})));
}

void torch_lists(const FileView& view, const StageView& stage, FindingSink& sink) {
  const std::vector<Setting> settings = settings_of(view, stage.index, kTorchNames);
  const bool other = !settings.empty() && brings_toolkit(view, stage);
  const bool without_compiler = is_one_of(stage.image.flavour.value, {"base", "runtime"}) &&
                                !commands_mention(view, stage.index, "cuda-") &&
                                !commands_mention(view, stage.index, "nvcc");
  const bool idle = without_compiler || (!settings.empty() && compiles_nothing(view, stage));
  for (const Setting& setting : settings) {
    // Of a shell within the shell.
    if (setting.value.contains('"') || setting.value.contains('\\')) continue;
    const Listed at{"torch-arch-list",   &view, &stage, setting.name, setting.span, setting.exact,
                    setting.instruction, other};
    ArchitectureList list = read_architectures(setting.value, ArchitectureSyntax::kTorch);
    if (!list.well_spelt) {
      Finding& found = sink.add(
          at.rule, *view.file, at.span,
          fmt::format("TORCH_CUDA_ARCH_LIST is \"{}\": torch wants capabilities as 8.6, with "
                      "semicolons or blanks between them",
                      setting.value));
      found.evidence = {"torch.utils.cpp_extension: named architectures and 'N.N', 'N.N+PTX'"};
      if (!list.corrected.empty()) {
        const std::size_t old = list.items.size();
        const bool any_left = drop_refused(at, list);
        found.fix = fmt::format("write \"{}\"{}", list.corrected, left_out(at, old, list));
        if (any_left && setting.exact && may_stand(setting, view, list.corrected))
          found.edits.push_back({at.span, list.corrected});
        found.pedantic = idle;
      }
    }
    for (const std::string_view word : {"all", "common"})
      if (list.has_keyword(word)) {
        Finding& found = sink.add(at.rule, *view.file, at.span,
                                  fmt::format("TORCH_CUDA_ARCH_LIST is '{}': CMake compiles every "
                                              "kernel for every GPU that is known, and "
                                              "torch.utils.cpp_extension knows no such name",
                                              setting.value));
        found.evidence = {"mmdetection#2108"};
        found.fix = fmt::format("name the GPUs to support, as \"{}\"",
                                example_architectures(view, stage, ArchitectureSyntax::kTorch));
      }
    if (!idle) judge_toolkit(at, list, sink);
    judge_hosts(at, list, false, sink);
  }
  for (const Setting& setting : settings_of(view, stage.index, kTorchRocmNames)) {
    const Listed at{"torch-arch-list",  &view, &stage, setting.name, setting.span, setting.exact,
                    setting.instruction};
    judge_hosts(at, read_architectures(setting.value, ArchitectureSyntax::kRocm), false, sink);
  }
}

/// Whether an ENV of this name, which CMake does not read, only gives torch its list.
bool is_for_torch(const FileView& view, const Setting& setting) {
  if (setting.name != "CMAKE_CUDA_ARCHITECTURES" || setting.instruction == nullptr ||
      (setting.instruction->keyword != Keyword::kEnv &&
       setting.instruction->keyword != Keyword::kArg))
    return false;
  const std::string_view text = view.file->source.text();
  for (const std::string_view use : {"TORCH_CUDA_ARCH_LIST=${CMAKE_CUDA_ARCHITECTURES}",
                                     "TORCH_CUDA_ARCH_LIST=\"${CMAKE_CUDA_ARCHITECTURES}\"",
                                     "TORCH_CUDA_ARCH_LIST=$CMAKE_CUDA_ARCHITECTURES"})
    if (text.contains(use) && !text.contains("-DCMAKE_CUDA_ARCHITECTURES")) return true;
  return false;
}

/// Whether a later setting of the name takes the place of this one before a step could read it.
bool is_replaced(const StageView& stage, const std::vector<Setting>& all, const Setting& setting) {
  if (setting.instruction == nullptr || setting.instruction->keyword == Keyword::kRun) return false;
  const std::size_t begin = setting.instruction->span.begin;
  return std::ranges::any_of(all, [&](const Setting& later) {
    return later.name == setting.name && later.instruction != nullptr &&
           later.instruction->span.begin > begin &&
           std::ranges::none_of(stage.stage->instructions, [&](const Instruction& step) {
             return step.keyword == Keyword::kRun && step.span.begin > begin &&
                    step.span.begin < later.instruction->span.begin;
           });
  });
}

/// Whether something reads the variable by its name: what CMake wants of it is not all.
bool is_read(const FileView& view, std::string_view name) {
  const std::string_view text = view.file->source.text();
  for (const std::string& use : {fmt::format("${}", name), fmt::format("${{{}", name)})
    for (std::size_t at = text.find(use); at != text.npos; at = text.find(use, at + 1)) {
      std::string_view before = text.substr(0, at);
      while (before.ends_with('"') || before.ends_with('\'')) before.remove_suffix(1);
      if (!ends_with_any(before, {"CMAKE_CUDA_ARCHITECTURES=", "CUDAARCHS="})) return true;
    }
  return false;
}

/// Whether each cmake of the stage that configures says the architectures itself.
bool says_it_itself(const StageView& stage) {
  bool said = false;
  for (const Instruction& run : stage.stage->instructions)
    for (const ShellCommand& command : run.commands) {
      if (program_of(command).name != "cmake") continue;
      const auto has = [&](std::string_view text) {
        return std::ranges::any_of(
            command.words, [&](const ShellWord& word) { return word.text.starts_with(text); });
      };
      if (has("-DCMAKE_CUDA_ARCHITECTURES"))
        said = true;
      else if (!has("--build") && !has("--install") && !has("-E") && !has("-P") &&
               !has("--version") && !has("--help"))
        return false;
    }
  return said;
}

void cmake_lists(const FileView& view, const StageView& stage, FindingSink& sink) {
  const std::vector<Setting> all = settings_of(view, stage.index, kCmakeNames);
  const bool other = !all.empty() && brings_toolkit(view, stage);
  for (const Setting& setting : all) {
    if (is_for_torch(view, setting) || is_replaced(stage, all, setting)) continue;
    // CMake reads CUDAARCHS where the command does not say the same.
    if (setting.name == "CUDAARCHS" && says_it_itself(stage)) continue;
    const Listed at{"cuda-architectures", &view, &stage, setting.name, setting.span, setting.exact,
                    setting.instruction,  other};
    ArchitectureList list = read_architectures(setting.value, ArchitectureSyntax::kCmake);
    if (!list.well_spelt) {
      Finding& found = sink.add(
          at.rule, *view.file, at.span,
          fmt::format("{} is \"{}\": CMake wants numbers without a dot, with semicolons between "
                      "them",
                      setting.name, setting.value));
      found.evidence = {"CMake: CUDA_ARCHITECTURES"};
      if (!list.corrected.empty()) {
        const bool read = is_read(view, setting.name);
        const std::size_t old = list.items.size();
        const bool any_left = drop_refused(at, list);
        found.fix = fmt::format("{} \"{}\"{}{}", read ? "give CMake" : "write", list.corrected,
                                left_out(at, old, list),
                                read ? ": something else reads " + setting.name + " too" : "");
        if (any_left && setting.exact && !read && may_stand(setting, view, list.corrected))
          found.edits.push_back({at.span, list.corrected});
      }
    }
    if (list.has_keyword("native")) {
      // apptainer build --nv has one.
      if (!runs_in_build(setting.instruction) || view.is_definition()) continue;
      Finding& found =
          sink.add(at.rule, *view.file, at.span,
                   fmt::format("{} is native, and a build of an image has no GPU", setting.name));
      found.severity = Severity::kError;
      found.evidence = {
          "GiantAI/pixtrack#12, colmap#2807: \"is set to native, but no GPU was "
          "detected\"",
          "nvidia-docker#370"};
      found.fix = fmt::format("name the GPUs to support, as \"{}\"",
                              example_architectures(view, stage, ArchitectureSyntax::kCmake));
    } else if (list.has_keyword("all") || list.has_keyword("all-major")) {
      Finding& found = sink.add(at.rule, *view.file, at.span,
                                fmt::format("{} is '{}': every kernel is compiled and shipped for "
                                            "every GPU that the toolkit knows",
                                            setting.name, setting.value));
      found.evidence = {"CMake: CUDA_ARCHITECTURES"};
      found.fix = fmt::format("name the GPUs to support, as \"{}\"",
                              example_architectures(view, stage, ArchitectureSyntax::kCmake));
      // What is published for everybody's GPU is meant so.
      found.pedantic = list.has_keyword("all-major");
    }
    judge_toolkit(at, list, sink);
    judge_hosts(at, list, true, sink);
  }
  for (const Setting& setting : settings_of(view, stage.index, kRocmNames)) {
    const Listed at{"cuda-architectures", &view, &stage, setting.name, setting.span, setting.exact,
                    setting.instruction};
    judge_hosts(at, read_architectures(setting.value, ArchitectureSyntax::kRocm), false, sink);
  }
}

void nvcc_flags(const FileView& view, const StageView& stage, FindingSink& sink) {
  std::optional<bool> other;  // asked once
  for (const Instruction& run : stage.stage->instructions)
    for (const ShellCommand& command : run.commands) {
      const Program program = program_of(command);
      if (program.name != "nvcc") continue;
      unsigned targets = 0;
      bool compressed = false;
      for (std::size_t at = program.first + 1; at < command.words.size(); ++at) {
        const ShellWord& word = command.words[at];
        compressed = compressed || word.text.find("compress") != std::string::npos;
        std::string_view value;
        Span span = word.span;
        for (const std::string_view option :
             {"--gpu-architecture", "--generate-code", "-gencode", "-arch"}) {
          if (!word.text.starts_with(option)) continue;
          value = std::string_view(word.text).substr(option.size());
          if (value.starts_with('=')) value.remove_prefix(1);
          if (value.empty() && at + 1 < command.words.size()) {
            value = command.words[at + 1].text;
            span = command.words[at + 1].span;
          }
          break;
        }
        if (value.empty() || value.find('$') != value.npos) continue;
        ++targets;
        if (!other) other = brings_toolkit(view, stage);
        const Listed listed{"cuda-architectures", &view, &stage, "nvcc", span, false, &run, *other};
        const ArchitectureList list = read_architectures(value, ArchitectureSyntax::kNvcc);
        if (list.has_keyword("native") && runs_in_build(&run)) {
          Finding& found = sink.add(listed.rule, *view.file, span,
                                    "nvcc is to compile for the GPU at hand, and a build of an "
                                    "image has none");
          found.severity = Severity::kError;
          found.evidence = {"nvidia-docker#370"};
          const std::string all = example_architectures(view, stage, ArchitectureSyntax::kCmake);
          found.fix = fmt::format("name the GPU to support, as -arch=sm_{}",
                                  all.substr(all.rfind(';') + 1));
        }
        judge_toolkit(listed, list, sink);
        if (value.find("sm_") != value.npos && targets == 1 && command.words.size() < 200) {
          const bool more = std::ranges::count_if(command.words, [](const ShellWord& other) {
                              return other.text.starts_with("-gencode") ||
                                     other.text.starts_with("--generate-code");
                            }) > 1;
          if (!more) judge_hosts(listed, list, false, sink);
        }
      }
      if (compressed || targets < 2 || !stage.image.cuda.known() ||
          !version_at_least(stage.image.cuda.value, "12.8"))
        continue;
      const auto* format = view.project->knowledge->drivers.format("zstd-fatbin");
      Finding& found = sink.add(
          "nvcc-uncompressed", *view.file, command.words[program.first].span,
          "code for several GPUs is written without a compress mode: CUDA 12.8 and later can make "
          "it smaller");
      found.evidence = {stage.image.cuda.evidence};
      if (format != nullptr)
        found.evidence.push_back(
            fmt::format("{}: needs a driver of CUDA {}", format->source, format->cuda));
    }
}

}  // namespace

void judge_architectures(const Project& /*project*/, const std::vector<FileView>& views,
                         FindingSink& sink) {
  for (const FileView& view : views)
    for (const StageView& stage : view.stages) {
      torch_lists(view, stage, sink);
      cmake_lists(view, stage, sink);
      nvcc_flags(view, stage, sink);
    }
}

}  // namespace flense::lint
