// Executes a plan on a whole image: edited layers are written anew, all others taken over.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "image/model/image.h"
#include "image/output/writer.h"
#include "slim/apply/apply_layer.h"
#include "slim/apply/layer_pool.h"
#include "slim/plan/labels.h"
#include "slim/plan/options.h"
#include "slim/plan/plan.h"

namespace flense::slim {

struct LayerSizes {
  std::string instruction;
  std::string digest_before, digest_after;
  std::uint64_t stored_before = 0, stored_after = 0;
  std::uint64_t unpacked_before = 0, unpacked_after = 0;
};

struct SlimOutcome {
  bool changed = false;
  std::string manifest_digest;
  std::optional<image::Variant> variant;  ///< of those: what an index says of it, but for the size
  std::vector<LayerSizes> layers;
  std::map<Pass, std::uint64_t> bytes_by_pass;
  std::vector<LeftAlone> left_alone;
  std::vector<std::string> notices;
  // With a pool: how many layers came from it, and what it shall learn of this image.
  std::size_t shared_layers = 0;
  std::vector<std::string> keys;
  std::vector<LayerPool::Entry> written;
};

/// What several images that are made of one have in common.
struct VariantLayers {
  struct Written {
    image::ImageWriter::LayerResult stored;
    LayerOutcome outcome;
  };
  std::vector<VariantParts> parts;               ///< by layer of the original
  std::vector<std::optional<Written>> shared;    ///< shared parts that lie in the output already
  std::vector<std::optional<Written>> repacked;  ///< layers without edits, likewise
  explicit VariantLayers(std::vector<VariantParts> by_layer)
      : parts(std::move(by_layer)), shared(parts.size()), repacked(parts.size()) {}
};

/// Of one part of a layer that was split into `parts`; the first carries what there was before.
LayerSizes part_sizes(const image::Layer& layer, std::uint64_t unpacked,
                      const image::ImageWriter::LayerResult& stored, std::size_t part,
                      std::size_t parts);

/// `unpacked` holds the uncompressed tar size of each input layer. Commits the writer. `pool` holds
/// what earlier images of the run became; what `tree` tells spares work. With `variants` the image
/// is one of those, and `writer` that of all.
Result<SlimOutcome> apply_image(const image::Image& image, const Plan& plan,
                                const SlimOptions& options,
                                const std::vector<std::uint64_t>& unpacked,
                                const DriverFloor& floor, image::ImageWriter& writer,
                                const Workplace& workplace, LayerPool* pool = nullptr,
                                const image::MergedTree* tree = nullptr,
                                VariantLayers* variants = nullptr);

}  // namespace flense::slim
