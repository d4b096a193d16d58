// Layers that one run has written already, for further images that share them: equal bytes with
// equal edits and options become equal layers, so they are taken over instead of being made again.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "image/model/image.h"
#include "image/output/writer.h"
#include "slim/apply/apply_layer.h"
#include "slim/plan/options.h"
#include "slim/plan/plan.h"

namespace flense::slim {

class LayerPool {
 public:
  struct Entry {
    const image::Image* from = nullptr;                   ///< an output of this run
    std::size_t first = 0;                                ///< position of the layer in it
    std::vector<image::ImageWriter::LayerResult> stored;  ///< several when it was split
    LayerOutcome outcome;
  };

  /// Everything that decides what the layer becomes; empty for layers without a digest, which are
  /// never shared.
  static std::string key(const image::Layer& layer, const LayerPlan& plan,
                         const SlimOptions& options, bool kept);

  /// Null when no image before had it.
  const Entry* find(const std::string& key) const;

  /// The layers of an image that was written: `keys` and `entries` in the order of its input's
  /// layers. `output` is the result, opened again.
  void add(std::unique_ptr<const image::Image> output, const std::vector<std::string>& keys,
           std::vector<Entry> entries);

 private:
  std::vector<std::unique_ptr<const image::Image>> outputs_;
  std::map<std::string, Entry, std::less<>> entries_;
};

}  // namespace flense::slim
