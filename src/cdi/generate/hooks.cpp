#include "cdi/generate/hooks.h"

#include <array>
#include <set>

#include "base/format.h"
#include "base/path.h"

namespace flense::cdi {

namespace {

constexpr std::string_view kUsual = "/usr/bin/nvidia-cdi-hook";
constexpr std::array<std::string_view, 6> kHookPrograms = {
    "usr/bin/nvidia-cdi-hook",
    "usr/local/nvidia/toolkit/nvidia-cdi-hook",
    "usr/local/bin/nvidia-cdi-hook",
    "usr/bin/nvidia-ctk",
    "usr/local/nvidia/toolkit/nvidia-ctk",
    "usr/local/bin/nvidia-ctk"};

Result<std::string> hook_program(Discovery& discovery) {
  if (!discovery.options.hook_program.empty()) return discovery.options.hook_program;
  for (const std::string_view path : kHookPrograms)
    if (discovery.machine.root.exists(path)) return fmt::format("/{}", path);
  TRY_DO(discovery.missing(fmt::format("there is no {}, which --hooks makes engines run", kUsual),
                           "nvidia-container-toolkit-base brings it; without --hooks none is run"));
  return std::string(kUsual);
}

Hook hook(const std::string& program, std::vector<std::string> args) {
  Hook out;
  out.name = "createContainer";
  out.path = program;
  out.args = {std::string(base_name(program))};
  // nvidia-ctk has the hooks under a subcommand.
  if (out.args.front() == "nvidia-ctk") out.args.emplace_back("hook");
  out.args.insert(out.args.end(), args.begin(), args.end());
  // A non-empty environment keeps engines from passing the container's environment to the hook,
  // where an image may have set LD_PRELOAD (CVE-2025-23266).
  out.env = {"NVIDIA_CTK_DEBUG=false"};
  return out;
}

/// False, with a notice, where the hook has nothing to compare the image's libraries with.
bool add_compat(Discovery& discovery, const std::string& program, std::string_view version,
                Edits& edits) {
  if (version.empty()) {
    discovery.note(
        "the hook that chooses an image's cuda-compat libraries is left out: no file here gives "
        "the driver's version");
    return false;
  }
  edits.hooks.push_back(
      hook(program, {"enable-cuda-compat", fmt::format("--host-driver-version={}", version)}));
  return true;
}

}  // namespace

Result<void> add_hooks(Discovery& discovery, std::string_view version, Edits& edits) {
  const GenerateOptions& options = discovery.options;
  if (!options.all_hooks && !options.compat_hook) return {};
  TRY(const std::string program, hook_program(discovery));
  if (options.all_hooks) {
    std::vector<std::string> links = {"create-symlinks"};
    std::vector<std::string> folders = {"update-ldcache"};
    std::set<std::string> seen;
    for (const Mount& mount : edits.mounts) {
      const std::string folder(parent_path(mount.container_path));
      const std::string_view name = base_name(mount.container_path);
      if (name == "libcuda.so.1") {
        links.emplace_back("--link");
        links.push_back(fmt::format("libcuda.so.1::{}/libcuda.so", folder));
      }
      if (name.starts_with("lib") && name.find(".so") != std::string_view::npos &&
          folder.find("/xorg") == std::string::npos && seen.insert(folder).second) {
        folders.emplace_back("--folder");
        folders.push_back(folder);
      }
    }
    if (links.size() > 1) edits.hooks.push_back(hook(program, links));
    add_compat(discovery, program, version, edits);
    edits.hooks.push_back(hook(program, folders));
    // Whoever manages the driver creates its nodes.
    if (options.mode != Mode::kManagement)
      edits.hooks.push_back(hook(program, {"disable-device-node-modification"}));
  } else if (add_compat(discovery, program, version, edits)) {
    // Its choice takes effect through the loader's cache.
    edits.hooks.push_back(hook(program, {"update-ldcache"}));
  }
  return {};
}

void note_hooks(Discovery& discovery, const std::vector<std::string>& folders) {
  if (discovery.options.all_hooks) return;
  discovery.note(fmt::format(
      "without a hook the container's loader cache stays as it is: libraries lie in {}; an image "
      "whose loader looks elsewhere needs --library-dir, LD_LIBRARY_PATH or --hooks",
      fmt::join(folders, " and ")));
  if (!discovery.options.compat_hook)
    discovery.note(
        "without a hook forward-compatibility libraries of an image (cuda-compat) are not chosen: "
        "--hooks=compat");
}

}  // namespace flense::cdi
