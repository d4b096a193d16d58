// flense cache: what flense keeps to answer faster, and getting rid of it.
#include <algorithm>
#include <array>
#include <map>

#include "base/clock.h"
#include "base/printable.h"
#include "base/version.h"
#include "cli/cache_steps.h"
#include "cli/shared/command.h"
#include "cli/shared/root_places.h"
#include "launch/rootfs/kept_directory.h"
#include "needs/cache.h"
#include "report/format/table.h"

namespace flense::cli {

namespace {

using inventory::ListedEntry;
using text::Json;

constexpr std::string_view kCacheSchema = "flense/cache/v1";

constexpr std::string_view kCacheHelp = R"(Keeps four things that can be had again:
  inventories     what reading a layer or an image has yielded, by digest; at most
                  $FLENSE_CACHE_MAX (default 1GiB), the least recently used go first
  images          pulled from registries and Podman's storage, until they are pruned
  roots           unpacked for flense run, until they are pruned; what a container uses stays
  libraries       of drivers, fitted to a root; they go with it, or when they are pruned

ACTION is one of
  ls              lists them, the most recently used first
  prune           removes the least recently used inventories until the rest fits, and what killed
                  runs left; with --kind the least recently used of other kinds
  verify          reads everything and says what is damaged

Inventories and roots lie in $FLENSE_CACHE, else in $SLURM_TMPDIR, else in $XDG_CACHE_HOME/flense or
~/.cache/flense; when that is on a network file system, $TMPDIR comes before it. Images never go to
$SLURM_TMPDIR or $TMPDIR. Any number of processes and machines may share a cache: there are no locks
but on roots and libraries, which are of one machine.

Exit status: 0 fine, 1 something is damaged (verify), 2 wrong usage, 4 environment.

Examples:
  flense cache ls
  flense cache prune --older-than 30d
  flense cache prune --max-size 200MiB
  flense cache prune --kind root --max-size 50GiB
  flense cache prune --all)";

constexpr std::array<std::string_view, 3> kCacheActions = {"ls", "prune", "verify"};

/// An inventory or a pulled image.
struct CacheRow {
  std::string kind, name, what;
  std::uint64_t bytes = 0;
  std::int64_t used = 0;  ///< of images: when they were pulled
};

Result<Caches> open_caches(const Io& io) {
  TRY(OpenedStore opened, open_entry_store(io));
  if (!opened.store)
    return fail(Code::kEnvironment, "there is no cache: {}",
                opened.complaints.empty() ? "neither FLENSE_CACHE nor HOME is set"
                                          : fmt::format("{}", fmt::join(opened.complaints, "; ")));
  Caches out{std::move(*opened.store), places_of(io).images, std::nullopt, {}};
  if (auto roots = open_root_store(io)) {
    out.roots = std::move(roots->store);
    out.prepared = std::move(roots->prepared);
  }
  return out;
}

/// Unpacked roots, the driver libraries fitted to them, and what killed runs left.
void add_roots(const Caches& caches, std::vector<CacheRow>& rows) {
  if (!caches.roots) return;
  std::map<std::string, std::string> labels;
  for (const launch::ListedRoot& root : caches.roots->list()) {
    rows.push_back({"root", root.key, root.label, root.bytes, root.used});
    labels[root.key] = root.label;
  }
  for (const launch::ListedPrepared& one : prepared_libraries(caches)) {
    const auto label = labels.find(one.image);
    rows.push_back({"libraries", one.key,
                    one.image.empty()       ? "damaged"
                    : label == labels.end() ? "driver libraries for a root that is not kept here"
                                            : "driver libraries for " + label->second,
                    one.bytes, one.used});
  }
  for (const launch::LeftBehind& one : launch::left_behind(caches.roots->directory()))
    rows.push_back({"unfinished", one.key, one.path.string(), one.bytes, one.used});
}

struct Count {
  std::uint64_t entries = 0, bytes = 0;
};

/// By kind, the inventories as one.
std::map<std::string, Count> count_rows(const std::vector<CacheRow>& rows) {
  std::map<std::string, Count> out;
  for (const CacheRow& row : rows) {
    const bool other = row.kind == "image" || row.kind == "root" || row.kind == "libraries" ||
                       row.kind == "unfinished";
    Count& count = out[other ? row.kind : "inventory"];
    ++count.entries;
    count.bytes += row.bytes;
  }
  return out;
}

std::string counted(const std::map<std::string, Count>& counts) {
  constexpr std::pair<const char*, const char*> kWords[] = {
      {"image", "images"},
      {"root", "roots"},
      {"libraries", "sets of driver libraries"},
      {"unfinished", "roots that were never finished"}};
  std::string out;
  for (const auto& [kind, words] : kWords)
    if (const auto at = counts.find(kind); at != counts.end())
      out += fmt::format("{} {}, {}\n", grouped(at->second.entries), words,
                         human_bytes(at->second.bytes));
  return out;
}

Result<void> print(Io& io, const Json& json) {
  return write_text(io, text::dump_json(json, 2) + "\n");
}

Result<int> list_entries(const CacheRequest& request, Io& io, const Caches& caches) {
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
  add_roots(caches, rows);
  std::sort(rows.begin(), rows.end(), [](const CacheRow& a, const CacheRow& b) {
    return std::tie(b.used, a.what, a.kind, a.name) < std::tie(a.used, b.what, b.kind, b.name);
  });
  const std::map<std::string, Count> counts = count_rows(rows);
  if (request.json) {
    Json out = cache_document("ls", caches);
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
    Json kinds = Json::object();
    for (const auto& [kind, count] : counts) {
      Json one = Json::object();
      one.set("entries", count.entries);
      one.set("bytes", count.bytes);
      kinds.set(kind, std::move(one));
    }
    out.set("kinds", std::move(kinds));
    TRY_DO(print(io, out));
    return 0;
  }
  const report::Style style = output_style(request, io);
  report::Table table({{"KIND", report::Align::kLeft, report::Column::Flex::kNone},
                       {"SIZE", report::Align::kRight, report::Column::Flex::kNone},
                       {"LAST USE", report::Align::kLeft, report::Column::Flex::kNone},
                       {"WHAT", report::Align::kLeft, report::Column::Flex::kWrap}});
  std::size_t files = 0;
  for (const CacheRow& row : rows) {
    // Thousands of marks that a file was hashed say little.
    const bool mark = row.kind == inventory::kFileKind && !request.verbose;
    files += mark ? 1 : 0;
    if (!mark)
      table.add({row.kind, human_bytes(row.bytes), utc_time(row.used).substr(0, 16), row.what});
  }
  std::string out = fmt::format("{}: {} inventories, {} of at most {}\n",
                                printable(caches.store.directory().string()), grouped(inventories),
                                human_bytes(bytes), human_bytes(caches.store.max_bytes()));
  out += counted(counts);
  if (!table.empty()) out += "\n" + table.text(style);
  if (files > 0) out += fmt::format("\nand {} marks of files that were hashed (-v)\n", files);
  TRY_DO(write_report(io, out));
  return 0;
}

Result<int> verify(const CacheRequest& request, Io& io, const Caches& caches) {
  std::vector<std::string> damaged;
  const std::vector<ListedEntry> entries = caches.store.list();
  for (const ListedEntry& entry : entries) {
    const auto stored = caches.store.peek(entry);
    if (!stored || !needs::is_sound(*stored)) damaged.push_back(entry.name);
  }
  std::vector<std::string> blobs;
  if (!caches.images.empty()) {
    TRY(blobs, image::verify_cached_blobs(caches.images));
  }
  std::vector<std::string> roots;
  std::size_t root_count = 0;
  if (caches.roots) {
    const std::unique_ptr<Progress> progress = make_progress(request, io);
    progress->begin("reading unpacked roots", 0);
    for (const launch::ListedRoot& root : caches.roots->list()) {
      ++root_count;
      const auto verified = caches.roots->verify(root.key, *progress);
      if (verified) continue;
      if (verified.error().code == Code::kInterrupted) return std::unexpected(verified.error());
      roots.push_back(fmt::format("{} ({}): {}", root.key, root.label, verified.error().message));
    }
  }
  std::vector<std::string> libraries;
  const std::vector<launch::ListedPrepared> prepared = prepared_libraries(caches);
  for (const launch::ListedPrepared& one : prepared)
    if (const auto verified = launch::verify_prepared(caches.prepared / one.key); !verified)
      libraries.push_back(fmt::format("{}: {}", one.key, verified.error().message));
  const int status = damaged.empty() && blobs.empty() && roots.empty() && libraries.empty() ? 0 : 1;
  if (request.json) {
    Json out = cache_document("verify", caches);
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
    out.set("checked_libraries", std::uint64_t{prepared.size()});
    out.set("damaged_libraries", texts(libraries));
    TRY_DO(print(io, out));
    return status;
  }
  std::string out;
  for (const std::string& name : damaged)
    out += fmt::format("damaged inventory: {} (rebuilt at the next use)\n", name);
  for (const std::string& digest : blobs)
    out += fmt::format("damaged blob of a pulled image: {} (flense cache prune --all drops it)\n",
                       digest);
  for (const std::string& root : roots)
    out += fmt::format("damaged root {} (flense cache prune --all drops it)\n", printable(root));
  for (const std::string& one : libraries)
    out += fmt::format("damaged driver libraries {} (flense cache prune --all drops them)\n",
                       printable(one));
  out += fmt::format(
      "{} inventories checked, {} damaged; {} blobs damaged; {} roots checked, {} damaged; {} sets "
      "of driver libraries checked, {} damaged\n",
      grouped(entries.size()), grouped(damaged.size()), grouped(blobs.size()), grouped(root_count),
      grouped(roots.size()), grouped(prepared.size()), grouped(libraries.size()));
  TRY_DO(write_report(io, out));
  return status;
}

Result<int> run_cache(const CacheRequest& request, Io& io) {
  const std::string& action = request.words.front();
  if (std::find(kCacheActions.begin(), kCacheActions.end(), action) == kCacheActions.end())
    return fail(Code::kUsage, "cache has no action '{}'", action).hint("ls, prune or verify");
  const std::string_view of_prune = request.all              ? "--all"
                                    : !request.kinds.empty() ? "--kind"
                                    : request.max_size       ? "--max-size"
                                    : request.older_than     ? "--older-than"
                                                             : "";
  if (!of_prune.empty() && action != "prune")
    return fail(Code::kUsage, "{} belongs to cache prune", of_prune);
  TRY(const Caches caches, open_caches(io));
  if (action == "ls") return list_entries(request, io, caches);
  return action == "prune" ? prune_caches(request, io, caches) : verify(request, io, caches);
}

}  // namespace

