// The flavour of the final image's base: larger than what is used, or without the compiler that a
// step calls.
#include <algorithm>
#include <array>
#include <span>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/compiled_code.h"
#include "lint/facts/cuda_base.h"
#include "lint/facts/purpose.h"
#include "lint/facts/sent_files.h"
#include "lint/facts/sure_installs.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

bool is_conda(const PackageRequest& request) {
  return request.manager == PackageManager::kConda;
}

/// Packages that compile GPU code while they run.
constexpr auto kCompileAtRun = std::to_array<std::string_view>(
    {"vllm", "sglang", "flashinfer-python", "tensorrt-llm", "deepspeed", "pycuda", "tilelang",
     "mlx", "exllama", "exllamav2", "gsplat", "nerfacc", "nerfstudio", "optimum-quanto", "quanto",
     "colossalai"});

bool compiles_at_run(const PackageRequest& request) {
  // A wheel by its address is one for a GPU and a torch; PyPI's of ExLlamaV2 has the sources alone.
  if (is_one_of(request.name, {"exllamav2", "gsplat"}) && request.url.ends_with(".whl"))
    return false;
  // With this extra it takes exllama.
  if (request.name == "ctransformers" &&
      std::ranges::find(request.extras, "gptq") != request.extras.end())
    return true;
  return is_one_of(request.name, kCompileAtRun);
}

/// Packages that may need the toolkit's libdevice, ptxas or headers, or a compiler, while they run.
constexpr auto kUseToolkit = std::to_array<std::string_view>(
    {"numba", "cupy", "cupy-cuda11x", "cupy-cuda12x", "cupy-cuda13x", "tensorflow", "jax", "theano",
     "chainer", "triton",
     // Triton compiles its launcher with a C compiler, which the runtime has not.
     "unsloth", "sageattention", "flash-linear-attention", "cut-cross-entropy", "liger-kernel",
     // what torch.utils.cpp_extension.load() asks for
     "ninja",
     // opens libcudnn.so, which the runtime has under its number alone
     "paddlepaddle-gpu"});

bool uses_toolkit(const PackageRequest& request) {
  return is_one_of(request.name, kUseToolkit);
}

template <typename Is>
bool holds_one(const FileView& view, std::size_t stage, const Is& is) {
  for (const Install* install : view.installs_in(stage))
    for (const PackageList* list : lists_of(*install))
      if (std::ranges::any_of(list->packages, is)) return true;
  return false;
}

/// A program of Python on wheels: what compiles, if anything, is a step of the file.
bool runs_wheels(const FileView& view, std::size_t stage) {
  bool starts = false;
  for (const std::size_t one : view.dockerfile->lineage(stage))
    for (const Instruction& instruction : view.dockerfile->stages[one].instructions)
      if (instruction.keyword == Keyword::kCmd || instruction.keyword == Keyword::kEntrypoint)
        for (const StepCommand& command : commands_of(instruction))
          starts = starts || command.program.starts_with("python") ||
                   is_one_of(command.program, {"uvicorn", "gunicorn", "hypercorn", "streamlit",
                                               "fastapi", "flask", "celery", "gradio"});
  return starts && knows_all_installs(view, stage);
}

/// Images that others are built on, or that code is developed and measured in.
bool is_for_developers(std::string_view path) {
  return has_part(path, "/._-",
                  {"dev", "devel", "devcontainer", "base", "ci", "test", "tests", "bench",
                   "benchmark", "benchmarks", "builder", "profile", "profiling"});
}

/// The image runs an example or a test: whoever tries something out may want the compiler too.
bool runs_trial(const FileView& view, std::size_t stage) {
  for (const std::size_t one : view.dockerfile->lineage(stage))
    for (const Instruction& start : view.dockerfile->stages[one].instructions)
      if (start.keyword == Keyword::kCmd || start.keyword == Keyword::kEntrypoint)
        for (const StepCommand& command : commands_of(start))
          for (const Argument& word : command.arguments)
            if (is_example(word.text) ||
                has_part(file_name(word.text), "._-",
                         {"test", "tests", "smoke", "bench", "benchmark", "example", "demo"}))
              return true;
  return false;
}

