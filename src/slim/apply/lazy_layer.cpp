#include "slim/apply/lazy_layer.h"

#include <algorithm>
#include <ranges>
#include <string_view>
#include <unordered_map>
#include <unordered_set>

#include "base/format.h"
#include "base/path.h"
#include "image/layers/layer_walk.h"

namespace flense::slim {

namespace {

using codec::MemberType;

/// Readers refuse the whole table where a link leads nowhere, or to itself.
std::string check_links(const std::vector<SplitMember>& members) {
  std::unordered_map<std::string_view, const SplitMember*> files;
  for (const SplitMember& member : members)
    if (member.type != MemberType::kDirectory) files.emplace(member.path, &member);
  // By the member whose way was followed, so that no step is taken twice.
  std::unordered_map<const SplitMember*, const SplitMember*> followed;
  for (const SplitMember& member : members)
    for (const SplitMember* at = &member; at->type == MemberType::kHardLink;) {
      const auto [before, fresh] = followed.emplace(at, &member);
      if (!fresh && before->second != &member) break;
      if (!fresh) return fmt::format("the hard link {} leads to itself", at->path);
      const auto target = files.find(at->link);
      if (target == files.end())
        return fmt::format("{} is a hard link to {}, which is not in it", at->path, at->link);
      at = target->second;
    }
  return {};
}

/// An engine that meets a whiteout removes what it has unpacked of that name, of this layer too:
/// the order of the two must stay.
std::string check_whiteouts(const std::vector<SplitMember>& members) {
  std::unordered_set<std::string> hidden;
  for (const SplitMember& member : members)
    if (image::whiteout_kind(member.path) == image::Whiteout::kFile)
      hidden.insert(image::whiteout_target(member.path));
  if (hidden.empty()) return {};
  for (const SplitMember& member : members)
    for (std::string_view path = member.path; !path.empty(); path = parent_path(path))
      if (hidden.contains(std::string(path)))
        return fmt::format("it holds {} and a whiteout of {}", member.path, path);
  return {};
}

class LazyOrder {
 public:
  LazyOrder(const std::vector<SplitMember>& members, const std::vector<std::uint32_t>& positions)
      : members_(members), positions_(positions) {
    for (const std::uint32_t i : positions) {
      const SplitMember& member = members[i];
      if (member.type == MemberType::kDirectory) {
        directories_[member.path] = i;
      } else if (image::whiteout_kind(member.path) == image::Whiteout::kOpaque) {
        markers_.emplace(parent_path(member.path), i);
      } else if (!codec::is_estargz_file(member.path)) {
        files_.emplace(member.path, i);
      }
    }
  }

  bool has(const std::string& path) const { return files_.contains(path); }
  void add_wanted(std::span<const std::string> prefetch) {
    for (const std::uint32_t i : positions_)
      if (files_.contains(members_[i].path) &&
          std::ranges::binary_search(prefetch, members_[i].path))
        add_with_ways(i);
    out_.prefetch = out_.members.size();
  }
  codec::EstargzOrder finish() {
    for (const std::uint32_t i : positions_)
      if (!codec::is_estargz_file(members_[i].path)) add(i);
    return std::move(out_);
  }

 private:
  void add(std::uint32_t i) {
    if (members_[i].type == MemberType::kDirectory) i = directories_.at(members_[i].path);
    if (added_.insert(i).second) out_.members.push_back(i);
  }
  /// With what it is a link to before it: links lead to what is there.
  void add_with_ways(std::uint32_t i) {
    std::vector<std::uint32_t> ways = {i};
    while (members_[ways.back()].type == MemberType::kHardLink && !added_.contains(ways.back())) {
      const auto target = files_.find(members_[ways.back()].link);
      if (target == files_.end()) break;
      ways.push_back(target->second);
    }
    for (const std::uint32_t one : ways | std::views::reverse) {
      add_above(members_[one].path);
      add(one);
    }
  }
  void add_above(std::string_view path) {
    std::vector<std::string_view> above;
    while (!path.empty()) above.push_back(path = parent_path(path));
    for (const std::string_view directory : above | std::views::reverse) {
      if (const auto found = directories_.find(directory); found != directories_.end())
        add(found->second);
      // It hides what lies below: nothing of this layer may be there before.
      if (const auto found = markers_.find(directory); found != markers_.end()) add(found->second);
    }
  }

  const std::vector<SplitMember>& members_;
  const std::vector<std::uint32_t>& positions_;
  std::unordered_map<std::string_view, std::uint32_t> directories_, markers_, files_;
  std::unordered_set<std::uint32_t> added_;
  codec::EstargzOrder out_;
};

}  // namespace

LazyPlan plan_lazy(const std::vector<SplitMember>& members,
                   const std::vector<std::uint32_t>& positions,
                   std::span<const std::string> prefetch, bool globals) {
  LazyPlan out;
  for (const SplitMember& member : members)
    if (member.unlisted != nullptr) {
      out.ordinary = fmt::format("{} {}", member.path, member.unlisted);
      return out;
    }
  out.ordinary = order_obstacle(members);
  if (out.ordinary.empty()) out.ordinary = check_links(members);
  if (!out.ordinary.empty()) return out;
  LazyOrder order(members, positions);
  if (std::ranges::any_of(prefetch, [&](const std::string& path) { return order.has(path); })) {
    out.unsorted = globals ? "it has global PAX headers" : check_whiteouts(members);
    if (out.unsorted.empty()) order.add_wanted(prefetch);
  }
  out.order = order.finish();
  return out;
}

std::string ordinary_notice(const std::string& layer, const std::string& why) {
  return fmt::format("{} is an ordinary gzip layer, which engines pull whole: {}", layer, why);
}

}  // namespace flense::slim
