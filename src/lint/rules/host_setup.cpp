// What scripts set up on a machine for containers with GPUs: packages, lists and keys that are
// superseded.
#include <algorithm>
#include <array>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/script_installs.h"
#include "lint/readers/readers.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// curl …/libnvidia-container/$distribution/libnvidia-container.list: of Ubuntu 24.04 and newer
/// there is none, and curl takes the page that says so.
void old_toolkit_list(const ProjectFile& file, FindingSink& sink) {
  constexpr std::string_view kHost = "https://nvidia.github.io/";
  const std::string_view text = file.source.text();
  if (text.contains("/stable/deb/")) return;
  for (std::size_t at = text.find(kHost); at != text.npos; at = text.find(kHost, at + 1)) {
    std::string_view url = text.substr(at, 200);
    url = url.substr(0, url.find_first_of(" \t\r\n\"'|;)"));
    const std::string_view path = url.substr(kHost.size());
    const std::size_t name = path.find('/');
    const std::string_view line = file.source.line(file.source.position(at).line);
    if (name == path.npos || !path.substr(name).starts_with("/$") || !path.ends_with(".list") ||
        !is_one_of(path.substr(0, name),
                   {"nvidia-docker", "libnvidia-container", "nvidia-container-runtime"}) ||
        trim_space(line).starts_with('#'))
      continue;
    Finding& found =
        sink.add("old-cuda-repository", file, {at, at + url.size()},
                 fmt::format("{} has no list for Ubuntu 24.04 and newer: what comes for them "
                             "says \"Unsupported distribution\", and apt cannot read it",
                             path.substr(0, name)));
    found.evidence = {"NVIDIA/nvidia-container-toolkit#565"};
    found.fix =
        "take "
        "https://nvidia.github.io/libnvidia-container/stable/deb/nvidia-container-toolkit.list "
        "and the package nvidia-container-toolkit";
    return;
  }
}

/// nvidia-docker2 by the system's package manager, or the first one's package as a file.
void old_toolkit_package(const ProjectFile& file, const StepCommand& command, FindingSink& sink) {
  const bool manager =
      is_one_of(command.program, {"apt", "apt-get", "yum", "dnf", "zypper", "aptitude"}) &&
      command.has("install");
  const bool fetches = is_one_of(command.program, {"wget", "curl", "dpkg", "rpm"});
  if (!manager && !fetches) return;
  const auto at = std::ranges::find_if(command.arguments, [&](const Argument& word) {
    const std::string_view name = word.text;
    if (fetches) return holds(name, "://") && holds(name, "/nvidia-docker/releases/");
    // A minus behind the name takes it away.
    return !name.ends_with('-') && (name == "nvidia-docker" || name.starts_with("nvidia-docker2"));
  });
  if (at == command.arguments.end()) return;
  Finding& found = sink.add(
      "old-cuda-repository", file, at->span,
      fmt::format("{} is superseded by the NVIDIA Container Toolkit, and gets no releases any more",
                  manager ? at->text : "nvidia-docker"));
  found.evidence = {"NVIDIA/nvidia-docker, README: deprecated, the repository is archived"};
  found.fix =
      "install nvidia-container-toolkit of https://nvidia.github.io/libnvidia-container/stable/, "
      "then nvidia-ctk runtime configure --runtime=docker";
}

/// The key that NVIDIA withdrew, for the machine's own repository of CUDA.
void old_key(const ProjectFile& file, const StepCommand& command, FindingSink& sink) {
  constexpr std::string_view kOldKey = "7fa2af80";
  if (!is_one_of(command.program, {"apt-key", "curl", "wget", "gpg"}) || command.has("del")) return;
  const std::string_view text = file.source.text();
  // The repository of Nsight is signed with it still.
  if (text.contains("devtools/repos")) return;
  // The new key comes beside it, or another way.
  if (text.contains("3bf863cc") || text.contains("3BF863CC") || text.contains("cuda-keyring"))
    return;
  for (const Argument& word : command.arguments) {
    const std::size_t path = word.text.find("/compute/cuda/repos/");
    if (path == word.text.npos || !word.text.ends_with(fmt::format("{}.pub", kOldKey))) continue;
    const std::string_view release = std::string_view(word.text).substr(path + 20);
    // A variable names the release of a runner that is Ubuntu, as all of them are.
    const bool apt = starts_with_any(release, {"ubuntu", "debian"}) ||
                     (release.starts_with('$') && text.contains("buntu"));
    if (!apt) continue;
    Finding& found =
        sink.add("cuda-repository-key", file, word.span,
                 "7fa2af80 is the key that NVIDIA withdrew in April 2022: the repository's "
                 "signatures do not match it, and apt-get update fails");
    found.evidence = {"NVIDIA, Updating the CUDA Linux GPG Repository Key (2022-04-27): 3bf863cc"};
    found.fix = "write 3bf863cc in place of 7fa2af80";
  }
}

void added_key(const ProjectFile& file, const StepCommand& command, FindingSink& sink) {
  if (command.program != "apt-key" || (!command.has("add") && !command.has("adv"))) return;
  Finding& found = sink.add("apt-key", file, command.program_span,
                            "a key that apt-key adds is trusted for every repository, and newer "
                            "distributions have no apt-key");
  found.pedantic = true;
  found.evidence = {"apt-key(8): deprecated since apt 2.1.8, removed in apt 2.9.19"};
  found.fix =
      "put the key into a file of /etc/apt/keyrings, and name it by signed-by in the source";
}

/// Whether a script has to do with GPUs at all.
bool is_about_gpus(std::string_view text) {
  return text.contains("nvidia") || text.contains("cuda") || text.contains("rocm") ||
         text.contains("amdgpu");
}

void judge_commands(const ProjectFile& file, const std::vector<ShellCommand>& commands,
                    FindingSink& sink) {
  std::size_t budget = std::size_t{1} << 20;
  for (const StepCommand& command : step_commands_of(commands, {}, budget)) {
    old_toolkit_package(file, command, sink);
    old_key(file, command, sink);
    added_key(file, command, sink);
  }
}

}  // namespace

void judge_host_setup(const Project& project, const std::vector<FileView>& views,
                      FindingSink& sink) {
  std::set<const ProjectFile*> judged;
  for (const auto& file : project.files) {
    if ((!is_script(file->kind) && file->kind != FileKind::kWorkflow) ||
        !is_about_gpus(file->source.text()))
      continue;
    judged.insert(file.get());
    old_toolkit_list(*file, sink);
    for (const auto& commands :
         file->kind == FileKind::kWorkflow ? scripts_of_workflow(*file) : scripts_of(*file))
      judge_commands(*file, commands, sink);
  }
  // What a step of an image calls, whatever it is about.
  for (const FileView& view : views)
    for (const RunScript& script : scripts_run_by(view))
      if (judged.insert(script.file).second) judge_commands(*script.file, script.commands, sink);
}

}  // namespace flense::lint
