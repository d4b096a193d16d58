#include <algorithm>

#include "cdi/spec/spec.h"

namespace flense::cdi {

void merge(const Edits& from, Edits& to) {
  const auto add = [](const auto& items, auto& all) {
    // The usual case: a graphics driver has hundreds of mounts, and nothing to compare them with.
    if (all.empty()) {
      all = items;
      return;
    }
    for (const auto& item : items)
      if (std::ranges::find(all, item) == all.end()) all.push_back(item);
  };
  add(from.env, to.env);
  add(from.device_nodes, to.device_nodes);
  add(from.net_devices, to.net_devices);
  add(from.mounts, to.mounts);
  add(from.hooks, to.hooks);
  add(from.additional_gids, to.additional_gids);
  if (from.intel_rdt) to.intel_rdt = from.intel_rdt;
}

}  // namespace flense::cdi
