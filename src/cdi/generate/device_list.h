// The devices of a specification as they are found: every device under several names, and `all`.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cdi/generate/discovery.h"

namespace flense::cdi {

class DeviceList {
 public:
  explicit DeviceList(Discovery& discovery) : discovery_(discovery) {}

  /// A name that is not valid for CDI, or is taken, is left out with a notice.
  void add(std::string_view name, const Edits& edits);
  /// The same device under another kind of name: after those of kinds that came before.
  void add_alias(int kind, std::string_view name, const Edits& edits);
  /// More of "all" than the devices have.
  void set_all(Edits edits) { all_ = std::move(edits); }
  bool empty() const { return devices_.empty() && all_.empty(); }
  /// Names in the order they came, then aliases by kind, then "all" with everything.
  std::vector<Device> finish() &&;

 private:
  Discovery& discovery_;
  std::vector<std::pair<int, Device>> devices_;
  Edits all_;
};

}  // namespace flense::cdi
