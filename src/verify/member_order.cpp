#include <algorithm>
#include <set>

#include "verify/tree_compare.h"

namespace flense::verify {

namespace {

using image::Whiteout;
/// Where in the layer paths come first, asked without walking over what lies below a folder.
class Places {
 public:
  explicit Places(const image::LayerListing& listing) {
    for (std::uint32_t i = 0; i < listing.size(); ++i) sorted_.emplace_back(listing.at(i).path, i);
    std::ranges::sort(sorted_);
    first_.resize(2 * sorted_.size(), UINT32_MAX);
    for (std::size_t i = 0; i < sorted_.size(); ++i) first_[sorted_.size() + i] = sorted_[i].second;
    for (std::size_t i = sorted_.size(); i-- > 1;)
      first_[i] = std::min(first_[2 * i], first_[2 * i + 1]);
  }

  bool comes_before(std::string_view path, std::uint32_t index) const {
    const auto at = std::ranges::lower_bound(sorted_, std::pair(path, 0U));
    return at != sorted_.end() && at->first == path && at->second < index;
  }

  bool any_below_before(std::string_view folder, std::uint32_t index) const {
    const auto from = [&](const std::string& path) {
      const auto at = std::ranges::lower_bound(sorted_, std::string_view(path), {},
                                               &std::pair<std::string_view, std::uint32_t>::first);
      return static_cast<std::size_t>(at - sorted_.begin());
    };
    // All that begins with "folder/", behind which '0' is the next; a layer's top is "".
    const std::string name(folder);
    return (folder.empty() ? first_of(from(std::string(1, '\0')), sorted_.size())
                           : first_of(from(name + '/'), from(name + '0'))) < index;
  }

 private:
  /// The least index of those that are sorted into [begin, end).
  std::uint32_t first_of(std::size_t begin, std::size_t end) const {
    std::uint32_t out = UINT32_MAX;
    for (begin += sorted_.size(), end += sorted_.size(); begin < end; begin /= 2, end /= 2) {
      if (begin % 2 == 1) out = std::min(out, first_[begin++]);
      if (end % 2 == 1) out = std::min(out, first_[--end]);
    }
    return out;
  }

  std::vector<std::pair<std::string_view, std::uint32_t>> sorted_;  ///< by path
  std::vector<std::uint32_t> first_;  ///< a tree over them: the least index of both children
};

/// Hard links before what they lead to, and whiteouts behind what they hide: engines unpack in
/// order. OCI image-spec v1.1 layer.md leaves the order open, and tar(1) fails at such a link.
void misplaced(const LayerReading& layer, std::set<std::string, std::less<>>& out) {
  const image::LayerListing& listing = *layer.listing;
  std::vector<std::uint32_t> ordered;
  for (std::uint32_t i = 0; i < listing.size(); ++i) {
    const auto entry = listing.at(i);
    if (entry.type == codec::MemberType::kHardLink ||
        image::whiteout_kind(entry.path) != Whiteout::kNone)
      ordered.push_back(i);
  }
  if (ordered.empty()) return;
  const Places places(listing);
  for (const std::uint32_t i : ordered) {
    const auto entry = listing.at(i);
    const Whiteout kind = image::whiteout_kind(entry.path);
    const std::string target = image::whiteout_target(entry.path);
    const bool wrong =
        kind == Whiteout::kNone
            ? places.comes_before(entry.link, UINT32_MAX) && !places.comes_before(entry.link, i)
            : places.any_below_before(target, i) ||
                  (kind == Whiteout::kFile && places.comes_before(target, i));
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
