// Layers that are pulled lazily (codec/estargz.h): which ones can be, and the order of their
// members. Pure: members in, order out.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "codec/estargz.h"
#include "slim/apply/split_plan.h"

namespace flense::slim {

struct LazyPlan {
  codec::EstargzOrder order;
  /// Why nothing of the layer comes first though it holds what is wanted; else empty.
  std::string unsorted;
  /// Why readers of the table of contents would see another tree than those who unpack the layer;
  /// it is then written as an ordinary one. Else empty.
  std::string ordinary;
};

/// The layer that `members` at `positions` shall be. What `prefetch` (sorted image paths) names
/// comes first, with the directories above it and what its hard links lead to; else the order of
/// the archive holds. The table of contents and the landmarks of an earlier writer go, and of a
/// directory that stands twice the last one counts, in the place of the first. `globals`: there are
/// global PAX headers, which speak of what follows them.
LazyPlan plan_lazy(const std::vector<SplitMember>& members,
                   const std::vector<std::uint32_t>& positions,
                   std::span<const std::string> prefetch, bool globals);

/// What the user is told of such a layer.
std::string ordinary_notice(const std::string& layer, const std::string& why);

}  // namespace flense::slim
