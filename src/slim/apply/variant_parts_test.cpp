#include "slim/apply/variant_parts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>

#include "slim/apply/apply_layer.h"
#include "slim/apply/testing_image.h"

namespace flense::slim {
namespace {

using image::fixture::must;
using image::fixture::Tar;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::TestImage;

Edit edit(const TestImage& image, Action action, std::uint64_t position,
          const std::string& new_path = {}) {
  Edit out;
  out.action = action;
  out.pass = kGpuFiles;
  out.path = image.contents->tree().layer(0).at(position).path;
  out.new_path = new_path;
  return out;
}

Plan plan_of(std::map<std::uint64_t, Edit> edits) {
  Plan out;
  out.layers.resize(1);
  out.layers[0].edits = std::move(edits);
  return out;
}

/// Of each member: "s" shared, "o" own, "b" both.
std::string parts_of(const VariantParts& parts) {
  std::string out;
  for (const Part part : parts.parts)
    out += part == Part::kShared ? 's' : part == Part::kOwn ? 'o' : 'b';
  return out;
}

VariantParts parted(const TestImage& image, const Plan& a, const Plan& b) {
  const std::array<const Plan*, 2> plans = {&a, &b};
  return part_for_variants(*image.contents, plans).front();
}

TEST(VariantParts, WhatAllPlansMakeOfAMemberIsShared) {
  const TestImage image({Tar().dir("a").file("a/x", "1").file("a/y", "2").bytes()});
  const Plan drops = plan_of({{1, edit(image, Action::kDrop, 1)}});
  const VariantParts parts = parted(image, drops, drops);
  EXPECT_FALSE(parts.own);
  EXPECT_EQ(parts_of(parts), "sss");
  EXPECT_THAT(parts.own_paths, IsEmpty());
}

TEST(VariantParts, WhatDiffersIsOwnAndHasItsDirectories) {
  const TestImage image(
      {Tar().dir("a").dir("a/b").file("a/b/x", "1").dir("c").file("c/y", "2").bytes()});
  const VariantParts parts = parted(
      image, plan_of({{2, edit(image, Action::kDrop, 2)}, {4, edit(image, Action::kDrop, 4)}}),
      plan_of({{4, edit(image, Action::kDrop, 4)}}));
  EXPECT_TRUE(parts.own);
  EXPECT_FALSE(parts.whole);
  EXPECT_EQ(parts_of(parts), "bboss");
  EXPECT_THAT(parts.own_paths, ElementsAre("a/b/x"));
}

TEST(VariantParts, APlanThatLeavesTheLayerAloneHasNoSay) {
  const TestImage image({Tar().file("x", "1").bytes()});
  const VariantParts parts =
      parted(image, plan_of({{0, edit(image, Action::kDrop, 0)}}), plan_of({}));
  EXPECT_FALSE(parts.own);
}

TEST(VariantParts, NamesOfOneContentStayTogether) {
  const TestImage image(
      {Tar().file("x", "1").hardlink("y", "x").file("z", "1").file("w", "w").bytes()});
  // z becomes a further link for both; x goes for one of them.
  const Edit links = edit(image, Action::kLink, 2, "y");
  const VariantParts parts = parted(
      image, plan_of({{0, edit(image, Action::kDrop, 0)}, {2, links}}), plan_of({{2, links}}));
  EXPECT_EQ(parts_of(parts), "ooos");
}

TEST(VariantParts, NothingIsSharedWhereTheOrderMatters) {
  for (const std::string& tar : {Tar().file("x", "1").file("x", "2").bytes(),
                                 Tar().file("x", "1").file(".wh.y", "").bytes()}) {
    const TestImage image({tar});
    const VariantParts parts = parted(
        image, plan_of({{0, edit(image, Action::kDrop, 0)}, {1, edit(image, Action::kDrop, 1)}}),
        plan_of({{0, edit(image, Action::kDrop, 0)}}));
    EXPECT_TRUE(parts.own);
    EXPECT_TRUE(parts.whole);
    EXPECT_EQ(parts_of(parts), "oo");
  }
}

TEST(VariantParts, ListsGoWithWhatTheyName) {
  const TestImage image(
      {Tar()
           .dir("var/lib/dpkg/info")
           .file("var/lib/dpkg/info/a.md5sums", "11111111111111111111111111111111  x\n")
           .file("var/lib/dpkg/info/b.md5sums", "22222222222222222222222222222222  y\n")
           .file("x", "1")
           .file("y", "2")
           .bytes()});
  const Plan drops =
      plan_of({{3, edit(image, Action::kDrop, 3)}, {4, edit(image, Action::kDrop, 4)}});
  const VariantParts parts = parted(image, drops, plan_of({{4, edit(image, Action::kDrop, 4)}}));
  EXPECT_EQ(parts_of(parts), "bssos");
  StringSink shared, own;
  must(apply_layer_in_parts(*image.image, 0, drops.layers[0], testing::options_for_tests().cuts,
                            {{"marker", "m"}}, testing::workplace_for_tests(), parts, shared, own,
                            kAllRecords));
  EXPECT_THAT(testing::lines_of(shared.take()),
              ElementsAre("d var/lib/dpkg/info/", "f var/lib/dpkg/info/b.md5sums="));
  EXPECT_THAT(testing::lines_of(own.take()),
              ElementsAre("d var/lib/dpkg/info/", "f var/lib/dpkg/info/a.md5sums=", "f marker=m"));
}

TEST(VariantParts, ALayerThatGrewMeanwhileIsRefused) {
  const TestImage image({Tar().file("x", "1").file("y", "2").bytes()});
  VariantParts parts;
  parts.parts = {Part::kShared};
  StringSink shared, own;
  EXPECT_FALSE(apply_layer_in_parts(*image.image, 0, {}, testing::options_for_tests().cuts, {},
                                    testing::workplace_for_tests(), parts, shared, own,
                                    kAllRecords));
}

}  // namespace
}  // namespace flense::slim
