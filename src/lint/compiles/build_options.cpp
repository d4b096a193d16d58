// Builds that are to use a GPU and do not: options whose names are gone, and packages that come for
// processors where nothing says otherwise.
#include <algorithm>
#include <array>
#include <set>
#include <utility>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/placed_lists.h"
#include "lint/facts/sure_installs.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

struct OldOption {
  std::string_view name, now;
  bool refused = false;  ///< else it is not known any more, and without effect
};
constexpr auto kOld = std::to_array<OldOption>({{"LLAMA_CUBLAS", "GGML_CUDA", true},
                                                {"LLAMA_HIPBLAS", "GGML_HIP", false},
                                                {"GGML_HIPBLAS", "GGML_HIP", false}});

/// "-DLLAMA_CUBLAS=on" among other options; npos: not there.
std::size_t option_at(std::string_view text, std::string_view name) {
  for (std::size_t at = text.find(name); at != text.npos; at = text.find(name, at + 1)) {
    const std::size_t end = at + name.size();
    const std::string_view value = text.substr(end, 4);
    const bool whole = end == text.size() || text[end] == '=' || text[end] == ':';
    if (whole && at >= 2 && text.substr(at - 2, 2) == "-D" &&
        !starts_with_any(to_lower(value), {"=0", "=off", "=fal"}))
      return at;
  }
  return text.npos;
}

/// Of an index of wheels, or of wheels alone: nothing is built.
bool may_be_a_wheel(const Install& install, const PackageList& list) {
  const ShellCommand* command = command_at(*install.instruction, install.command.span);
  const auto option = [](const std::string& one) {
    return starts_with_any(
        one, {"--only-binary", "--prefer-binary", "--no-build", "--find-links", "-f"});
  };
  return !install.command.indexes.empty() || !list.indexes.empty() ||
         std::ranges::any_of(install.command.options, option) ||
         std::ranges::any_of(list.options, option) ||
         std::ranges::any_of(
             std::initializer_list<std::string_view>{"PIP_ONLY_BINARY", "PIP_PREFER_BINARY",
                                                     "PIP_EXTRA_INDEX_URL", "PIP_INDEX_URL",
                                                     "PIP_FIND_LINKS", "UV_INDEX"},
             [&](std::string_view name) {
               return variable_at(*install.instruction, command, name).set;
             });
}

/// The newest llama.cpp is built: pip's package without a version, or a clone that is left at its
/// head.
struct Sources {
  bool package = false, clone = false;
};
Sources newest_sources(const FileView& view, std::size_t stage) {
  Sources out;
  for (const Install* install : view.installs_in(stage))
    for (const PackageList* list : lists_of(*install))
      if (const PackageRequest* found = list->find("llama-cpp-python")) {
        // A list of constraints may hold its version, and a wheel is not built.
        if (!found->specifier.empty() || !found->url.empty() || may_be_a_wheel(*install, *list) ||
            install->command.has_option("-c") || install->command.has_option("--constraint"))
          return {};
        out.package = true;
      }
  bool fixed = false;
  for (const std::size_t one : view.dockerfile->lineage(stage))
    for (const Instruction& step : view.dockerfile->stages[one].instructions)
      for (const StepCommand& command : commands_of(step)) {
        if (command.program != "git") continue;
        if (command.has("checkout") || command.has("reset") || command.has("switch") ||
            command.has("submodule"))
          fixed = true;
        if (!command.has("clone")) continue;
        const bool is_llama = std::ranges::any_of(command.arguments, [](const Argument& word) {
          return holds(word.text, "/llama.cpp") &&
                 (holds(word.text, "ggerganov/") || holds(word.text, "ggml-org/"));
        });
        if (!is_llama) continue;
        if (command.has("-b") || !command.value_of("--branch").empty()) fixed = true;
        out.clone = true;
      }
  if (fixed) out.clone = false;
  return out;
}

/// `make LLAMA_CUBLAS=1`, `GGML_CUDA=1 make`: an option of the Makefile that llama.cpp had.
const ShellWord* option_of_make(const ShellCommand& command) {
  for (const ShellWord& word : command.words)
    if (starts_with_any(word.text, {"LLAMA_", "GGML_"}) && word.text.contains('=')) return &word;
  for (const ShellAssignment& set : command.assignments)
    if (starts_with_any(set.name, {"LLAMA_", "GGML_"})) return &command.words.front();
  return nullptr;
}

class OldOptions {
 public:
  OldOptions(const FileView& view, FindingSink& sink) : view_(view), sink_(sink) {}

  void judge(const StageView& stage) {
    const Sources sources = newest_sources(view_, stage.index);
    if (!stage.reachable || (!sources.package && !sources.clone)) return;
    for (const Instruction& step : stage.stage->instructions)
      if (in_variables(step) || in_commands(step, sources)) return;
  }

