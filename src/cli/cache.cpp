// flense cache: what flense keeps to answer faster, and getting rid of it.
#include <algorithm>
#include <array>
#include <charconv>
#include <ctime>

#include "base/clock.h"
#include "base/version.h"
#include "cli/command.h"
#include "cli/common.h"
#include "cli/root_places.h"
#include "image/skopeo.h"
#include "inventory/budget.h"
#include "report/table.h"

namespace flense::cli {

namespace {

using inventory::EntryStore;
using inventory::ListedEntry;
using text::Json;

constexpr std::string_view kCacheSchema = "flense/cache/v1";

constexpr std::string_view kCacheHelp = R"(Keeps three things that can be had again:
  inventories     what reading a layer or an image has yielded, by digest; at most
                  $FLENSE_CACHE_MAX (default 1GiB), the least recently used go first
  images          pulled from registries and Podman's storage, until they are pruned
  roots           unpacked for flense run, until they are pruned; what a container uses stays

ACTION is one of
  ls              lists them, the most recently used first
  prune           removes the least recently used inventories until the rest fits
  verify          reads everything and says what is damaged

Inventories and roots lie in $FLENSE_CACHE, else in $SLURM_TMPDIR, else in $XDG_CACHE_HOME/flense or
~/.cache/flense; when that is on a network file system, $TMPDIR comes before it. Images never go to
$SLURM_TMPDIR or $TMPDIR. Any number of processes and machines may share a cache: there are no locks.

Exit status: 0 fine, 1 something is damaged (verify), 2 wrong usage, 4 environment.

Examples:
  flense cache ls
  flense cache prune --older-than 30d
  flense cache prune --max-size 200MiB
  flense cache prune --all)";

constexpr std::array<std::string_view, 3> kCacheActions = {"ls", "prune", "verify"};

/// An inventory or a pulled image.
struct CacheRow {
  std::string kind, name, what;
  std::uint64_t bytes = 0;
  std::int64_t used = 0;  ///< of images: when they were pulled
};

struct Caches {
  EntryStore store;
  std::filesystem::path images;            ///< may be empty
  std::optional<launch::RootStore> roots;  ///< nullopt: no place can be used
};

Result<Caches> open_caches(const Io& io) {
  TRY(OpenedStore opened, open_entry_store(io));
  if (!opened.store)
    return fail(Code::kEnvironment, "there is no cache: {}",
                opened.complaints.empty() ? "neither FLENSE_CACHE nor HOME is set"
                                          : fmt::format("{}", fmt::join(opened.complaints, "; ")));
  Caches out{std::move(*opened.store), places_of(io).images, std::nullopt};
  if (auto roots = open_root_store(io)) out.roots = std::move(roots->store);
  return out;
}

std::int64_t pulled_at(const image::CachedImage& image) {
  const auto identity = file_identity(image.layout);
  return identity ? identity->modified / 1'000'000'000 : 0;
}

Result<std::vector<image::CachedImage>> pulled_images(const Caches& caches) {
  if (caches.images.empty()) return std::vector<image::CachedImage>();
  return image::list_cached_images(caches.images);
}

/// "30d": s, m, h, d, w.
Result<std::int64_t> parse_age(std::string_view text) {
  std::int64_t count = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), count);
  const std::string_view unit = text.substr(static_cast<std::size_t>(end - text.data()));
  constexpr std::pair<std::string_view, std::int64_t> kUnits[] = {
      {"s", 1}, {"m", 60}, {"h", 3600}, {"d", 86400}, {"w", 604800}};
  constexpr std::int64_t kMost = 100'000;
  for (const auto& [name, seconds] : kUnits)
    if (error == std::errc() && unit == name && count >= 0 && count <= kMost)
      return count * seconds;
  return with_hint(Result<std::int64_t>(fail(Code::kUsage, "'{}' is not an age", text)),
                   "a number and a unit: 12h, 30d, 4w");
}

Json document(std::string_view action, const Caches& caches) {
  Json out = Json::object();
  out.set("schema", kCacheSchema);
  out.set("flense", kVersion);
  out.set("action", action);
  out.set("directory", caches.store.directory().string());
  out.set("max_bytes", caches.store.max_bytes());
  return out;
}

Result<void> print(Io& io, const Json& json) {
  return write_text(io, text::dump_json(json, 2) + "\n");
}