/// Whether the file says that the program compiles: a comment above FROM, the caches of what does,
/// an option of what is started.
bool says_it_compiles(const FileView& view, const StageView& base, std::size_t last) {
  const std::string said = to_lower(comments_above(view.file->source, base.stage->base.span));
  const auto names = [&](auto... words) { return (said.contains(std::string_view(words)) || ...); };
  if (names("nvcc", "jit", "at runtime", "at run time", "triton", "compiler")) return true;
  constexpr auto kCaches = std::to_array<std::string_view>(
      {"TRITON_CACHE_DIR", "TORCHINDUCTOR_CACHE_DIR", "TORCH_EXTENSIONS_DIR"});
  if (!settings_of(view, last, kCaches).empty()) return true;
  return std::ranges::any_of(view.dockerfile->lineage(last), [&](std::size_t stage) {
    return std::ranges::any_of(
        view.dockerfile->stages[stage].instructions, [](const Instruction& start) {
          return (start.keyword == Keyword::kCmd || start.keyword == Keyword::kEntrypoint) &&
                 mentions(start, [](std::string_view word) {
                   return starts_with_any(word,
                                          {"--compile", "--torch-compile", "--torch_compile"});
                 });
        });
  });
}

/// Kernels of the project, which it may compile when it runs.
bool holds_kernels(const FileView& view) {
  return std::ranges::any_of(SentFiles(view).below("."), [](const ContextFile* file) {
    return ends_with_any(file->path, {".cu", ".cuh"});
  });
}

/// "the wheels of torch".
std::string who_brings(const UnusedCuda& unused) {
  return fmt::format("{} of {}", unused.package == "pytorch" ? "conda's packages" : "the wheels",
                     unused.package);
}

void devel_final(const FileView& view, FindingSink& sink) {
  const StageView* base = final_base(view);
  if (base == nullptr) return;
  const std::string& repository = base->image.repository;
  // Which makes no smaller one.
  const bool of_runpod = repository == "runpod/pytorch" && base->stage->image &&
                         has_part(base->stage->image->tag, "-", {"devel"});
  if (base->image.flavour.value != "devel" && !of_runpod) return;
  if (repository != "nvidia/cuda" && repository != "pytorch/pytorch" && !of_runpod) return;
  if (holds_one(view, view.stages.size() - 1, compiles_at_run)) return;
  if (is_devcontainer(*view.file)) return;
  const std::string& tag = base->stage->image->tag;
  std::string smaller =
      of_runpod ? "pytorch/pytorch of the flavour runtime" : repository + ":" + tag;
  if (const std::size_t at = smaller.find("devel"); at != std::string::npos)
    smaller.replace(at, 5, "runtime");
  // Of a deleted tag the other flavours are deleted too, and of an old one they are as old.
  const knowledge::Images& images = view.project->knowledge->images;
  const auto* row = images.cuda_version(base->image.cuda.value);
  if (repository == "nvidia/cuda" && (row == nullptr || !row->state.empty())) {
    const auto* near = images.cuda_near(base->image.cuda.value);
    const bool cudnn = tag.contains("cudnn");
    if (near != nullptr && (!cudnn || near->cudnn.starts_with("cudnn")))
      smaller = cuda_tag(images, *near, "runtime", base->image.distribution.value, cudnn);
    else if (row == nullptr || row->state == "deleted")
      smaller = "the flavour runtime of the image that replaces it";
  }
  const auto unused = repository == "nvidia/cuda" ? unused_cuda_of(view) : std::nullopt;
  const bool twice = unused && !unused->package.empty();
  Finding& found = sink.add(
      "devel-final-stage", *view.file, base->stage->base.span,
      fmt::format(
          "the final image is built on {}:{}: compilers, headers and static libraries "
          "travel with it{}",
          repository, tag,
          twice ? fmt::format(", beside the CUDA that {} bring", who_brings(*unused)) : ""));
  found.evidence = {of_runpod ? "tag " + tag : base->image.flavour.evidence,
                    "images.json, flavours: devel is runtime and the whole toolkit"};
  found.fix = fmt::format(
      "begin with {}, where nothing is compiled at run time; what is compiled to be installed "
      "goes into a stage of its own, and COPY --from takes it over",
      smaller);
  if (twice)
    found.fix += fmt::format(
        "; where nothing else loads the base's CUDA, with {}, or with a slim "
        "Python image",
        unused->instead.empty() ? "the flavour base" : unused->instead);
  const std::size_t last = view.stages.size() - 1;
  // Variants of the file, which are built on the same stage, may compile.
  const bool others = std::ranges::any_of(view.stages, [&](const StageView& one) {
    const auto lineage = view.dockerfile->lineage(one.index);
    return std::ranges::find(lineage, base->index) != lineage.end() && may_compile(view, one.index);
  });
  found.pedantic =
      of_runpod || !runs_wheels(view, last) || others || holds_one(view, last, uses_toolkit) ||
      is_for_developers(view.file->source.project_path()) || is_for_a_shell(view, last) ||
      runs_trial(view, last) || holds_kernels(view) || says_it_compiles(view, *base, last);
}

