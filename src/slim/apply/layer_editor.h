// Executes edits on a stream of members: what comes in as one or several layers goes out as one
// tar.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "codec/tar/tar.h"
#include "image/layers/layer_walk.h"
#include "slim/apply/apply_layer.h"
#include "slim/apply/held_contents.h"
#include "slim/apply/records.h"
#include "slim/apply/rewrite_elf.h"
#include "slim/apply/variant_parts.h"

namespace flense::slim {

class LayerEditor {
 public:
  /// `added` are written at the end and replace members of the same path. `lists`: the kinds of
  /// package lists that may come. `globals`: global PAX headers stay; they cannot when several
  /// archives become one.
  LayerEditor(const CutRules& cuts, const Workplace& workplace, std::vector<AddedFile> added,
              RecordKinds lists, bool globals, Sink& to);
  /// Of the one layer that follows, `to` gets what is shared by `parts`, `own` the rest with what
  /// is added. Both are references.
  void divide(const VariantParts& parts, Sink& own);

  /// The members that follow are those of the layer that `plan` speaks of; it must outlive them.
  void begin_layer(const LayerPlan& plan);
  /// One member, as walk_layer() hands it out.
  Result<void> visit(const image::LayerEntry& entry, image::EntryContent* content,
                     codec::TarReader* raw);
  /// Package lists, added files, end of the archive.
  Result<void> finish();
  LayerOutcome take() { return std::move(outcome_); }

 private:
  /// A package list, held back until every file has met its fate; or a member without content that
  /// must come after one.
  struct Deferred {
    std::optional<RecordKind> kind;
    image::LayerEntry entry;
    std::string text;
    Part part = Part::kShared;
    bool changed = false;  ///< `text` is no longer that of the input
  };

  Result<void> edit_placed(const Edit& edit, image::LayerEntry entry, image::EntryContent* content);
  Result<void> edit(const Edit& edit, const image::LayerEntry& entry, image::EntryContent* content,
                    codec::TarReader* raw);
  Result<void> keep(const image::LayerEntry& entry, image::EntryContent* content,
                    codec::TarReader* raw);
  Result<void> rewrite(const Edit& edit, const image::LayerEntry& entry,
                       image::EntryContent* content, codec::TarReader* raw);
  Result<void> hold(const Edit& edit, const image::LayerEntry& entry, image::EntryContent* content);
  Result<void> release(const image::LayerEntry& link);
  Result<void> retarget(const Edit& edit, const image::LayerEntry& entry);
  Result<void> write_whiteout(const image::LayerEntry& entry);
  Result<void> become_link(const Edit& edit, const image::LayerEntry& entry,
                           const codec::TarReader* raw);
  bool must_wait(const image::LayerEntry& entry) const;
  Result<void> defer_list(RecordKind kind, image::LayerEntry entry, Source& content);
  void defer_member(image::LayerEntry entry);
  void find_own_lists();
  std::vector<Deferred*> lists_to_update();
  void update_list(Deferred& list);
  Result<void> write_list(const Deferred& list);
  void note_link(const image::LayerEntry& entry, std::string_view target);
  void note_drop(const Edit& edit, const std::string& path);
  void forget_signatures(codec::TarMember& member, const std::string& path);
  Result<void> copy_stored(codec::TarReader& raw);
  Result<void> write_stream(codec::TarMember member, Source* content);
  static Result<void> write_to(codec::TarWriter& tar, const codec::TarMember& member,
                               Source* content);
  Result<void> write_bytes(codec::TarMember member, Bytes bytes);
  void count(Pass pass, std::uint64_t bytes);
  void count_rewrite(const RewrittenElf& result, std::uint64_t saved);

  RecordKinds lists_;
  RewriteOptions rewrite_;
  std::vector<AddedFile> added_;
  std::set<std::string, std::less<>> added_paths_;
  bool globals_;
  codec::TarWriter tar_;
  std::optional<codec::TarWriter> own_;  ///< with `parts_`
  const VariantParts* parts_ = nullptr;
  Part part_ = Part::kShared;  ///< where the member at hand goes
  const LayerPlan* plan_ = nullptr;
  std::uint64_t position_ = 0;
  std::int64_t last_time_ = 0;
  HeldContents held_;
  Fates held_fates_;  ///< of held contents that were rewritten
  Fates fates_;
  std::shared_future<FileDigests> digests_;  ///< the last that were begun
  std::vector<Deferred> deferred_;
  std::set<std::string, std::less<>> deferred_paths_;
  LayerOutcome outcome_;
};

}  // namespace flense::slim
