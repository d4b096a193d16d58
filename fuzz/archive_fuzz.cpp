// A whole archive as hostile bytes: opened, every layer walked, the merged tree built and resolved.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <string>
#include <vector>

#include "image/layers/layer_walk.h"
#include "image/layers/merged_tree.h"
#include "image/model/image.h"

namespace {

using namespace flense;

Result<std::shared_ptr<const image::LayerListing>> list(const image::Image& image,
                                                        std::size_t index, bool verify) {
  auto listing = std::make_shared<image::LayerListing>();
  image::WalkOptions options;
  options.verify_digests = verify;
  options.max_unpacked_bytes = 1u << 22;
  TRY_DO(image::walk_layer(image, index, options,
                           [&](const image::LayerEntry& entry, image::EntryContent* content,
                               codec::TarReader*) -> Result<void> {
                             TRY_DO(listing->add(entry));
                             if (content == nullptr || content->size() > (1u << 20)) return {};
                             TRY_DO(content->peek(16));
                             TRY_DO(content->materialise());
                             return {};
                           }));
  return std::shared_ptr<const image::LayerListing>(std::move(listing));
}

Result<void> merge(std::vector<std::shared_ptr<const image::LayerListing>> listings) {
  TRY(const image::MergedTree tree, image::MergedTree::build(std::move(listings)));
  std::uint64_t live = 0;
  TRY_DO(tree.for_each(
      [&](const std::string& path, const image::MergedTree::Found& found) -> Result<void> {
        ++live;
        (void)tree.resolve(path);
        // A live path's own entry is never shadowed.
        if (found.entry && tree.shadow(*found.entry).state != image::EntryState::kLive) {
          std::abort();
        }
        return {};
      }));
  if (live != tree.live_count()) std::abort();
  return {};
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  const Bytes bytes = std::as_bytes(std::span(data, size));
  const auto image = image::open_archive_bytes(bytes, "input", "", {});
  if (!image) return 0;
  std::vector<std::shared_ptr<const image::LayerListing>> listings;
  for (std::size_t i = 0; i < (*image)->layers.size() && i < 16; ++i) {
    // Mutated layers rarely keep their digests; the walk itself is the subject.
    auto listing = list(**image, i, false);
    if (listing) listings.push_back(std::move(*listing));
  }
  (void)merge(std::move(listings));
  return 0;
}
