// A Container Device Interface specification as values (CDI SPEC.md, versions 0.3.0 to 1.1.0), read
// strictly and written with the lowest version that its fields need.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/json.h"

namespace flense::cdi {

struct DeviceNode {
  std::string path;       ///< in the container
  std::string host_path;  ///< empty: the same
  std::string type;       ///< "c", "b", "u", "p"; empty: as the node is
  std::optional<std::int64_t> major, minor;
  std::optional<std::uint32_t> file_mode;
  std::string permissions;  ///< subset of "rwm"; empty: all of it
  std::optional<std::uint32_t> uid, gid;
  bool operator==(const DeviceNode&) const = default;
};

struct Mount {
  std::string host_path, container_path;
  std::string type;  ///< needs 0.4.0
  std::vector<std::string> options;
  bool operator==(const Mount&) const = default;
};

struct Hook {
  std::string name;  ///< "createContainer"
  std::string path;  ///< on the host
  std::vector<std::string> args, env;
  std::optional<std::int64_t> timeout;  ///< seconds
  bool operator==(const Hook&) const = default;
};

struct NetDevice {
  std::string host_interface, name;
  bool operator==(const NetDevice&) const = default;
};

struct IntelRdt {
  std::string clos_id, l3_cache_schema, mem_bw_schema;
  std::vector<std::string> schemata;
  bool enable_cmt = false, enable_mbm = false, enable_monitoring = false;
  bool operator==(const IntelRdt&) const = default;
};

/// What becomes of a container that gets the device.
struct Edits {
  std::vector<std::string> env;  ///< "NAME=value"
  std::vector<DeviceNode> device_nodes;
  std::vector<NetDevice> net_devices;
  std::vector<Mount> mounts;
  std::vector<Hook> hooks;
  std::optional<IntelRdt> intel_rdt;
  std::vector<std::uint32_t> additional_gids;
  bool empty() const { return *this == Edits{}; }
  bool operator==(const Edits&) const = default;
};

struct Device {
  std::string name;  ///< "0", "GPU-…", "all"
  std::map<std::string, std::string> annotations;
  Edits edits;
  bool operator==(const Device&) const = default;
};

struct Spec {
  std::string version;  ///< as the file says; least_version() when it is written
  std::string kind;     ///< "nvidia.com/gpu"
  std::map<std::string, std::string> annotations;
  std::vector<Device> devices;
  Edits edits;  ///< for every container that gets any of the devices
  bool operator==(const Spec&) const = default;
};

}  // namespace flense::cdi
