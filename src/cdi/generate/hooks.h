// The classic hooks of NVIDIA's container toolkit, for what a specification cannot do without the
// image: a loader cache, links, and the image's own forward-compatibility libraries.
#pragma once

#include <string>
#include <string_view>

#include "cdi/generate/driver_root.h"

namespace flense::cdi {

/// Those that the options ask for; `edits` holds the mounts that they serve. An environment error
/// when the program is not there, unless options.allow_missing.
Result<void> add_hooks(Discovery& discovery, std::string_view version, Edits& edits);

/// Says what is not possible without the hooks that are left out.
void note_hooks(Discovery& discovery, const std::vector<std::string>& folders);

}  // namespace flense::cdi