void unused_cuda(const FileView& view, FindingSink& sink) {
  const StageView* base = final_base(view);
  const auto unused = unused_cuda_of(view);
  // Who has to replace a tag that is not there is told of the smaller one in that finding.
  if (base == nullptr || !unused || base->image.flavour.value == "devel" ||
      !cuda_tag_known(view.project->knowledge->images, base->image))
    return;
  const std::string& tag = base->stage->image ? base->stage->image->tag : "";
  Finding& found = sink.add(
      "base-cuda-unused", *view.file, base->stage->base.span,
      unused->package.empty()
          ? fmt::format("nvidia/cuda:{} brings CUDA libraries, and nothing that the image installs "
                        "loads them",
                        tag)
          : fmt::format("nvidia/cuda:{} brings CUDA libraries, and {} bring their own: the base's "
                        "are never loaded",
                        tag, who_brings(*unused)));
  found.evidence = {
      "images.json, flavours, runtime: cuda-libraries, libcublas, libcusparse, libnpp, "
      "libnccl2",
      unused->package.empty()      ? "the lists of all that is installed"
      : unused->package == "torch" ? "onprem#73, h2o-llmstudio PR#1081"
                                   : "requirements of the wheel: nvidia-cublas, nvidia-cudnn, …"};
  if (!unused->variant.empty()) found.evidence.push_back("torch of " + unused->variant);
  found.fix = fmt::format("begin with {}, or with a slim Python image{}", unused->instead,
                          view.is_definition() ? ""
                                               : " and NVIDIA_VISIBLE_DEVICES=all "
                                                 "NVIDIA_DRIVER_CAPABILITIES=compute,utility");
  found.pedantic = !unused->sure;
}

void rocm_builder(const FileView& view, FindingSink& sink) {
  const StageView* base = final_base(view);
  if (base == nullptr) return;
  const knowledge::RepositoryRow* row = base->image.row;
  if (row == nullptr || row->builder.empty()) return;
  Finding& found =
      sink.add("rocm-builder-final", *view.file, base->stage->base.span,
               fmt::format("the final image is built on {}: {}", row->repository, row->builder));
  found.evidence = {row->source, row->document};
  found.fix = "begin the final stage with " + row->instead;
}

/// What a step compiles with nvcc; empty: nothing.
struct NvccUse {
  Span span;
  std::string what;
  bool optional = false;  ///< a branch, or the build goes on without it
};

