// The device nodes of a machine as nodes of a container: with their mode and owner here, and
// without device numbers, which may change at the next boot.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "cdi/generate/driver_root.h"

namespace flense::cdi {

class DeviceFolder {
 public:
  /// options.dev_root, else the machine's /dev where it holds `known`, else that of the driver's
  /// root where that does. An environment error when options.dev_root has no /dev.
  static Result<DeviceFolder> find(Discovery& discovery, const std::string& driver_prefix,
                                   std::string_view known);

  /// Adds /dev/NAME under its own or another path; false when there is no such device.
  bool add(std::string_view name, Edits& edits, std::string_view container_path = {});
  bool has(std::string_view name) const;
  /// Names of devices in a folder below /dev that begin so: in order of the number that follows.
  std::vector<std::string> list(std::string_view folder, std::string_view prefix) const;
  /// The host's path of /dev/NAME.
  std::string path(std::string_view name) const;
  /// Groups that some added node asks for: those of nodes that are not for everybody.
  const std::set<std::uint32_t>& groups() const { return groups_; }

 private:
  DeviceFolder(host::Tree tree, std::string prefix, bool with_groups)
      : tree_(std::move(tree)), prefix_(std::move(prefix)), with_groups_(with_groups) {}

  host::Tree tree_;
  std::string prefix_;
  bool with_groups_;
  std::set<std::uint32_t> groups_;
};

/// Says how to keep the groups that `folder`'s nodes ask for, where the specification cannot.
void note_groups(Discovery& discovery, const DeviceFolder& folder);

}  // namespace flense::cdi
