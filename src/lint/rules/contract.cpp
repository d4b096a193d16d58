// What an image promises to the container toolkit that starts it: the NVIDIA_* variables, library
// paths, and that the driver's files come from the host.
#include <algorithm>
#include <array>
#include <set>

#include "base/format.h"
#include "knowledge/table_rows.h"
#include "lint/facts/build_steps.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

using knowledge::matches_pattern;

/// An ENV of the final image.
struct Env {
  const Instruction* step = nullptr;
  const KeyValue* pair = nullptr;
  std::string_view raw;              ///< of the value, with its quotes
  std::optional<std::string> value;  ///< variables replaced; nullopt: not known
};

std::vector<Env> env_of(const FileView& view, const StageSteps& steps, std::string_view name) {
  std::vector<Env> out;
  for (const Step& step : steps.all()) {
    if (step.instruction->keyword != Keyword::kEnv) continue;
    for (const KeyValue& pair : step.instruction->pairs) {
      if (pair.key.text != name || !pair.value) continue;
      Env made{step.instruction, &pair, view.text(pair.value->span), std::nullopt};
      const std::string& text = pair.value->text;
      made.value = text.find('$') == std::string::npos
                       ? std::optional(text)
                       : expand(text, environment_of(*step.instruction));
      out.push_back(std::move(made));
    }
  }
  return out;
}

/// The place of a part of the value; empty: it is not written in one piece.
Span part_span(const Env& env, std::string_view part) {
  const std::size_t at = env.raw.find(part);
  if (part.empty() || at == env.raw.npos) return {};
  const std::size_t begin = env.pair->value->span.begin + at;
  return {begin, begin + part.size()};
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> out;
  while (out.size() < 1'000) {
    const std::size_t end = text.find(separator);
    out.push_back(text.substr(0, end));
    if (end == text.npos) break;
    text.remove_prefix(end + 1);
  }
  return out;
}

bool has_kubernetes(const Project& project) {
  return std::ranges::any_of(project.files,
                             [](const auto& file) { return file->kind == FileKind::kKubernetes; });
}

void visible_devices(const FileView& view, const StageSteps& steps, FindingSink& sink) {
  const StageView& last = view.stages.back();
  const std::vector<Env> set = env_of(view, steps, "NVIDIA_VISIBLE_DEVICES");
  const bool kubernetes = has_kubernetes(*view.project);
  if (kubernetes) {
    if (set.empty() || set.back().value.value_or("") != "all") return;
    // The plugin's own image has to see all GPUs.
    for (const std::string_view part : {"device-plugin", "gpu-operator", "dcgm"})
      if (view.file->source.text().contains(part)) return;
    Finding& found =
        sink.add("visible-devices-all", *view.file, set.back().pair->value->span,
                 "a pod of this image that asks for no GPU sees all GPUs of its node, where "
                 "NVIDIA's runtime is the default one");
    found.evidence = {"the project has a Kubernetes manifest",
                      "NVIDIA device plugin: it sets the variable for pods that ask for GPUs, and "
                      "the image's value stays for all others"};
    found.fix =
        "write NVIDIA_VISIBLE_DEVICES=void: pods that ask for nvidia.com/gpu get their "
        "own value";
    return;
  }
  if (!set.empty() || last.image.vendor.known()) return;
  const auto known = steps.all().empty() ? VariableState{}
                                         : variable_at(*steps.all().back().instruction, nullptr,
                                                       "NVIDIA_VISIBLE_DEVICES");
  // An unknown base may set it.
  if (known.set || !last.image.distribution.known()) return;
  std::string why;
  if (!is_nvidia_final(view, why)) return;
  Finding& found = sink.add(
      "visible-devices-unset", *view.file, last.stage->base.span,
      "this base does not set NVIDIA_VISIBLE_DEVICES: with --runtime=nvidia alone the container "
      "sees no GPU");
  found.evidence = {why, last.image.distribution.evidence,
                    "NVIDIA Container Toolkit: an unset variable means the plain runtime; --gpus "
                    "and CDI need none (nvidia-docker#766)"};
  found.fix =
      "add ENV NVIDIA_VISIBLE_DEVICES=all NVIDIA_DRIVER_CAPABILITIES=compute,utility, as "
      "NVIDIA's own images do, or start with --gpus all";
}

/// Of Jetson's own CUDA, whose compat libraries are how a newer one comes to an older JetPack, and
/// whose media libraries are injected as a whole. Its bases are often an argument.
bool is_for_jetson(const FileView& view) {
  const GpuImage& image = view.stages.back().image;
  if (image.platform == "jetson") return true;
  if (image.vendor.known()) return false;
  const std::string_view text = view.file->source.text();
  return std::ranges::any_of(
      std::to_array<std::string_view>({"L4T", "l4t", "jetson", "tegra", "aarch64-linux-gnu"}),
      [&](std::string_view word) { return text.contains(word); });
}

