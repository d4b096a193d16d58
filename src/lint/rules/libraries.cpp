// The shared libraries of an image: the driver's own in it, where the loader looks for them, stubs
// that it would load, and what stripping breaks.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "knowledge/table_rows.h"
#include "lint/facts/final_environment.h"
#include "lint/facts/purpose.h"
#include "lint/facts/script_installs.h"
#include "lint/rules/rules.h"
#include "lint/shell/shell.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

const knowledge::NamePatternRow* driver_library(const FileView& view, std::string_view path) {
  // Forward compatibility is a package of libraries for this very purpose; stubs are for linking.
  if (path.size() > 1'000 || path.find("/compat/") != path.npos ||
      path.find("/stubs/") != path.npos || path.find("libnvidia-container") != path.npos)
    return nullptr;
  return find_pattern(view.project->knowledge->build.driver_libraries, file_name(path));
}

void driver_libraries(const FileView& view, const StageSteps& steps, FindingSink& sink) {
  const auto report = [&](Span span, std::string_view path, const std::string& source) {
    Finding& found =
        sink.add("driver-library-copied", *view.file, span,
                 fmt::format("{} is a library of the driver: the host's must be used, and this one "
                             "hides or clashes with it",
                             file_name(path)));
    found.evidence = {source, "a libcuda of another version than the kernel module: error 803"};
    found.fix =
        "delete the copy: containers get the host's files; what is linked without a driver takes "
        "/usr/local/cuda/lib64/stubs";
  };
  const std::string globs = "the pattern takes libcuda or libnvidia-ml along";
  const std::string file = to_lower(view.file->source.text());
  for (const Step& step : steps.all()) {
    const Instruction& copy = *step.instruction;
    const auto judge = [&](std::string_view path, Span span) {
      if (const auto* row = driver_library(view, path)) {
        report(span, path, row->source);
        return true;
      }
      const std::string_view name = file_name(path);
      if (name != "libnv*" && name != "libnvidia*" && name != "libcuda*" && name != "libnvidia-*")
        return false;
      // Of TensorRT: libnvinfer, libnvonnxparser.
      if (name == "libnv*" &&
          std::ranges::any_of(std::to_array<std::string_view>({"tensorrt", "nvinfer", "trtexec"}),
                              [&](std::string_view word) { return holds(file, word); }))
        return false;
      // The toolkit's directory holds none of the driver's: libnvrtc, libcudart.
      if (path.contains("/usr/local/cuda") || path.contains("/targets/")) return false;
      report(span, path, globs);
      return true;
    };
    if (copy.copies()) {
      for (std::size_t at = 0; at < copy.words.size(); ++at)
        if (judge(copy.words[at].text, copy.words[at].span)) break;
      continue;
    }
    for (const StepCommand& command : commands_of(copy))
      if (command.program == "cp" || command.program == "install" || command.program == "mv") {
        for (const Argument& word : command.arguments)
          if (judge(word.text, word.span)) break;
      }
  }
}

/// The ENV lines whose words are in the final value.
std::vector<EnvironmentLine> library_paths(const FileView& view, const StageSteps& steps) {
  std::vector<EnvironmentLine> out;
  for (EnvironmentLine& env : environment_lines(view, steps, "LD_LIBRARY_PATH")) {
    if (env.pair->value->text.find("LD_LIBRARY_PATH") == std::string::npos) out.clear();
    out.push_back(std::move(env));
  }
  return out;
}

/// NVIDIA's own images of frameworks: their compat libcuda lies in compat/lib.real, which the entry
/// point links to where it helps. compat itself holds none.
bool links_compat_itself(const FileView& view) {
  return std::ranges::any_of(view.stages, [](const StageView& stage) {
    const std::string& base = stage.image.repository;
    return base.starts_with("nvcr.io/nvidia/") && base != "nvcr.io/nvidia/cuda";
  });
}

/// Whether a later ENV puts the host's driver in front of what the earlier ones hold.
bool driver_goes_first(const std::vector<EnvironmentLine>& paths, const EnvironmentLine& earlier) {
  for (const EnvironmentLine& later : paths) {
    if (later.step->span.begin <= earlier.step->span.begin) continue;
    for (const std::string_view part : split(later.pair->value->text, ':')) {
      if (part.contains("LD_LIBRARY_PATH")) break;
      if (holds_driver(part)) return true;
    }
  }
  return false;
}

