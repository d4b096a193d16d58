// Executes the plan of one layer: a tar stream in, a tar stream out, in one pass.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "base/stream.h"
#include "image/model/image.h"
#include "slim/apply/records.h"
#include "slim/apply/variant_parts.h"
#include "slim/plan/options.h"
#include "slim/plan/plan.h"

namespace flense::slim {

struct LayerOutcome {
  /// Bytes given back by pass, as reached.
  std::map<Pass, std::uint64_t> bytes_by_pass;
  std::vector<LeftAlone> left_alone;
  std::vector<std::string> notices;  ///< dropped security.ima, rewritten package lists, …
  std::uint64_t content_before = 0, content_after = 0;
};

/// Streams layer `index` of `image` into `to` as an uncompressed tar with the plan's edits made.
/// The result depends on the layer's bytes, `plan`, `cuts` and `added` alone.
/// `lists`: the kinds of package lists in the layer.
Result<LayerOutcome> apply_layer(const image::Image& image, std::size_t index,
                                 const LayerPlan& plan, const CutRules& cuts,
                                 const std::vector<AddedFile>& added, const Workplace& workplace,
                                 Sink& to, RecordKinds lists = kAllRecords);

/// The same in two parts (slim/apply/variant_parts.h); `added` lies in the own one.
Result<LayerOutcome> apply_layer_in_parts(const image::Image& image, std::size_t index,
                                          const LayerPlan& plan, const CutRules& cuts,
                                          const std::vector<AddedFile>& added,
                                          const Workplace& workplace, const VariantParts& parts,
                                          Sink& shared, Sink& own, RecordKinds lists);

}  // namespace flense::slim
