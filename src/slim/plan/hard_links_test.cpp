// Dropped names of contents that others still show. Apt's lists stand for whatever a pass drops.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/process.h"
#include "slim/apply/testing_image.h"

namespace flense::slim {
namespace {

using testing::edits_of;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::lines_of;
using testing::Tar;
using testing::TestImage;

const std::string kGone = "var/lib/apt/lists/";

TEST(HardLinks, ContentMovesToTheFirstNameThatStays) {
  const TestImage image({Tar()
                             .file(kGone + "a", "content", 0751)
                             .hardlink(kGone + "b", kGone + "a")
                             .file("between", "x")
                             .hardlink("c", kGone + "a")
                             .hardlink("d", kGone + "a")
                             .bytes()});
  const Plan plan = image.plan();
  EXPECT_THAT(edits_of(plan), ElementsAre("0:" + kGone + "a rename c", "0:" + kGone + "b drop",
                                          "0:c moved", "0:d retarget c"));
  EXPECT_EQ(plan.bytes_given_back(), 0U) << "the content stays";
  const std::string tar = image.apply(0, plan.layers[0]);
  EXPECT_THAT(lines_of(tar), ElementsAre("f between=x", "f c=content", "h d -> c"));
  EXPECT_EQ(testing::members_of(tar)[1].header.mode, 0751U);
}

TEST(HardLinks, WhatStoodAtTheNewNameBeforeIsReplaced) {
  const TestImage image(
      {Tar().file(kGone + "a", "content").file("c", "").hardlink("c", kGone + "a").bytes()});
  EXPECT_THAT(lines_of(image.apply(0, image.plan().layers[0])), ElementsAre("f c=", "f c=content"));
}

TEST(HardLinks, Chains) {
  // To the first name, to a link that stays, to a link that goes.
  const TestImage image({Tar()
                             .file("a", "content")
                             .hardlink(kGone + "b", "a")
                             .hardlink("c", kGone + "b")
                             .hardlink("d", "c")
                             .bytes()});
  const Plan plan = image.plan();
  EXPECT_THAT(edits_of(plan), ElementsAre("0:" + kGone + "b drop", "0:c retarget a"));
  EXPECT_THAT(lines_of(image.apply(0, plan.layers[0])),
              ElementsAre("f a=content", "h c -> a", "h d -> c"));

  const TestImage both({Tar()
                            .file(kGone + "a", "content")
                            .hardlink(kGone + "b", kGone + "a")
                            .hardlink("c", kGone + "b")
                            .hardlink("d", kGone + "b")
                            .bytes()});
  EXPECT_THAT(lines_of(both.apply(0, both.plan().layers[0])),
              ElementsAre("f c=content", "h d -> c"));
}

TEST(HardLinks, LinksIntoLowerLayersKeepTheirTarget) {
  const TestImage image({Tar().file(kGone + "a", "content").file(kGone + "z", "z").bytes(),
                         Tar().hardlink("c", kGone + "a").bytes()});
  EXPECT_THAT(edits_of(image.plan()), ElementsAre("0:" + kGone + "z drop"));
}

TEST(HardLinks, ChainsThroughLayers) {
  // The link that goes leads further down: what it leads to must stay.
  const TestImage image(
      {Tar().file(kGone + "a", "content").bytes(),
       Tar().hardlink(kGone + "b", kGone + "a").hardlink("c", kGone + "b").bytes(),
       Tar().hardlink("d", kGone + "b").bytes()});
  const Plan plan = image.plan();
  EXPECT_THAT(edits_of(plan), IsEmpty()) << "d needs b in the layer below, b needs a";
  const TestImage two(
      {Tar().file(kGone + "a", "content").bytes(),
       Tar().hardlink(kGone + "b", kGone + "a").hardlink("c", kGone + "b").bytes()});
  EXPECT_THAT(edits_of(two.plan()),
              ElementsAre("1:" + kGone + "b drop", "1:c retarget " + kGone + "a"));
}

TEST(HardLinks, TargetsThroughSymbolicLinks) {
  const TestImage image({Tar()
                             .symlink("lists", "var/lib/apt/lists")
                             .file(kGone + "a", "content")
                             .hardlink("c", "lists/a")
                             .bytes()});
  EXPECT_THAT(lines_of(image.apply(0, image.plan().layers[0])),
              ElementsAre("l lists -> var/lib/apt/lists", "f c=content"));
}

TEST(HardLinks, ANameThatAnotherTookIsNoName) {
  const TestImage image({Tar()
                             .file(kGone + "a", "content")
                             .hardlink("c", kGone + "a")
                             .file("c", "other")
                             .hardlink("d", kGone + "a")
                             .bytes()});
  EXPECT_THAT(edits_of(image.plan()), IsEmpty()) << "rather nothing than something wrong";
}

TEST(HardLinks, NamesBelowThatAWhiteoutTakesKeepNothing) {
  const std::string low = Tar().file("opt/a", "content").bytes();
  for (const char* whiteout : {"opt/.wh.a", "opt/.wh..wh..opq", ".wh.opt"}) {
    const TestImage image({low, Tar()
                                    .hardlink(kGone + "b", "opt/a")
                                    .file(whiteout, "")
                                    .hardlink("d", kGone + "b")
                                    .bytes()});
    EXPECT_THAT(edits_of(image.plan()), IsEmpty()) << whiteout;
  }
  const TestImage again({low, Tar()
                                  .hardlink(kGone + "b", "opt/a")
                                  .hardlink("d", kGone + "b")
                                  .file("opt/a", "another")
                                  .bytes()});
  EXPECT_THAT(edits_of(again.plan()), IsEmpty());
  const TestImage before({low, Tar()
                                   .hardlink(kGone + "b", "opt/a")
                                   .hardlink("d", kGone + "b")
                                   .file("opt/.wh.a", "")
                                   .bytes()});
  EXPECT_THAT(edits_of(before.plan()), ElementsAre("1:" + kGone + "b drop", "1:d retarget opt/a"));
}

TEST(HardLinks, GnuTarExtractsTheResult) {
  const TestImage image({Tar()
                             .dir("var")
                             .file(kGone + "a", "content")
                             .hardlink(kGone + "b", kGone + "a")
                             .hardlink("c", kGone + "b")
                             .hardlink("d", kGone + "a")
                             .bytes()},
                        codec::Compression::kGzip);
  const image::fixture::TempDir dir;
  image::fixture::write_file(dir / "t.tar", image.apply(0, image.plan().layers[0]));
  const auto done =
      testing::must(run_process({"tar", "-C", dir.path().string(), "-xf", dir / "t.tar"}));
  EXPECT_EQ(done.status, 0) << done.err;
  EXPECT_EQ(std::filesystem::hard_link_count(dir / "c"), 2U);
  EXPECT_TRUE(std::filesystem::equivalent(dir / "c", dir / "d"));
}

}  // namespace
}  // namespace flense::slim