struct CapabilityUse {
  const knowledge::CapabilityUseRow* row;
  Span span;
  std::string seen;
};

std::vector<CapabilityUse> capability_uses(const FileView& view, const StageSteps& steps) {
  const auto& rows = view.project->knowledge->build.capabilities;
  std::vector<CapabilityUse> out;
  std::set<std::string> said;
  const auto judge = [&](std::string_view on, std::string_view text, Span span) {
    if (text.size() > 500 || out.size() > 100) return;
    for (const auto& row : rows)
      if (row.on == on && matches_pattern(row.pattern, text)) {
        if (said.insert(row.capability).second) out.push_back({&row, span, std::string(text)});
        return;
      }
  };
  for (const Install* install : view.installs_in(view.stages.size() - 1)) {
    for (const PackageRequest& request : install->command.packages)
      judge("package", request.name, request.span);
    for (const ProjectFile* file : install->files)
      for (const PackageRequest& request : file->packages->packages)
        judge("package", request.name, install->command.span);
  }
  for (const Step& step : steps.all()) {
    for (const ShellCommand& command : step.instruction->commands)
      for (const ShellWord& word : command.words) judge("word", word.text, word.span);
    if (step.instruction->keyword == Keyword::kEnv)
      for (const KeyValue& pair : step.instruction->pairs)
        if (pair.value) judge("variable", pair.key.text + "=" + pair.value->text, pair.value->span);
  }
  return out;
}

/// What the base sets; nullopt: not known.
std::optional<std::vector<std::string>> base_capabilities(const FileView& view,
                                                          std::string& evidence) {
  const GpuImage& image = view.stages.back().image;
  for (const auto& row : view.project->knowledge->build.image_capabilities)
    if (matches_pattern(row.repository, image.repository)) {
      evidence = row.source;
      return row.capabilities;
    }
  std::string why;
  if (image.vendor.known() || !image.distribution.known() || !is_nvidia_final(view, why))
    return std::nullopt;
  evidence = "NVIDIA Container Toolkit: without the variable it is utility,compute";
  return std::vector<std::string>{"compute", "utility"};
}

void driver_capabilities(const FileView& view, const StageSteps& steps, FindingSink& sink) {
  if (view.stages.back().image.vendor.value == "amd") return;
  const std::vector<Env> set = env_of(view, steps, "NVIDIA_DRIVER_CAPABILITIES");
  const std::vector<CapabilityUse> uses = capability_uses(view, steps);
  std::string wanted = "compute,utility";
  for (const CapabilityUse& use : uses) wanted += "," + use.row->capability;
  std::vector<std::string> has;
  std::string evidence;
  if (!set.empty()) {
    const Env& last = set.back();
    if (!last.value) return;
    for (const std::string_view one : split(*last.value, ',')) {
      std::string_view name = one;
      while (name.starts_with(' ')) name.remove_prefix(1);
      while (name.ends_with(' ')) name.remove_suffix(1);
      has.emplace_back(name);
    }
    evidence = "NVIDIA_DRIVER_CAPABILITIES=" + *last.value;
    const auto asks = [&](std::string_view name) {
      return std::ranges::find(has, name) != has.end() &&
             std::ranges::none_of(
                 uses, [&](const CapabilityUse& use) { return use.row->capability == name; });
    };
    if (asks("graphics") && asks("display") && asks("video")) {
      Finding& found = sink.add("driver-capabilities-all", *view.file, last.pair->value->span,
                                "graphics, display and video libraries are injected, and nothing "
                                "here uses one of them");
      found.evidence = {evidence};
      found.fix = "list what is used: NVIDIA_DRIVER_CAPABILITIES=" + wanted;
      return;
    }
    if (std::ranges::find(has, "all") != has.end()) {
      Span span = part_span(last, "all");
      if (span.empty()) span = last.pair->value->span;
      Finding& found = sink.add("driver-capabilities-all", *view.file, span,
                                "all injects the driver's graphics, display and X libraries too");
      found.evidence = {evidence};
      for (const CapabilityUse& use : uses)
        found.evidence.push_back(fmt::format("{}: {}", use.seen, use.row->what));
      found.pedantic = !uses.empty() || is_for_jetson(view);
      found.fix = "list what is used: NVIDIA_DRIVER_CAPABILITIES=" + wanted;
      return;
    }
  } else {
    const auto base = base_capabilities(view, evidence);
    if (!base) return;
    has = *base;
  }
  for (const CapabilityUse& use : uses) {
    if (std::ranges::find(has, use.row->capability) != has.end()) continue;
    Finding& found =
        sink.add("driver-capability-missing", *view.file,
                 set.empty() ? use.span : set.back().pair->value->span,
                 fmt::format("{} needs the driver's {} libraries, and the container gets only {}",
                             use.seen, use.row->capability, fmt::join(has, ",")));
    found.evidence = {use.row->what, use.row->source, evidence};
    found.fix = "add ENV NVIDIA_DRIVER_CAPABILITIES=" + wanted;
    if (set.empty()) continue;
    found.fix = "write NVIDIA_DRIVER_CAPABILITIES=" + wanted;
    const Span value = part_span(set.back(), *set.back().value);
    if (!value.empty()) found.edits.push_back({{value.end, value.end}, "," + use.row->capability});
  }
}

