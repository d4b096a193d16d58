#include "cli/diff_steps.h"

#include <map>
#include <set>
#include <system_error>

#include "base/file.h"
#include "cli/shared/common.h"
#include "inventory/compare/saved.h"
#include "inventory/describe/inventory.h"
#include "inventory/scan/content_digests.h"
#include "inventory/scan/contents.h"
#include "needs/collect.h"

namespace flense::cli {

namespace {

constexpr std::uint64_t kMaxSaved = 256u << 20;

/// The text of TARGET where it is a JSON file.
Result<std::optional<std::string>> saved_text(const std::string& target) {
  std::error_code ignored;
  if (!std::filesystem::is_regular_file(target, ignored)) return std::optional<std::string>();
  TRY(const MappedFile file, MappedFile::open(target));
  const std::string_view text = as_text(file.bytes());
  if (!inventory::looks_like_json(text.substr(0, 64))) return std::optional<std::string>();
  if (text.size() > kMaxSaved)
    return bad_input("{}: {} bytes are more than an inventory has", target, text.size());
  return std::optional(std::string(text));
}

using inventory::ContentKey;

struct Undecided {
  std::set<ContentKey> before, after;
};

Undecided wanted(const inventory::Snapshot& before, const inventory::Snapshot& after,
                 const std::vector<std::pair<std::size_t, std::size_t>>& pairs) {
  Undecided out;
  for (const auto& [a, b] : pairs) {
    out.before.insert(inventory::key_of(before.files[a].content));
    out.after.insert(inventory::key_of(after.files[b].content));
  }
  return out;
}

Result<void> set_digests(DiffSide& side, const std::set<ContentKey>& keys,
                         const std::filesystem::path& scratch, Progress* progress) {
  TRY(const auto digests,
      with_context(inventory::content_digests(*side.image, keys, scratch, progress), "reading {}",
                   side.image->name));
  for (inventory::SnapshotFile& file : side.snapshot.files) {
    if (file.type != codec::MemberType::kFile) continue;
    if (const auto found = digests.find(inventory::key_of(file.content)); found != digests.end())
      file.digest = found->second;
  }
  return {};
}

}  // namespace

Result<DiffSide> read_diff_side(const std::string& target, const DiffReading& how, Io& io) {
  DiffSide out;
  TRY(const std::optional<std::string> text, saved_text(target));
  if (text) {
    TRY(inventory::Inventory saved, inventory::parse_inventory(*text, target));
    out.snapshot = inventory::snapshot_of_saved(std::move(saved));
    return out;
  }
  TRY(out.image, open_target(target, how.image, how.request, io));
  TRY(const auto cache, open_inventory_cache(how.request, how.image, io));
  inventory::InventoryOptions options;
  options.scan.scratch_directory = scratch_directory(how.image, io);
  options.scan.cache = cache.get();
  const auto progress = make_progress(how.request, io);
  progress->begin("reading layers", image::stored_size(*out.image));
  options.scan.progress = progress.get();
  TRY(const inventory::Contents contents,
      with_context(inventory::Contents::read(*out.image, options.scan), "reading {}",
                   out.image->name));
  TRY(inventory::Inventory inventory, inventory::describe(*out.image, contents, options));
  progress->clear();
  out.needs = needs::collect_needs(*out.image, contents, inventory);
  out.sheet = compat::requirements_of(*out.needs, how.tables);
  out.snapshot = inventory::take_snapshot(*out.image, contents, std::move(inventory));
  return out;
}

Result<void> read_undecided(DiffSide& before, DiffSide& after, const DiffReading& how, Io& io) {
  if (before.image == nullptr || after.image == nullptr) return {};
  const auto pairs = inventory::undecided(before.snapshot, after.snapshot);
  const Undecided keys = wanted(before.snapshot, after.snapshot, pairs);
  const auto progress = make_progress(how.request, io);
  progress->begin("comparing contents", 0);
  const std::filesystem::path scratch = scratch_directory(how.image, io);
  TRY_DO(set_digests(before, keys.before, scratch, progress.get()));
  TRY_DO(set_digests(after, keys.after, scratch, progress.get()));
  progress->clear();
  return {};
}

}  // namespace flense::cli
