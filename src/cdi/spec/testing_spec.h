// Test helper: a specification that uses every field, and a minimal valid one.
#pragma once

#include "cdi/spec/spec.h"

namespace flense::cdi::testing {

inline DeviceNode node(const std::string& path, const std::string& host_path = "",
                       const std::string& type = "", std::optional<std::int64_t> major = {},
                       std::optional<std::int64_t> minor = {}) {
  return {path, host_path, type, major, minor, {}, "", {}, {}};
}

inline Spec small_spec(const std::string& kind = "vendor.com/gpu",
                       const std::string& device = "zero") {
  Spec spec;
  spec.kind = kind;
  spec.devices.push_back({device, {}, {}});
  spec.devices.front().edits.env = {"A=b"};
  return spec;
}

inline Spec full_spec() {
  Spec spec;
  spec.kind = "vendor.com/class.sub";
  spec.annotations = {{"vendor.com/driver", "570.1"}, {"made", "now"}};
  Device device{"0", {{"model", "H\u00fcpfer: x # y"}}, {}};
  Edits& edits = device.edits;
  edits.env = {"A=1", "B=two words: yes"};
  edits.device_nodes = {{"/dev/a", "/host/dev/a", "c", 195, 0, 0660, "rw", 0, 44},
                        {"/dev/b", "", "", {}, {}, {}, "", {}, {}}};
  edits.net_devices = {{"eth1", "net0"}};
  edits.mounts = {{"/usr/lib/x", "/usr/lib/x", "none", {"ro", "rbind"}}, {"/a", "/b", "", {}}};
  edits.hooks = {{"createContainer", "/usr/bin/hook", {"hook", "x"}, {"E=1"}, 5}};
  edits.intel_rdt = IntelRdt{"group", "L3:0=f", "MB:0=50", {"L3:0=f"}, false, false, true};
  edits.additional_gids = {44, 110};
  spec.devices = {device, {"all", {}, device.edits}};
  spec.edits.env = {"C=3"};
  return spec;
}

}  // namespace flense::cdi::testing
