// Extensions of torch that are compiled when they are installed: the GPUs that they are compiled
// for, and where.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/compiled_code.h"
#include "lint/facts/gpu_architectures.h"
#include "lint/packages/requirement_text.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Python packages that compile GPU code when they are installed.
bool builds_extension(const PackageRequest& request) {
  if (request.url.starts_with("git+"))
    return asks_for_a_gpu(request) || is_torch_extension(request.name) ||
           is_one_of(request.name,
                     {"flash-attn", "flash-attention", "xformers", "vllm", "deepspeed", "mamba",
                      "transformerengine", "transformer-engine", "tiny-cuda-nn"});
  // A file may be a wheel.
  return request.url.empty() && is_source_only(request.name) &&
         (request.name == "flash-attn" || asks_for_a_gpu(request));
}

/// A repository that a step of the stage clones, as pip would be asked for it.
struct Clone {
  std::string folder;  ///< its name
  PackageRequest request;
};

std::vector<Clone> clones_of(const StageView& stage) {
  constexpr std::size_t kMost = 100;
  std::vector<Clone> out;
  for (const Instruction& run : stage.stage->instructions)
    for (const StepCommand& command : commands_of(run)) {
      const std::string folder = clone_target(command);
      const auto url = std::ranges::find_if(command.arguments, [](const Argument& word) {
        return word.text.contains("github.com/");
      });
      if (folder.empty() || url == command.arguments.end()) continue;
      std::string_view name = file_name(url->text);
      if (name.ends_with(".git")) name.remove_suffix(4);
      PackageRequest request;
      request.name = normalised_name(name);
      request.url = "git+" + url->text;
      if (asks_for_a_gpu(request) && out.size() < kMost)
        out.push_back({std::string(file_name(folder)), request});
    }
  return out;
}

/// `python setup.py install` in the folder of a clone.
std::optional<PackageRequest> clone_build(const FileView& view, const StageView& stage,
                                          const std::vector<Clone>& clones) {
  const StageSteps steps(view, stage.index);
  for (const Step& step : steps.all()) {
    if (step.instruction->keyword != Keyword::kRun) continue;
    std::string folder(file_name(step.directory));
    for (const StepCommand& command : commands_of(*step.instruction)) {
      if (command.program == "cd" && !command.arguments.empty())
        folder = file_name(command.arguments.front().text);
      // What asks for the GPU may be taken out.
      if (command.program == "patch" || (command.program == "git" && command.has("apply")) ||
          (is_one_of(command.program, {"sed", "perl"}) &&
           std::ranges::any_of(command.arguments, [](const Argument& word) {
             return file_name(word.text) == "setup.py";
           })))
        return std::nullopt;
      if (!command.program.starts_with("python") || !command.has("setup.py")) continue;
      const auto clone = std::ranges::find(clones, folder, &Clone::folder);
      if (clone == clones.end() || !(command.has("install") || command.has("develop") ||
                                     command.has("build_ext") || command.has("bdist_wheel")))
        continue;
      PackageRequest request = clone->request;
      request.span = command.shell->span;
      return request;
    }
  }
  return std::nullopt;
}

/// The first extension that the stage compiles: by its name, its repository, or the folder of a
/// clone.
std::optional<PackageRequest> extension_build(const FileView& view, const StageView& stage) {
  const std::vector<Clone> clones = clones_of(stage);
  for (const Install& install : view.installs) {
    if (install.stage != stage.index) continue;
    if (!install.command.indexes.empty()) continue;  // -f names an index of wheels
    for (const PackageRequest& request : install.command.packages)
      if (builds_extension(request)) return request;
    for (const Word& file : install.command.requirement_files) {
      if (!install.command.installs || !file.text.ends_with("/pyproject.toml")) continue;
      const std::string folder = directory_of(file.text);
      const auto clone = std::ranges::find(clones, file_name(folder), &Clone::folder);
      if (clone == clones.end()) continue;
      PackageRequest request = clone->request;
      request.span = file.span;
      return request;
    }
  }
  return clones.empty() ? std::nullopt : clone_build(view, stage, clones);
}

/// FORCE_CUDA=1 builds CUDA code where no GPU is.
const Setting* forced(const std::vector<Setting>& settings) {
  for (const Setting& one : settings)
    if (!one.value.empty() && one.value != "0") return &one;
  return nullptr;
}

/// `RUN export FORCE_CUDA=1`, and nothing after it.
bool ends_with_step(const Setting& setting) {
  if (setting.instruction == nullptr || setting.instruction->commands.empty()) return false;
  const ShellCommand& last = setting.instruction->commands.back();
  return !last.words.empty() && last.words.front().text == "export" &&
         last.span.begin <= setting.span.begin && setting.span.end <= last.span.end;
}

constexpr auto kForced = std::to_array<std::string_view>({"FORCE_CUDA"});

