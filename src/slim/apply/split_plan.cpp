#include "slim/apply/split_plan.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <set>
#include <string_view>
#include <unordered_map>

#include "base/format.h"
#include "base/path.h"
#include "image/layers/layer_walk.h"

namespace flense::slim {

namespace {

using codec::MemberType;
using image::Whiteout;

constexpr std::uint32_t kNone = UINT32_MAX;

/// Members by path: the last directory, and the one that is none.
struct PathUse {
  std::uint32_t directory = kNone, other = kNone;
};
using Paths = std::unordered_map<std::string_view, PathUse>;

/// Empty, or why the order of members matters beyond the rules that plan_split() follows.
std::string index_paths(const std::vector<SplitMember>& members, Paths& paths) {
  for (std::uint32_t i = 0; i < members.size(); ++i) {
    PathUse& use = paths[members[i].path];
    if (members[i].type == MemberType::kDirectory) {
      use.directory = i;
    } else if (use.other != kNone) {
      return fmt::format("it holds {} twice", members[i].path);
    } else {
      use.other = i;
    }
    if (use.directory != kNone && use.other != kNone)
      return fmt::format("{} is a directory and something else in it", members[i].path);
  }
  for (const SplitMember& member : members)
    for (std::string_view above = parent_path(member.path); !above.empty();
         above = parent_path(above))
      if (const auto found = paths.find(above);
          found != paths.end() && found->second.other != kNone)
        return fmt::format("{} lies below {}, which is not a directory", member.path, above);
  return {};
}

/// The members that share a content, by the member that holds it.
std::map<std::uint32_t, std::vector<std::uint32_t>> links_of(
    const std::vector<SplitMember>& members, const Paths& paths) {
  std::map<std::uint32_t, std::vector<std::uint32_t>> out;
  // Where the way from each link ends: a link may lead to a link, and no step is taken twice.
  std::vector<std::uint32_t> ends(members.size(), kNone);
  std::vector<bool> on_way(members.size(), false);
  for (std::uint32_t i = 0; i < members.size(); ++i) {
    if (members[i].type != MemberType::kHardLink) continue;
    // Of a whiteout only the name counts.
    if (image::whiteout_kind(members[i].path) != Whiteout::kNone) continue;
    std::vector<std::uint32_t> way;
    std::uint32_t at = i;
    while (members[at].type == MemberType::kHardLink && !on_way[at]) {
      on_way[at] = true;
      way.push_back(at);
      const auto target = paths.find(members[at].link);
      if (target == paths.end() || target->second.other == kNone) break;
      at = target->second.other;
    }
    const std::uint32_t end = ends[at] == kNone ? at : ends[at];
    for (const std::uint32_t step : way) ends[step] = end;
    out[end].push_back(i);
  }
  return out;
}

std::vector<std::vector<std::uint32_t>> groups_of(const std::vector<SplitMember>& members,
                                                  const Paths& paths) {
  std::vector<std::vector<std::uint32_t>> out;
  for (auto& [content, links] : links_of(members, paths)) {
    std::vector<std::uint32_t> group = links;
    if (std::ranges::find(group, content) == group.end()) group.push_back(content);
    std::ranges::sort(group);
    out.push_back(std::move(group));
  }
  return out;
}

class Splitter {
 public:
  Splitter(const std::vector<SplitMember>& members, const Paths& paths, std::uint64_t limit)
      : members_(members), paths_(paths), limit_(limit), part_(members.size(), kNone) {}

  SplitPlan run() {
    for (std::uint32_t i = 0; i < members_.size(); ++i)
      if (image::whiteout_kind(members_[i].path) != Whiteout::kNone) part_[i] = 0;
    join_links();
    std::uint32_t current = 0;
    std::uint64_t filled = 0;
    for (std::uint32_t i = 0; i < members_.size(); ++i) {
      if (part_[i] != kNone) continue;
      const std::uint64_t bytes = unit_bytes(i);
      if (filled > 0 && bytes > limit_ - std::min(limit_, filled)) {
        ++current;
        filled = 0;
      }
      filled += bytes;
      for (const std::uint32_t one : unit(i)) part_[one] = current;
    }
    return collect(current + 1);
  }

 private:
  void join_links() {
    units_ = groups_of(members_, paths_);
    for (std::size_t unit = 0; unit < units_.size(); ++unit)
      for (const std::uint32_t one : units_[unit]) unit_of_[one] = unit;
  }
  std::vector<std::uint32_t> unit(std::uint32_t member) const {
    const auto found = unit_of_.find(member);
    return found == unit_of_.end() ? std::vector{member} : units_[found->second];
  }
  std::uint64_t unit_bytes(std::uint32_t member) const {
    std::uint64_t out = 0;
    for (const std::uint32_t one : unit(member)) out += members_[one].bytes;
    return out;
  }

  SplitPlan collect(std::uint32_t parts) const {
    std::vector<std::set<std::uint32_t>> sets(parts);
    for (std::uint32_t i = 0; i < members_.size(); ++i) {
      std::set<std::uint32_t>& set = sets[part_[i]];
      // Of a directory that stands twice the last one counts.
      set.insert(members_[i].type == MemberType::kDirectory
                     ? paths_.find(members_[i].path)->second.directory
                     : i);
      for (std::string_view above = parent_path(members_[i].path);; above = parent_path(above)) {
        const auto found = paths_.find(above);
        if (found != paths_.end() && found->second.directory != kNone &&
            !set.insert(found->second.directory).second && !above.empty())
          break;
        if (above.empty()) break;
      }
    }
    SplitPlan out;
    for (const auto& set : sets) out.parts.emplace_back(set.begin(), set.end());
    return out;
  }

  const std::vector<SplitMember>& members_;
  const Paths& paths_;
  std::uint64_t limit_;
  std::vector<std::uint32_t> part_;
  std::vector<std::vector<std::uint32_t>> units_;
  std::unordered_map<std::uint32_t, std::size_t> unit_of_;
};

SplitPlan one_part(std::size_t members, std::string why) {
  SplitPlan out;
  out.parts.emplace_back(members);
  std::iota(out.parts[0].begin(), out.parts[0].end(), 0U);
  out.whole = std::move(why);
  return out;
}

}  // namespace

std::string order_obstacle(const std::vector<SplitMember>& members) {
  Paths paths;
  return index_paths(members, paths);
}

std::vector<std::vector<std::uint32_t>> link_groups(const std::vector<SplitMember>& members) {
  Paths paths;
  static_cast<void>(index_paths(members, paths));
  return groups_of(members, paths);
}

SplitPlan plan_split(const std::vector<SplitMember>& members, std::uint64_t limit) {
  std::uint64_t total = 0;
  for (const SplitMember& member : members) total += member.bytes;
  if (total <= limit || members.empty()) return one_part(members.size(), {});
  Paths paths;
  if (std::string why = index_paths(members, paths); !why.empty())
    return one_part(members.size(), std::move(why));
  return Splitter(members, paths, limit).run();
}

}  // namespace flense::slim