/// A comment of some length above the step, or above its stage, that speaks of the compat
/// libraries.
bool says_why(const FileView& view, const Instruction& step) {
  constexpr std::size_t kSome = 200;
  for (const Span span : {step.span, view.stages.back().stage->base.span}) {
    const std::string_view comment = comments_above(view.file->source, span);
    if (comment.size() > kSome && comment.contains("compat")) return true;
  }
  return false;
}

/// The part with one of its colons, so that the rest stays a list.
Span with_colon(std::string_view text, Span span) {
  if (span.end < text.size() && text[span.end] == ':') return {span.begin, span.end + 1};
  if (span.begin > 0 && text[span.begin - 1] == ':') return {span.begin - 1, span.end};
  return {};
}

void library_path(const FileView& view, std::size_t stage, FindingSink& sink) {
  const StageSteps steps(view, stage);
  const GpuImage& image = view.stages[stage].image;
  const std::string_view file = view.file->source.text();
  const bool unloaded = is_for_jetson(view) || links_compat_itself(view);
  const std::vector<EnvironmentLine> paths = library_paths(view, steps);
  for (const EnvironmentLine& env : paths) {
    bool driver_first = driver_goes_first(paths, env);
    for (const std::string_view part : split(env.raw, ':')) {
      std::string_view plain = part;
      while (plain.starts_with('"') || plain.starts_with('\'')) plain.remove_prefix(1);
      while (plain.ends_with('"') || plain.ends_with('\'')) plain.remove_suffix(1);
      const Span span = part_span(env, plain);
      driver_first = driver_first || holds_driver(plain);
      if (is_stubs(plain)) {
        Finding& found =
            sink.add("stubs-in-library-path", *view.file, span, std::string(kStubsConsequence));
        found.evidence = {fmt::format("LD_LIBRARY_PATH holds {}", plain),
                          "CUDA Installation Guide: stubs are for builds without a driver"};
        found.fix = fmt::format(
            "take {} off LD_LIBRARY_PATH, and give it to the command that links alone: "
            "LIBRARY_PATH, -L, or LD_LIBRARY_PATH in front of it",
            plain);
        if (const Span cut = with_colon(file, span); !cut.empty()) found.edits.push_back({cut, ""});
      } else if (is_compat(plain) && !driver_first &&
                 // What the entry point of NVIDIA's images links to is in lib.real.
                 (!unloaded || (plain.contains("/lib.real") && !is_for_jetson(view))) &&
                 (plain.contains("cuda") || plain.contains("CUDA"))) {
        Finding& found =
            sink.add("library-path-overwritten", *view.file, span, std::string(kCompatConsequence));
        found.evidence = {
            fmt::format("{} is on LD_LIBRARY_PATH, before the host's libraries", plain),
            "forward_compat.json; NVIDIA, CUDA Compatibility"};
        const bool links = std::ranges::any_of(
            std::to_array<std::string_view>({"cmake", "make", "nvcc", "ninja", "g++", "gcc"}),
            [&](std::string_view tool) {
              return std::ranges::any_of(steps.all(), [&](const Step& step) {
                return std::ranges::any_of(
                    commands_of(*step.instruction),
                    [&](const StepCommand& one) { return one.program == tool; });
              });
            });
        // Who says why means it.
        found.pedantic = says_why(view, *env.step);
        // A linker without a driver finds libcuda.so.1 there.
        found.fix = links ? fmt::format(
                                "write it in front of the command that links alone: "
                                "LD_LIBRARY_PATH={} cmake …",
                                plain)
                    : view.is_definition()
                        ? fmt::format(
                              "add {} only where the driver is older: in an if of %environment, "
                              "or by apptainer run --env",
                              plain)
                        : fmt::format(
                              "take {} off LD_LIBRARY_PATH: the toolkit and NVIDIA's entry "
                              "point use it only where it helps",
                              plain);
      }
    }
  }
  // Apptainer adds the driver's directory behind what the image sets.
  if (image.vendor.value != "nvidia" || view.is_definition()) return;
  for (const EnvironmentLine& env : environment_lines(view, steps, "LD_LIBRARY_PATH")) {
    const std::string& text = env.pair->value->text;
    if (text.find("LD_LIBRARY_PATH") != std::string::npos ||
        text.find("/usr/local/nvidia/lib") != std::string::npos)
      continue;
    Finding& found = sink.add("library-path-overwritten", *view.file, env.pair->value->span,
                              "this drops what the base has in LD_LIBRARY_PATH: "
                              "/usr/local/nvidia/lib64, where some hosts mount the driver");
    found.pedantic = true;  // few hosts mount it there
    found.evidence = {image.vendor.evidence,
                      "NVIDIA's base images set /usr/local/nvidia/lib:/usr/local/nvidia/lib64; GKE "
                      "mounts the driver there"};
    // An empty part would be the working directory.
    constexpr std::string_view kRest = "${LD_LIBRARY_PATH:+:${LD_LIBRARY_PATH}}";
    found.fix = fmt::format("write LD_LIBRARY_PATH={}{}", text, kRest);
    if (const Span value = part_span(env, text); !value.empty() && !env.raw.starts_with('\''))
      found.edits.push_back({{value.end, value.end}, std::string(kRest)});
  }
}