/// flash-attn's setup.py fetches a wheel where one fits torch: since 2.0, unless it is forbidden.
bool may_fetch_wheel(const FileView& view, const StageView& stage, const PackageList& list,
                     const PackageRequest& request) {
  constexpr std::string_view kForce = "FLASH_ATTENTION_FORCE_BUILD";
  return !list.has_option("--no-binary") &&
         !(is_version(request.version) && compare_versions(request.version, "2") < 0) &&
         settings_of(view, stage.index, std::span(&kForce, 1)).empty() &&
         !commands_mention(view, stage.index, kForce);
}

std::optional<NvccUse> nvcc_use(const FileView& view, const StageView& stage) {
  for (const Instruction& run : stage.stage->instructions) {
    if (run.keyword != Keyword::kRun) continue;
    for (const StepCommand& command : commands_of(run))
      if (command.program == "nvcc" && command.shell->depth == 0)
        return NvccUse{command.program_span, "nvcc", may_fail(run, command.shell->span)};
  }
  for (const Install& install : view.installs) {
    // -f and an index of its own may hold wheels.
    if (install.stage != stage.index || !install.command.installs ||
        !install.command.indexes.empty())
      continue;
    const bool optional =
        !surely_runs(install) || may_fail(*install.instruction, install.command.span);
    for (const PackageRequest& request : install.command.packages)
      if (request.name == "flash-attn" && request.url.empty() && !is_conda(request))
        return NvccUse{request.span, request.name,
                       optional || may_fetch_wheel(view, stage, install.command, request)};
      else if (request.url.starts_with("git+") &&
               is_one_of(request.name, {"flash-attention", "apex", "pytorch3d", "causal-conv1d",
                                        "mamba", "tiny-cuda-nn", "diff-gaussian-rasterization",
                                        "simple-knn", "nvdiffrast", "transformerengine", "gsplat"}))
        return NvccUse{request.span, request.name, optional};
  }
  return std::nullopt;
}

/// The toolkit may come by apt, by conda, by the installer or from another image.
bool may_bring_toolkit(const FileView& view, const StageView& stage) {
  for (const std::string_view word :
       {"cuda-nvcc", "cuda-toolkit", "nvidia-cuda-toolkit", "cuda-compiler", "cuda-minimal-build",
        "cudatoolkit-dev", "nvidia-cuda-nvcc", "_linux.run", "SKIP_CUDA_BUILD", "cuda-12",
        "cuda-11", "cuda-13"})
    if (commands_mention(view, stage.index, word)) return true;
  constexpr auto kSkips = std::to_array<std::string_view>(
      {"FLASH_ATTENTION_SKIP_CUDA_BUILD", "CUDA_HOME", "CUDA_PATH", "BUILD_CUDA_EXT"});
  if (!settings_of(view, stage.index, kSkips).empty()) return true;
  for (const std::size_t one : view.dockerfile->lineage(stage.index))
    for (const Instruction& copy : view.dockerfile->stages[one].instructions)
      if (copy.copies() && copy.flag("from") != nullptr && !copy.words.empty() &&
          copy.words.front().text.contains("cuda"))
        return true;
  return holds_one(view, stage.index, [](const PackageRequest& one) { return one.name == "cuda"; });
}

/// Options of a build that switch code for CUDA on.
bool chooses_cuda(std::string_view text) {
  const std::string low = to_lower(text);
  return std::ranges::any_of(
      std::to_array<std::string_view>({"llama_cublas=on", "llama_cublas=1", "llama_cuda=on",
                                       "llama_cuda=1", "ggml_cuda=on", "ggml_cuda=1", "sd_cuda=on",
                                       "sd_cublas=on", "ct_cublas=1"}),
      [&](std::string_view option) { return low.contains(option); });
}

