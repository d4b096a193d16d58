// What an image promises to the container toolkit that starts it, by its variables.
#include <algorithm>
#include <array>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "knowledge/table_rows.h"
#include "lint/facts/final_environment.h"
#include "lint/facts/purpose.h"
#include "lint/facts/script_installs.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

using knowledge::matches_pattern;

constexpr std::string_view kCapabilities = "NVIDIA_DRIVER_CAPABILITIES";

bool has_kubernetes(const Project& project) {
  return std::ranges::any_of(project.files,
                             [](const auto& file) { return file->kind == FileKind::kKubernetes; });
}

void visible_devices(const FileView& view, const StageSteps& steps, FindingSink& sink) {
  const StageView& last = view.stages.back();
  const std::vector<EnvironmentLine> set = environment_lines(view, steps, "NVIDIA_VISIBLE_DEVICES");
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
  if (!is_nvidia_final(view, why)) {
    if (environment_lines(view, steps, kCapabilities).empty()) return;
    why = fmt::format("ENV {}", kCapabilities);
  }
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
        const CapabilityUse use{&row, span, std::string(text)};
        if (said.insert(row.capability).second)
          out.push_back(use);
        else if (!row.only_some)  // what surely needs it tells more
          for (CapabilityUse& one : out)
            if (one.row->only_some && one.row->capability == row.capability) one = use;
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
    if (step.instruction->keyword == Keyword::kEntrypoint && step.instruction->exec_form &&
        !step.instruction->words.empty())
      judge("entry", std::string(file_name(step.instruction->words.front().text)),
            step.instruction->words.front().span);
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

/// Whether a file that starts containers may give the capability: by the variable, by a device's
/// capabilities, or a service that is built by a file of variables.
bool is_given_at_start(const Project& project, std::string_view capability) {
  return std::ranges::any_of(project.files, [&](const auto& file) {
    const std::string_view text = file->source.text();
    return !file->dockerfile && (text.contains(kCapabilities) ||
                                 std::ranges::any_of(file->workloads,
                                                     [](const Workload& one) {
                                                       return one.build_context &&
                                                              one.node != nullptr &&
                                                              one.node->find("env_file") != nullptr;
                                                     }) ||
                                 (text.contains("capabilities") && text.contains(capability)));
  });
}

/// A later line of the image takes away what an earlier one asks for.
void dropped_capability(const FileView& view, const std::vector<EnvironmentLine>& set,
                        FindingSink& sink) {
  const EnvironmentLine& last = set.back();
  const std::vector<std::string_view> kept = split(*last.value, ',');
  for (const EnvironmentLine& line : set) {
    if (&line == &last || !line.value) continue;
    for (const std::string_view name : split(*line.value, ',')) {
      if (!is_one_of(name, {"video", "graphics", "display", "compat32", "ngx"}) ||
          std::ranges::find(kept, name) != kept.end() ||
          std::ranges::find(kept, "all") != kept.end())
        continue;
      Finding& found = sink.add(
          "driver-capability-missing", *view.file, last.pair->value->span,
          fmt::format("this line takes the place of an earlier one that asks for {}: the container "
                      "gets only {}",
                      name, *last.value));
      found.evidence = {fmt::format("{}={}", kCapabilities, *line.value)};
      found.pedantic = true;
      found.fix = fmt::format("write {}={},{}, or delete the earlier line", kCapabilities,
                              *last.value, name);
      return;
    }
  }
}

/// Capabilities that a stage sets whose files alone come to the image: its variables do not.
void left_capabilities(const FileView& view, const std::vector<std::string>& has,
                       const std::string& evidence, FindingSink& sink) {
  constexpr auto kNames = std::to_array<std::string_view>({kCapabilities});
  for (const StageView& stage : view.stages) {
    if (stage.final || !stage.reachable) continue;
    for (const Setting& one : settings_of(view, stage.index, kNames)) {
      if (one.instruction == nullptr || one.instruction->keyword != Keyword::kEnv) continue;
      const std::vector<std::string_view> names = split(one.value, ',');
      const auto more = std::ranges::find_if(names, [&](std::string_view name) {
        return is_one_of(name, {"all", "video", "graphics", "display"}) &&
               std::ranges::find(has, name) == has.end();
      });
      if (more == names.end() || is_given_at_start(*view.project, *more)) continue;
      Finding& found = sink.add(
          "driver-capability-missing", *view.file, one.span,
          fmt::format("this stage's NVIDIA_DRIVER_CAPABILITIES does not come to the last stage: "
                      "the container gets only {}",
                      fmt::join(has, ",")));
      found.evidence = {evidence,
                        "Docker documentation, multi-stage builds: COPY --from takes "
                        "files, not variables"};
      found.pedantic = true;
      found.fix = "write the line into the last stage too, if what runs there needs it";
      return;
    }
  }
}

void driver_capabilities(const FileView& view, const StageSteps& steps, FindingSink& sink) {
  if (view.stages.back().image.vendor.value == "amd") return;
  const std::vector<EnvironmentLine> set = environment_lines(view, steps, kCapabilities);
  const std::vector<CapabilityUse> uses = capability_uses(view, steps);
  std::string wanted = "compute,utility";
  for (const CapabilityUse& use : uses) wanted += "," + use.row->capability;
  std::string kept;  // what is written stays
  std::vector<std::string> has;
  std::string evidence;
  if (!set.empty()) {
    const EnvironmentLine& last = set.back();
    if (!last.value) return;
    dropped_capability(view, set, sink);
    for (const std::string_view one : split(*last.value, ',')) {
      std::string_view name = one;
      while (name.starts_with(' ')) name.remove_prefix(1);
      while (name.ends_with(' ')) name.remove_suffix(1);
      has.emplace_back(name);
    }
    evidence = fmt::format("{}={}", kCapabilities, *last.value);
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
      found.fix = "list what is used: NVIDIA_DRIVER_CAPABILITIES=" + wanted;
      return;
    }
  } else {
    const auto base = base_capabilities(view, evidence);
    if (!base) return;
    has = *base;
    left_capabilities(view, has, evidence, sink);
  }
  for (const std::string& one : has) kept += (kept.empty() ? "" : ",") + one;
  for (const CapabilityUse& use : uses)
    if (std::ranges::find(has, use.row->capability) == has.end()) kept += "," + use.row->capability;
  for (const CapabilityUse& use : uses) {
    if (std::ranges::find(has, use.row->capability) != has.end()) continue;
    Finding& found =
        sink.add("driver-capability-missing", *view.file,
                 set.empty() ? use.span : set.back().pair->value->span,
                 fmt::format("{} needs the driver's {} libraries, and the container gets only {}",
                             use.seen, use.row->capability, fmt::join(has, ",")));
    found.evidence = {use.row->what, use.row->source, evidence};
    // Mesa renders without a GPU.
    found.pedantic = use.row->only_some || is_given_at_start(*view.project, use.row->capability) ||
                     (use.row->capability == "graphics" &&
                      (view.file->source.text().contains("mesa-dri") ||
                       view.file->source.text().contains("mesa-vulkan") ||
                       view.file->source.text().contains("LIBGL_ALWAYS_SOFTWARE")));
    found.fix = "add ENV NVIDIA_DRIVER_CAPABILITIES=" + kept;
    if (set.empty()) continue;
    found.fix = "write NVIDIA_DRIVER_CAPABILITIES=" + kept;
    const Span value = part_span(set.back(), *set.back().value);
    if (!value.empty()) found.edits.push_back({{value.end, value.end}, "," + use.row->capability});
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

/// Whether the file says of its GPU what the override says: gfx1100 and 11.0.0. There it changes
/// nothing.
bool names_same_gpu(std::string_view text, std::string_view value) {
  std::string digits;
  for (const char c : value)
    if (c != '.') digits += c;
  return digits.size() >= 3 && text.contains("gfx" + digits);
}

/// Whether the file names a GPU that the override makes up for: gfx1102 of 11.0.0.
bool names_overridden_gpu(std::string_view text, std::string_view value) {
  for (std::size_t at = text.find("gfx1"); at != text.npos; at = text.find("gfx1", at + 1)) {
    const std::string_view name = text.substr(at + 3, 4);
    if (name.size() < 4 || !is_digit(name[2])) continue;
    const std::string family = fmt::format("{}.{}.", name.substr(0, 2), name[2]);
    if (value.starts_with(family) && value.substr(family.size()) != name.substr(3)) return true;
  }
  return false;
}

/// Whether the file speaks of AMD's GPUs for servers, which no override fits.
bool names_server_gpu(std::string_view text) {
  return std::ranges::any_of(
      std::to_array<std::string_view>({"MI100", "MI200", "MI210", "MI250", "MI300", "MI325",
                                       "MI350", "MI355", "gfx908", "gfx90a", "gfx942", "gfx950"}),
      [&](std::string_view name) { return text.contains(name); });
}

void hsa_override(const FileView& view, const StageSteps& steps, FindingSink& sink) {
  for (const EnvironmentLine& env : environment_lines(view, steps, "HSA_OVERRIDE_GFX_VERSION")) {
    if (env.value && env.value->empty()) continue;
    // Chosen where the container starts.
    if (view.is_definition() && env.pair->value->text.contains('$')) continue;
    const std::string_view text = view.file->source.text();
    const bool made_up = names_overridden_gpu(text, env.pair->value->text);
    if (!made_up && names_same_gpu(text, env.value.value_or(""))) continue;
    Finding& found = sink.add(
        "hsa-override-baked", *view.file, env.pair->key.span,
        fmt::format("every GPU is taken for {} on every host, also one that needs no override",
                    env.value.value_or(env.pair->value->text)));
    found.evidence = {"rocm.json; the variable holds for all GPUs of the process"};
    // Who builds for a card of his own knows what he writes.
    found.pedantic = is_for_one_gpu(view) || made_up || !names_server_gpu(text);
    found.fix = fmt::format(
        "delete it and set it where such a GPU is: {} HSA_OVERRIDE_GFX_VERSION={}",
        view.is_definition() ? "apptainer run --env" : "docker run -e", env.pair->value->text);
  }
}

}  // namespace

void judge_contract(const Project& /*project*/, const std::vector<FileView>& views,
                    FindingSink& sink) {
  for (const FileView& view : views) {
    const StageSteps steps(view, view.stages.size() - 1);
    visible_devices(view, steps, sink);
    driver_capabilities(view, steps, sink);
    hsa_override(view, steps, sink);
  }
}

}  // namespace flense::lint
