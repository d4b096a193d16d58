// A plan in the making: the passes claim members one after the other; the first claim stands.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "image/model/image.h"
#include "inventory/closure/reach.h"
#include "inventory/describe/inventory.h"
#include "inventory/scan/contents.h"
#include "slim/plan/options.h"
#include "slim/plan/plan.h"

namespace flense::slim {

/// What every pass may look at.
struct PassContext {
  const image::Image& image;
  const inventory::Contents& contents;
  const SlimOptions& options;
  const inventory::BuildNeeds& needs;
  bool musl = false;                        ///< the image's C library is musl
  const inventory::Reach* reach = nullptr;  ///< with --closure
};

class Draft {
 public:
  /// Nothing of the lowest `kept_layers` layers is claimed.
  Draft(const inventory::Contents& contents, std::vector<std::string> keep,
        std::size_t kept_layers = 0);

  /// False when the path is under --keep, the member is claimed already, or it speaks of the form
  /// of its layer.
  bool may_claim(image::EntryRef ref, std::string_view path) const;
  void claim(image::EntryRef ref, Edit edit);
  void withdraw(image::EntryRef ref);
  const Edit* edit_at(image::EntryRef ref) const;
  std::size_t kept_layers() const { return kept_layers_; }

  /// Names a pass for the report; bytes and files are summed from its edits.
  void describe_pass(std::string id, std::string description, bool breaks_sharing);
  void leave_alone(LeftAlone file) { left_alone_.push_back(std::move(file)); }
  void add_bolder(const std::string& rule, std::uint64_t bytes) { bolder_[rule] += bytes; }
  void raise_driver_floor() { raises_driver_floor_ = true; }
  /// Bytes of a rewrite that belong to another pass than the edit's own.
  void split(const std::string& pass, std::uint64_t bytes);

  /// Edits by layer, the passes with their totals, largest first.
  Plan finish() &&;

  std::vector<std::map<std::uint64_t, Edit>>& layers() { return layers_; }

 private:
  std::vector<std::string> keep_;
  std::size_t kept_layers_;
  std::vector<std::map<std::uint64_t, Edit>> layers_;
  std::map<std::string, PassTotal> passes_;
  struct Share {
    std::uint64_t files = 0, bytes = 0;
  };
  std::map<std::string, Share> split_;
  std::vector<LeftAlone> left_alone_;
  std::map<std::string, std::uint64_t> bolder_;
  bool raises_driver_floor_ = false;
};

// The passes, in the order in which they claim.

/// Content that no container sees: overwritten or deleted by later layers (OCI image-spec v1.1
/// layer.md). Looks across layers.
void shadowed_files_pass(const PassContext& context, Draft& draft);

/// Categories told by path: inventory/names/waste.h.
void waste_files_pass(const PassContext& context, Draft& draft);

/// Files that serve other GPUs only, told by their names: inventory/candidates/gpu_files.h.
void gpu_files_pass(const PassContext& context, Draft& draft);

/// Copies in the cache of the Hugging Face hub that its own links replace:
/// inventory/candidates/hub_cache.h.
void hub_cache_pass(const PassContext& context, Draft& draft);

/// Files that nothing reaches from the start of the image: inventory/closure/reach.h. Looks across
/// layers.
void unreachable_pass(const PassContext& context, Draft& draft);

/// Libraries of a CUDA installation that nothing loads, since packages bring their own:
/// inventory/candidates/cuda_copies.h. Looks across layers.
void cuda_copies_pass(const PassContext& context, Draft& draft);

/// Equal files of one layer: inventory/candidates/equal_files.h.
void equal_files_pass(const PassContext& context, Draft& draft);

/// Device code that no target can load, and debug sections, inside ELF files.
void device_code_pass(const PassContext& context, Draft& draft);

/// Not a pass of its own: keeps the hard links of dropped members true.
void settle_hard_links(const PassContext& context, Draft& draft);

}  // namespace flense::slim
