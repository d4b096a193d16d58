// Layers that are pulled lazily (codec/estargz.h): which ones can be, and the order of their
// members. Pure: members in, order out.
#pragma once

#include <string>
#include <vector>

#include "codec/estargz.h"
#include "slim/split_plan.h"

namespace flense::slim {

struct LazyPlan {
  codec::EstargzOrder order;
  /// Why readers of the table of contents would see another tree than those who unpack the layer;
  /// it is then written as an ordinary one. Else empty.
  std::string ordinary;
};

/// In the order of the archive. The table of contents and the landmarks of an earlier writer go,
/// and of a directory that stands twice the last one counts, in the place of the first.
LazyPlan plan_lazy(const std::vector<SplitMember>& members);

/// What the user is told of such a layer.
std::string ordinary_notice(const std::string& layer, const std::string& why);

}  // namespace flense::slim
