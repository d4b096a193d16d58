#include "inventory/equal_files.h"

#include <algorithm>
#include <array>
#include <map>
#include <optional>
#include <set>
#include <tuple>
#include <utility>

#include "base/parallel.h"
#include "base/path.h"
#include "codec/sha256.h"
#include "image/layers/layer_walk.h"

namespace flense::inventory {

namespace {

using Entry = image::LayerListing::Entry;

/// Members that may be equal: the same size and the same beginning as another one's.
std::set<std::uint32_t> candidates(const LayerScan& scan) {
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::vector<std::uint32_t>> groups;
  for (const auto& [index, head] : scan.heads)
    // A sparse file may show a terabyte of zeros.
    if (!scan.stored.contains(index)) groups[{scan.listing->at(index).size, head}].push_back(index);
  std::set<std::uint32_t> out;
  std::uint64_t gain = 0;
  for (const auto& [key, members] : groups) {
    if (members.size() < 2) continue;
    gain += key.first * (members.size() - 1);
    out.insert(members.begin(), members.end());
  }
  constexpr std::uint64_t kWorthTheSecondLook = 1000;
  if (gain < scan.unpacked_bytes / kWorthTheSecondLook) out.clear();
  return out;
}

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
bool equal_prune(const ElfFacts* a, const ElfFacts* b) {
  if (a == nullptr || b == nullptr) return a == b;
  if (!a->prune || !b->prune) return !a->prune && !b->prune;
  const auto key = [](const PruneSummary& one) {
    return std::tie(one.bytes, one.output_size, one.removed_debug_bytes, one.left_alone);
  };
  return key(*a->prune) == key(*b->prune);
}

class LayerTwins {
 public:
  LayerTwins(const Contents& contents, std::uint32_t layer, const SelfChecked& self_checked,
             const Stays& stays)
      : contents_(contents), layer_(layer), self_checked_(self_checked), stays_(stays) {}

  void collect(std::vector<EqualFile>& out) const {
    const LayerScan& scan = *contents_.scans()[layer_];
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
        !is_installed(entry.path) || self_checked_.contains(entry.path) ||
        !stays_({layer_, index}, entry.path))
      return false;
    // Seen under its own name: no directory of it is a link, nothing has replaced it.
    const auto found = contents_.tree().find(entry.path);
    return found && found->entry == image::EntryRef{layer_, index};
  }

  void add_group(const LayerScan& scan, const std::vector<std::uint32_t>& members,
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

  const Contents& contents_;
  std::uint32_t layer_;
  const SelfChecked& self_checked_;
  const Stays& stays_;
};

using MembersByHash = std::map<std::string, std::vector<std::uint32_t>>;

Result<void> hash_members(const image::Image& image, std::size_t layer, const ScanOptions& options,
                          const LayerScan& scan, const std::set<std::uint32_t>& wanted,
                          MembersByHash& by_hash) {
  if (wanted.empty()) return {};
  image::WalkOptions walk;
  walk.scratch_directory = options.scratch_directory;
  walk.verify_digests = false;
  std::uint32_t index = 0;
  TRY_DO(image::walk_layer(
      image, layer, walk,
      [&](const image::LayerEntry& entry, image::EntryContent* content,
          codec::TarReader*) -> Result<void> {
        const std::uint32_t at = index++;
        if (content == nullptr || !wanted.contains(at) || !may_have_equals(entry)) return {};
        if (at >= scan.listing->size() || scan.listing->at(at).path != entry.path)
          return bad_input("member {} is {} now: the input changed while it was read", at,
                           entry.path);
        codec::Sha256 hash;
        while (true) {
          TRY(const Bytes bytes, content->stream().next(1U << 20));
          if (bytes.empty()) break;
          hash.update(bytes);
        }
        by_hash[hash.hex()].push_back(at);
        return {};
      }));
  return {};
}

Result<void> hash_in_place(const MembersSeen& seen, const std::set<std::uint32_t>& wanted,
                           unsigned workers, MembersByHash& by_hash) {
  std::vector<std::uint32_t> members;
  std::ranges::copy_if(wanted, std::back_inserter(members),
                       [&](std::uint32_t member) { return seen.bytes.contains(member); });
  std::vector<std::string> digests(members.size());
  TRY_DO(parallel_for(members.size(), workers, [&](std::size_t at) -> Result<void> {
    codec::Sha256 hash;
    hash.update(seen.bytes.at(members[at]));
    digests[at] = hash.hex();
    return {};
  }));
  for (std::size_t at = 0; at < members.size(); ++at) by_hash[digests[at]].push_back(members[at]);
  return {};
}

}  // namespace

std::uint64_t fingerprint(Bytes head) {
  codec::Sha256 hash;
  hash.update(head);
  std::uint64_t out = 0;
  for (const char c : hash.hex().substr(0, 16))
    out = out * 16 + static_cast<std::uint64_t>(c <= '9' ? c - '0' : c - 'a' + 10);
  return out;
}

bool may_have_equals(const image::LayerEntry& entry) {
  return entry.member.xattrs.empty() && !entry.member.sparse;
}

Result<void> hash_equal_files(const image::Image& image, std::size_t layer,
                              const ScanOptions& options, const MembersSeen& seen,
                              LayerScan& scan) {
  MembersByHash by_hash;
  std::set<std::uint32_t> wanted;
  for (const std::uint32_t member : candidates(scan)) {
    if (const auto digest = seen.digests.find(member); digest != seen.digests.end())
      by_hash[digest->second].push_back(member);
    else
      wanted.insert(member);
  }
  // Of a layer all were seen in the one way or in the other, or none.
  if (!seen.bytes.empty())
    TRY_DO(hash_in_place(seen, wanted, options.workers, by_hash));
  else if (seen.digests.empty())
    TRY_DO(hash_members(image, layer, options, scan, wanted, by_hash));
  for (const auto& [hash, members] : by_hash)
    if (members.size() > 1)
      for (const std::uint32_t member : members) scan.hashes.emplace(member, hash);
  return {};
}

std::vector<EqualFile> find_equal_files(const Contents& contents, const SelfChecked& self_checked,
                                        const Stays& stays) {
  std::vector<EqualFile> out;
  for (std::uint32_t layer = 0; layer < contents.scans().size(); ++layer)
    LayerTwins(contents, layer, self_checked, stays).collect(out);
  return out;
}

}  // namespace flense::inventory
