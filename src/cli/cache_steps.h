// What the actions of flense cache share.
#pragma once

#include <filesystem>
#include <optional>
#include <string_view>
#include <vector>

#include "cli/shared/common.h"
#include "image/sources/skopeo.h"
#include "launch/inject/directory.h"
#include "launch/rootfs/store.h"
#include "text/json.h"

namespace flense::cli {

struct Caches {
  inventory::EntryStore store;
  std::filesystem::path images;            ///< may be empty
  std::optional<launch::RootStore> roots;  ///< nullopt: no place can be used
  std::filesystem::path prepared;          ///< driver libraries; empty without roots
};

Result<std::vector<image::CachedImage>> pulled_images(const Caches& caches);
/// Seconds since 1970.
std::int64_t pulled_at(const image::CachedImage& image);
/// The driver libraries that are prepared.
std::vector<launch::ListedPrepared> prepared_libraries(const Caches& caches);

/// The head of what --json prints (docs/schemas/cache-v1.json).
text::Json cache_document(std::string_view action, const Caches& caches);

/// What --kind takes.
constexpr std::array<std::string_view, 4> kCacheKinds = {"inventory", "image", "root", "libraries"};

/// What `prune` is asked for; ages are in seconds.
struct CacheRequest : Request {
  bool json = false, all = false;
  std::vector<std::string> kinds;
  std::optional<std::uint64_t> max_size;
  std::optional<std::int64_t> older_than;
};
void declare(Options& options, CacheRequest& request);
/// "30d": s, m, h, d, w.
Result<std::int64_t> parse_age(const std::string& word, std::string_view option);

Result<int> prune_caches(const CacheRequest& request, Io& io, const Caches& caches);

}  // namespace flense::cli
