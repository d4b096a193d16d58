#include "slim/candidates/pickled_weights.h"
#include "slim/plan/draft.h"

namespace flense::slim {

void pickled_weights_pass(const PassContext& context, Draft& draft) {
  if (context.options.cuts.level < device::Level::kAggressive) return;
  draft.breaks_sharing(kPickledWeights);
  // All of a model or nothing: what --keep names keeps the rest.
  const Stays free = [&draft](image::EntryRef entry, std::string_view path) {
    return draft.may_claim(entry, path);
  };
  for (const PickledWeights& one : find_pickled_weights(context.image, context.contents, free)) {
    if (one.stays.empty())
      draft.claim(one.entry, {Action::kDrop, kPickledWeights, one.path, {}, one.bytes, 0});
    else if (one.bytes > 0)
      draft.leave_alone({one.path, one.bytes, one.stays, kPickledWeights, one.entry});
  }
}

}  // namespace flense::slim