/// "/usr/local/cuda-12.8/compat"
bool is_cuda_compat(std::string_view path) {
  while (path.ends_with('/')) path.remove_suffix(1);
  return path.ends_with("/compat") && holds(to_lower(path), "cuda");
}

/// The directory of the compat libcuda in the loader's configuration, or in its cache: the word of
/// the command; null: none.
const ShellWord* compat_in_loader(const ShellCommand& command) {
  const Program program = program_of(command);
  const bool configures =
      std::ranges::any_of(command.redirections, [](const ShellRedirection& one) {
        // What is read later, by its name, gives way to the driver's.
        return holds(one.target.text, "ld.so.conf") && !file_name(one.target.text).starts_with('z');
      });
  if (!configures && program.name != "ldconfig") return nullptr;
  for (std::size_t at = program.first + 1; at < command.words.size(); ++at)
    if (is_cuda_compat(command.words[at].text)) return &command.words[at];
  return nullptr;
}

void compat_for_loader(const FileView& view, const StageSteps& steps, FindingSink& sink) {
  if (is_for_jetson(view) || links_compat_itself(view)) return;
  for (const Step& step : steps.all())
    for (const ShellCommand& command : step.instruction->commands) {
      const ShellWord* word = compat_in_loader(command);
      if (word == nullptr) continue;
      const bool configures = program_of(command).name != "ldconfig";
      Finding& found = sink.add(
          "library-path-overwritten", *view.file, word->span,
          fmt::format(
              "the compat libcuda is {}: it is loaded also where the driver is newer or the "
              "GPU is a GeForce, with error 803 or 804",
              configures ? "in the loader's configuration"
                         : "put into the loader's cache until the next ldconfig"));
      found.evidence = {configures ? command.redirections.front().target.text : "ldconfig",
                        "vllm-project/vllm#33116, #34226; NVIDIA, CUDA Compatibility"};
      found.fix =
          "leave it out: the toolkit and NVIDIA's entry point use it only where it helps; a linker "
          "takes LD_LIBRARY_PATH of its own command";
      // A cache that the toolkit makes anew at each start; and who says why means it.
      found.pedantic = !configures || says_why(view, *step.instruction);
    }
}

/// "/usr/local/cuda-8.0/…/stubs" on a base of CUDA 9.0: there is no such directory.
bool is_of_other_cuda(std::string_view path, const GpuImage& base) {
  constexpr std::string_view kToolkit = "/usr/local/cuda-";
  if (!path.starts_with(kToolkit) || !base.cuda.known()) return false;
  const std::string_view version =
      path.substr(kToolkit.size(), path.find('/', kToolkit.size()) - kToolkit.size());
  return is_version(version) && version.contains('.') && version != major_minor(base.cuda.value);
}

/// Whether a later command of a step or script removes a file.
bool removes_later(const std::vector<ShellCommand>& commands, const ShellCommand& from,
                   std::string_view file) {
  return std::ranges::any_of(commands, [&](const ShellCommand& other) {
    return other.span.begin > from.span.begin && program_of(other).name == "rm" &&
           std::ranges::any_of(other.words,
                               [&](const ShellWord& word) { return word.text == file; });
  });
}