Result<int> list_entries(const ParsedArgs& args, Io& io, const Caches& caches) {
  std::vector<CacheRow> rows;
  std::uint64_t bytes = 0;
  for (const ListedEntry& entry : caches.store.list()) {
    const auto head = caches.store.peek_head(entry);
    rows.push_back(
        {entry.kind, entry.key, head ? head->label : "damaged", entry.bytes, entry.used});
    bytes += entry.bytes;
  }
  const std::size_t inventories = rows.size();
  TRY(const auto images, pulled_images(caches));
  for (const image::CachedImage& image : images)
    rows.push_back(
        {"image", image.manifest_digest, image.layout.string(), image.bytes, pulled_at(image)});
  if (caches.roots)
    for (const launch::ListedRoot& root : caches.roots->list())
      rows.push_back({"root", root.key, root.label, root.bytes, root.used});
  std::sort(rows.begin(), rows.end(), [](const CacheRow& a, const CacheRow& b) {
    return std::tie(b.used, a.what, a.kind, a.name) < std::tie(a.used, b.what, b.kind, b.name);
  });
  if (args.has("--json")) {
    Json out = document("ls", caches);
    out.set("bytes", bytes);
    Json list = Json::array();
    for (const CacheRow& row : rows) {
      Json item = Json::object();
      item.set("kind", row.kind);
      item.set("name", row.name);
      item.set("what", row.what);
      item.set("bytes", row.bytes);
      item.set("used", utc_time(row.used));
      list.push(std::move(item));
    }
    out.set("entries", std::move(list));
    TRY_DO(print(io, out));
    return 0;
  }
  const report::Style style = output_style(args, io);
  report::Table table({{"KIND", report::Align::kLeft, report::Column::Flex::kNone},
                       {"SIZE", report::Align::kRight, report::Column::Flex::kNone},
                       {"LAST USE", report::Align::kLeft, report::Column::Flex::kNone},
                       {"WHAT", report::Align::kLeft, report::Column::Flex::kEnd}});
  std::size_t files = 0;
  for (const CacheRow& row : rows) {
    // Thousands of marks that a file was hashed say little.
    const bool mark = row.kind == inventory::kFileKind && !args.has("--verbose");
    files += mark ? 1 : 0;
    if (!mark)
      table.add({row.kind, human_bytes(row.bytes), utc_time(row.used).substr(0, 16), row.what});
  }
  std::string out =
      fmt::format("{}: {} inventories, {} of at most {}\n",
                  report::printable(caches.store.directory().string()), grouped(inventories),
                  human_bytes(bytes), human_bytes(caches.store.max_bytes()));
  if (!table.empty()) out += "\n" + table.text(style);
  if (files > 0) out += fmt::format("\nand {} marks of files that were hashed (-v)\n", files);
  TRY_DO(write_text(io, out));
  return 0;
}

Result<int> prune(const ParsedArgs& args, Io& io, const Caches& caches) {
  std::uint64_t most = caches.store.max_bytes();
  if (args.has("--max-size")) {
    TRY(most, with_context(inventory::parse_size(args.value("--max-size")), "reading --max-size"));
  }
  const bool all = args.has("--all");
  const bool by_age = args.has("--older-than");
  std::int64_t oldest = 0;
  if (by_age) {
    TRY(const std::int64_t age,
        with_context(parse_age(args.value("--older-than")), "reading --older-than"));
    oldest = std::time(nullptr) - age;
  }
  const auto goes = [&](std::int64_t used) { return all || (by_age && used < oldest); };

  const std::vector<ListedEntry> before = caches.store.list();
  for (const ListedEntry& entry : before)
    if (goes(entry.used)) caches.store.remove(entry);
  caches.store.shrink(all ? 0 : most);
  const std::vector<ListedEntry> after = caches.store.list();
  const auto sum = [](const std::vector<ListedEntry>& entries) {
    std::uint64_t total = 0;
    for (const ListedEntry& entry : entries) total += entry.bytes;
    return total;
  };
  // Others may add meanwhile.
  const std::uint64_t freed = sum(before) - std::min(sum(before), sum(after));
  const std::size_t removed = before.size() - std::min(before.size(), after.size());

  std::uint64_t image_bytes = 0, images = 0;
  if ((all || by_age) && !caches.images.empty()) {
    TRY(image_bytes,
        image::prune_cached_images(caches.images, [&](const image::CachedImage& image) {
          const bool drop = goes(pulled_at(image));
          images += drop ? 1 : 0;
          return drop;
        }));
  }
  std::uint64_t root_bytes = 0, roots = 0;
  if ((all || by_age) && caches.roots)
    for (const launch::ListedRoot& root : caches.roots->list())
      // One that a container uses stays.
      if (goes(root.used) && caches.roots->remove(root.key)) {
        root_bytes += root.bytes;
        ++roots;
      }
  if (args.has("--json")) {
    Json out = document("prune", caches);
    out.set("bytes", sum(after));
    out.set("removed", std::uint64_t{removed});
    out.set("removed_bytes", freed);
    out.set("removed_images", images);
    out.set("removed_image_bytes", image_bytes);
    out.set("removed_roots", roots);
    out.set("removed_root_bytes", root_bytes);
    TRY_DO(print(io, out));
    return 0;
  }
  TRY_DO(write_text(
      io, fmt::format("removed {} inventories ({}), {} images ({}) and {} roots ({})\n",
                      grouped(removed), human_bytes(freed), grouped(images),
                      human_bytes(image_bytes), grouped(roots), human_bytes(root_bytes))));
  return 0;
}

