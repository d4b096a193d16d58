#include "slim/apply/apply_layer.h"

#include "image/layers/layer_walk.h"
#include "slim/apply/layer_editor.h"

namespace flense::slim {

Result<LayerOutcome> apply_layer(const image::Image& image, std::size_t index,
                                 const LayerPlan& plan, const SlimOptions& options,
                                 const std::vector<AddedFile>& added, Progress* progress,
                                 Sink& to) {
  LayerEditor editor(options, added, true, to);
  editor.begin_layer(plan);
  image::WalkOptions walk;
  walk.scratch_directory = options.scratch_directory;
  walk.progress = progress;
  TRY_DO(
      image::walk_layer(image, index, walk,
                        [&](const image::LayerEntry& entry, image::EntryContent* content,
                            codec::TarReader* raw) { return editor.visit(entry, content, raw); }));
  TRY_DO(editor.finish());
  return editor.take();
}

}  // namespace flense::slim
