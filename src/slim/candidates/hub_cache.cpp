#include "slim/candidates/hub_cache.h"

#include <algorithm>
#include <map>
#include <optional>
#include <tuple>
#include <utility>

#include "base/path.h"

namespace flense::slim {

namespace {

/// ".../models--a--b" and what follows "snapshots/" or "blobs/".
struct Place {
  std::string_view repository, rest;
};

std::optional<Place> place_in(std::string_view path, std::string_view folder) {
  for (std::size_t at = path.find(folder); at != std::string_view::npos;
       at = path.find(folder, at + 1)) {
    const std::string_view repository = path.substr(0, at);
    const std::string_view name = base_name(repository);
    if (name.starts_with("models--") || name.starts_with("datasets--") ||
        name.starts_with("spaces--"))
      return Place{repository, path.substr(at + folder.size())};
  }
  return std::nullopt;
}

/// Mode and owner: a link is as readable as what it leads to.
using Access = std::tuple<std::uint32_t, std::uint32_t, std::uint32_t>;
Access access_of(const image::LayerListing::Entry& entry) {
  return {entry.mode, entry.uid, entry.gid};
}

/// The folders of both halves of a cache let the same users in.
bool equal_folders(const image::MergedTree& tree, std::string_view repository) {
  const auto blobs = tree.find(fmt::format("{}/blobs", repository)),
             snapshots = tree.find(fmt::format("{}/snapshots", repository));
  if (!blobs || !snapshots || !blobs->entry || !snapshots->entry) return blobs && snapshots;
  return access_of(tree.entry(*blobs->entry)) == access_of(tree.entry(*snapshots->entry));
}

/// From snapshots/REVISION/FILE up to the repository: "../../" and one more for each folder.
std::string link_text(std::string_view rest, std::string_view blob) {
  std::string out;
  const auto depth = static_cast<std::size_t>(std::ranges::count(rest, '/')) + 1;
  for (std::size_t i = 0; i < depth; ++i) out += "../";
  return out + "blobs/" + std::string(blob);
}

}  // namespace

std::vector<HubCopy> find_hub_copies(const inventory::Contents& contents, const Stays& stays) {
  std::vector<HubCopy> out;
  for (std::uint32_t layer = 0; layer < contents.scans().size(); ++layer) {
    const inventory::LayerScan& scan = *contents.scans()[layer];
    std::map<std::tuple<std::string_view, std::string_view, Access>, std::string_view> blobs;
    const auto usable = [&](std::uint32_t index) {
      const image::EntryRef ref{layer, index};
      const std::string_view path = scan.listing->at(index).path;
      const auto found = contents.tree().find(path);
      return found && found->entry == ref && found->type == codec::MemberType::kFile &&
             stays(ref, path);
    };
    for (const auto& [index, hash] : scan.hashes) {
      const auto place = place_in(scan.listing->at(index).path, "/blobs/");
      if (place && place->rest.find('/') == std::string_view::npos && usable(index))
        blobs.try_emplace({place->repository, hash, access_of(scan.listing->at(index))},
                          place->rest);
    }
    for (const auto& [index, hash] : scan.hashes) {
      const std::string_view path = scan.listing->at(index).path;
      const auto place = place_in(path, "/snapshots/");
      if (!place || place->rest.find('/') == std::string_view::npos || !usable(index)) continue;
      const auto blob = blobs.find({place->repository, hash, access_of(scan.listing->at(index))});
      if (blob == blobs.end() || !equal_folders(contents.tree(), place->repository)) continue;
      out.push_back({{layer, index},
                     std::string(path),
                     fmt::format("{}/blobs/{}", place->repository, blob->second),
                     link_text(place->rest, blob->second),
                     scan.stored_bytes(index)});
    }
  }
  return out;
}

}  // namespace flense::slim