void forced_cuda(const FileView& view, const StageView& stage, FindingSink& sink) {
  constexpr auto kNames = std::to_array<std::string_view>({"TORCH_CUDA_ARCH_LIST"});
  if (stage.image.flavour.value != "devel" || stage.image.vendor.value != "nvidia" ||
      !stage.own_base || stage.image.repository.starts_with("nvcr.io/nvidia/") ||
      extension_build(view, stage))
    return;
  const std::vector<Setting> settings = settings_of(view, stage.index, kForced);
  const Setting* setting = forced(settings);
  if (setting == nullptr || ends_with_step(*setting) ||
      !settings_of(view, stage.index, kNames).empty() ||
      commands_mention(view, stage.index, "TORCH_CUDA_ARCH_LIST"))
    return;
  Finding& found =
      sink.add("torch-arch-list", *view.file, setting->span,
               "FORCE_CUDA compiles CUDA code, and TORCH_CUDA_ARCH_LIST is not set: "
               "without a GPU at hand it is built for every architecture, or for none");
  found.pedantic = true;
  found.evidence = {"fused-ssim#31, mmdetection#2108", stage.image.flavour.evidence};
  found.fix =
      fmt::format("set it before the build: {} TORCH_CUDA_ARCH_LIST=\"{}\"", view.setting_word(),
                  example_architectures(view, stage, ArchitectureSyntax::kTorch));
}

/// Which variable names the GPUs that a package's build compiles for; empty: the package has a list
/// of its own.
std::string_view list_variable(const PackageRequest& request, bool amd) {
  if (request.name == "tiny-cuda-nn") return "TCNN_CUDA_ARCHITECTURES";
  if (request.name.starts_with("flash-att")) return amd ? "GPU_ARCHS" : "";
  if (!amd &&
      is_one_of(request.name, {"apex", "vllm", "deepspeed", "causal-conv1d", "mamba", "mamba-ssm",
                               "transformerengine", "transformer-engine", "nvdiffrast"}))
    return {};
  return amd ? "PYTORCH_ROCM_ARCH" : "TORCH_CUDA_ARCH_LIST";
}

/// `python setup.py install` of what may be an extension, beside torch.
void own_setup(const FileView& view, const StageView& stage, FindingSink& sink) {
  constexpr auto kNames =
      std::to_array<std::string_view>({"TORCH_CUDA_ARCH_LIST", "FORCE_CUDA", "CUDAARCHS"});
  if (stage.image.flavour.value != "devel" || stage.image.vendor.value != "nvidia" ||
      stage.image.repository.starts_with("nvcr.io/nvidia/") ||
      !settings_of(view, stage.index, kNames).empty() ||
      commands_mention(view, stage.index, "TORCH_CUDA_ARCH_LIST"))
    return;
  const auto names_torch = [](const Install* install) {
    return std::ranges::any_of(lists_of(*install), [](const PackageList* list) {
      return list->find("torch") != nullptr || list->find("pytorch") != nullptr;
    });
  };
  if (stage.image.framework.value != "torch" &&
      std::ranges::none_of(view.installs_in(stage.index), names_torch))
    return;
  for (const Instruction& run : stage.stage->instructions) {
    if (run.keyword != Keyword::kRun) continue;
    for (const StepCommand& command : commands_of(run)) {
      if (!command.program.starts_with("python") || !command.has("setup.py") ||
          !(command.has("install") || command.has("develop") || command.has("build_ext")))
        continue;
      Finding& found = sink.add(
          "torch-arch-list", *view.file, command.shell->span,
          "if setup.py compiles CUDA code, it is built for every architecture, or the build ends: "
          "it sees no GPU, and TORCH_CUDA_ARCH_LIST is not set");
      found.evidence = {
          "torch.utils.cpp_extension: without the list the GPUs that are there decide",
          stage.image.flavour.evidence};
      found.pedantic = true;
      found.fix = fmt::format("set it before the build: {} TORCH_CUDA_ARCH_LIST=\"{}\"",
                              view.setting_word(),
                              example_architectures(view, stage, ArchitectureSyntax::kTorch));
      return;
    }
  }
}

/// Where the instruction ends that holds a place; of a place in another file the end of all.
std::size_t instruction_end(const StageView& stage, Span place) {
  for (const Instruction& one : stage.stage->instructions)
    if (one.span.begin <= place.begin && place.end <= one.span.end) return one.span.end;
  return std::string_view::npos;
}

/// A variable that is set behind a step is not there for it.
bool is_set_before(const std::vector<Setting>& settings, std::size_t end) {
  return std::ranges::any_of(settings, [&](const Setting& one) {
    return one.span.begin < end && !one.value.empty() &&
           !(one.name == "FORCE_CUDA" && one.value == "0");
  });
}
bool is_mentioned_before(const FileView& view, const StageView& stage, std::string_view text,
                         std::size_t end) {
  const Instruction* last = nullptr;
  for (const Instruction& one : stage.stage->instructions)
    if (one.span.begin < end) last = &one;
  return commands_mention(view, stage.index, text, last);
}

