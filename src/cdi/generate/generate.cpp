#include "cdi/generate/generate.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "cdi/generate/amd.h"
#include "cdi/generate/discovery.h"
#include "cdi/generate/driver_extras.h"
#include "cdi/generate/driver_version.h"
#include "cdi/generate/hooks.h"
#include "cdi/generate/jetson_csv.h"
#include "cdi/generate/libraries.h"
#include "cdi/generate/nvidia_devices.h"
#include "cdi/generate/sockets.h"
#include "cdi/generate/with_fabric.h"
#include "cdi/generate/wsl.h"
#include "host/probe.h"

namespace flense::cdi {

namespace {

constexpr std::pair<std::string_view, Capability> kCapabilities[] = {
    {"compute", Capability::kCompute},   {"utility", Capability::kUtility},
    {"video", Capability::kVideo},       {"graphics", Capability::kGraphics},
    {"display", Capability::kDisplay},   {"ngx", Capability::kNgx},
    {"compat32", Capability::kCompat32},
};

/// Everything of the driver but device nodes.
Result<void> add_driver(Discovery& discovery, const DriverRoot& root, const std::string& version,
                        Edits& edits) {
  TRY_DO(add_libraries(discovery, root, version, edits));
  add_configuration(discovery, root, edits);
  add_programs(discovery, root, edits);
  add_firmware(discovery, root, version, edits);
  add_x_modules(discovery, root, version, edits);
  add_sockets(discovery, root, edits);
  return {};
}

/// Where the 64-bit libraries went, for the notice.
std::vector<std::string> folders_used(const Edits& edits, const GenerateOptions& options) {
  for (const Abi abi : {Abi::kX86_64, Abi::kAarch64}) {
    std::vector<std::string> folders = container_folders(abi, options);
    if (std::ranges::any_of(edits.mounts, [&](const Mount& mount) {
          return mount.container_path.starts_with(folders.front() + "/");
        }))
      return folders;
  }
  return {};
}

Result<void> finish_driver(Discovery& discovery, const std::string& version,
                           const DeviceFolder& folder, Spec& spec) {
  spec.edits.env.emplace_back("NVIDIA_VISIBLE_DEVICES=void");
  normalise(spec.edits);
  TRY_DO(add_hooks(discovery, version, spec.edits));
  if (discovery.options.annotate) spec.annotations["flense.dev/driver-version"] = version;
  note_hooks(discovery, folders_used(spec.edits, discovery.options));
  note_groups(discovery, folder);
  return {};
}

Result<void> generate_nvidia(Discovery& discovery, Spec& spec) {
  TRY(const DriverRoot root, find_driver_root(discovery));
  TRY(DeviceFolder folder, DeviceFolder::find(discovery, root.prefix, "nvidiactl"));
  TRY(const std::string version, driver_version(discovery, root));
  DeviceList devices(discovery);
  TRY_DO(add_nvidia_devices(discovery, folder, devices));
  spec.devices = std::move(devices).finish();
  TRY_DO(add_control_nodes(discovery, folder, spec.edits));
  TRY_DO(add_driver(discovery, root, version, spec.edits));
  for (const std::string& what : discovery.options.with)
    TRY_DO(add_fabric(discovery, what, folder, spec.edits));
  return finish_driver(discovery, version, folder, spec);
}

/// For containers that manage the driver: all nodes of GPUs, capabilities and channels at once.
Result<void> generate_management(Discovery& discovery, Spec& spec) {
  TRY(const DriverRoot root, find_driver_root(discovery));
  TRY(DeviceFolder folder, DeviceFolder::find(discovery, root.prefix, "nvidiactl"));
  TRY(const std::string version, driver_version(discovery, root));
  Edits all;
  for (const std::string& name : folder.list("", "nvidia"))
    if (!name.starts_with("nvidia-fs") && !name.starts_with("nvidia-nvswitch") &&
        !name.starts_with("nvidia-nvlink"))
      folder.add(name, all);
  for (const std::string& name : folder.list("nvidia-caps", "nvidia-cap")) folder.add(name, all);
  for (const std::string& name : folder.list("nvidia-caps-imex-channels", "channel"))
    folder.add(name, all);
  if (all.empty())
    return fail(Code::kEnvironment, "there is no device node {}", folder.path("nvidia*"))
        .hint("nvidia-modprobe -u -c0 loads the modules and creates the nodes");
  DeviceList devices(discovery);
  devices.set_all(std::move(all));
  spec.devices = std::move(devices).finish();
  TRY_DO(add_driver(discovery, root, version, spec.edits));
  return finish_driver(discovery, version, folder, spec);
}

Result<void> generate_fabric(Discovery& discovery, Spec& spec) {
  if (!discovery.options.with.empty())
    return fail(Code::kUsage, "--with adds to the containers of a GPU, which --mode {} is not",
                mode_word(discovery.options.mode))
        .hint("generate one specification for each");
  TRY(DeviceFolder folder, DeviceFolder::find(discovery, "", "nvidiactl"));
  DeviceList devices(discovery);
  TRY_DO(add_fabric_devices(discovery, folder, devices));
  spec.devices = std::move(devices).finish();
  note_groups(discovery, folder);
  return {};
}

/// --with for the modes that do not add it themselves.
Result<void> add_with(Discovery& discovery, Spec& spec) {
  if (discovery.options.with.empty()) return {};
  TRY(DeviceFolder folder, DeviceFolder::find(discovery, "", "nvidiactl"));
  for (const std::string& what : discovery.options.with)
    TRY_DO(add_fabric(discovery, what, folder, spec.edits));
  return {};
}

Result<void> generate_mode(Discovery& discovery, Mode mode, Spec& spec) {
  switch (mode) {
    case Mode::kNvidia:
      return generate_nvidia(discovery, spec);
    case Mode::kManagement:
      return generate_management(discovery, spec);
    case Mode::kWsl:
      TRY_DO(generate_wsl(discovery, spec));
      return add_with(discovery, spec);
    case Mode::kJetson:
      TRY_DO(generate_jetson(discovery, spec));
      return add_with(discovery, spec);
    case Mode::kAmd:
      TRY_DO(generate_amd(discovery, spec));
      return add_with(discovery, spec);
    default:
      return generate_fabric(discovery, spec);
  }
}

Result<Mode> decide_mode(const host::Machine& machine, Mode wanted) {
  if (wanted != Mode::kAuto) return wanted;
  const std::vector<Mode> modes = modes_here(machine);
  if (modes.empty())
    return fail(Code::kEnvironment, "there is no driver of NVIDIA or AMD here")
        .hint("flense host shows what was examined; --mode selects one anyway");
  if (modes.size() > 1)
    return fail(Code::kUsage,
                "there are GPUs of two vendors, and one specification has "
                "one kind")
        .hint(fmt::format("--mode {} or --mode {}", mode_word(modes[0]), mode_word(modes[1])));
  return modes.front();
}

}  // namespace

std::optional<Capability> capability_of(std::string_view word) {
  for (const auto& [name, capability] : kCapabilities)
    if (name == word) return capability;
  return std::nullopt;
}

std::vector<Mode> modes_here(const host::Machine& machine) {
  std::vector<Mode> out;
  const host::System system = host::probe_platform(machine);
  const host::Nvidia nvidia = host::probe_nvidia_module(machine);
  const std::vector<host::Gpu> gpus = host::probe_nvidia_gpus(machine, system);
  const bool on_bus =
      std::ranges::any_of(gpus, [](const host::Gpu& gpu) { return gpu.minor.value.has_value(); });
  if (machine.dev.node("dxg") && system.wsl2.value.value_or(false))
    out.push_back(Mode::kWsl);
  else if (system.jetson.value && !on_bus)
    out.push_back(Mode::kJetson);
  else if (nvidia.module_version.value || on_bus)
    out.push_back(Mode::kNvidia);
  if (machine.sys.exists("module/amdgpu") && !host::probe_amd_gpus(machine).empty())
    out.push_back(Mode::kAmd);
  return out;
}

Result<Generated> generate(const host::Machine& machine, const GenerateOptions& options) {
  TRY(const Mode mode, decide_mode(machine, options.mode));
  GenerateOptions decided = options;
  decided.mode = mode;
  Discovery discovery{machine, decided};
  const ModeRow& row = row_of(mode);
  Generated out;
  out.spec.kind =
      fmt::format("{}/{}", options.vendor.empty() ? row.vendor : options.vendor,
                  options.device_class.empty() ? row.device_class : options.device_class);
  TRY_DO(with_context(generate_mode(discovery, mode, out.spec),
                      "generating the specification of {} (mode {})", out.spec.kind, row.word));
  normalise(out.spec.edits);
  out.notices = std::move(discovery.notices);
  return out;
}

}  // namespace flense::cdi
