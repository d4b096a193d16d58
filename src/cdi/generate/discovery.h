// Shared by the discoverers of a generation: the machine, what is requested, and the messages for
// the user.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "cdi/generate/driver_files.h"
#include "cdi/generate/generate.h"
#include "host/tree.h"

namespace flense::cdi {

struct Discovery {
  const host::Machine& machine;
  const GenerateOptions& options;
  std::vector<std::string> notices = {};
  std::vector<std::string> left_out = {};  ///< of the notices: GPUs that are left out, and why

  bool wants(Capability capability) const { return options.capabilities.contains(capability); }
  bool wants_any(AnyOf capabilities) const;
  void note(std::string text);
  void leave_out(std::string text);
  /// A piece without which the containers would not work: an environment error, or a notice with
  /// options.allow_missing.
  Result<void> missing(std::string what, std::string hint);
};

/// Names that may stand in a path and in a specification as they are: what file systems hold is
/// anybody's.
bool is_plain_name(std::string_view name);

/// Bind mounts as the field writes them: files and directories that nobody may change.
Mount read_only_mount(std::string host_path, std::string container_path);
/// Sockets, and directories in which processes meet.
Mount shared_mount(std::string host_path, std::string container_path);

/// Each node, mount and group once, sorted by its place in the container.
void normalise(Edits& edits);

}  // namespace flense::cdi