 private:
  bool in_variables(const Instruction& step) {
    if (step.keyword != Keyword::kEnv && step.keyword != Keyword::kArg) return false;
    return std::ranges::any_of(step.pairs, [&](const KeyValue& pair) {
      return pair.key.text == "CMAKE_ARGS" && pair.value &&
             report(step, pair.value->span, pair.value->text);
    });
  }

  bool in_commands(const Instruction& step, const Sources& sources) {
    for (const ShellCommand& command : step.commands) {
      for (const ShellAssignment& set : command.assignments)
        if (set.name == "CMAKE_ARGS" && report(step, set.value.span, set.value.text)) return true;
      if (command.words.empty()) continue;
      const std::string program = program_of(command).name;
      configured_ = configured_ || program == "cmake";  // which writes Makefiles
      if (program == "make" && sources.clone && !configured_) {
        if (const ShellWord* option = option_of_make(command);
            option != nullptr && !may_fail(step, command.span)) {
          no_makefile(step, option->span);
          return true;
        }
      }
      if (!is_one_of(program, {"cmake", "export"})) continue;
      for (const ShellWord& word : command.words)
        if (report(step, word.span, word.text)) return true;
    }
    return false;
  }

  void no_makefile(const Instruction& step, Span span) {
    Finding& found = sink_.add(
        "build-option-gone", *view_.file, span,
        "today's llama.cpp is not built by make: \"The Makefile build has been replaced by CMake\" "
        "ends the step");
    found.evidence = {"llama.cpp, Makefile", "the clone is left at its head"};
    found.pedantic = !is_reached(step, span);
    found.fix =
        "build with cmake: cmake -B build -DGGML_CUDA=ON (GGML_HIP for ROCm), cmake --build build";
  }

  bool report(const Instruction& step, Span span, std::string_view text) {
    for (const OldOption& old : kOld) {
      // Beside its new name the old one is idle, where it is not refused.
      if (option_at(text, old.name) == text.npos ||
          (!old.refused && option_at(text, old.now) != text.npos))
        continue;
      Finding& found = sink_.add(
          "build-option-gone", *view_.file, span,
          old.refused
              ? fmt::format("today's llama.cpp refuses {}: its name is {}", old.name, old.now)
              : fmt::format("today's llama.cpp does not know {}, and builds for the "
                            "processor alone: its name is {}",
                            old.name, old.now));
      found.evidence = {"llama.cpp, CMakeLists.txt; containers/ai-lab-recipes#704",
                        "its version is left open"};
      found.pedantic = !is_reached(step, span);  // a branch may be an older source's
      found.fix = fmt::format("write -D{}=on", old.now);
      found.unsafe = true;
      const std::string_view raw = view_.text(span);
      if (const std::size_t place = raw.find(old.name); place != raw.npos)
        found.edits.push_back(
            {{span.begin + place, span.begin + place + old.name.size()}, std::string(old.now)});
      return true;
    }
    return false;
  }

  const FileView& view_;
  FindingSink& sink_;
  bool configured_ = false;
};

/// NVIDIA's samples have no Makefiles since those of CUDA 12.8: `make` in a clone that is left at
/// its head.
void samples_by_make(const FileView& view, const StageView& stage, FindingSink& sink) {
  constexpr std::string_view kName = "cuda-samples";
  if (!stage.reachable || commands_mention(view, stage.index, "cmake")) return;
  const StageSteps steps(view, stage.index);
  bool cloned = false;
  const Argument* head = nullptr;
  for (const Step& step : steps.all()) {
    bool inside = holds(step.directory, kName), configured = false;
    for (const StepCommand& command : commands_of(*step.instruction)) {
      const auto of_samples = std::ranges::find_if(
          command.arguments, [&](const Argument& word) { return holds(word.text, kName); });
      const bool named = of_samples != command.arguments.end();
      if (command.program == "git") {
        if (command.has("checkout") || command.has("reset") || command.has("switch") ||
            command.has("fetch"))
          return;
        if (!command.has("clone") || !named) continue;
        if (!holds(of_samples->text, "NVIDIA/cuda-samples") || command.has("-b") ||
            !command.value_of("--branch").empty())
          return;
        cloned = true;
        head = &*of_samples;
      }
      inside = inside || (command.program == "cd" && named);
      configured = configured || command.program.starts_with("configure") ||
                   command.program.ends_with(".sh");
      if (!cloned || command.program != "make" || !(inside || named) || configured ||
          may_fail(*step.instruction, command.shell->span))
        continue;
      // A stage below says it of its own steps.
      if (std::ranges::none_of(stage.stage->instructions,
                               [&](const Instruction& one) { return &one == step.instruction; }))
        return;
      Finding& found =
          sink.add("build-option-gone", *view.file, command.program_span,
                   "today's cuda-samples are not built by make: their Makefiles went with the "
                   "samples of CUDA 12.8");
      found.evidence = {"NVIDIA/cuda-samples#320",
                        fmt::format("{} is left at its head", head->text)};
      found.pedantic = !is_reached(*step.instruction, command.program_span);
      found.fix =
          "clone the release of the base's CUDA (-b v12.5 is the last with Makefiles), or "
          "build with cmake";
      return;
    }
  }
}

