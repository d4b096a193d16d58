#include "slim/candidates/pickled_weights.h"
#include "slim/plan/draft.h"

namespace flense::slim {

void pickled_weights_pass(const PassContext& context, Draft& draft) {
  if (context.options.cuts.level < device::Level::kAggressive) return;
  // What --keep names is not spoken of, nor the rest of its model.
  const Stays free = [&draft](image::EntryRef entry, std::string_view path) {
    return draft.may_claim(entry, path);
  };
  for (const PickledWeights& one : find_pickled_weights(context.image, context.contents, free))
    if (one.bytes > 0)
      draft.leave_alone({one.path, one.bytes,
                         one.stays.empty()
                             ? "the safetensors beside it hold the same tensors, and loaders take "
                               "them first: delete it where no program opens it"
                             : one.stays,
                         kPickledWeights, one.entry});
}

}  // namespace flense::slim
