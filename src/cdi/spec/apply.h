// CDI edits merged into an OCI runtime configuration (runtime-spec config.md), as CDI's own library
// does it: SPEC.md, "OCI Edits".
#pragma once

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

}  // namespace flense::cdi
