#include "slim/apply/split_plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <map>
#include <set>

#include "base/format.h"
#include "base/path.h"

namespace flense::slim {
namespace {

using codec::MemberType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

SplitMember file(const std::string& path, std::uint64_t bytes) {
  return {path, "", MemberType::kFile, bytes};
}
SplitMember directory(const std::string& path) {
  return {path, "", MemberType::kDirectory, 512};
}
SplitMember hard_link(const std::string& path, const std::string& target) {
  return {path, target, MemberType::kHardLink, 512};
}

std::vector<std::vector<std::string>> names(const std::vector<SplitMember>& members,
                                            const SplitPlan& plan) {
  std::vector<std::vector<std::string>> out;
  for (const auto& part : plan.parts) {
    out.emplace_back();
    for (const std::uint32_t i : part) out.back().push_back(members[i].path);
  }
  return out;
}

TEST(SplitPlan, FillsPartsInOrderAndRepeatsDirectories) {
  const std::vector<SplitMember> members = {
      directory(""),           directory("usr"), directory("usr/lib"), file("usr/lib/a", 4000),
      file("usr/lib/b", 4000), directory("opt"), file("opt/c", 1000),  directory("opt/empty")};
  const SplitPlan plan = plan_split(members, 6000);
  EXPECT_THAT(plan.whole, IsEmpty());
  EXPECT_THAT(names(members, plan),
              ElementsAre(ElementsAre("", "usr", "usr/lib", "usr/lib/a"),
                          ElementsAre("", "usr", "usr/lib", "usr/lib/b", "opt", "opt/c"),
                          ElementsAre("", "opt", "opt/empty")));
  EXPECT_THAT(plan_split(members, 60'000).parts, SizeIs(1));
}

TEST(SplitPlan, NamesOfOneContentStayTogether) {
  const std::vector<SplitMember> members = {file("a", 3000),     file("b", 3000),
                                            file("c", 3000),     hard_link("d", "a"),
                                            hard_link("e", "d"), hard_link("outside", "elsewhere")};
  EXPECT_THAT(
      names(members, plan_split(members, 4500)),
      ElementsAre(ElementsAre("a", "d", "e"), ElementsAre("b"), ElementsAre("c", "outside")));
}

TEST(SplitPlan, WhiteoutsComeFirst) {
  const std::vector<SplitMember> members = {
      directory("d"), file("d/big", 5000),         file("d/more", 5000), file("d/.wh.gone", 512),
      directory("e"), file("e/.wh..wh..opq", 512), file("e/x", 5000)};
  EXPECT_THAT(names(members, plan_split(members, 6000)),
              ElementsAre(ElementsAre("d", "d/big", "d/.wh.gone", "e", "e/.wh..wh..opq"),
                          ElementsAre("d", "d/more", "e"), ElementsAre("e", "e/x")));
}

TEST(SplitPlan, LeavesWholeWhereTheOrderMatters) {
  const auto why = [](std::vector<SplitMember> members) {
    members.push_back(file("big", 9000));
    const SplitPlan plan = plan_split(members, 5000);
    EXPECT_THAT(plan.parts, SizeIs(1));
    EXPECT_THAT(plan.parts[0], SizeIs(members.size()));
    return plan.whole;
  };
  EXPECT_THAT(why({file("a", 1), file("a", 2)}), HasSubstr("a twice"));
  EXPECT_THAT(why({file("a", 1), directory("a")}), HasSubstr("something else"));
  EXPECT_THAT(why({{"lib", "usr/lib", MemberType::kSymlink, 512}, file("lib/x", 5)}),
              HasSubstr("below lib"));
}

TEST(SplitPlan, LongChainsAndCirclesOfLinksStayTogether) {
  // Each link leads to the one after it, so that the way from the first has all of them.
  constexpr std::uint32_t kLinks = 100'000;
  std::vector<SplitMember> members;
  for (std::uint32_t i = 0; i < kLinks; ++i)
    members.push_back(hard_link(fmt::format("a{}", i), fmt::format("a{}", i + 1)));
  members.push_back(file(fmt::format("a{}", kLinks), 5000));
  members.push_back(hard_link("b", "c"));
  members.push_back(hard_link("c", "b"));
  const SplitPlan plan = plan_split(members, 6000);
  ASSERT_EQ(plan.parts.size(), 2u);
  EXPECT_EQ(plan.parts[0].size(), kLinks + 1);
  EXPECT_THAT(plan.parts[1], ElementsAre(kLinks + 1, kLinks + 2));
}

/// Trees of a few names, so that links, directories and sizes meet.
std::vector<SplitMember> any_members() {
  std::vector<SplitMember> out;
  std::set<std::string> used;
  const auto letters = *rc::gen::container<std::vector<int>>(rc::gen::inRange(0, 1 << 16));
  std::vector<std::string> files;
  for (const int word : letters) {
    const std::string dir = fmt::format("d{}", word % 4);
    if (used.insert(dir).second) out.push_back(directory(dir));
    const std::string path = fmt::format("{}/{}f{}", dir, word % 7 == 0 ? ".wh." : "", word);
    if (!used.insert(path).second) continue;
    if (word % 5 == 0 && !files.empty()) {
      out.push_back(hard_link(path, files[static_cast<std::size_t>(word) % files.size()]));
    } else {
      out.push_back(file(path, 512 + static_cast<std::uint64_t>(word % 3000)));
      if (word % 7 != 0) files.push_back(path);
    }
  }
  return out;
}

TEST(SplitPlan, EveryMemberStandsInOnePartAndMayStandThere) {
  EXPECT_TRUE(rc::check([] {
    const std::vector<SplitMember> members = any_members();
    RC_PRE(!members.empty());
    const std::uint64_t limit = *rc::gen::inRange<std::uint64_t>(1000, 20'000);
    const SplitPlan plan = plan_split(members, limit);
    std::map<std::string, std::size_t> part_of;
    std::size_t total = 0;
    for (std::size_t part = 0; part < plan.parts.size(); ++part) {
      std::set<std::string> here;
      for (const std::uint32_t i : plan.parts[part]) {
        const SplitMember& member = members[i];
        // Its directory comes before it in the same part.
        const std::string above(parent_path(member.path));
        RC_ASSERT(above.empty() || here.contains(above));
        here.insert(member.path);
        if (member.type == MemberType::kDirectory) continue;
        ++total;
        RC_ASSERT(part_of.emplace(member.path, part).second);
        if (member.path.find(".wh.") != std::string::npos) RC_ASSERT(part == 0u);
      }
      RC_ASSERT(members.empty() || !plan.parts[part].empty());
    }
    std::size_t wanted = 0;
    for (const SplitMember& member : members)
      wanted += member.type != MemberType::kDirectory ? 1 : 0;
    RC_ASSERT(total == wanted);
    for (const SplitMember& member : members)
      if (member.type == MemberType::kHardLink && member.path.find(".wh.") == std::string::npos)
        RC_ASSERT(part_of.at(member.path) == part_of.at(member.link));
  }));
}

}  // namespace
}  // namespace flense::slim
