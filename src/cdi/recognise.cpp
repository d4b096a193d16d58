// Which options a specification was generated with, judged by its content.
#include <algorithm>

#include "base/path.h"
#include "cdi/diff.h"
#include "cdi/generate/driver_files.h"
#include "cdi/generate/libraries.h"

namespace flense::cdi {

namespace {

/// All edits of the specification in one.
Edits everything(const Spec& spec) {
  Edits out = spec.edits;
  for (const Device& device : spec.devices) merge(device.edits, out);
  return out;
}

bool any_node(const Edits& edits, std::string_view prefix) {
  return std::ranges::any_of(edits.device_nodes,
                             [&](const DeviceNode& node) { return node.path.starts_with(prefix); });
}

bool holds(const std::vector<Mode>& modes, Mode mode) {
  return std::ranges::find(modes, mode) != modes.end();
}

Mode mode_by_content(const Spec& spec, const Edits& all, const std::vector<Mode>& modes) {
  if (spec.kind.starts_with("management.")) return Mode::kManagement;
  if (any_node(all, "/dev/dxg")) return Mode::kWsl;
  if (any_node(all, "/dev/nvidiactl")) return Mode::kNvidia;
  if (any_node(all, "/dev/kfd") || spec.kind.starts_with("amd.com/")) return Mode::kAmd;
  if (any_node(all, "/dev/nvmap") || any_node(all, "/dev/nvhost")) return Mode::kJetson;
  if (any_node(all, "/dev/infiniband/")) return Mode::kRdma;
  if (any_node(all, "/dev/gdrdrv")) return Mode::kGdrcopy;
  if (any_node(all, "/dev/nvidia-fs")) return Mode::kGds;
  if (any_node(all, "/dev/nvidia-nvswitch")) return Mode::kNvswitch;
  if (any_node(all, "/dev/nvidia-caps-imex-channels/")) return Mode::kImex;
  if (any_node(all, "/dev/nvidia")) return Mode::kNvidia;
  if (any_node(all, "/dev/dri/") && holds(modes, Mode::kAmd) && modes.size() == 1)
    return Mode::kAmd;
  for (const Mode mode : modes)
    if (mode != Mode::kAmd) return mode;
  return Mode::kNvidia;
}

/// The library or program of a mount asks for its capabilities: where a file belongs to one alone.
void recognise_capabilities(const Edits& all, GenerateOptions& out) {
  const auto has = [&](std::string_view word) {
    return std::ranges::any_of(all.mounts, [&](const Mount& mount) {
      return base_name(mount.container_path).find(word) != std::string_view::npos;
    });
  };
  out.capabilities.clear();
  if (has("libcuda.so") || any_node(all, "/dev/nvidia-uvm"))
    out.capabilities.insert(Capability::kCompute);
  if (has("libnvidia-ml.so") || has("nvidia-smi")) out.capabilities.insert(Capability::kUtility);
  if (has("libnvidia-encode.so") || has("libnvcuvid.so"))
    out.capabilities.insert(Capability::kVideo);
  if (has("libnvidia-glcore.so") || has("libnvidia-eglcore.so") || has("libGLX_nvidia.so") ||
      has("libd3d12.so"))
    out.capabilities.insert(Capability::kGraphics);
  if (has("nvidia_drv.so") || has("libglxserver_nvidia.so"))
    out.capabilities.insert(Capability::kDisplay);
  if (has("libnvidia-ngx.so")) out.capabilities.insert(Capability::kNgx);
  if (std::ranges::any_of(all.mounts, [](const Mount& mount) {
        return mount.container_path.find("/i386-linux-gnu/") != std::string::npos;
      }))
    out.capabilities.insert(Capability::kCompat32);
  if (out.capabilities.empty()) out.capabilities = GenerateOptions().capabilities;
}

/// "/run/nvidia/driver" of "/run/nvidia/driver/usr/lib/libcuda.so.1"; empty for the host's own.
std::string root_of(const Edits& all) {
  // The path of a program tells more than that of a library, which may have a directory of its own.
  constexpr std::string_view kProgram = "/usr/bin/nvidia-smi";
  for (const Mount& mount : all.mounts)
    if (mount.container_path == kProgram && mount.host_path.ends_with(kProgram))
      return mount.host_path.substr(0, mount.host_path.size() - kProgram.size());
  for (const Mount& mount : all.mounts) {
    const std::string_view name = base_name(mount.container_path);
    if (!name.starts_with("libcuda.so") && !name.starts_with("libnvidia-ml.so")) continue;
    std::size_t at = mount.host_path.find("/usr/");
    if (at == std::string::npos) at = mount.host_path.find("/lib");
    return at == std::string::npos ? std::string() : mount.host_path.substr(0, at);
  }
  return {};
}

void recognise_roots(const Edits& all, GenerateOptions& out) {
  const std::string root = root_of(all);
  out.driver_root = root.empty() ? "/" : root;
  for (const DeviceNode& node : all.device_nodes) {
    if (!node.path.starts_with("/dev/nvidia") || node.host_path == node.path) continue;
    const std::size_t at = node.host_path.rfind(node.path);
    if (node.host_path.empty() || at == std::string::npos || at == 0) continue;
    out.dev_root = node.host_path.substr(0, at);
    break;
  }
}

void recognise_folders(const Edits& all, GenerateOptions& out) {
  std::vector<std::string> found;
  for (const Mount& mount : all.mounts)
    if (base_name(mount.container_path).starts_with("libcuda.so.") &&
        mount.container_path.find("/i386-linux-gnu/") == std::string::npos &&
        // Jetson's lists also name libraries at their original path.
        (out.mode != Mode::kJetson ||
         parent_path(mount.host_path) != parent_path(mount.container_path))) {
      std::string folder(parent_path(mount.container_path));
      if (std::ranges::find(found, folder) == found.end()) found.push_back(std::move(folder));
    }
  std::erase(found, "/usr/lib");  // of 32-bit libraries
  const auto usual = [&](Abi abi) {
    std::vector<std::string> folders = container_folders(abi, {});
    std::ranges::sort(folders);
    return folders;
  };
  std::ranges::sort(found);
  if (!found.empty() && found != usual(Abi::kX86_64) && found != usual(Abi::kAarch64))
    out.library_dirs = found;
}

void recognise_with(const Edits& all, GenerateOptions& out) {
  const std::pair<std::string_view, std::string_view> words[] = {
      {"/dev/infiniband/", "rdma"},
      {"/dev/gdrdrv", "gdrcopy"},
      {"/dev/nvidia-fs", "gds"},
      {"/dev/nvidia-nvswitch", "nvswitch"}};
  for (const auto& [prefix, word] : words)
    if (any_node(all, prefix)) out.with.emplace(word);
  constexpr std::string_view kChannel = "/dev/nvidia-caps-imex-channels/channel";
  for (const DeviceNode& node : all.device_nodes)
    if (node.path.starts_with(kChannel)) {
      const std::string number = node.path.substr(kChannel.size());
      out.with.insert(number == "0" ? std::string("imex") : "imex:" + number);
    }
}

}  // namespace

GenerateOptions recognise(const Spec& spec, const std::vector<Mode>& modes) {
  const Edits all = everything(spec);
  GenerateOptions out;
  out.mode = mode_by_content(spec, all, modes);
  const std::size_t slash = spec.kind.find('/');
  out.vendor = spec.kind.substr(0, slash);
  if (slash != std::string::npos) out.device_class = spec.kind.substr(slash + 1);
  recognise_capabilities(all, out);
  recognise_folders(all, out);
  if (out.mode == Mode::kNvidia || out.mode == Mode::kManagement) recognise_roots(all, out);
  if (out.mode == Mode::kNvidia || out.mode == Mode::kWsl || out.mode == Mode::kJetson)
    recognise_with(spec.edits, out);
  for (const Hook& hook : all.hooks) {
    const auto runs = [&](std::string_view word) {
      return std::ranges::find(hook.args, word) != hook.args.end();
    };
    if (runs("create-symlinks")) out.all_hooks = true;
    if (runs("enable-cuda-compat")) out.compat_hook = true;
    if (base_name(hook.path).starts_with("nvidia-")) out.hook_program = hook.path;
  }
  if (out.all_hooks) out.compat_hook = false;
  out.groups = !all.additional_gids.empty();
  out.annotate = !spec.annotations.empty();
  // Files that have disappeared are reported by the comparison.
  out.allow_missing = true;
  return out;
}

}  // namespace flense::cdi
