#include "inventory/scan/contents.h"

#include <map>
#include <utility>

namespace flense::inventory {

Result<Contents> Contents::read(const image::Image& image, const ScanOptions& options) {
  TRY(LayerScans layers, scan_layers(image, options));
  return build(std::move(layers.scans), layers.origin);
}

Result<Contents> Contents::build(std::vector<std::shared_ptr<const LayerScan>> scans,
                                 const ScanOrigin& origin) {
  std::vector<std::shared_ptr<const image::LayerListing>> listings;
  listings.reserve(scans.size());
  for (const auto& scan : scans) listings.push_back(scan->listing);
  TRY(image::MergedTree tree, image::MergedTree::build(std::move(listings)));
  return Contents(std::move(scans), origin,
                  std::make_shared<const image::MergedTree>(std::move(tree)));
}

Contents Contents::by_further(std::size_t n) const {
  std::vector<std::shared_ptr<const LayerScan>> scans;
  // Equal layers stay one scan.
  std::map<const LayerScan*, std::shared_ptr<const LayerScan>> made;
  for (const auto& scan : scans_) {
    std::shared_ptr<const LayerScan>& one = made[scan.get()];
    if (one == nullptr) {
      auto copy = std::make_shared<LayerScan>(*scan);
      for (auto& [index, facts] : copy->elf)
        if (facts.prune) facts.prune = facts.further[n];
      one = std::move(copy);
    }
    scans.push_back(one);
  }
  return Contents(std::move(scans), origin_, tree_);
}

const ElfFacts* Contents::elf(image::EntryRef ref) const {
  const auto& facts = scans_[ref.layer]->elf;
  const auto at = facts.find(ref.index);
  return at == facts.end() ? nullptr : &at->second;
}

void Contents::for_each_file(const std::function<void(const VisibleFile&)>& fn) const {
  std::vector<std::vector<bool>> visited;
  visited.reserve(scans_.size());
  for (const auto& scan : scans_) visited.emplace_back(scan->listing->size(), false);
  // The callback cannot fail, so neither can the walk.
  static_cast<void>(tree_->for_each(
      [&](const std::string& path, const image::MergedTree::Found& found) -> Result<void> {
        if (!found.content) return {};
        const image::EntryRef ref = *found.content;
        const image::LayerListing::Entry entry = tree_->entry(ref);
        if (entry.type != codec::MemberType::kFile) return {};
        const bool first = !visited[ref.layer][ref.index];
        visited[ref.layer][ref.index] = true;
        fn({path, ref, entry.size, first});
        return {};
      }));
}

}  // namespace flense::inventory