void driver_packages(const FileView& view, const StageSteps& steps, FindingSink& sink) {
  const auto& rows = view.project->knowledge->build.driver_packages;
  for (const Install* install : view.installs_in(view.stages.size() - 1)) {
    const PackageManager manager = install->command.manager;
    if (manager != PackageManager::kApt && manager != PackageManager::kDnf) continue;
    const PackageRequest* first = nullptr;
    const knowledge::NamePatternRow* row = nullptr;
    std::string names;
    for (const PackageRequest& request : install->command.packages) {
      const auto* one = find_pattern(rows, request.name);
      if (one == nullptr) continue;
      if (first == nullptr) {
        first = &request;
        row = one;
      }
      names += (names.empty() ? "" : ", ") + request.name;
    }
    if (first == nullptr) continue;
    Finding& found =
        sink.add("driver-package-installed", *view.file, first->span,
                 fmt::format("{} brings {} into the image; the driver must be the host's", names,
                             row->what));
    found.evidence = {row->source, "libcuda of the image against another kernel module: error 803"};
    found.fix =
        row->pattern.starts_with("cuda")
            ? "take the libraries alone: cuda-libraries-…, cuda-cudart-…"
        : names.starts_with("amdgpu")
            ? fmt::format(
                  "delete {}: the kernel's driver is the host's, and the container gets "
                  "/dev/kfd and /dev/dri",
                  names)
            : fmt::format("delete {}: the container toolkit mounts the host's files", names);
  }
  for (const Step& step : steps.all())
    for (const StepCommand& command : commands_of(*step.instruction)) {
      const auto runs = [](std::string_view word) {
        return word.find("NVIDIA-Linux-") != word.npos && word.ends_with(".run");
      };
      // The toolkit's installer holds a driver and installs it unless told what to install.
      const auto toolkit = [&](std::string_view word) {
        return file_name(word).starts_with("cuda_") && word.ends_with("_linux.run") &&
               (command.has("--driver") ||
                std::ranges::none_of(command.arguments, [](const Argument& one) {
                  // Installers up to CUDA 9 take options with one dash too.
                  const std::string_view option =
                      std::string_view(one.text).substr(one.text.starts_with("--") ? 1 : 0);
                  return option.starts_with("-toolkit") || option.starts_with("-samples") ||
                         option.starts_with("-extract") || option == "-help";
                }));
      };
      const auto of_toolkit = std::ranges::find_if(command.arguments, [&](const Argument& one) {
        return is_shell(command.program) && toolkit(one.text);
      });
      if (toolkit(command.program) || of_toolkit != command.arguments.end()) {
        Finding& found = sink.add(
            "driver-package-installed", *view.file,
            of_toolkit == command.arguments.end() ? command.program_span : of_toolkit->span,
            "this installer brings a driver along; it must be the host's");
        found.evidence = {
            "CUDA Installation Guide, Runfile: --toolkit and --driver choose what is "
            "installed"};
        found.fix = "add --silent --toolkit, so that the toolkit alone is installed";
        continue;
      }
      const bool program = runs(command.program);
      const auto at = std::ranges::find_if(command.arguments, [&](const Argument& one) {
        return is_shell(command.program) && runs(one.text);
      });
      if (!program && at == command.arguments.end()) continue;
      // Taken apart, not installed.
      if (command.has("-x") || command.has("--extract-only")) continue;
      Finding& found = sink.add("driver-package-installed", *view.file,
                                program ? command.program_span : at->span,
                                "this installs NVIDIA's driver into the image; it must be the "
                                "host's");
      found.evidence = {"NVIDIA-Linux-….run is the driver's installer"};
      found.fix = "delete the step: the container toolkit mounts the host's files";
    }
}

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
        "delete the copy: the container toolkit mounts the host's files; for linking use "
        "/usr/local/cuda/lib64/stubs in the build stage";
  };
  const std::string globs = "the pattern takes libcuda or libnvidia-ml along";
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

