#include "launch/gpus/devices.h"

#include <algorithm>
#include <array>
#include <map>

#include "cdi/generate/generate.h"
#include "cdi/spec/registry.h"
#include "cdi/spec/validate.h"
#include "launch/gpus/preflight_host.h"
#include "launch/inject/inject.h"

namespace flense::launch {

namespace {

/// "nvidia.com/gpu" of "nvidia.com/gpu=0".
std::string kind_of(const std::string& name) {
  return name.substr(0, name.find('='));
}

/// Why the specifications that define the devices do not serve; empty when they do.
std::string complaint_about(const cdi::Registry& registry, const std::vector<std::string>& names,
                            const host::Machine& machine) {
  // Other devices of the file do not matter.
  std::map<const cdi::SpecFile*, cdi::Spec> used;
  for (const cdi::ListedDevice& device : registry.listed()) {
    if (std::find(names.begin(), names.end(), device.name) == names.end()) continue;
    cdi::Spec& part = used[device.file];
    part.edits = device.file->spec.edits;
    part.devices.push_back(*device.device);
  }
  for (const auto& [file, part] : used)
    for (const inventory::Finding& finding : cdi::compare_with_machine(part, machine))
      if (finding.severity == Severity::kError)
        return fmt::format("{}: {}", file->path.string(), finding.evidence);
  return {};
}

/// Whether GenerateOptions::with belongs to it.
bool is_of_gpus(cdi::Mode mode) {
  constexpr std::array kModes = {cdi::Mode::kNvidia, cdi::Mode::kWsl, cdi::Mode::kJetson,
                                 cdi::Mode::kAmd};
  return std::find(kModes.begin(), kModes.end(), mode) != kModes.end();
}

/// Of the modes that make a kind the one that this machine has.
cdi::Mode mode_here(const std::vector<cdi::Mode>& modes, const host::Machine& machine) {
  if (modes.size() == 1) return modes.front();
  const std::vector<cdi::Mode> here = cdi::modes_here(machine);
  const auto at = std::find_first_of(here.begin(), here.end(), modes.begin(), modes.end());
  return at != here.end() ? *at : modes.front();
}

/// Another vendor's devices: by his specification or not at all. Of what this machine has nothing
/// stands for them.
Result<void> resolve_foreign(const std::vector<std::string>& names, const cdi::Registry& registry,
                             const host::Machine& machine, GpuDevices& out) {
  TRY(const cdi::Edits edits, registry.resolve(names));
  if (const std::string complaint = complaint_about(registry, names, machine); !complaint.empty())
    return fail(Code::kEnvironment, "the CDI specification does not fit this machine: {}",
                complaint)
        .hint("the tool that wrote it can regenerate it; flense cdi validate says more");
  out.reasons.push_back(
      fmt::format("devices: {} as a specification on this machine says", fmt::join(names, ", ")));
  cdi::merge(edits, out.edits);
  return {};
}

/// The edits of the named devices of one kind: by a specification that is there and fits, else by
/// one made now, which is not kept.
Result<void> resolve_kind(const std::string& kind, const std::vector<std::string>& names,
                          const cdi::Registry& registry, const GpuInput& input, GpuDevices& out) {
  const std::vector<cdi::Mode> modes = cdi::modes_of(kind);
  const bool of_gpus = !modes.empty() && is_of_gpus(modes.front());
  if (!input.with.empty() && !of_gpus)
    out.notices.push_back(fmt::format("{} gets no nodes of {}: they belong to GPUs",
                                      fmt::join(names, ", "), fmt::join(input.with, ", ")));
  if (modes.empty()) return resolve_foreign(names, registry, input.machine, out);
  const auto listed = registry.resolve(names);
  const std::string complaint = listed ? complaint_about(registry, names, input.machine) : "";
  // Fabric devices are in a specification only if that was requested when it was generated.
  if (listed && complaint.empty() && (input.with.empty() || !of_gpus)) {
    out.reasons.push_back(
        fmt::format("devices: {} as a specification on this machine says", fmt::join(names, ", ")));
    cdi::merge(*listed, out.edits);
    return {};
  }
  if (!complaint.empty())
    out.notices.push_back(fmt::format(
        "the CDI specification does not fit this machine, regenerated for this launch: {}",
        complaint));
  else if (!listed)
    for (const cdi::SpecProblem& problem : registry.problems)
      out.notices.push_back(fmt::format("the CDI specification {} was skipped: {}",
                                        problem.path.string(), problem.message));
  cdi::GenerateOptions options;
  options.mode = mode_here(modes, input.machine);
  if (of_gpus) options.with = input.with;
  auto generated = cdi::generate(input.machine, options);
  if (!generated) {
    generated.error().context.push_back(
        complaint.empty()
            ? fmt::format("looking for {} in {}", fmt::join(names, ", "), registry.looked_at())
            : fmt::format("replacing the CDI specification, which does not fit: {}", complaint));
    return std::unexpected(std::move(generated).error());
  }
  cdi::Registry own;
  own.files.push_back({"made now", std::move(generated->spec), 0});
  auto edits = own.resolve(names);
  if (!edits) {
    edits.error().context.push_back(
        fmt::format("looking at this machine, which has {}, as {} does not",
                    fmt::join(own.devices(), ", "), registry.looked_at()));
    return std::unexpected(std::move(edits).error());
  }
  out.reasons.push_back(fmt::format("devices: {} as the machine is now", fmt::join(names, ", ")));
  out.reasons.insert(out.reasons.end(), generated->notices.begin(), generated->notices.end());
  cdi::merge(*edits, out.edits);
  return {};
}

}  // namespace

Result<GpuDevices> plan_devices(const GpuInput& input) {
  // Devices given by name need no look at the machine.
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
  for (const cdi::DeviceNode& node : choice.nodes) out.edits.device_nodes.push_back(node);
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

}  // namespace flense::launch