void declare(Options& options, CacheRequest& request) {
  options.flag("--json", "print JSON (schema flense/cache/v1)", request.json);
  options.flag("--all", "prune: everything, pulled images and roots too", request.all);
  options.add("--kind", "KIND", "prune: only inventory, image, root or libraries", request.kinds)
      .one_of(kCacheKinds);
  options.add("--max-size", "SIZE", "prune: what may remain of the inventories, or of each --kind",
              request.max_size, parse_size_of);
  options.add("--older-than", "AGE", "prune: also what was not used for so long: 12h, 30d, 4w",
              request.older_than, parse_age);
}

Result<std::vector<image::CachedImage>> pulled_images(const Caches& caches) {
  if (caches.images.empty()) return std::vector<image::CachedImage>();
  return image::list_cached_images(caches.images);
}

std::int64_t pulled_at(const image::CachedImage& image) {
  const auto identity = file_identity(image.layout);
  return identity ? identity->modified / 1'000'000'000 : 0;
}

std::vector<launch::ListedPrepared> prepared_libraries(const Caches& caches) {
  if (caches.prepared.empty()) return {};
  return launch::list_prepared(caches.prepared);
}

Json cache_document(std::string_view action, const Caches& caches) {
  Json out = Json::object();
  out.set("schema", kCacheSchema);
  out.set("flense", kVersion);
  out.set("action", action);
  out.set("directory", caches.store.directory().string());
  out.set("max_bytes", caches.store.max_bytes());
  return out;
}

const Command& cache_command() {
  static const Command kCommand{
      .name = "cache",
      .group = "Other",
      .summary = "list, prune or verify what flense keeps to answer faster",
      .positionals = "ACTION",
      .min_positionals = 1,
      .max_positionals = 1,
      .help = kCacheHelp,
      .words = kCacheActions,
      .call = [] { return call_of(run_cache); }};
  return kCommand;
}

}  // namespace flense::cli
