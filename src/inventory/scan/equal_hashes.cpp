#include "inventory/scan/equal_hashes.h"

#include <algorithm>
#include <iterator>
#include <set>
#include <utility>
#include <vector>

#include "base/parallel.h"
#include "codec/sha256.h"

namespace flense::inventory {

namespace {

/// Members that may be equal: the same size and the same beginning as another one's.
std::set<std::uint32_t> candidates(const LayerScan& scan) {
  std::map<std::pair<std::uint64_t, std::uint64_t>, std::vector<std::uint32_t>> groups;
  for (const auto& [index, head] : scan.heads)
    // A sparse file may show a terabyte of zeros.
    if (!scan.stored.contains(index)) groups[{scan.listing->at(index).size, head}].push_back(index);
  std::set<std::uint32_t> out;
  for (const auto& [key, members] : groups)
    if (members.size() > 1) out.insert(members.begin(), members.end());
  return out;
}

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

}  // namespace flense::inventory
