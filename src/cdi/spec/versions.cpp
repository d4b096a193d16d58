// Which version of the specification introduced which field (SPEC.md, "Released versions").
#include <algorithm>
#include <array>

#include "cdi/spec/spec.h"

namespace flense::cdi {

namespace {

/// 0.1.0 and 0.2.0 were accepted strings before the first tag, 0.3.0.
constexpr std::array<std::string_view, 9> kVersions = {"0.1.0", "0.2.0", "0.3.0", "0.4.0", "0.5.0",
                                                       "0.6.0", "0.7.0", "1.0.0", "1.1.0"};
/// Changed the reference library only; known to those since.
constexpr std::string_view kLibraryOnly = "0.8.0";

std::string_view version_of_edits(const Edits& edits) {
  std::string_view least = "0.3.0";
  // One digit in each part, so that comparing texts compares versions.
  const auto need = [&](bool used, std::string_view version) {
    if (used) least = std::max(least, version);
  };
  need(std::ranges::any_of(edits.mounts, [](const Mount& mount) { return !mount.type.empty(); }),
       "0.4.0");
  need(std::ranges::any_of(edits.device_nodes,
                           [](const DeviceNode& node) { return !node.host_path.empty(); }),
       "0.5.0");
  need(edits.intel_rdt.has_value() || !edits.additional_gids.empty(), "0.7.0");
  need(!edits.net_devices.empty(), "1.1.0");
  need(
      edits.intel_rdt && (!edits.intel_rdt->schemata.empty() || edits.intel_rdt->enable_monitoring),
      "1.1.0");
  return least;
}

}  // namespace

bool is_known_version(std::string_view version) {
  return version == kLibraryOnly || std::ranges::find(kVersions, version) != kVersions.end();
}

std::string least_version(const Spec& spec) {
  std::string_view least = version_of_edits(spec.edits);
  const auto need = [&](bool used, std::string_view version) {
    if (used) least = std::max(least, version);
  };
  // A dot in the class; vendors could always have one.
  const std::size_t slash = spec.kind.find('/');
  need(slash != std::string::npos && spec.kind.find('.', slash) != std::string::npos, "0.6.0");
  need(!spec.annotations.empty(), "0.6.0");
  for (const Device& device : spec.devices) {
    least = std::max(least, version_of_edits(device.edits));
    need(!device.annotations.empty(), "0.6.0");
    const char first = device.name.empty() ? 'a' : device.name.front();
    need(first >= '0' && first <= '9', "0.5.0");
  }
  return std::string(least);
}

}  // namespace flense::cdi
