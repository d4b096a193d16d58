#include "cdi/generate/drm.h"

#include "base/format.h"
#include "base/numbers.h"

namespace flense::cdi {

DrmNodes drm_nodes(const host::Tree& sys, std::string_view device) {
  DrmNodes out;
  for (const std::string& name : sys.list(fmt::format("{}/drm", device))) {
    if (name.starts_with("card") && parse_number(std::string_view(name).substr(4))) out.card = name;
    if (name.starts_with("renderD") && parse_number(std::string_view(name).substr(7)))
      out.render = name;
  }
  return out;
}

bool add_drm(const DrmNodes& nodes, std::string_view bus, DeviceFolder& folder, Edits& edits) {
  bool found = false;
  const auto add = [&](const std::string& name, std::string_view role) {
    if (name.empty()) return;
    const std::string path = "dri/" + name;
    if (!folder.add(path, edits)) return;
    found = true;
    if (!bus.empty()) folder.add(path, edits, fmt::format("/dev/dri/by-path/{}-{}", bus, role));
  };
  add(nodes.card, "card");
  add(nodes.render, "render");
  return found;
}

}  // namespace flense::cdi
