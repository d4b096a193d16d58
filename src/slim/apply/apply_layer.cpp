#include "slim/apply/apply_layer.h"

#include "image/layers/layer_walk.h"
#include "slim/apply/layer_editor.h"

namespace flense::slim {

Result<LayerOutcome> apply_layer(const image::Image& image, std::size_t index,
                                 const LayerPlan& plan, const CutRules& cuts,
                                 const std::vector<AddedFile>& added, const Workplace& workplace,
                                 Sink& to, RecordKinds lists) {
  LayerEditor editor(cuts, workplace, added, lists, true, to);
  editor.begin_layer(plan);
  image::WalkOptions walk;
  walk.scratch_directory = workplace.scratch_directory;
  walk.progress = workplace.progress;
  TRY_DO(
      image::walk_layer(image, index, walk,
                        [&](const image::LayerEntry& entry, image::EntryContent* content,
                            codec::TarReader* raw) { return editor.visit(entry, content, raw); }));
  TRY_DO(editor.finish());
  return editor.take();
}

}  // namespace flense::slim
