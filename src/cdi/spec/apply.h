// CDI edits merged into an OCI runtime configuration (runtime-spec config.md), as CDI's reference
// library does it: SPEC.md, "OCI Edits".
#pragma once

#include <string_view>
#include <vector>

#include "base/result.h"
#include "cdi/spec/spec.h"
#include "host/tree.h"
#include "text/json.h"

namespace flense::cdi {

struct ApplyOptions {
  /// Device nodes as bind mounts, without cgroup rules: all that an unprivileged user may do.
  bool rootless = false;
};

/// `dev` tells type and numbers of nodes that the edits leave open. A node that is missing and not
/// fully described is an error.
Result<void> apply(const Edits& edits, const host::Tree& dev, const ApplyOptions& options,
                   text::Json& config);

/// The parts of apply(), for who has mounts and variables as values until a configuration is
/// written. Mounts in the order in which each replaces what its place had; with `rootless` device
/// nodes are among them. Bad input as of apply().
Result<std::vector<Mount>> mounts_of(const Edits& edits, const host::Tree& dev, bool rootless);
/// By which the mounts of a container are ordered: "/usr//lib/./x/" is as deep as "/usr/lib/x".
std::size_t depth_of(std::string_view path);
/// What is neither a variable nor a node nor a mount: hooks, network devices, groups, cache
/// classes.
Result<void> apply_rest(const Edits& edits, text::Json& config);

}  // namespace flense::cdi
