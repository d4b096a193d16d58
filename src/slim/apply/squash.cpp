#include "slim/apply/squash.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <utility>

#include "base/parallel.h"
#include "image/layers/layer_walk.h"
#include "slim/apply/layer_editor.h"
#include "slim/apply/layer_parts.h"
#include "slim/plan/labels.h"

namespace flense::slim {

namespace {

using codec::MemberType;
using image::EntryRef;

using Key = std::pair<std::uint32_t, std::uint32_t>;
Key key(EntryRef ref) {
  return {ref.layer, ref.index};
}

/// A name that a container sees.
struct LiveName {
  EntryRef entry;
  std::string path;
};

class Squasher {
 public:
  Squasher(const image::MergedTree& tree, const Plan& plan) : tree_(tree), plan_(plan), out_(plan) {
    for (std::uint32_t layer = 0; layer < tree.layer_count(); ++layer) {
      out_.layers[layer].edits.clear();
      live_.emplace_back(tree.layer(layer).size(), false);
    }
  }

  Plan run() {
    if (const auto root = tree_.find(""); root && root->entry) mark(*root->entry);
    // The callback cannot fail, so neither can the walk.
    static_cast<void>(tree_.for_each(
        [&](const std::string& path, const image::MergedTree::Found& found) -> Result<void> {
          if (found.entry) add_live(path, found);
          return {};
        }));
    for (auto& [content, links] : links_) settle({content.first, content.second}, links);
    for (std::uint32_t layer = 0; layer < tree_.layer_count(); ++layer) drop_hidden(layer);
    return std::move(out_);
  }

 private:
  void mark(EntryRef ref) { live_[ref.layer][ref.index] = true; }

  const Edit* planned(EntryRef ref) const {
    const auto& edits = plan_.layers[ref.layer].edits;
    const auto found = edits.find(ref.index);
    return found == edits.end() ? nullptr : &found->second;
  }
  /// The plan takes this name (its content may stay under another).
  bool name_goes(EntryRef ref) const {
    const Edit* edit = planned(ref);
    return edit != nullptr && (edit->action == Action::kDrop || edit->action == Action::kRename);
  }
  Edit& edit_at(EntryRef ref) {
    const auto [found, fresh] = out_.layers[ref.layer].edits.try_emplace(ref.index);
    if (fresh) {
      found->second.action = Action::kPlace;
      found->second.path = tree_.entry(ref).path;
    }
    return found->second;
  }

  void add_live(const std::string& path, const image::MergedTree::Found& found) {
    const EntryRef ref = *found.entry;
    const image::LayerListing::Entry entry = tree_.entry(ref);
    // A link that leads nowhere could not be extracted.
    if (entry.type == MemberType::kHardLink && !found.content) return;
    mark(ref);
    if (const Edit* edit = planned(ref);
        edit != nullptr && (edit->action == Action::kDrop || edit->action == Action::kRewrite ||
                            edit->action == Action::kLink || edit->action == Action::kSymlink)) {
      Edit& own = edit_at(ref) = *edit;
      // Nothing lies below one layer.
      own.whiteout = false;
    }
    // A name that leads through a symbolic link would lead elsewhere once that link has changed.
    if (path != entry.path && !name_goes(ref)) edit_at(ref).place = path;
    if (entry.type == MemberType::kHardLink) links_[key(*found.content)].push_back({ref, path});
    if (entry.type != MemberType::kHardLink && path != entry.path) moved_[key(ref)] = path;
  }

  /// The names of one content beside its own.
  void settle(EntryRef content, std::vector<LiveName>& links) {
    std::ranges::sort(links, {}, [](const LiveName& name) { return key(name.entry); });
    std::string owner;
    if (live_[content.layer][content.index] && !name_goes(content)) {
      const auto moved = moved_.find(key(content));
      owner = moved == moved_.end() ? std::string(tree_.entry(content).path) : moved->second;
    }
    for (const LiveName& link : links) {
      if (name_goes(link.entry)) continue;
      if (owner.empty()) {
        owner = link.path;
        take_over(content, link);
      } else if (owner != tree_.entry(link.entry).link) {
        Edit& edit = edit_at(link.entry);
        edit.action = Action::kRetarget;
        edit.new_path = owner;
      }
    }
  }

  /// The content goes on under the name of `link`.
  void take_over(EntryRef content, const LiveName& link) {
    const Edit* before = planned(content);
    Edit& edit = edit_at(content);
    edit = Edit{};
    edit.path = tree_.entry(content).path;
    if (before != nullptr) {
      edit.pass = before->pass;
      edit.bytes_before = before->bytes_before;
      edit.bytes_after = before->bytes_after;
    }
    edit.action = Action::kRename;
    edit.new_path = link.path;
    edit.rewrite = before != nullptr && before->action == Action::kRewrite;
    edit_at(link.entry).action = Action::kMoved;
    mark(content);
  }

  void drop_hidden(std::uint32_t layer) {
    const image::LayerListing& listing = tree_.layer(layer);
    for (std::uint32_t index = 0; index < listing.size(); ++index) {
      if (live_[layer][index]) {
        // A name that the plan takes and no other name wanted the content.
        const Edit* edit = planned({layer, index});
        if (edit != nullptr && edit->action == Action::kRename &&
            !out_.layers[layer].edits.contains(index))
          drop({layer, index}, edit->pass);
        continue;
      }
      const Edit* edit = planned({layer, index});
      const bool waste = edit != nullptr && edit->action == Action::kDrop;
      drop({layer, index}, waste ? edit->pass : Pass(kShadowedFiles));
    }
  }

