// The environment of a container's command, and the one place that defines where its variables come
// from and their precedence.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/accounts.h"
#include "launch/container/run_options.h"

namespace flense::launch {

/// Each variable once, where it was set first.
class Environment {
 public:
  Environment() = default;
  explicit Environment(const std::vector<std::string>& items) { set(items); }

  /// "NAME=value"; a later word replaces an earlier one in its place.
  void set(std::string item);
  void set(const std::vector<std::string>& items);
  /// nullopt when it is not set.
  std::optional<std::string> get(std::string_view name) const;
  const std::vector<std::string>& items() const { return items_; }

 private:
  std::vector<std::string> items_;
};

/// The same of a list as others hand it over.
std::optional<std::string> variable_in(const std::vector<std::string>& items,
                                       std::string_view name);

struct EnvironmentInput {
  const RunOptions& options;
  const std::vector<std::string>& image;  ///< as its configuration has them
  const std::vector<std::string>& host;
  const Account& caller;
  std::string home;  ///< of the command's user in the container, by the image; empty: unknown
  /// What devices bring along, with the way to libraries that were injected for them.
  const std::vector<std::string>& devices;
};

/// From the least word to the last: the image, with a PATH; the batch system, unless isolated; the
/// caller's HOME, USER and TERM; the options; the devices.
Environment plan_environment(const EnvironmentInput& input);

}  // namespace flense::launch
