#include "lint/facts/cuda_base.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/compiled_code.h"
#include "lint/facts/layer_paths.h"
#include "lint/facts/own_images.h"
#include "lint/facts/purpose.h"
#include "lint/facts/sure_installs.h"
#include "lint/facts/torch_installs.h"
#include "lint/packages/requirement_text.h"
#include "lint/source/blanks.h"

namespace flense::lint {

const StageView* final_base(const FileView& view) {
  for (const StageView& stage : view.stages)
    if (stage.final && stage.own_base) return &stage;
  return nullptr;
}

std::string cuda_tag(const knowledge::Images& images, const knowledge::CudaImageRow& row,
                     std::string_view flavour, std::string_view distribution, bool cudnn) {
  std::string out = "nvidia/cuda:" + row.cuda;
  if (cudnn) {
    if (row.cudnn.empty() || row.cudnn == "none") return "CUDA " + row.cuda;
    out += "-" + row.cudnn;
  }
  out += "-" + std::string(flavour.empty() ? "base" : flavour);
  const auto* base = images.cuda_distribution(distribution);
  if (base != nullptr && base->has(row.cuda, cudnn)) return out + "-" + std::string(distribution);
  return out + (compare_versions(row.cuda, "11.7.0") >= 0 ? "-ubuntu22.04" : "-ubuntu20.04");
}

bool cuda_tag_known(const knowledge::Images& images, const GpuImage& image) {
  if (!image.official || image.repository != "nvidia/cuda" || !image.cuda.known()) return true;
  const auto* newest = images.newest_cuda();
  // A release that came after the table.
  if (newest != nullptr && compare_versions(image.cuda.value, newest->cuda) > 0) return true;
  if (images.cuda_version(image.cuda.value) != nullptr ||
      compare_versions(image.cuda.value, "11.0.3") < 0)
    return true;
  // Recent minors may have updates that the table does not know yet.
  return std::ranges::count(image.cuda.value, '.') > 1 &&
         compare_versions(image.cuda.value, "12.6") >= 0 &&
         std::ranges::any_of(images.cuda, [&](const knowledge::CudaImageRow& other) {
           return major_minor(other.cuda) == major_minor(image.cuda.value);
         });
}

namespace {

/// tensorflow[and-cuda] and jax[cuda12] require NVIDIA's wheels; jax[cuda12-local] does not.
bool brings_cuda(const PackageRequest& request) {
  return std::ranges::any_of(request.extras, [&](std::string_view extra) {
    return (request.name == "tensorflow" && extra == "and-cuda") ||
           (request.name == "jax" &&
            (extra.ends_with("-pip") || extra == "cuda12" || extra == "cuda13"));
  });
}

/// TensorFlow 2.15 to 2.17 often did not find these wheels, and then the system's by their names
/// (tensorflow#63362); what an older Python gets has no such extra.
bool finds_wheels(const PackageRequest& request, const Brought& python) {
  if (request.name != "tensorflow") return true;
  if (!request.version.empty()) return compare_versions(request.version, "2.18") >= 0;
  return python.known() && compare_versions(python.value, "3.10") >= 0 &&
         (request.specifier.empty() ||
          (!meets("2.17.1", request.specifier) && meets("2.99", request.specifier)));
}

/// Packages whose libraries load the system's CUDA, or that require one of those.
bool is_user_of_system(const PackageRequest& request) {
  constexpr auto kUsers = std::to_array<std::string_view>(
      {"tensorflow", "tensorflow-gpu", "tf-keras", "deepface", "spleeter",
       // of ONNX Runtime
       "onnxruntime-gpu", "onnxruntime-genai-cuda", "fastembed-gpu", "insightface",
       "audio-separator",
       // of CTranslate2
       "ctranslate2", "faster-whisper", "whisperx", "whisper-ctranslate2", "whisper-live",
       "whisperlivekit", "wyoming-faster-whisper", "realtimestt", "speaches", "argostranslate",
       "libretranslate", "hf-hub-ctranslate2",
       // wheels that are linked with it
       "llama-cpp-python", "stable-diffusion-cpp-python", "pywhispercpp", "ctransformers",
       "sherpa-onnx", "pyannote-audio", "pynvvideocodec", "nemo-toolkit", "paddlepaddle-gpu",
       "pycuda", "scikit-cuda", "nvidia-pytriton", "retina-face", "inaspeechsegmenter",
       "torchcodec", "cuda-python", "tiny-cuda-nn", "chainer", "theano",
       // which compiles when it runs
       "deepspeed", "lmdeploy", "mlc-llm", "transformer-engine", "cvcuda"});
  constexpr auto kFamilies = std::to_array<std::string_view>(
      {"cupy", "dgl", "nvidia-dali", "nvidia-nvimgcodec", "tensorrt", "mxnet", "cudf", "cuml",
       "cugraph", "cucim", "cuvs", "pylibraft", "rmm", "faiss-gpu", "spconv", "cumm"});
  if (brings_cuda(request)) return false;
  // It looked for the system's libraries (bitsandbytes#838).
  if (request.name == "bitsandbytes" &&
      (request.version.empty() ? !meets("0.48.0", request.specifier)
                               : compare_versions(request.version, "0.43") < 0))
    return true;
  // What is built on TensorFlow, or named for a CUDA.
  if ((starts_with_any(request.name, {"tensorflow-", "tf-"}) &&
       !is_one_of(request.name, {"tensorflow-datasets", "tensorflow-hub", "tensorflow-probability",
                                 "tensorflow-metadata", "tensorflow-estimator",
                                 "tensorflow-io-gcs-filesystem", "tensorflow-cpu"})) ||
      request.name.contains("-cuda1") || request.name.contains("-cu1") ||
      request.name.ends_with("-gpu"))
    return true;
  if (is_one_of(request.name, kUsers) || std::ranges::any_of(kFamilies, [&](std::string_view name) {
        return request.name.starts_with(name);
      }))
    return true;
  // jax[cuda12], rembg[gpu], spacy[cuda12x]: by their names, packages for the GPU.
  return !request.name.starts_with("torch") &&
         std::ranges::any_of(request.extras, [&](const std::string& extra) {
           return request.name.starts_with("jax") || extra.contains("cuda") ||
                  extra.contains("gpu");
         });
}

/// Libraries of CUDA by apt: whoever installs them has a use for the system's.
bool is_of_system_cuda(const PackageRequest& request) {
  return starts_with_any(request.name,
                         {"cuda-", "libcu", "libnccl", "libnvinfer", "libnpp", "libnv",
                          "python3-libnvinfer", "tensorflow-model-server", "hashcat"});
}

bool uses_system_cuda(const PackageList& list) {
  const bool system = list.manager == PackageManager::kApt || list.manager == PackageManager::kDnf;
  // Without the wheels that they require these load the base's libraries.
  if (list.has_option("--no-deps") &&
      (list.find("torch") != nullptr || std::ranges::any_of(list.packages, brings_cuda)))
    return true;
  return std::ranges::any_of(list.packages, [&](const PackageRequest& request) {
    return system ? is_of_system_cuda(request) : is_user_of_system(request);
  });
}

/// pytorch of conda with the CUDA that is chosen for it: conda links it with its own libraries.
bool holds_cuda_of_conda(const PackageList& list) {
  return list.find("pytorch") != nullptr &&
         std::ranges::any_of(list.packages, [](const PackageRequest& request) {
           return request.manager == PackageManager::kConda &&
                  starts_with_any(request.name, {"cuda", "pytorch-cuda", "pytorch-gpu"});
         });
}

/// Whether wheels may come from somebody who links them with the system's CUDA.
bool has_foreign_index(const PackageList& list) {
  return std::ranges::any_of(list.indexes, [](const Word& index) {
    return index.text.contains("://") && !index.text.contains("pytorch.org") &&
           !is_pypi(index.text) && !index.text.contains("pythonhosted.org");
  });
}

/// Programs that come ready-made, whatever they load: archives and packages of some address.
bool fetches_programs(const FileView& view, std::size_t stage) {
  const auto holds_programs = [](std::string_view word) {
    word = word.substr(0, word.find_first_of("?#"));
    return word.contains("://") &&
           (ends_with_any(word, {".gz", ".tgz", ".xz", ".zst", ".bz2", ".zip", ".deb", ".rpm",
                                 ".run", ".whl", ".so", ".AppImage"}) ||
            word.contains("/releases/"));
  };
  for (const std::size_t one : view.dockerfile->lineage(stage))
    for (const Instruction& step : view.dockerfile->stages[one].instructions) {
      if (step.keyword == Keyword::kAdd)
        for (const Word& word : step.words)
          if (holds_programs(word.text)) return true;
      if (step.keyword != Keyword::kRun) continue;
      for (const StepCommand& command : commands_of(step))
        if (is_one_of(command.program, {"curl", "wget", "aria2c"}) &&
            std::ranges::any_of(command.arguments, [&](const Argument& word) {
              // Keys and node's, go's or conda's own archives hold no CUDA programs.
              return holds_programs(word.text) && !word.text.contains("keyring") &&
                     !word.text.contains("nodejs.org") && !word.text.contains("go.dev") &&
                     !word.text.contains("astral-sh");
            }))
          return true;
    }
  return false;
}

/// The installers of uv, poetry, node and rustup, which bring no CUDA programs.
bool fetches_known_tool(const Instruction& step) {
  return std::ranges::any_of(commands_of(step), [](const StepCommand& command) {
    return std::ranges::any_of(command.arguments, [](const Argument& word) {
      return word.text.contains("astral.sh") || word.text.contains("install.python-poetry.org") ||
             word.text.contains("nodesource.com") || word.text.contains("sh.rustup.rs");
    });
  });
}

/// An image of Docker's own library (node, golang, python) and uv's hold no CUDA programs.
bool is_without_cuda(std::string_view repository) {
  return !repository.contains('/') || repository.starts_with("library/") ||
         repository.ends_with("astral-sh/uv");
}

/// A list of folders with one that is neither CUDA's nor the driver's nor the system's.
bool names_own_folder(std::string_view list) {
  return std::ranges::any_of(split(list, ':'), [](std::string_view part) {
    return part.starts_with('/') && !part.contains("cuda") && !part.contains("nvidia") &&
           !starts_with_any(part, {"/usr/lib", "/lib", "/usr/local/lib"});
  });
}

/// What is put where programs and libraries lie, a wheel of one's own, or a library that is named
/// at its place: it may load the base's CUDA.
bool may_hold_users(const Instruction& step) {
  if (step.keyword == Keyword::kEnv)
    return std::ranges::any_of(step.pairs, [](const KeyValue& pair) {
      return pair.key.text == "LD_PRELOAD" || (pair.key.text == "LD_LIBRARY_PATH" && pair.value &&
                                               names_own_folder(pair.value->text));
    });
  if (step.copies()) {
    const Flag* from = step.flag("from");
    if (from != nullptr && is_without_cuda(from->value.substr(0, from->value.find(':'))) &&
        from->value.contains('/'))
      return false;  // uv's image
    const bool directory = may_copy_directory(step);
    const auto is = [&](const Word& word) {
      std::string_view path = word.text;
      while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
      // Files with an ending are scripts there.
      return (directory && is_one_of(file_name(path), {"bin", "lib", "lib64", "sbin"})) ||
             ends_with_any(path, {".whl", ".so", ".deb", ".engine", ".plan"});
    };
    return std::ranges::any_of(step.words, is);
  }
  if (step.keyword != Keyword::kRun) return false;
  constexpr auto kBuilders = std::to_array<std::string_view>(
      {"npm", "npx", "yarn", "pnpm", "bun", "cargo", "go", "make", "ninja", "meson", "dotnet",
       "gcc", "g++", "dpkg", "nix-env", "bazel"});
  return std::ranges::any_of(commands_of(step), [&](const StepCommand& command) {
    if (is_one_of(command.program, kBuilders)) return true;
    // curl … | sh
    if (is_shell(command.program) && command.arguments.empty() && !fetches_known_tool(step))
      return true;
    // A script may compile.
    if (command.program.ends_with(".sh") ||
        (is_shell(command.program) && !command.arguments.empty() &&
         command.arguments.front().text.ends_with(".sh")))
      return true;
    return std::ranges::any_of(command.arguments, [](const Argument& word) {
      return word.text.contains("/usr/local/cuda") || word.text.contains("libcu") ||
             word.text.starts_with("nvidia-cu");
    });
  });
}

/// COPY from an image that no stage is built on.
bool copies_programs(const Instruction& copy) {
  const Flag* from = copy.flag("from");
  if (copy.copies() && from == nullptr)
    return std::ranges::any_of(copy.words,
                               [](const Word& word) { return word.text.contains(".so"); });
  if (from == nullptr || !copy.copies()) return false;
  const auto name = parse_image_name(from->value);
  return !name || !is_without_cuda(name->familiar());
}

/// A file of the context that is copied under this name, or as it.
bool is_copied_program(const FileView& view, std::string_view name) {
  for (const std::size_t one : view.dockerfile->lineage(view.stages.size() - 1))
    for (const Instruction& copy : view.dockerfile->stages[one].instructions)
      if (copy.copies() && std::ranges::any_of(copy.words, [&](const Word& word) {
            return file_name(word.text) == name;
          }))
        return true;
  return false;
}

/// "./server", a program that is no script: what it is linked with nobody knows.
bool starts_program(const FileView& view, const Instruction& start) {
  return (start.keyword == Keyword::kCmd || start.keyword == Keyword::kEntrypoint) &&
         std::ranges::any_of(commands_of(start), [&](const StepCommand& command) {
           const std::string_view path = view.text(command.program_span);
           const bool by_path = path.contains('/') && !path.contains("bin/");
           return !command.program.contains('.') && !command.program.contains("entrypoint") &&
                  (by_path || is_copied_program(view, command.program));
         });
}

/// A virtual environment or its packages, whole.
bool copies_wheels(const Instruction& copy) {
  for (std::size_t at = 0; at + 1 < copy.words.size(); ++at) {
    const std::string& source = copy.words[at].text;
    if (!source.contains("site-packages") && !source.contains("dist-packages") &&
        !source.contains("venv") && !source.contains("/lib/python3"))
      return false;
  }
  return copy.words.size() > 1;
}

/// conda, uv's Pythons, an environment of another name, the scripts beside it.
bool copies_python(const Instruction& copy) {
  return copy.words.size() > 1 &&
         std::all_of(copy.words.begin(), copy.words.end() - 1, [](const Word& word) {
           std::string_view path = word.text;
           while (path.size() > 1 && path.ends_with('/')) path.remove_suffix(1);
           // Whole trees, with the environment in them.
           if (is_one_of(path, {"/usr/local", "/usr", "/opt", "/app", "/workspace", "/src"}))
             return true;
           return path.contains("conda") || path.contains("/uv") || path.contains("/.local") ||
                  path.ends_with("env") || path.ends_with("/bin");
         });
}

/// Nothing is compiled there.
bool only_installs(const FileView& view, std::size_t stage) {
  return !may_compile(view, stage) &&
         std::ranges::none_of(view.dockerfile->lineage(stage), [&](std::size_t one) {
           return std::ranges::any_of(view.dockerfile->stages[one].instructions, may_hold_users);
         });
}

/// The programs of a Python's packages, from a stage that makes none of its own.
bool copies_scripts(const FileView& view, const Instruction& copy, std::size_t from) {
  return copy.words.size() == 2 &&
         is_one_of(copy.words[0].text, {"/usr/local/bin", "/usr/local/bin/"}) &&
         std::ranges::none_of(view.dockerfile->lineage(from), [&](std::size_t one) {
           return std::ranges::any_of(view.dockerfile->stages[one].instructions, may_hold_users);
         });
}

}  // namespace

std::string base_of_cuda(std::string_view version) {
  // CUDA 13.0, Release Notes: the least driver, and the architectures that are gone.
  return fmt::format(
      "a base of CUDA {}{}", version,
      first_number(version) >= 13 ? " (which needs driver 580 and a GPU of Turing or newer)" : "");
}

bool has_other_cuda_user(const FileView& view, std::size_t stage) {
  for (const Install* install : view.installs_in(stage))
    for (const PackageList* list : lists_of(*install))
      if (uses_system_cuda(*list)) return true;
  return false;
}

std::optional<UnusedCuda> unused_cuda_of(const FileView& view) {
  const StageView* base = final_base(view);
  const bool devel = base != nullptr && base->image.flavour.value == "devel";
  if (base == nullptr || base->image.repository != "nvidia/cuda" ||
      (base->image.flavour.value != "runtime" && !devel) ||
      names_arm(view.file->source.project_path()))
    return std::nullopt;
  const std::size_t last = view.stages.size() - 1;
  UnusedCuda out;
  bool torch = false, by_conda = false, system = false;
  bool made_elsewhere = false;  // an environment of a stage that has the compiler
  out.sure = !devel && knows_all_installs(view, last) && !fetches_programs(view, last);
  for (const std::size_t one : view.dockerfile->lineage(last)) {
    const auto& platform = view.dockerfile->stages[one].platform;
    // PyPI's torch for Arm has no CUDA of its own.
    if (platform && is_arm_platform(*platform)) return std::nullopt;
    out.sure =
        out.sure && std::ranges::none_of(view.dockerfile->stages[one].instructions, may_hold_users);
  }
  const auto take = [&](std::size_t stage) {
    for (const Install* install : view.installs_in(stage)) {
      // An extra by a variable may be another one in another build.
      if (view.text(install->command.span).contains('$'))
        for (const ProjectFile* file : install->files)
          system = system || uses_system_cuda(*file->packages);
      for (const PackageList* list : lists_of(*install)) {
        system = system || uses_system_cuda(*list);
        out.sure = out.sure && !has_foreign_index(*list);
        if (list->manager == PackageManager::kConda) {
          by_conda = by_conda || holds_cuda_of_conda(*list);
          torch = torch || std::ranges::any_of(list->packages, [](const PackageRequest& request) {
                    return request.manager == PackageManager::kPip && request.name == "torch";
                  });
          continue;
        }
        // The list of a clone is not known; who names torch's index for it gets torch by it.
        for (const Word& index : list->indexes)
          if (install->files.empty() && !install->command.requirement_files.empty() &&
              index.text.contains("download.pytorch.org/whl/cu")) {
            torch = true;
            out.sure = false;
          }
        // Its requirements bring PyPI's.
        torch = torch || (!list->has_option("--no-deps") && list->indexes.empty() &&
                          !is_of_system(list->manager) &&
                          std::ranges::any_of(list->packages, [](const PackageRequest& request) {
                            // The last two require one torch alone.
                            return (brings_torch(request.name) ||
                                    is_one_of(request.name, {"vllm", "sglang"})) &&
                                   request.group.empty() && request.marker.empty();
                          }));
        for (const Framework& one : frameworks_of(*list, view.project->knowledge->frameworks))
          if (one.package == "torch" && one.variant.value != "cpu") {
            torch = true;
            out.variant = one.variant.value;
          }
        for (const PackageRequest& request : list->packages)
          if (brings_cuda(request) && request.group.empty() && request.marker.empty()) {
            out.package = fmt::format("{}[{}]", request.name, fmt::join(request.extras, ","));
            out.sure = out.sure && finds_wheels(request, base->image.python);
          }
      }
    }
  };
  take(last);
  // Another image may be built on the same base, by its stage's name.
  const auto own = view.dockerfile->lineage(last);
  for (const StageView& other : view.stages) {
    const auto lineage = view.dockerfile->lineage(other.index);
    if (std::ranges::find(own, other.index) != own.end() ||
        std::ranges::find(lineage, base->index) == lineage.end())
      continue;
    system = system || has_other_cuda_user(view, other.index);
    out.sure = out.sure && knows_all_installs(view, other.index);
  }
  for (const std::size_t one : own)
    for (const Instruction& copy : view.dockerfile->stages[one].instructions) {
      out.sure = out.sure && !starts_program(view, copy);
      const auto from = view.dockerfile->copied_from(copy);
      if (!from || *from >= view.stages.size()) {
        out.sure = out.sure && !copies_programs(copy);
        continue;
      }
      const GpuImage& image = view.stages[*from].image;
      made_elsewhere = made_elsewhere || image.vendor.known();
      if (copies_wheels(copy)) {
        take(*from);
        out.sure = out.sure && knows_all_installs(view, *from);
        continue;
      }
      if (copies_scripts(view, copy, *from)) continue;  // may_hold_users() has seen it
      // A Python with its packages, of a stage that only installs.
      if (copies_python(copy) && only_installs(view, *from)) {
        take(*from);
        out.sure = false;
        continue;
      }
      // What another stage compiled, or an image of the project holds, may be linked against the
      // libraries of this base.
      if (image.vendor.known() || image.repository.empty() || !is_without_cuda(image.repository))
        return std::nullopt;
    }
  if (by_conda) {
    out.package = "pytorch";
    // Another package of the environment may be built on the base's.
    out.sure = false;
  }
  if (torch) out.package = "torch";
  if (system) return std::nullopt;
  // What else would load them, nobody can say of an image that others are built on.
  if (out.package.empty() && (!out.sure || made_elsewhere || image_command(view).empty()))
    return std::nullopt;
  out.sure = out.sure && !out.package.empty();
  const knowledge::Images& images = view.project->knowledge->images;
  const auto* row = images.cuda_version(base->image.cuda.value);
  // The newest update of the minor: only that one gets fixes.
  if (const auto* near = images.cuda_near(base->image.cuda.value);
      near != nullptr &&
      (row == nullptr || !row->state.empty() || major_minor(near->cuda) == major_minor(row->cuda)))
    row = near;
  out.instead = row == nullptr
                    ? fmt::format("nvidia/cuda:{}-base-{}", base->image.cuda.value,
                                  base->image.distribution.value)
                    : cuda_tag(images, *row, "base", base->image.distribution.value, false);
  return out;
}

}  // namespace flense::lint