bool is_stubs(std::string_view part) {
  while (part.ends_with('/')) part.remove_suffix(1);
  return file_name(part) == "stubs" && part.find('/') != part.npos;
}

/// The ENV lines whose words are in the final value.
std::vector<Env> library_paths(const FileView& view, const StageSteps& steps) {
  std::vector<Env> out;
  for (Env& env : env_of(view, steps, "LD_LIBRARY_PATH")) {
    if (env.pair->value->text.find("LD_LIBRARY_PATH") == std::string::npos) out.clear();
    out.push_back(std::move(env));
  }
  return out;
}

/// Where the host's driver lies in a container.
bool holds_driver(std::string_view part) {
  while (part.ends_with('/')) part.remove_suffix(1);
  return is_one_of(part, {"/usr/lib/x86_64-linux-gnu", "/usr/lib/aarch64-linux-gnu", "/usr/lib64",
                          "/usr/local/nvidia/lib64"});
}

/// Whether a later ENV puts the host's driver in front of what the earlier ones hold.
bool driver_goes_first(const std::vector<Env>& paths, const Env& earlier) {
  for (const Env& later : paths) {
    if (later.step->span.begin <= earlier.step->span.begin) continue;
    for (const std::string_view part : split(later.pair->value->text, ':')) {
      if (part.contains("LD_LIBRARY_PATH")) break;
      if (holds_driver(part)) return true;
    }
  }
  return false;
}

/// The part with one of its colons, so that the rest stays a list.
Span with_colon(std::string_view text, Span span) {
  if (span.end < text.size() && text[span.end] == ':') return {span.begin, span.end + 1};
  if (span.begin > 0 && text[span.begin - 1] == ':') return {span.begin - 1, span.end};
  return {};
}

void library_path(const FileView& view, const StageSteps& steps, FindingSink& sink) {
  const std::string_view file = view.file->source.text();
  const bool jetson = is_for_jetson(view);
  const std::vector<Env> paths = library_paths(view, steps);
  for (const Env& env : paths) {
    bool driver_first = driver_goes_first(paths, env);
    for (const std::string_view part : split(env.raw, ':')) {
      std::string_view plain = part;
      while (plain.starts_with('"') || plain.starts_with('\'')) plain.remove_prefix(1);
      while (plain.ends_with('"') || plain.ends_with('\'')) plain.remove_suffix(1);
      const Span span = part_span(env, plain);
      driver_first = driver_first || holds_driver(plain);
      if (is_stubs(plain)) {
        Finding& found = sink.add("stubs-in-library-path", *view.file, span,
                                  "the stubs are for linking: a program that loads this libcuda "
                                  "ends with \"driver is a stub library\"");
        found.evidence = {fmt::format("LD_LIBRARY_PATH holds {}", plain),
                          "CUDA Installation Guide: stubs are for builds without a driver"};
        found.fix = fmt::format(
            "take {} off LD_LIBRARY_PATH; set LIBRARY_PATH, or -L, in the "
            "build stage",
            plain);
        // The toolkit's stub has not the name that programs load.
        found.pedantic =
            !commands_mention(view, view.stages.size() - 1, "stubs/libcuda.so.1", nullptr);
        if (const Span cut = with_colon(file, span); !cut.empty()) found.edits.push_back({cut, ""});
      } else if (!jetson && !driver_first &&
                 (plain.ends_with("/compat") || plain.ends_with("/compat/")) &&
                 (plain.contains("cuda") || plain.contains("CUDA"))) {
        Finding& found = sink.add(
            "library-path-overwritten", *view.file, span,
            "the compat libcuda is loaded on every host, also where the driver is newer or the "
            "GPU is a GeForce: error 803 or 804 there");
        found.evidence = {
            fmt::format("{} is on LD_LIBRARY_PATH, before the host's libraries", plain),
            "forward_compat.json; NVIDIA, CUDA Compatibility"};
        found.fix = fmt::format(
            "take {} off LD_LIBRARY_PATH: the toolkit and NVIDIA's entry point "
            "use it only where it helps",
            plain);
      }
    }
  }
  if (view.stages.back().image.vendor.value != "nvidia") return;
  for (const Env& env : env_of(view, steps, "LD_LIBRARY_PATH")) {
    const std::string& text = env.pair->value->text;
    if (text.find("LD_LIBRARY_PATH") != std::string::npos ||
        text.find("/usr/local/nvidia/lib") != std::string::npos)
      continue;
    Finding& found = sink.add("library-path-overwritten", *view.file, env.pair->value->span,
                              "this drops what the base has in LD_LIBRARY_PATH: "
                              "/usr/local/nvidia/lib64, where some hosts mount the driver");
    found.evidence = {view.stages.back().image.vendor.evidence,
                      "NVIDIA's base images set /usr/local/nvidia/lib:/usr/local/nvidia/lib64; GKE "
                      "mounts the driver there"};
    found.pedantic = text.empty();  // emptied on purpose
    // An empty part would be the working directory.
    constexpr std::string_view kRest = "${LD_LIBRARY_PATH:+:${LD_LIBRARY_PATH}}";
    found.fix = fmt::format("write LD_LIBRARY_PATH={}{}", text, kRest);
    if (const Span value = part_span(env, text); !value.empty() && !env.raw.starts_with('\''))
      found.edits.push_back({{value.end, value.end}, std::string(kRest)});
  }
}

