// flense cache prune: what goes of each kind, the least recently used first.
#include <algorithm>
#include <charconv>
#include <ctime>
#include <functional>
#include <map>
#include <set>

#include "base/numbers.h"
#include "cli/cache_steps.h"
#include "launch/rootfs/kept_directory.h"
#include "report/format/table.h"

namespace flense::cli {

namespace {

using inventory::ListedEntry;
using text::Json;

/// What was asked for.
struct Choice {
  bool all = false;
  std::optional<std::int64_t> oldest;  ///< seconds since 1970: what was used before goes
  std::optional<std::uint64_t> most;   ///< bytes that may remain
  std::set<std::string, std::less<>> kinds;

  bool takes(std::string_view kind) const { return kinds.empty() || kinds.contains(kind); }
  /// A size alone is about the inventories, which have a limit without it, too.
  std::optional<std::uint64_t> limit(std::string_view kind) const {
    return kinds.contains(kind) ? most : std::nullopt;
  }
  bool goes(std::int64_t used) const { return all || (oldest && used < *oldest); }
};

Choice choice_of(const CacheRequest& request) {
  Choice out{request.all, std::nullopt, request.max_size, {}};
  if (request.older_than) out.oldest = std::time(nullptr) - *request.older_than;
  out.kinds.insert(request.kinds.begin(), request.kinds.end());
  return out;
}

/// One thing that may go.
struct Candidate {
  std::string name;
  std::uint64_t bytes = 0;
  std::int64_t used = 0;
};

struct Removed {
  std::uint64_t count = 0, bytes = 0;
  std::uint64_t in_use = 0;  ///< that should have gone
};

/// Those that age or the limit sends away, the least recently used first. `remove` says false for
/// one that is in use, which stays and counts.
Result<Removed> remove_candidates(std::vector<Candidate> candidates, const Choice& choice,
                                  std::optional<std::uint64_t> limit,
                                  const std::function<Result<bool>(const Candidate&)>& remove) {
  std::sort(candidates.begin(), candidates.end(), [](const Candidate& a, const Candidate& b) {
    return std::tie(a.used, a.name) < std::tie(b.used, b.name);
  });
  std::uint64_t total = 0;
  for (const Candidate& one : candidates) total += one.bytes;
  Removed out;
  for (const Candidate& one : candidates) {
    if (!choice.goes(one.used) && !(limit && total > *limit)) continue;
    TRY(const bool gone, remove(one));
    if (!gone) {
      ++out.in_use;
      continue;
    }
    ++out.count;
    out.bytes += one.bytes;
    total -= one.bytes;
  }
  return out;
}

Result<Removed> prune_inventories(const Choice& choice, const Caches& caches) {
  Removed out;
  if (!choice.takes("inventory")) return out;
  const auto sum = [](const std::vector<ListedEntry>& entries) {
    std::uint64_t total = 0;
    for (const ListedEntry& entry : entries) total += entry.bytes;
    return total;
  };
  const std::vector<ListedEntry> before = caches.store.list();
  for (const ListedEntry& entry : before)
    if (choice.goes(entry.used)) caches.store.remove(entry);
  caches.store.shrink(choice.all ? 0 : choice.most.value_or(caches.store.max_bytes()));
  const std::vector<ListedEntry> after = caches.store.list();
  // Others may add meanwhile.
  out.bytes = sum(before) - std::min(sum(before), sum(after));
  out.count = before.size() - std::min(before.size(), after.size());
  return out;
}

Result<Removed> prune_images(const Choice& choice, const Caches& caches) {
  if (!choice.takes("image") || caches.images.empty()) return Removed{};
  TRY(const auto images, pulled_images(caches));
  std::vector<Candidate> candidates;
  for (const image::CachedImage& image : images)
    candidates.push_back({image.layout.string(), image.bytes, pulled_at(image)});
  std::set<std::string, std::less<>> goes;
  TRY(Removed out, remove_candidates(std::move(candidates), choice, choice.limit("image"),
                                     [&](const Candidate& one) {
                                       goes.insert(one.name);
                                       return Result<bool>(true);
                                     }));
  if (goes.empty()) return Removed{};
  // Blobs that others need stay, so that what is freed may be less.
  TRY(out.bytes, image::prune_cached_images(caches.images, [&](const image::CachedImage& image) {
        return goes.contains(image.layout.string());
      }));
  return out;
}

Result<Removed> prune_roots(const Choice& choice, const Caches& caches,
                            std::set<std::string>& gone) {
  if (!choice.takes("root") || !caches.roots) return Removed{};
  std::vector<Candidate> candidates;
  for (const launch::ListedRoot& root : caches.roots->list())
    candidates.push_back({root.key, root.bytes, root.used});
  return remove_candidates(std::move(candidates), choice, choice.limit("root"),
                           [&](const Candidate& one) -> Result<bool> {
                             TRY(const bool removed, caches.roots->remove(one.name));
                             if (removed) gone.insert(one.name);
                             return removed;
                           });
}

/// Those of roots that are gone go with them.
Result<Removed> prune_libraries(const Choice& choice, const Caches& caches,
                                const std::set<std::string>& gone) {
  std::vector<Candidate> candidates, orphans;
  for (const launch::ListedPrepared& one : prepared_libraries(caches)) {
    const bool orphan = gone.contains(one.image);
    if (orphan || choice.takes("libraries"))
      (orphan ? orphans : candidates).push_back({one.key, one.bytes, one.used});
  }
  const auto remove = [&](const Candidate& one) {
    return launch::discard_directory(caches.prepared / one.name);
  };
  TRY(Removed out,
      remove_candidates(std::move(candidates), choice, choice.limit("libraries"), remove));
  Choice every;
  every.all = true;
  TRY(const Removed more, remove_candidates(std::move(orphans), every, std::nullopt, remove));
  return Removed{out.count + more.count, out.bytes + more.bytes, out.in_use + more.in_use};
}

}  // namespace

Result<std::int64_t> parse_age(const std::string& text, std::string_view option) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit(end, text.data() + text.size());
  constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
      {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};
  constexpr std::int64_t kMost = 100'000;
  for (const auto& [name, seconds] : kUnits)
    if (error == std::errc() && unit == name && count >= 0 && count <= kMost)
      return count * seconds;
  return with_context(
      Result<std::int64_t>(
          fail(Code::kUsage, "'{}' is not an age", text).hint("a number and a unit: 12h, 30d, 4w")),
      "reading {}", option);
}

