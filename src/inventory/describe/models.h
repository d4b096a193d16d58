// Model weights of an image: what their headers say, and which of several formats in one directory
// loaders take.
#pragma once

#include <vector>

#include "inventory/describe/inventory.h"
#include "inventory/scan/contents.h"

namespace flense::inventory {

/// What a container sees, each content once, largest first.
std::vector<ModelEntry> find_models(const Contents& contents);

}  // namespace flense::inventory
