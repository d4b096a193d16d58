// The layers of an image as read, and the view a container has of them.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "image/layers/merged_tree.h"
#include "inventory/scan/scan.h"

namespace flense::inventory {

/// A path that a container sees and the content behind it.
struct VisibleFile {
  std::string_view path;
  image::EntryRef content;
  std::uint64_t size = 0;
  bool first = true;  ///< false: a further hard link to content already visited
};

class Contents {
 public:
  static Result<Contents> read(const image::Image& image, const ScanOptions& options);
  static Result<Contents> build(std::vector<std::shared_ptr<const LayerScan>> scans,
                                const ScanOrigin& origin = {});
  /// What reading by the n-th of ScanOptions::further instead of `prune` would have given.
  Contents by_further(std::size_t n) const;

  const std::vector<std::shared_ptr<const LayerScan>>& scans() const { return scans_; }
  const ScanOrigin& origin() const { return origin_; }
  const image::MergedTree& tree() const { return *tree_; }
  const LayerScan& scan(image::EntryRef ref) const { return *scans_[ref.layer]; }
  const ElfFacts* elf(image::EntryRef ref) const;

  /// Regular files in path order.
  void for_each_file(const std::function<void(const VisibleFile&)>& fn) const;

 private:
  Contents(std::vector<std::shared_ptr<const LayerScan>> scans, const ScanOrigin& origin,
           std::shared_ptr<const image::MergedTree> tree)
      : scans_(std::move(scans)), origin_(origin), tree_(std::move(tree)) {}
  std::vector<std::shared_ptr<const LayerScan>> scans_;
  ScanOrigin origin_;
  std::shared_ptr<const image::MergedTree> tree_;
};

}  // namespace flense::inventory
