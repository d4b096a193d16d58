#include "inventory/scan/content_digests.h"

#include <algorithm>
#include <mutex>
#include <vector>

#include "base/parallel.h"
#include "codec/sha256.h"
#include "image/layers/layer_walk.h"

namespace flense::inventory {

namespace {

constexpr unsigned kLayersAtOnce = 2;  ///< as in scanning: each walk has threads of its own

}  // namespace

Result<std::map<ContentKey, std::string>> content_digests(const image::Image& image,
                                                          const std::set<ContentKey>& wanted,
                                                          const std::filesystem::path& scratch,
                                                          Progress* progress) {
  std::set<std::uint32_t> touched;
  for (const ContentKey& key : wanted) touched.insert(key.first);
  const std::vector<std::uint32_t> layers(touched.begin(), touched.end());
  std::map<ContentKey, std::string> out;
  std::mutex mutex;
  const auto read_layer = [&](std::size_t turn) -> Result<void> {
    const std::uint32_t layer = layers[turn];
    image::WalkOptions walk;
    walk.scratch_directory = scratch;
    walk.verify_digests = false;  // the first reading did
    walk.progress = progress;
    std::uint32_t index = 0;
    TRY_DO(image::walk_layer(image, layer, walk,
                             [&](const image::LayerEntry&, image::EntryContent* content,
                                 codec::TarReader*) -> Result<void> {
                               const ContentKey key{layer, index++};
                               if (content == nullptr || !wanted.contains(key)) return {};
                               NullSink nowhere;
                               codec::HashingSink hash(nowhere);
                               TRY_DO(copy_all(content->stream(), hash));
                               const std::lock_guard lock(mutex);
                               out.emplace(key, hash.digest());
                               return {};
                             }));
    return {};
  };
  TRY_DO(parallel_for(layers.size(), std::min(processor_count(), kLayersAtOnce), read_layer));
  return out;
}

}  // namespace flense::inventory