/// A step that compiles for CUDA on a base that has none, nor a compiler of it.
void missing_toolkit(const FileView& view, const StageView& stage, FindingSink& sink) {
  const GpuImage& image = stage.image;
  if (!stage.reachable || image.vendor.known() ||
      !is_one_of(image.repository, {"python", "ubuntu", "debian", "fedora", "rockylinux"}) ||
      commands_mention(view, stage.index, "cuda-repo") ||
      commands_mention(view, stage.index, "compute/cuda/repos") ||
      commands_mention(view, stage.index, "cuda-keyring") || may_bring_toolkit(view, stage))
    return;
  for (const Instruction& run : stage.stage->instructions)
    for (const StepCommand& command : commands_of(run)) {
      const auto option = std::ranges::find_if(command.arguments, [](const Argument& word) {
        return word.text.ends_with("--cuda_ext") || chooses_cuda(word.text);
      });
      const bool installs = command.program.starts_with("pip") || command.has("pip");
      const auto arguments = variable_at(run, command.shell, "CMAKE_ARGS");
      const bool by_variable =
          installs && arguments.value && chooses_cuda(*arguments.value) &&
          std::ranges::any_of(command.arguments, [](const Argument& word) {
            return starts_with_any(
                word.text, {"llama-cpp-python", "llama_cpp_python", "stable-diffusion-cpp-python"});
          });
      if (option == command.arguments.end() && !by_variable) continue;
      // A wheel of the project's for CUDA is compiled already.
      if (by_variable && std::ranges::any_of(command.arguments, [](const Argument& word) {
            return word.text.contains("/whl/cu") || word.text.contains("only-binary");
          }))
        continue;
      Finding& found = sink.add(
          "compiler-not-in-base", *view.file, by_variable ? command.program_span : option->span,
          fmt::format("it is to be compiled for CUDA, and neither {} nor a step before it has nvcc",
                      image.repository));
      found.evidence = {by_variable ? "CMAKE_ARGS=" + *arguments.value : option->text};
      // A script may install the toolkit.
      found.pedantic = command.shell->depth != 0 || may_fail(run, command.shell->span) ||
                       commands_mention(view, stage.index, ".sh");
      found.fix = "begin with nvidia/cuda of the flavour devel, or take the option away";
      return;
    }
}

/// A step that needs nvcc where the base has none.
void missing_compiler(const FileView& view, const StageView& stage, FindingSink& sink) {
  const GpuImage& image = stage.image;
  if (!stage.reachable || image.vendor.value != "nvidia" ||
      (image.repository != "nvidia/cuda" && image.repository != "pytorch/pytorch") ||
      (image.flavour.value != "runtime" && image.flavour.value != "base"))
    return;
  if (may_bring_toolkit(view, stage)) return;
  const auto use = nvcc_use(view, stage);
  if (!use) return;
  Finding& found = sink.add(
      "compiler-not-in-base", *view.file, use->span,
      use->what == "nvcc"
          ? fmt::format("the base is of the flavour {}, which has no nvcc", image.flavour.value)
          : fmt::format("{} is compiled when it is installed{}, and the base is of the flavour {}, "
                        "which has no nvcc",
                        use->what, use->what == "flash-attn" ? " where no ready wheel fits" : "",
                        image.flavour.value));
  found.evidence = {image.flavour.evidence,
                    "images.json, flavours: the compiler is in devel alone"};
  found.pedantic = use->optional;
  found.fix = fmt::format(
      "begin with the flavour devel, or compile in such a stage and copy what it built from "
      "there{}",
      use->what == "flash-attn" ? "; or install the wheel of the project's releases by its address"
                                : "");
}

}  // namespace

void judge_base_flavour(const Project& /*project*/, const std::vector<FileView>& views,
                        FindingSink& sink) {
  for (const FileView& view : views) {
    devel_final(view, sink);
    unused_cuda(view, sink);
    rocm_builder(view, sink);
    for (const StageView& stage : view.stages) {
      missing_compiler(view, stage, sink);
      missing_toolkit(view, stage, sink);
    }
  }
}

}  // namespace flense::lint
