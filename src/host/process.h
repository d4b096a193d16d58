// Which programs run, as /proc lists them.
#pragma once

#include <optional>
#include <string_view>

#include "host/tree.h"

namespace flense::host {

/// Whether a process of that name runs; of the name the kernel keeps 15 bytes. nullopt when not
/// every process is listed: /proc mounted with hidepid, or not at all.
std::optional<bool> process_runs(const Tree& proc, std::string_view name);

}  // namespace flense::host
