#include "slim/lazy_layer.h"

#include <string_view>
#include <unordered_map>

#include "base/format.h"

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

}  // namespace

LazyPlan plan_lazy(const std::vector<SplitMember>& members) {
  LazyPlan out;
  for (const SplitMember& member : members)
    if (member.unlisted != nullptr) {
      out.ordinary = fmt::format("{} {}", member.path, member.unlisted);
      return out;
    }
  out.ordinary = order_obstacle(members);
  if (out.ordinary.empty()) out.ordinary = check_links(members);
  if (!out.ordinary.empty()) return out;
  std::unordered_map<std::string_view, std::uint32_t> directories;
  for (std::uint32_t i = 0; i < members.size(); ++i)
    if (members[i].type == MemberType::kDirectory) directories[members[i].path] = i;
  for (std::uint32_t i = 0; i < members.size(); ++i) {
    if (codec::is_estargz_file(members[i].path)) continue;
    if (members[i].type != MemberType::kDirectory) {
      out.order.members.push_back(i);
    } else if (const auto found = directories.find(members[i].path); found != directories.end()) {
      out.order.members.push_back(found->second);
      directories.erase(found);
    }
  }
  return out;
}

std::string ordinary_notice(const std::string& layer, const std::string& why) {
  return fmt::format("{} is an ordinary gzip layer, which engines pull whole: {}", layer, why);
}

}  // namespace flense::slim
