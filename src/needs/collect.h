// From an image to what it asks of the machine it will run on (needs/needs.h). Does no
// input or output.
#pragma once

#include "image/model/image.h"
#include "inventory/describe/inventory.h"
#include "inventory/scan/contents.h"
#include "needs/needs.h"

namespace flense::needs {

/// From layers that were read. `inventory` is what describe() made of `contents`.
Needs collect_needs(const image::Image& image, const inventory::Contents& contents,
                    const inventory::Inventory& inventory);

/// From the configuration alone: environment, labels and what they state of runtimes; `contents` is
/// false, and what only the layers tell is left empty.
Needs config_needs(const image::Image& image);

}  // namespace flense::needs
