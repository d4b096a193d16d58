#include "cdi/generate/device_list.h"

#include <algorithm>

#include "base/format.h"
#include "host/text_formats.h"

namespace flense::cdi {

void DeviceList::add(std::string_view name, const Edits& edits) {
  add_alias(0, name, edits);
}

void DeviceList::add_alias(int kind, std::string_view name, const Edits& edits) {
  const bool taken =
      std::ranges::any_of(devices_, [&](const auto& one) { return one.second.name == name; });
  if (taken || !complaint_about_device(name).empty() || name == "all") {
    discovery_.note(fmt::format("a device is not listed as '{}': {}", host::clean(name),
                                taken ? "another device has this name" : "not a valid CDI name"));
    return;
  }
  Edits own = edits;
  normalise(own);
  devices_.push_back({kind, {std::string(name), {}, std::move(own)}});
}

std::vector<Device> DeviceList::finish() && {
  std::ranges::stable_sort(devices_, {}, [](const auto& one) { return one.first; });
  std::vector<Device> out;
  Device all{"all", {}, std::move(all_)};
  for (auto& [kind, device] : devices_) {
    merge(device.edits, all.edits);
    out.push_back(std::move(device));
  }
  normalise(all.edits);
  if (!all.edits.empty()) out.push_back(std::move(all));
  return out;
}

}  // namespace flense::cdi