/// The package that brings nvcc to a base without CUDA before a place; empty: none.
std::string installed_compiler(const FileView& view, const StageView& stage, std::size_t place) {
  if (stage.image.vendor.known()) return {};
  for (const Install* install : view.installs_in(stage.index))
    if (is_of_system(install->command.manager) && install->command.span.begin < place)
      for (const PackageRequest& one : install->command.packages)
        if (!one.name.contains("config-common") &&
            starts_with_any(one.name,
                            {"cuda-toolkit", "cuda-nvcc", "cuda-compiler", "nvidia-cuda-toolkit"}))
          return one.name;
  return {};
}

void extensions(const FileView& view, const StageView& stage, FindingSink& sink) {
  const bool amd = stage.image.vendor.value == "amd";
  const bool devel = stage.image.flavour.value == "devel" && stage.image.vendor.value == "nvidia";
  if (!amd && !devel && stage.image.vendor.known()) return;
  const auto build = extension_build(view, stage);
  const std::string compiler =
      build ? installed_compiler(view, stage, build->span.begin) : std::string();
  if (!amd && !devel && compiler.empty()) return;
  if (!build) return own_setup(view, stage, sink);
  const std::string_view variable = list_variable(*build, amd);
  const std::array<std::string_view, 1> names{variable};
  // NGC's images and rocm/pytorch set theirs themselves.
  const std::size_t end = instruction_end(stage, build->span);
  const bool set = variable.empty() || is_set_before(settings_of(view, stage.index, names), end) ||
                   (!amd && stage.image.repository.starts_with("nvcr.io/nvidia/") &&
                    variable == "TORCH_CUDA_ARCH_LIST") ||
                   (amd && stage.image.framework.known()) ||
                   is_mentioned_before(view, stage, variable, end);
  if (!set) {
    Finding& found = sink.add("torch-arch-list", *view.file, build->span,
                              fmt::format("{} is compiled where no wheel fits, and {} is not "
                                          "set: without a GPU at hand it "
                                          "is built for every architecture, or for none",
                                          build->name, variable));
    found.pedantic = true;  // a build may have an answer of its own
    found.evidence = {"fused-ssim#31, mmdetection#2108", amd ? stage.image.vendor.evidence
                                                         : compiler.empty()
                                                             ? stage.image.flavour.evidence
                                                             : compiler};
    if (!amd && asks_for_a_gpu(*build) &&
        !is_set_before(settings_of(view, stage.index, kForced), end) &&
        !is_mentioned_before(view, stage, "FORCE_CUDA", end)) {
      found.pedantic = !compiler.empty();  // it may come behind the build
      // Grounding DINO asks for the list alone.
      found.message = fmt::format(
          "{} is compiled without its CUDA code where the build sees no GPU, as {} is not set",
          build->name, build->name == "groundingdino" ? variable : "FORCE_CUDA");
      found.fix =
          fmt::format("set it before the build: {} FORCE_CUDA=1 {}=\"{}\"", view.setting_word(),
                      variable, example_architectures(view, stage, ArchitectureSyntax::kTorch));
    } else {
      std::string list = "gfx90a;gfx942";
      if (!amd && variable == "TCNN_CUDA_ARCHITECTURES") {
        list = example_architectures(view, stage, ArchitectureSyntax::kCmake);
        std::ranges::replace(list, ';', ',');
      } else if (!amd) {
        list = example_architectures(view, stage, ArchitectureSyntax::kTorch);
      }
      found.fix =
          fmt::format("set it before the build: {} {}=\"{}\"", view.setting_word(), variable, list);
    }
  }
  if (amd || !compiler.empty()) return;
  constexpr auto kJobs =
      std::to_array<std::string_view>({"MAX_JOBS", "CMAKE_BUILD_PARALLEL_LEVEL"});
  // flash-attn counts the memory itself.
  if (!stage.final || build->name.starts_with("flash-att") ||
      !settings_of(view, stage.index, kJobs).empty())
    return;
  Finding& found = sink.add(
      "extension-build-final", *view.file, build->span,
      fmt::format("{} is compiled in the final image, with as many compilers at once as there are "
                  "processors: builders run out of memory, and the toolkit stays in the image",
                  build->name));
  found.evidence = {stage.image.flavour.evidence, "no MAX_JOBS is set"};
  found.fix = fmt::format(
      "build the wheel in a stage of its own with MAX_JOBS=4 (pip wheel {}), "
      "and COPY --from it",
      build->url.empty() ? build->name : build->url);
}

}  // namespace

void judge_extensions(const Project& /*project*/, const std::vector<FileView>& views,
                      FindingSink& sink) {
  for (const FileView& view : views)
    for (const StageView& stage : view.stages) {
      extensions(view, stage, sink);
      forced_cuda(view, stage, sink);
    }
}

}  // namespace flense::lint