Result<int> verify(const ParsedArgs& args, Io& io, const Caches& caches) {
  std::vector<std::string> damaged;
  const std::vector<ListedEntry> entries = caches.store.list();
  for (const ListedEntry& entry : entries) {
    const auto stored = caches.store.peek(entry);
    if (!stored || !inventory::is_sound(*stored)) damaged.push_back(entry.name);
  }
  std::vector<std::string> blobs;
  if (!caches.images.empty()) {
    TRY(blobs, image::verify_cached_blobs(caches.images));
  }
  std::vector<std::string> roots;
  std::size_t root_count = 0;
  if (caches.roots) {
    const std::unique_ptr<Progress> progress = make_progress(args, io);
    progress->begin("reading unpacked roots", 0);
    for (const launch::ListedRoot& root : caches.roots->list()) {
      ++root_count;
      const auto verified = caches.roots->verify(root.key, *progress);
      if (verified) continue;
      if (verified.error().code == Code::kInterrupted) return std::unexpected(verified.error());
      roots.push_back(fmt::format("{} ({}): {}", root.key, root.label, verified.error().message));
    }
  }
  const int status = damaged.empty() && blobs.empty() && roots.empty() ? 0 : 1;
  if (args.has("--json")) {
    Json out = document("verify", caches);
    out.set("checked", std::uint64_t{entries.size()});
    const auto texts = [](const std::vector<std::string>& items) {
      Json list = Json::array();
      for (const std::string& item : items) list.push(item);
      return list;
    };
    out.set("damaged", texts(damaged));
    out.set("damaged_blobs", texts(blobs));
    out.set("checked_roots", std::uint64_t{root_count});
    out.set("damaged_roots", texts(roots));
    TRY_DO(print(io, out));
    return status;
  }
  std::string out;
  for (const std::string& name : damaged)
    out += fmt::format("damaged inventory: {} (made anew at the next use)\n", name);
  for (const std::string& digest : blobs)
    out += fmt::format("damaged blob of a pulled image: {} (flense cache prune --all drops it)\n",
                       digest);
  for (const std::string& root : roots)
    out += fmt::format("damaged root {} (flense cache prune --all drops it)\n",
                       report::printable(root));
  out += fmt::format(
      "{} inventories checked, {} damaged; {} blobs damaged; {} roots checked, {} damaged\n",
      grouped(entries.size()), grouped(damaged.size()), grouped(blobs.size()), grouped(root_count),
      grouped(roots.size()));
  TRY_DO(write_text(io, out));
  return status;
}

Result<int> cache(const ParsedArgs& args, Io& io) {
  const std::string& action = args.positionals().front();
  if (std::find(kCacheActions.begin(), kCacheActions.end(), action) == kCacheActions.end())
    return with_hint(Result<int>(fail(Code::kUsage, "cache has no action '{}'", action)),
                     "ls, prune or verify");
  for (const std::string_view option : {"--all", "--max-size", "--older-than"})
    if (args.has(option) && action != "prune")
      return fail(Code::kUsage, "{} belongs to cache prune", option);
  TRY(const Caches caches, open_caches(io));
  if (action == "ls") return list_entries(args, io, caches);
  return action == "prune" ? prune(args, io, caches) : verify(args, io, caches);
}

}  // namespace

const Command& cache_command() {
  static const std::array<OptionSpec, 4> kOptions = {
      OptionSpec{"--json", "", "", "print JSON (schema flense/cache/v1)"},
      OptionSpec{"--all", "", "", "prune: everything, pulled images and roots too"},
      OptionSpec{"--max-size", "", "SIZE", "prune: what may remain of the inventories"},
      OptionSpec{"--older-than", "", "AGE",
                 "prune: also what was not used for so long: 12h, 30d, 4w"}};
  static const Command kCommand{
      "cache",  "Other",    "list, prune or verify what flense keeps to answer faster",
      "ACTION", 1,          1,
      kOptions, kCacheHelp, kCacheActions,
      cache};
  return kCommand;
}

}  // namespace flense::cli