Result<int> prune_caches(const CacheRequest& request, Io& io, const Caches& caches) {
  const Choice choice = choice_of(request);
  TRY(const Removed inventories, prune_inventories(choice, caches));
  TRY(const Removed images, prune_images(choice, caches));
  std::set<std::string> gone;
  TRY(const Removed roots, prune_roots(choice, caches, gone));
  TRY(const Removed libraries, prune_libraries(choice, caches, gone));
  const std::uint64_t unfinished = caches.roots ? caches.roots->clear_left_behind() : 0;
  const std::uint64_t in_use = roots.in_use + libraries.in_use;
  if (request.json) {
    std::uint64_t remaining = 0;
    for (const ListedEntry& entry : caches.store.list()) remaining += entry.bytes;
    Json out = cache_document("prune", caches);
    out.set("bytes", remaining);
    out.set("removed", inventories.count);
    out.set("removed_bytes", inventories.bytes);
    out.set("removed_images", images.count);
    out.set("removed_image_bytes", images.bytes);
    out.set("removed_roots", roots.count);
    out.set("removed_root_bytes", roots.bytes);
    out.set("removed_libraries", libraries.count);
    out.set("removed_library_bytes", libraries.bytes);
    out.set("removed_unfinished_bytes", unfinished);
    out.set("in_use", in_use);
    TRY_DO(write_text(io, text::dump_json(out, 2) + "\n"));
    return 0;
  }
  std::string out = fmt::format(
      "removed {} inventories ({}), {} images ({}), {} roots ({}) and {} sets of driver libraries "
      "({})\n",
      grouped(inventories.count), human_bytes(inventories.bytes), grouped(images.count),
      human_bytes(images.bytes), grouped(roots.count), human_bytes(roots.bytes),
      grouped(libraries.count), human_bytes(libraries.bytes));
  if (unfinished > 0)
    out += fmt::format("removed {} of roots that were never finished\n", human_bytes(unfinished));
  if (in_use > 0) out += fmt::format("{} more are in use by containers, and stay\n", in_use);
  TRY_DO(write_report(io, out));
  return 0;
}

}  // namespace flense::cli