/// What installs a package for GPUs, where the plain one is for processors; empty: not such a
/// package, or something in the stage says otherwise.
std::string_view for_gpus(const PlacedList& place, const PackageRequest& request) {
  const FileView& view = *place.view;
  const std::size_t stage = place.install->stage;
  const auto any = [&](const auto& is) {
    return std::ranges::any_of(view.installs_in(stage), [&](const Install* one) {
      return std::ranges::any_of(lists_of(*one), [&](const PackageList* list) {
        return std::ranges::any_of(list->packages, is);
      });
    });
  };
  if (request.name == "jax" || request.name == "jaxlib") {
    // jax[cuda12], its plugin, or a framework that uses the GPU itself.
    if (any([](const PackageRequest& one) {
          return (one.name.starts_with("jax") &&
                  (!one.extras.empty() || !one.url.empty() || one.version.contains('+') ||
                   one.name.contains("cuda"))) ||
                 one.name.contains("torch") || one.name.contains("tensorflow") ||
                 one.name.contains("cupy") || one.name.contains("numba");
        }))
      return {};
    return "the extra for CUDA that this release has (jax[cuda12]; older ones have other names)";
  }
  if (request.name == "onnxruntime") {
    if (any([](const PackageRequest& one) { return is_gpu_package(one.name); })) return {};
    return "onnxruntime-gpu";
  }
  if (request.name == "llama-cpp-python") {
    if (commands_mention(view, stage, "GGML_") || commands_mention(view, stage, "LLAMA_"))
      return {};
    const VariableState arguments = variable_at(
        *place.install->instruction,
        command_at(*place.install->instruction, place.install->command.span), "CMAKE_ARGS");
    if (arguments.set) return {};
    return "CMAKE_ARGS=\"-DGGML_CUDA=on\" on a -devel base, or, where there is one for the image's "
           "Python and CUDA, a wheel of https://abetlen.github.io/llama-cpp-python/whl";
  }
  return {};
}

/// jax on nvidia/cuda, and others that PyPI has for processors alone by this name.
/// True: something is said.
bool for_processors(const PlacedList& place, FindingSink& sink) {
  const StageView& stage = place.view->stages[place.install->stage];
  if (stage.image.repository != "nvidia/cuda" || !stage.final || !place.list->indexes.empty() ||
      !place.install->command.indexes.empty())
    return false;
  for (const PackageRequest& request : place.list->packages) {
    if (!request.extras.empty() || !request.url.empty() || !request.index.empty() ||
        !request.marker.empty() || request.manager == PackageManager::kConda)
      continue;
    const std::string_view instead = for_gpus(place, request);
    if (instead.empty()) continue;
    Finding& found = sink.add(
        "processor-build-on-gpu", *place.file, request.span,
        fmt::format("{} of PyPI is built for the processor alone: on this base it uses no GPU",
                    request.name));
    found.evidence = {stage.image.vendor.evidence,
                      request.name.starts_with("jax")      ? "Harvard-Neutrino/prometheus#120"
                      : request.name == "llama-cpp-python" ? "zylon-ai/private-gpt#1405"
                                                           : "ONNX Runtime documentation, Install"};
    found.fix = fmt::format("take {}", instead);
    found.pedantic =
        !is_sure(place, request) || !knows_all_installs(*place.view, place.install->stage);
    return true;
  }
  return false;
}

}  // namespace

void judge_build_options(const Project& project, const std::vector<FileView>& views,
                         FindingSink& sink) {
  std::set<std::pair<const FileView*, std::size_t>> said;  // pip leaves what the first has brought
  for (const PlacedList& place : placed_lists(project, views))
    if (place.view != nullptr && !said.contains({place.view, place.install->stage}) &&
        for_processors(place, sink))
      said.emplace(place.view, place.install->stage);
  for (const FileView& view : views)
    for (const StageView& stage : view.stages) {
      OldOptions(view, sink).judge(stage);
      samples_by_make(view, stage, sink);
    }
}

}  // namespace flense::lint
