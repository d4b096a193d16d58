// A plan in the making: the passes claim members one after the other; the first claim stands.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "closure/reach.h"
#include "image/model/image.h"
#include "inventory/describe/inventory.h"
#include "inventory/scan/contents.h"
#include "slim/candidates/self_checked.h"
#include "slim/candidates/vouched_files.h"
#include "slim/plan/options.h"
#include "slim/plan/plan.h"

namespace flense::slim {

/// What every pass may look at.
struct PassContext {
  const image::Image& image;
  const inventory::Contents& contents;
  const SlimOptions& options;
  const inventory::BuildNeeds& needs;
  const SelfChecked& self_checked;
  bool musl = false;                      ///< the image's C library is musl
  const closure::Reach* reach = nullptr;  ///< with --closure
};

class Draft {
 public:
  /// Nothing of the lowest `kept_layers` layers is claimed, and nothing that is vouched for.
  Draft(const inventory::Contents& contents, std::vector<std::string> keep,
        std::size_t kept_layers = 0, VouchedFiles vouched = {});

  /// False when the path is under --keep, the member is claimed already, or it speaks of the form
  /// of its layer.
  bool may_claim(image::EntryRef ref, std::string_view path) const;
  /// False when something vouches for what the edit would change: the file is left alone.
  bool claim(image::EntryRef ref, Edit edit);
  void withdraw(image::EntryRef ref);
  const Edit* edit_at(image::EntryRef ref) const;
  std::size_t kept_layers() const { return kept_layers_; }

  /// The pass depends on more than the one layer and the options.
  void breaks_sharing(Pass pass) { breaks_sharing_.insert(pass); }
  void leave_alone(LeftAlone file) { left_alone_.push_back(std::move(file)); }
  void hold_back(LeftAlone file) { held_back_.push_back(std::move(file)); }
  void add_bolder(const std::string& rule, std::uint64_t bytes) { bolder_[rule] += bytes; }
  void raise_driver_floor() { raises_driver_floor_ = true; }
  /// Edits by layer, the passes with their totals, largest first.
  Plan finish() &&;

  std::vector<std::map<std::uint64_t, Edit>>& layers() { return layers_; }

 private:
  std::vector<std::string> keep_;
  std::size_t kept_layers_;
  VouchedFiles vouched_;
  std::vector<std::map<std::uint64_t, Edit>> layers_;
  std::set<Pass> breaks_sharing_;
  std::vector<LeftAlone> left_alone_, held_back_;
  std::map<std::string, std::uint64_t> bolder_;
  bool raises_driver_floor_ = false;
};

/// Not a pass of its own: links of equal files that give next to nothing are no reason to write a
/// layer anew; where it is written anyway, they stay.
void withdraw_few_links(const PassContext& context, Draft& draft);
/// Nor this: keeps the hard links of dropped members true.
void settle_hard_links(const PassContext& context, Draft& draft);
/// Nor this: what an older layer holds under the path of a dropped member stays hidden.
void hide_older_entries(const PassContext& context, Draft& draft);

}  // namespace flense::slim
