// Packages that NVIDIA's images hold at their version, and that a step asks apt for in another one.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/sure_installs.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// What the package must agree with, which the base holds; empty: nothing.
std::string_view held_by(const GpuImage& base, std::string_view package) {
  const bool libraries = is_one_of(base.flavour.value, {"runtime", "devel"});
  if (libraries && is_one_of(package, {"libnccl2", "libnccl-dev"})) return "libnccl2";
  if (!base.cudnn.known()) return {};
  if (base.cudnn.value == "8" && is_one_of(package, {"libcudnn8", "libcudnn8-dev"}))
    return "libcudnn8";
  if (base.cudnn.value == "9" &&
      (package == "cudnn" || starts_with_any(package, {"libcudnn9-cuda-", "libcudnn9-dev-cuda-",
                                                       "cudnn9-cuda-", "libcudnn9-headers-cuda-"})))
    return "libcudnn9";
  return {};
}

/// The hold is lifted, the repository with newer ones is gone, or the base's own goes first.
bool is_lifted(const FileView& view, const Install& install) {
  constexpr auto kWords = std::to_array<std::string_view>(
      {"apt-mark", "unhold", "set-selections", "sources.list", "preferences.d", "apt.conf"});
  if (std::ranges::any_of(install.command.options, [](const std::string& option) {
        return starts_with_any(option,
                               {"--allow-change-held-packages", "--force-yes", "--no-upgrade", "-s",
                                "--simulate", "--dry-run", "--download-only", "-d"}) ||
               holds(to_lower(option), "held");
      }))
    return true;
  if (std::ranges::any_of(kWords, [&](std::string_view word) {
        return commands_mention(view, install.stage, word, install.instruction);
      }))
    return true;
  for (const std::size_t one : view.dockerfile->lineage(install.stage))
    for (const Instruction& step : view.dockerfile->stages[one].instructions)
      for (const StepCommand& command : commands_of(step))
        if (command.has("remove") || command.has("purge") || command.has("autoremove"))
          for (const Argument& word : command.arguments)
            if (holds(word.text, "nccl") || holds(word.text, "cudnn")) return true;
  return false;
}

void judge(const FileView& view, FindingSink& sink) {
  for (const Install& install : view.installs) {
    if (install.command.manager != PackageManager::kApt || install.command.verb != "install" ||
        !view.stages[install.stage].reachable)
      continue;
    const GpuImage& base = view.stages[install.stage].image;
    if (base.repository != "nvidia/cuda") continue;
    for (const PackageRequest& request : install.command.packages) {
      const std::string_view held = held_by(base, request.name);
      // A variable is mostly the base's own, which holds that version.
      if (held.empty() || request.specifier.contains('$')) continue;
      if (is_lifted(view, install)) return;
      Finding& found = sink.add(
          "held-package", *view.file, request.span,
          fmt::format("the base holds {} at its version (apt-mark hold), and this asks for {} {}: "
                      "apt-get ends with \"held packages\"",
                      held, request.specifier.empty() ? "the newest" : "another", request.name));
      found.evidence = {base.flavour.evidence,
                        "Dockerfiles of nvidia/cuda; InternLM/lmdeploy#2240, "
                        "microsoft/onnxruntime#26492, tmac1973/llama-toolchest#47"};
      // "cudnn" and what it requires; headers are devel's alone.
      found.fix =
          request.name == held || base.flavour.value == "devel" || !request.name.contains("-dev")
              ? fmt::format("leave {} out: the base has it", request.name)
              : fmt::format(
                    "begin with the -devel base, or name the version that the base "
                    "has: {}=…",
                    request.name);
      // A version may be the base's.
      // Of the newest CUDA the repository may have nothing newer yet.
      const auto& releases = view.project->knowledge->images.cuda;
      const bool newest = !releases.empty() && releases.front().cuda == base.cuda.value;
      found.pedantic = newest || !request.specifier.empty() || !surely_runs(install);
      return;
    }
  }
}

}  // namespace

void judge_held_packages(const Project& /*project*/, const std::vector<FileView>& views,
                         FindingSink& sink) {
  for (const FileView& view : views) judge(view, sink);
}

}  // namespace flense::lint