  void drop(EntryRef ref, Pass pass) {
    Edit& edit = edit_at(ref);
    edit.action = Action::kDrop;
    edit.pass = pass;
    edit.place.clear();
    edit.bytes_before = tree_.entry(ref).size;
  }

  const image::MergedTree& tree_;
  const Plan& plan_;
  Plan out_;
  std::vector<std::vector<bool>> live_;
  std::map<Key, std::vector<LiveName>> links_;  ///< live hard links by content
  std::map<Key, std::string> moved_;            ///< where members lie, if not where they say
};

codec::Compression squashed_compression(const image::Image& image, const Packing& wanted) {
  const auto largest = std::ranges::max_element(
      image.layers, {}, [](const image::Layer& layer) { return layer.blob.size; });
  return wanted.compression.value_or(largest->compression);
}

}  // namespace

Plan squash_plan(const image::MergedTree& tree, const Plan& plan) {
  return Squasher(tree, plan).run();
}

text::Json squashed_history(const text::Json& config, std::size_t layers) {
  text::Json entry = text::Json::object();
  if (config["created"].is_string()) entry.set("created", config["created"]);
  entry.set("created_by", "flense slim --squash");
  entry.set("comment", fmt::format("{} layers became one", layers));
  text::Json out = config;
  out.set("history", text::Json::array().push(std::move(entry)));
  return out;
}

Result<SlimOutcome> apply_squashed(const image::Image& image, const image::MergedTree& tree,
                                   const Plan& plan, const SlimOptions& options,
                                   const std::vector<std::uint64_t>& unpacked,
                                   const DriverFloor& floor, image::ImageWriter& writer,
                                   const Workplace& workplace) {
  const Plan squashed = squash_plan(tree, plan);
  const LayerPacking packing{squashed_compression(image, options.packing),
                             {options.packing.level, processor_count()},
                             options.packing.lazy,
                             options.packing.prefetch};
  // A layer that is read more than once must lie still first.
  std::unique_ptr<LayerSpool> spool;
  std::unique_ptr<image::ImageWriter::LayerSink> sink;
  if (options.packing.split_bytes > 0 || packing.lazy) {
    TRY(spool, LayerSpool::create(workplace.scratch_directory));
  } else {
    TRY(sink, writer.begin_layer(packing.compression, packing.encode));
  }
  Sink& to = spool ? static_cast<Sink&>(*spool) : *sink;
  LayerEditor editor(options.cuts, workplace, {marker_file(options)}, kAllRecords, false, to);
  image::WalkOptions walk;
  walk.scratch_directory = workplace.scratch_directory;
  walk.progress = workplace.progress;
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    editor.begin_layer(squashed.layers[i]);
    TRY_DO(with_context(
        image::walk_layer(image, i, walk,
                          [&](const image::LayerEntry& entry, image::EntryContent* content,
                              codec::TarReader* raw) { return editor.visit(entry, content, raw); }),
        "adding layer {} ({})", i + 1, image.layers[i].blob.digest));
  }
  TRY_DO(editor.finish());
  LayerParts parts;
  if (spool) {
    TRY(const Bytes tar, spool->tar());
    if (options.packing.split_bytes > 0) {
      TRY(parts, write_parts(tar, "the layer", options.packing.split_bytes, packing, writer));
    }
    if (parts.stored.empty() && packing.lazy)
      TRY_DO(write_lazy(tar, "the layer", packing, writer, parts));
    if (parts.stored.empty()) {
      TRY(auto stored, write_whole(tar, packing, writer));
      parts.stored.push_back(std::move(stored));
    }
  } else {
    TRY_DO(sink->finish());
    parts.stored.push_back(sink->result());
  }

  SlimOutcome out;
  out.changed = true;
  image::Layer before;
  before.instruction = "flense slim --squash";
  std::uint64_t unpacked_before = 0;
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    if (image.layers[i].added) continue;
    before.blob.size += image.layers[i].blob.size;
    unpacked_before += unpacked[i];
  }
  std::vector<std::string> diff_ids;
  for (std::size_t i = 0; i < parts.stored.size(); ++i) {
    out.layers.push_back(
        part_sizes(before, unpacked_before, parts.stored[i], i, parts.stored.size()));
    diff_ids.push_back(parts.stored[i].diff_id);
  }
  std::ranges::move(parts.notices("the layer"), std::back_inserter(out.notices));
  LayerOutcome layer = editor.take();
  out.bytes_by_pass = std::move(layer.bytes_by_pass);
  out.left_alone = std::move(layer.left_alone);
  std::ranges::move(layer.notices, std::back_inserter(out.notices));
  const std::string& digest =
      image.manifest_digest.empty() ? image.config_digest : image.manifest_digest;
  const text::Json config = split_history(
      squashed_history(slim_config(image.config, diff_ids, options, floor, digest, plan),
                       image.layers.size()),
      {parts.stored.size()});
  TRY_DO(image.verified->settle());
  TRY(out.manifest_digest, writer.commit(config, image.manifest_annotations, parts.stored));
  return out;
}

}  // namespace flense::slim
