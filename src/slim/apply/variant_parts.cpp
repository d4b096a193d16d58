#include "slim/apply/variant_parts.h"

#include <algorithm>
#include <string_view>
#include <unordered_map>

#include "base/path.h"
#include "image/layers/layer_walk.h"
#include "slim/apply/records.h"
#include "slim/apply/split_plan.h"
#include "slim/plan/labels.h"

namespace flense::slim {

namespace {

using codec::MemberType;

/// Whether two plans make the same of a member, as far as the edits tell.
bool same_edit(const Edit* a, const Edit* b) {
  if (a == nullptr || b == nullptr) return a == b;
  return a->action == b->action && a->new_path == b->new_path && a->rewrite == b->rewrite &&
         a->bytes_after == b->bytes_after && a->place == b->place && a->whiteout == b->whiteout;
}

class LayerParter {
 public:
  LayerParter(const inventory::Contents& contents, std::uint32_t layer,
              std::vector<const LayerPlan*> plans)
      : contents_(contents),
        layer_(layer),
        listing_(contents.tree().layer(layer)),
        plans_(std::move(plans)) {
    out_.parts.assign(listing_.size(), Part::kShared);
  }

  VariantParts run() {
    add_gone();
    const bool marks_differ = find_own();
    list_members();
    if (marks_differ || !order_obstacle(members_).empty()) {
      out_.own = out_.whole = true;
      std::ranges::fill(out_.parts, Part::kOwn);
    } else {
      index_directories();
      repeat_above(kMarkerPath);
      if (!out_.own) return std::move(out_);
      groups_ = link_groups(members_);
      join_groups();
      repeat_directories();
    }
    for (std::uint32_t i = 0; i < out_.parts.size(); ++i)
      if (out_.parts[i] == Part::kOwn) out_.own_paths.insert(members_[i].path);
    return std::move(out_);
  }

 private:
  const Edit* edit(const LayerPlan& plan, std::uint32_t position) const {
    const auto found = plan.edits.find(position);
    return found == plan.edits.end() ? nullptr : &found->second;
  }

  /// What later layers hide and what goes there may differ.
  void add_gone() {
    for (const LayerPlan* one : plans_)
      for (const std::string& path : one->gone_above)
        if (!std::ranges::all_of(
                plans_, [&](const LayerPlan* other) { return other->gone_above.contains(path); }))
          out_.own_paths.insert(path);
    out_.own = !out_.own_paths.empty();
  }

  bool holds_device_code(std::uint32_t position) const {
    const inventory::ElfFacts* facts = contents_.elf({layer_, position});
    return facts != nullptr && facts->regions > 0;
  }

  /// True when a whiteout is among them: above the shared part it would hide that, too.
  bool find_own() {
    bool marks = false;
    for (const LayerPlan* plan : plans_) {
      for (const auto& [at, one] : plan->edits) {
        const auto position = static_cast<std::uint32_t>(at);
        const bool rewrites = one.action == Action::kRewrite || one.rewrite;
        const bool differs = std::ranges::any_of(plans_, [&](const LayerPlan* other) {
          return !same_edit(&one, edit(*other, position));
        });
        if (!differs && !(rewrites && holds_device_code(position))) continue;
        out_.own = true;
        out_.parts[position] = Part::kOwn;
        marks |= image::whiteout_kind(listing_.at(position).path) != image::Whiteout::kNone;
      }
    }
    return marks;
  }

  void list_members() {
    members_.reserve(listing_.size());
    for (std::size_t i = 0; i < listing_.size(); ++i) {
      const image::LayerListing::Entry entry = listing_.at(i);
      members_.push_back(
          {std::string(entry.path), std::string(entry.link), entry.type, 0, nullptr});
    }
  }

  void index_directories() {
    for (std::uint32_t i = 0; i < members_.size(); ++i) {
      if (members_[i].type == MemberType::kDirectory)
        directories_[members_[i].path].push_back(i);
      else
        files_.emplace(members_[i].path, i);
    }
  }

  void join_groups() {
    for (const LayerPlan* plan : plans_)
      for (const auto& [position, one] : plan->edits)
        if (one.action == Action::kLink)
          if (const auto target = files_.find(one.new_path); target != files_.end())
            groups_.push_back({static_cast<std::uint32_t>(position), target->second});
    const auto is_list = [&](std::uint32_t i) { return record_kind(members_[i].path).has_value(); };
    for (bool grown = true; grown;) {
      grown = false;
      for (const std::vector<std::uint32_t>& group : groups_) {
        const auto is_own = [&](std::uint32_t i) { return out_.parts[i] == Part::kOwn; };
        // What a list becomes is known last, when its other names are written.
        if (std::ranges::none_of(group, is_own) && std::ranges::none_of(group, is_list)) continue;
        if (std::ranges::all_of(group, is_own)) continue;
        for (const std::uint32_t one : group) out_.parts[one] = Part::kOwn;
        grown = true;
      }
    }
  }

  void repeat_above(std::string_view path) {
    for (std::string_view above = parent_path(path);; above = parent_path(above)) {
      if (const auto found = directories_.find(above); found != directories_.end())
        for (const std::uint32_t one : found->second)
          if (out_.parts[one] == Part::kShared) out_.parts[one] = Part::kBoth;
      if (above.empty()) return;
    }
  }

  /// Above the own members, and lists, of which only their text tells where they go.
  void repeat_directories() {
    for (std::uint32_t i = 0; i < members_.size(); ++i)
      if (out_.parts[i] == Part::kOwn ||
          (members_[i].type == MemberType::kFile && record_kind(members_[i].path)))
        repeat_above(members_[i].path);
  }

  const inventory::Contents& contents_;
  std::uint32_t layer_;
  const image::LayerListing& listing_;
  std::vector<const LayerPlan*> plans_;
  std::vector<SplitMember> members_;
  std::vector<std::vector<std::uint32_t>> groups_;
  std::unordered_map<std::string_view, std::vector<std::uint32_t>> directories_;
  std::unordered_map<std::string_view, std::uint32_t> files_;
  VariantParts out_;
};

}  // namespace

std::vector<VariantParts> part_for_variants(const inventory::Contents& contents,
                                            std::span<const Plan* const> plans) {
  std::vector<VariantParts> out;
  for (std::uint32_t layer = 0; layer < contents.tree().layer_count(); ++layer) {
    std::vector<const LayerPlan*> touching;
    for (const Plan* plan : plans)
      if (!plan->layers[layer].edits.empty()) touching.push_back(&plan->layers[layer]);
    out.push_back(touching.empty() ? VariantParts()
                                   : LayerParter(contents, layer, std::move(touching)).run());
  }
  return out;
}

}  // namespace flense::slim
