#include "slim/apply/lazy_layer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <numeric>

namespace flense::slim {
namespace {

using codec::MemberType;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

SplitMember lazy_member(const std::string& path, MemberType type = MemberType::kFile,
                        const std::string& link = {}) {
  SplitMember out;
  out.path = path;
  out.type = type;
  out.link = link;
  return out;
}

SplitMember lazy_folder(const std::string& path) {
  return lazy_member(path, MemberType::kDirectory);
}

LazyPlan lazy_plan(const std::vector<SplitMember>& members,
                   const std::vector<std::string>& prefetch = {}, bool globals = false) {
  std::vector<std::uint32_t> positions(members.size());
  std::iota(positions.begin(), positions.end(), 0U);
  return plan_lazy(members, positions, prefetch, globals);
}

std::string why_ordinary(const std::vector<SplitMember>& members) {
  const LazyPlan plan = lazy_plan(members);
  EXPECT_THAT(plan.order.members, IsEmpty());
  return plan.ordinary;
}

TEST(LazyLayer, KeepsTheOrderAndDropsWhatAnEarlierWriterAdded) {
  const LazyPlan plan = lazy_plan(
      {lazy_member(".no.prefetch.landmark"), lazy_folder("b"), lazy_member("b/x"), lazy_member("a"),
       lazy_member("b/stargz.index.json"), lazy_member("stargz.index.json")});
  EXPECT_THAT(plan.order.members, ElementsAre(1, 2, 3, 4));
  EXPECT_EQ(plan.order.prefetch, 0U);
  EXPECT_EQ(plan.ordinary, "");
}

TEST(LazyLayer, OfADirectoryThatStandsTwiceTheLastOneCounts) {
  EXPECT_THAT(lazy_plan({lazy_folder("d"), lazy_member("d/x"), lazy_folder("d")}).order.members,
              ElementsAre(2, 1));
}

TEST(LazyLayer, WhatNoTableOfContentsCanSayStaysOrdinary) {
  EXPECT_THAT(why_ordinary({lazy_member("a"), lazy_member("a")}), HasSubstr("a twice"));
  EXPECT_THAT(why_ordinary({lazy_member("l", MemberType::kSymlink, "d"), lazy_member("l/x")}),
              HasSubstr("below l"));
  EXPECT_THAT(why_ordinary({lazy_member("h", MemberType::kHardLink, "lower")}),
              HasSubstr("which is not in it"));
  EXPECT_THAT(why_ordinary({lazy_folder("d"), lazy_member("h", MemberType::kHardLink, "d")}),
              HasSubstr("which is not in it"));
  EXPECT_THAT(why_ordinary({lazy_member("a", MemberType::kHardLink, "b"),
                            lazy_member("b", MemberType::kHardLink, "a")}),
              HasSubstr("leads to itself"));
  SplitMember sparse = lazy_member("s");
  sparse.unlisted = "is sparse";
  EXPECT_EQ(why_ordinary({lazy_member("a"), sparse}), "s is sparse");
}

TEST(LazyLayer, LongChainsOfLinksAreFollowedOnce) {
  std::vector<SplitMember> members = {lazy_member("0")};
  for (int i = 1; i <= 200'000; ++i)
    members.push_back(lazy_member(std::to_string(i), MemberType::kHardLink, std::to_string(i - 1)));
  std::ranges::reverse(members);
  const LazyPlan plan = lazy_plan(members, {"200000"});
  EXPECT_EQ(plan.ordinary, "");
  EXPECT_EQ(plan.order.prefetch, members.size());
  EXPECT_EQ(plan.order.members.front(), 200'000U);
}

TEST(LazyLayer, WhatIsWantedComesFirstWithItsWays) {
  const std::vector<SplitMember> members = {
      lazy_folder(""),
      lazy_folder("a"),
      lazy_member("a/other"),
      lazy_folder("b"),
      lazy_folder("b/c"),
      lazy_member("b/c/wanted"),
      lazy_member("a/link", MemberType::kHardLink, "b/c/content"),
      lazy_member("b/c/content"),
      lazy_member("z")};
  const LazyPlan plan = lazy_plan(members, {"a/link", "b/c/wanted", "not/here"});
  EXPECT_THAT(plan.order.members, ElementsAre(0, 3, 4, 5, 7, 1, 6, 2, 8));
  EXPECT_EQ(plan.order.prefetch, 7U);
  EXPECT_EQ(plan.unsorted, "");
  EXPECT_EQ(lazy_plan(members, {"b", "not/here"}).order.prefetch, 0U)
      << "directories are no reason";
}

TEST(LazyLayer, MarkersOfOpaqueDirectoriesComeBeforeWhatIsInThem) {
  const LazyPlan plan = lazy_plan(
      {lazy_folder("d"), lazy_member("d/x"), lazy_member("d/y"), lazy_member("d/.wh..wh..opq")},
      {"d/y"});
  EXPECT_THAT(plan.order.members, ElementsAre(0, 3, 2, 1));
  EXPECT_EQ(plan.order.prefetch, 3U);
}

TEST(LazyLayer, WhereTheOrderMattersItStays) {
  const std::vector<SplitMember> hidden = {lazy_member("x"), lazy_member(".wh.d"), lazy_folder("d"),
                                           lazy_member("d/y")};
  LazyPlan plan = lazy_plan(hidden, {"d/y"});
  EXPECT_THAT(plan.order.members, ElementsAre(0, 1, 2, 3));
  EXPECT_EQ(plan.order.prefetch, 0U);
  EXPECT_THAT(plan.unsorted, HasSubstr("a whiteout of d"));
  plan = lazy_plan({lazy_member("x"), lazy_member("y")}, {"y"}, true);
  EXPECT_THAT(plan.order.members, ElementsAre(0, 1));
  EXPECT_THAT(plan.unsorted, HasSubstr("global PAX headers"));
  EXPECT_EQ(lazy_plan({lazy_member("x")}, {"y"}, true).unsorted, "") << "nothing of it is wanted";
}

TEST(LazyLayer, APartHasItsOwnFirst) {
  const std::vector<SplitMember> members = {lazy_folder("d"), lazy_member("d/x"),
                                            lazy_member("d/y"), lazy_member("d/z")};
  const LazyPlan plan =
      plan_lazy(members, {0, 2, 3}, std::vector<std::string>{"d/x", "d/z"}, false);
  EXPECT_THAT(plan.order.members, ElementsAre(0, 3, 2));
  EXPECT_EQ(plan.order.prefetch, 2U);
}

}  // namespace
}  // namespace flense::slim