void stub_links(const FileView& view, const StageSteps& steps, FindingSink& sink) {
  for (const Step& step : steps.all())
    for (const ShellCommand& command : step.instruction->commands) {
      for (const ShellRedirection& redirection : command.redirections) {
        if (redirection.target.text.find("ld.so.conf") == std::string::npos) continue;
        for (const ShellWord& word : command.words)
          if (is_stubs(word.text)) {
            Finding& found = sink.add("stubs-in-library-path", *view.file, word.span,
                                      "the loader's configuration names the stubs: a program that "
                                      "loads this libcuda ends with \"driver is a stub library\"");
            found.evidence = {redirection.target.text};
          }
      }
      const Program program = program_of(command);
      if (program.name != "ln" && program.name != "cp") continue;
      const ShellWord* stub = nullptr;
      for (const ShellWord& word : command.words)
        if (word.text.find("/stubs/libcuda.so") != std::string::npos) stub = &word;
      if (stub == nullptr || &command.words.back() == stub ||
          command.words.back().text.find("/stubs") != std::string::npos)
        continue;
      // Removed again in the same step.
      const std::string& target = command.words.back().text;
      const bool gone = std::ranges::any_of(step.instruction->commands, [&](const auto& other) {
        return other.span.begin > command.span.begin && program_of(other).name == "rm" &&
               std::ranges::any_of(other.words,
                                   [&](const ShellWord& word) { return word.text == target; });
      });
      if (gone) continue;
      Finding& found = sink.add("stubs-in-library-path", *view.file, stub->span,
                                "the stub of libcuda is put where programs load it from");
      found.evidence = {target, "CUDA Installation Guide: stubs are for builds without a driver"};
    }
}

/// Whether the image is built for one AMD GPU alone.
bool is_for_one_gpu(const FileView& view) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"PYTORCH_ROCM_ARCH", "GPU_TARGETS", "AMDGPU_TARGETS", "HCC_AMDGPU_TARGET", "GPU_ARCHS"});
  const std::vector<Setting> set = settings_of(view, view.stages.size() - 1, kNames);
  return std::ranges::any_of(set, [](const Setting& one) {
    return one.value.starts_with("gfx") && one.value.find_first_of(";, ") == std::string::npos;
  });
}

void hsa_override(const FileView& view, const StageSteps& steps, FindingSink& sink) {
  for (const Env& env : env_of(view, steps, "HSA_OVERRIDE_GFX_VERSION")) {
    if (env.value && env.value->empty()) continue;
    Finding& found = sink.add(
        "hsa-override-baked", *view.file, env.pair->key.span,
        fmt::format("every GPU is taken for {} on every host, also one that needs no override",
                    env.value.value_or(env.pair->value->text)));
    found.evidence = {"rocm.json; the variable holds for all GPUs of the process"};
    found.pedantic = is_for_one_gpu(view);
    found.fix = fmt::format(
        "delete it and set it where such a GPU is: docker run -e "
        "HSA_OVERRIDE_GFX_VERSION={}",
        env.pair->value->text);
  }
}

}  // namespace

void judge_contract(const Project& /*project*/, const std::vector<FileView>& views,
                    FindingSink& sink) {
  for (const FileView& view : views) {
    const StageSteps steps(view, view.stages.size() - 1);
    visible_devices(view, steps, sink);
    driver_capabilities(view, steps, sink);
    driver_packages(view, steps, sink);
    driver_libraries(view, steps, sink);
    library_path(view, steps, sink);
    stub_links(view, steps, sink);
    hsa_override(view, steps, sink);
  }
}

}  // namespace flense::lint
