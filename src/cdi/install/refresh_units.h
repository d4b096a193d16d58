// systemd units and a udev rule that regenerate the specification: when a driver is loaded, when
// its files change, and every minute, since nothing signals a change of MIG instances.
#pragma once

#include <string>
#include <utility>
#include <vector>

namespace flense::cdi {

struct RefreshUnits {
  std::vector<std::pair<std::string, std::string>> files;  ///< path, text
  std::vector<std::pair<std::string, std::string>> links;  ///< path, target: what enabling makes
};

/// One specification: the mode of generation, as a word, the vendor if it is not the mode's, and
/// the file.
struct Refreshed {
  std::string mode, vendor, file;
};

/// `program` is flense's own path. A user's units have no udev rule.
RefreshUnits refresh_units(const std::string& program, const std::vector<Refreshed>& specs,
                           bool user, const std::string& config_home);

}  // namespace flense::cdi
