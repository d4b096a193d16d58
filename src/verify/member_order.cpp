#include <set>

#include "verify/tree_compare.h"

namespace flense::verify {

namespace {

using image::Whiteout;
using Places = std::vector<std::pair<std::string_view, std::uint32_t>>;  ///< by path

bool comes_before(const Places& places, std::string_view path, std::uint32_t index) {
  const auto at = std::ranges::lower_bound(places, std::pair(path, 0U));
  return at != places.end() && at->first == path && at->second < index;
}

bool any_below_before(const Places& places, const std::string& folder, std::uint32_t index) {
  const std::string below = folder.empty() ? "" : folder + "/";
  for (auto at = std::ranges::lower_bound(places, std::pair(std::string_view(below), 0U));
       at != places.end() && at->first.starts_with(below); ++at)
    if (at->second < index) return true;
  return false;
}

/// Hard links before what they lead to, and whiteouts behind what they hide: engines unpack in
/// order. OCI image-spec v1.1 layer.md leaves the order open, and tar(1) fails at such a link.
void misplaced(const LayerReading& layer, std::set<std::string, std::less<>>& out) {
  const image::LayerListing& listing = *layer.listing;
  Places places;
  std::vector<std::uint32_t> ordered;
  for (std::uint32_t i = 0; i < listing.size(); ++i) {
    const auto entry = listing.at(i);
    places.emplace_back(entry.path, i);
    if (entry.type == codec::MemberType::kHardLink ||
        image::whiteout_kind(entry.path) != Whiteout::kNone)
      ordered.push_back(i);
  }
  if (ordered.empty()) return;
  std::ranges::sort(places);
  for (const std::uint32_t i : ordered) {
    const auto entry = listing.at(i);
    const Whiteout kind = image::whiteout_kind(entry.path);
    const std::string target = image::whiteout_target(entry.path);
    const bool wrong =
        kind == Whiteout::kNone
            ? comes_before(places, entry.link, UINT32_MAX) && !comes_before(places, entry.link, i)
            : any_below_before(places, target, i) ||
                  (kind == Whiteout::kFile && comes_before(places, target, i));
    if (wrong) out.emplace(entry.path);
  }
}

}  // namespace

void compare_order(const Reading& before, const Reading& after, bool merged, Findings& findings) {
  if (before.is_tree() || after.is_tree()) return;
  std::set<std::string, std::less<>> were, are, whiteouts;
  for (const auto& layer : before.layers) {
    misplaced(*layer, were);
    for (std::uint32_t i = 0; merged && i < layer->listing->size(); ++i)
      if (const auto path = layer->listing->at(i).path;
          image::whiteout_kind(path) != Whiteout::kNone)
        whiteouts.emplace(path);
  }
  for (const auto& layer : after.layers) {
    misplaced(*layer, are);
    for (std::uint32_t i = 0; merged && i < layer->listing->size(); ++i)
      if (const auto path = layer->listing->at(i).path;
          image::whiteout_kind(path) != Whiteout::kNone && !whiteouts.contains(path))
        findings.differ({std::string(path), "member", "", "no such whiteout", "there"});
  }
  for (const std::string& path : are)
    if (!were.contains(path))
      findings.differ({path, "member order", "", "behind what it leads to, before what it hides",
                       "the other way round"});
}

}  // namespace flense::verify
