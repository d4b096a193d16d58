#include "launch/gpu_devices.h"

#include <algorithm>
#include <map>

#include "cdi/apply.h"
#include "cdi/generate.h"
#include "cdi/registry.h"
#include "cdi/validate.h"
#include "launch/inject.h"
#include "launch/preflight_host.h"

namespace flense::launch {

namespace {

/// "nvidia.com/gpu" of "nvidia.com/gpu=0".
std::string kind_of(const std::string& name) {
  return name.substr(0, name.find('='));
}

/// Why the specification that defines a kind does not serve; empty when it does.
std::string complaint_about(const cdi::Registry& registry, const std::vector<std::string>& names,
                            const host::Machine& machine) {
  for (const cdi::ListedDevice& device : registry.listed()) {
    if (std::find(names.begin(), names.end(), device.name) == names.end()) continue;
    for (const inventory::Finding& finding : cdi::compare_with_machine(device.file->spec, machine))
      if (finding.severity == inventory::Severity::kError)
        return fmt::format("{}: {}", device.file->path.string(), finding.evidence);
  }
  return {};
}

/// A specification of the kind from this machine as it is now.
Result<cdi::Generated> generate_kind(const std::string& kind, const GpuInput& input) {
  const std::size_t slash = kind.find('/');
  cdi::GenerateOptions options;
  options.vendor = kind.substr(0, slash);
  options.device_class = slash == std::string::npos ? "" : kind.substr(slash + 1);
  const bool amd = options.vendor.starts_with("amd");
  const std::vector<cdi::Mode> modes = cdi::modes_here(input.machine);
  const auto mode = std::find_if(modes.begin(), modes.end(),
                                 [&](cdi::Mode one) { return (one == cdi::Mode::kAmd) == amd; });
  options.mode = mode != modes.end() ? *mode : amd ? cdi::Mode::kAmd : cdi::Mode::kNvidia;
  options.with = input.with;
  return cdi::generate(input.machine, options);
}

/// The edits of the named devices of one kind: by a specification that is there and fits, else by
/// one made now, which is not kept.
Result<void> resolve_kind(const std::string& kind, const std::vector<std::string>& names,
                          const cdi::Registry& registry, const GpuInput& input, GpuDevices& out) {
  const auto listed = registry.resolve(names);
  const std::string complaint = listed ? complaint_about(registry, names, input.machine) : "";
  // What belongs to the fabric is in a specification only if that was asked for when it was made.
  if (listed && complaint.empty() && input.with.empty()) {
    out.reasons.push_back(
        fmt::format("devices: {} as a specification on this machine says", fmt::join(names, ", ")));
    cdi::merge(*listed, out.edits);
    return {};
  }
  if (!complaint.empty())
    out.notices.push_back(
        fmt::format("the CDI specification does not fit this machine, made anew for "
                    "this launch: {}",
                    complaint));
  auto generated = generate_kind(kind, input);
  if (!generated) {
    if (!listed && kind != "nvidia.com/gpu" && kind != "amd.com/gpu")
      return std::unexpected(listed.error());
    if (!complaint.empty())
      generated.error().context.push_back(
          fmt::format("replacing the CDI specification, which does not fit: {}", complaint));
    return std::unexpected(std::move(generated).error());
  }
  cdi::Registry own;
  own.files.push_back({"made now", std::move(generated->spec), 0});
  TRY(const cdi::Edits edits, own.resolve(names));
  out.reasons.push_back(fmt::format("devices: {} as the machine is now", fmt::join(names, ", ")));
  out.reasons.insert(out.reasons.end(), generated->notices.begin(), generated->notices.end());
  cdi::merge(edits, out.edits);
  return {};
}

}  // namespace

Result<GpuDevices> plan_devices(const GpuInput& input) {
  // Devices that are named need no look at the machine.
  const bool named = !input.request.nvidia && !input.request.rocm &&
                     std::ranges::all_of(input.request.gpus, [](const std::string& value) {
                       return value.find('/') != std::string::npos;
                     });
  const host::Profile profile = named ? host::Profile{} : probe_gpus(input.machine);
  TRY(GpuChoice choice, choose_gpus(input.request, profile, input.variable,
                                    openable_minors(input.machine.dev, profile)));
  GpuDevices out;
  out.reasons = std::move(choice.reasons);
  out.notices = std::move(choice.notices);
  InjectOptions options;
  if (input.preflight) {
    TRY(options.use_image_compat, input.preflight(choice.names));
  }
  std::map<std::string, std::vector<std::string>> kinds;
  for (const std::string& name : choice.names) kinds[kind_of(name)].push_back(name);
  if (!kinds.empty()) {
    const cdi::Registry registry = cdi::read_registry(input.cdi_directories);
    for (const auto& [kind, names] : kinds)
      TRY_DO(with_context(resolve_kind(kind, names, registry, input, out), "preparing {}",
                          fmt::join(names, ", ")));
  }
  for (const std::string& node : choice.nodes) {
    cdi::DeviceNode one;
    one.path = node;
    out.edits.device_nodes.push_back(std::move(one));
  }
  for (const std::string& item : choice.env) out.edits.env.push_back(item);

  options.image_key = input.root.key;
  options.directory = input.prepared;
  options.library_path = input.library_path;
  options.root_may_change = !input.root.held && !input.root.mounted;
  TRY(Injection injection, with_context(plan_injection(out.edits, input.root.directory, options),
                                        "fitting the driver's libraries to the image"));
  out.edits = std::move(injection.edits);
  out.held = std::move(injection.held);
  for (const Decision& decision : injection.decisions)
    out.reasons.push_back(fmt::format("{} {}: {}", decision.injected ? "library" : "left out",
                                      decision.file, decision.reason));
  out.notices.insert(out.notices.end(), injection.notices.begin(), injection.notices.end());
  return out;
}

Result<void> add_devices(const GpuDevices& devices, const host::Tree& dev, text::Json& config) {
  return cdi::apply(devices.edits, dev, {.rootless = true}, config);
}

}  // namespace flense::launch
