#include "slim/apply/apply_layer.h"

#include "image/layers/layer_walk.h"
#include "slim/apply/layer_editor.h"

namespace flense::slim {

namespace {

Result<LayerOutcome> apply_by(LayerEditor& editor, const image::Image& image, std::size_t index,
                              const LayerPlan& plan, const Workplace& workplace) {
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

}  // namespace

Result<LayerOutcome> apply_layer(const image::Image& image, std::size_t index,
                                 const LayerPlan& plan, const CutRules& cuts,
                                 const std::vector<AddedFile>& added, const Workplace& workplace,
                                 Sink& to, RecordKinds lists) {
  LayerEditor editor(cuts, workplace, added, lists, true, to);
  return apply_by(editor, image, index, plan, workplace);
}

Result<LayerOutcome> apply_layer_in_parts(const image::Image& image, std::size_t index,
                                          const LayerPlan& plan, const CutRules& cuts,
                                          const std::vector<AddedFile>& added,
                                          const Workplace& workplace, const VariantParts& parts,
                                          Sink& shared, Sink& own, RecordKinds lists) {
  LayerEditor editor(cuts, workplace, added, lists, true, shared);
  editor.divide(parts, own);
  return apply_by(editor, image, index, plan, workplace);
}

}  // namespace flense::slim
