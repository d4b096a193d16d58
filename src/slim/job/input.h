// The first step of a slimming: the image is read.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "image/model/image.h"
#include "inventory/describe/inventory.h"
#include "inventory/scan/contents.h"
#include "inventory/scan/scan_cache.h"
#include "slim/apply/changed_tree.h"
#include "slim/plan/options.h"

namespace flense::slim {

struct Input {
  std::shared_ptr<const image::Image> image;
  inventory::Contents contents;  ///< read by the rules of `options`
  inventory::Inventory inventory;
  SlimOptions options;                     ///< those asked for, adapted to the image
  std::shared_ptr<ChangedTree> tree = {};  ///< with --in-place: locked since before it was read
};

/// `cache`, when there is one, holds what earlier images of this run were read to.
Result<Input> read_input(std::unique_ptr<const image::Image> image, SlimOptions options,
                         const Workplace& workplace, inventory::InventoryCache* cache = nullptr);

/// The same for several sets of targets: one reading, and an input for each of `options`, which
/// differ by nothing else.
Result<std::vector<Input>> read_inputs(std::unique_ptr<const image::Image> image,
                                       std::vector<SlimOptions> options, const Workplace& workplace,
                                       inventory::InventoryCache* cache = nullptr);

/// How many layers at the bottom of `image` are those of `base`, which must all be there.
Result<std::size_t> base_layers(const image::Image& image, const image::Image& base);

/// Of each layer.
std::vector<std::uint64_t> unpacked_sizes(const inventory::Contents& contents);

}  // namespace flense::slim