/// What one command of a step, or of a script that a step runs, does with stubs.
void stub_link(const ProjectFile& file, const std::vector<ShellCommand>& commands,
               const ShellCommand& command, const GpuImage& base, FindingSink& sink) {
  for (const ShellRedirection& redirection : command.redirections) {
    if (redirection.target.text.find("ld.so.conf") == std::string::npos ||
        removes_later(commands, command, redirection.target.text))
      continue;
    for (const ShellWord& word : command.words)
      if (is_stubs(word.text) && !is_of_other_cuda(word.text, base)) {
        Finding& found = sink.add("stubs-in-library-path", file, word.span,
                                  "the loader's configuration names the stubs: a program that "
                                  "loads this libcuda ends with \"driver is a stub library\"");
        found.evidence = {redirection.target.text};
      }
  }
  const Program program = program_of(command);
  if (program.name != "ln" && program.name != "cp") return;
  const ShellWord* stub = nullptr;
  for (const ShellWord& word : command.words)
    if (word.text.find("/stubs/libcuda.so") != std::string::npos) stub = &word;
  if (stub == nullptr || &command.words.back() == stub ||
      command.words.back().text.find("/stubs") != std::string::npos)
    return;
  const std::string& target = command.words.back().text;
  if (removes_later(commands, command, target)) return;
  Finding& found = sink.add("stubs-in-library-path", file, stub->span,
                            "the stub of libcuda is put where programs load it from");
  found.evidence = {target, "CUDA Installation Guide: stubs are for builds without a driver"};
}

void stub_links(const FileView& view, const StageSteps& steps, FindingSink& sink) {
  for (const Step& step : steps.all())
    for (const ShellCommand& command : step.instruction->commands)
      stub_link(*view.file, step.instruction->commands, command, view.stages.back().image, sink);
  // Of a script what every build comes to.
  for (const RunScript& script : scripts_run_by(view)) {
    if (!view.stages[script.stage].final || script.conditional) continue;
    for (std::size_t at = 0; at < script.commands.size(); ++at)
      if (script.reached[at])
        stub_link(*script.file, script.commands, script.commands[at],
                  view.stages[script.stage].image, sink);
  }
}

/// Where wheels or distributions put what they did not compile here.
bool holds_wheels(std::string_view path) {
  while (path.size() > 1 && (path.ends_with('/') || path.ends_with('*'))) path.remove_suffix(1);
  for (const std::string_view part : {"-packages", "venv", "conda", "/lib/python"})
    if (holds(path, part)) return true;
  return is_one_of(path, {"/", "/usr", "/usr/lib", "/usr/local", "/usr/local/lib", "/opt",
                          "/install", "/root", "/home"});
}

/// strip over the shared libraries of a whole directory.
void stripped_libraries(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages)
    for (const Instruction& run : stage.stage->instructions) {
      const std::vector<StepCommand>& commands = commands_of(run);
      const bool libraries = std::ranges::any_of(commands, [](const StepCommand& command) {
        return std::ranges::any_of(command.arguments, [](const Argument& word) {
          return holds(word.text, "*.so") || holds(word.text, ".so*");
        });
      });
      // What a build of its own put into its directory is the builder's to strip.
      const bool wheels = std::ranges::any_of(commands, [](const StepCommand& command) {
        return std::ranges::any_of(command.arguments,
                                   [](const Argument& word) { return holds_wheels(word.text); });
      });
      if (!libraries || !wheels) continue;
      for (const StepCommand& command : commands) {
        const auto& words = command.shell->words;
        const auto at = std::ranges::find_if(
            words, [](const ShellWord& word) { return file_name(word.text) == "strip"; });
        if (at == words.end()) continue;
        const bool debug = std::ranges::any_of(words, [](const ShellWord& word) {
          return is_one_of(word.text, {"--strip-debug", "-g", "-S", "-d", "-R"});
        });
        if (debug) continue;
        Finding& found = sink.add(
            "libraries-stripped", *view.file, at->span,
            "strip rewrites every library: those of wheels, which patchelf has changed, may no "
            "longer load");
        found.evidence = {
            "pypa/manylinux#119, pypa/auditwheel#716: \"ELF load command "
            "address/offset not properly aligned\""};
        // Who asks `file` first chooses with care.
        found.pedantic = view.text(run.span).contains("not stripped");
        break;
      }
    }
}
}  // namespace

void judge_libraries(const Project& /*project*/, const std::vector<FileView>& views,
                     FindingSink& sink) {
  for (const FileView& view : views) {
    const StageSteps steps(view, view.stages.size() - 1);
    driver_libraries(view, steps, sink);
    for (const std::size_t stage : ending_stages(view)) library_path(view, stage, sink);
    compat_for_loader(view, steps, sink);
    stub_links(view, steps, sink);
    stripped_libraries(view, sink);
  }
}

}  // namespace flense::lint
