#include "slim/candidates/equal_files.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "inventory/names/file_names.h"

namespace flense::slim {

namespace {

using Entry = image::LayerListing::Entry;

bool has_component_of(std::string_view path, std::span<const std::string_view> names) {
  while (!path.empty()) {
    const std::size_t slash = std::min(path.find('/'), path.size());
    if (std::ranges::find(names, path.substr(0, slash)) != names.end()) return true;
    path.remove_prefix(std::min(slash + 1, path.size()));
  }
  return false;
}

/// Where installations lie: programs read there. What they write must not change under two names.
bool is_installed(std::string_view path) {
  constexpr auto kWritten =
      std::to_array<std::string_view>({"etc", "var", "run", "tmp", "log", "logs", "cache", ".cache",
                                       "data", "output", "__pycache__"});
  constexpr auto kPackages = std::to_array<std::string_view>({"site-packages", "dist-packages"});
  constexpr auto kRoots = std::to_array<std::string_view>({"usr/", "opt/", "lib/", "lib64/"});
  if (path.find(".dist-info/") != std::string_view::npos ||
      path.find(".egg-info/") != std::string_view::npos || has_component_of(path, {{"conda-meta"}}))
    return false;
  // "cache" and "data" are ordinary names of modules inside of a package.
  if (has_component_of(path, kPackages))
    return path.find("/__pycache__/") == std::string_view::npos;
  return std::ranges::any_of(kRoots, [&](auto root) { return path.starts_with(root); }) &&
         !has_component_of(path, kWritten);
}

/// What pruning would make of both must be the same: its rules may go by names.
bool equal_prune(const inventory::ElfFacts* a, const inventory::ElfFacts* b) {
  if (a == nullptr || b == nullptr) return a == b;
  if (!a->prune || !b->prune) return !a->prune && !b->prune;
  const auto key = [](const inventory::PruneSummary& one) {
    return std::tie(one.bytes, one.output_size, one.removed_debug_bytes, one.left_alone);
  };
  return key(*a->prune) == key(*b->prune);
}

class LayerTwins {
 public:
  LayerTwins(const inventory::Contents& contents, std::uint32_t layer,
             const SelfChecked& self_checked, const Stays& stays, bool weights_anywhere)
      : contents_(contents),
        layer_(layer),
        self_checked_(self_checked),
        stays_(stays),
        weights_anywhere_(weights_anywhere) {}

  void collect(std::vector<EqualFile>& out) const {
    const inventory::LayerScan& scan = *contents_.scans()[layer_];
    using Key = std::tuple<std::string_view, std::uint32_t, std::uint32_t, std::uint32_t>;
    std::map<Key, std::vector<std::uint32_t>> groups;
    for (const auto& [index, hash] : scan.hashes) {
      const Entry entry = scan.listing->at(index);
      if (eligible(index, entry)) groups[{hash, entry.mode, entry.uid, entry.gid}].push_back(index);
    }
    std::vector<EqualFile> found;
    for (const auto& [key, members] : groups) add_group(scan, members, found);
    std::ranges::sort(found, {}, [](const EqualFile& file) { return file.entry.index; });
    std::ranges::move(found, std::back_inserter(out));
  }

 private:
  bool eligible(std::uint32_t index, const Entry& entry) const {
    constexpr unsigned kSpecial = 07000;
    if (entry.type != codec::MemberType::kFile || (entry.mode & kSpecial) != 0 ||
        !(is_installed(entry.path) || is_weights(index, entry)) ||
        self_checked_.contains(entry.path) || !stays_({layer_, index}, entry.path))
      return false;
    // Seen under its own name: no directory of it is a link, nothing has replaced it.
    const auto found = contents_.tree().find(entry.path);
    return found && found->entry == image::EntryRef{layer_, index};
  }

  bool is_weights(std::uint32_t index, const Entry& entry) const {
    constexpr std::uint64_t kLeast = 1U << 20;
    if (!weights_anywhere_ || entry.size < kLeast) return false;
    return inventory::is_weights_file(entry.path) ||
           contents_.scans()[layer_]->models.contains(index);
  }

  void add_group(const inventory::LayerScan& scan, const std::vector<std::uint32_t>& members,
                 std::vector<EqualFile>& out) const {
    for (std::size_t i = 1; i < members.size(); ++i) {
      const image::EntryRef target{layer_, members[0]}, entry{layer_, members[i]};
      if (!equal_prune(contents_.elf(target), contents_.elf(entry))) continue;
      const Entry file = scan.listing->at(entry.index), first = scan.listing->at(target.index);
      // Compiled Python files hold the time of their sources.
      if (file.path.ends_with(".py") && file.mtime != first.mtime) continue;
      out.push_back({entry, target, std::string(file.path), std::string(first.path),
                     scan.stored_bytes(entry.index)});
    }
  }

  const inventory::Contents& contents_;
  std::uint32_t layer_;
  const SelfChecked& self_checked_;
  const Stays& stays_;
  bool weights_anywhere_;
};

}  // namespace

std::vector<EqualFile> find_equal_files(const inventory::Contents& contents,
                                        const SelfChecked& self_checked, const Stays& stays,
                                        bool weights_anywhere) {
  std::vector<EqualFile> out;
  for (std::uint32_t layer = 0; layer < contents.scans().size(); ++layer)
    LayerTwins(contents, layer, self_checked, stays, weights_anywhere).collect(out);
  return out;
}

}  // namespace flense::slim
