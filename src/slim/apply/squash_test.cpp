#include "slim/apply/squash.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "slim/apply/layer_editor.h"
#include "slim/apply/testing_image.h"

namespace flense::slim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::lines_of;
using testing::must;
using testing::Tar;
using testing::TestImage;

/// All layers through one editor, as apply_squashed() does.
std::string squash(const TestImage& image, const Plan& plan) {
  const Plan squashed = squash_plan(image.contents->tree(), plan);
  StringSink out;
  LayerEditor editor(testing::options_for_tests().cuts, testing::workplace_for_tests(), {},
                     kAllRecords, false, out);
  for (std::size_t i = 0; i < image.image->layers.size(); ++i) {
    editor.begin_layer(squashed.layers[i]);
    must(image::walk_layer(
        *image.image, i, {},
        [&](const image::LayerEntry& entry, image::EntryContent* content, codec::TarReader* raw) {
          return editor.visit(entry, content, raw);
        }));
  }
  must(editor.finish());
  return out.take();
}

std::string squash(const TestImage& image) {
  return squash(image, image.plan());
}

TEST(Squash, EveryPathStandsOnceWhiteoutsAreGone) {
  const TestImage image(
      {Tar().dir("d").file("d/a", "old").file("d/b", "b").file("gone", "").bytes(),
       Tar().dir("d", 0700).file("d/a", "new").file(".wh.gone", "").bytes(),
       Tar().dir("o").file("o/.wh..wh..opq", "").symlink("s", "d/b").bytes()});
  const std::string tar = squash(image);
  EXPECT_THAT(lines_of(tar), ElementsAre("f d/b=b", "d d/", "f d/a=new", "d o/", "l s -> d/b"));
  EXPECT_EQ(testing::members_of(tar)[1].header.mode, 0700U);
}

TEST(Squash, OpaqueDirectoriesHideWhatLiesBelow) {
  const TestImage image({Tar().dir("d").file("d/a", "").file("d/sub/b", "").bytes(),
                         Tar().dir("d").file("d/.wh..wh..opq", "").file("d/c", "c").bytes()});
  EXPECT_THAT(lines_of(squash(image)), ElementsAre("d d/", "f d/c=c"));
}

TEST(Squash, HardLinksLeadToNamesThatAreThere) {
  // The first name is deleted above, replaced, or still there; links come from other layers too.
  const TestImage image(
      {Tar().file("a", "content").hardlink("b", "a").hardlink("c", "a").file("x", "x").bytes(),
       Tar().hardlink("d", "b").hardlink("y", "x").file(".wh.a", "").bytes()});
  EXPECT_THAT(lines_of(squash(image)),
              ElementsAre("f b=content", "h c -> b", "f x=x", "h d -> b", "h y -> x"));
}

TEST(Squash, ALinkBeforeTheWhiteoutOfItsTargetTakesTheContentOver) {
  const TestImage image(
      {Tar().file("a", "content").bytes(), Tar().hardlink("z", "a").file(".wh.a", "").bytes()});
  EXPECT_THAT(lines_of(squash(image)), ElementsAre("f z=content"));
}

TEST(Squash, ALinkOfAHigherLayerTakesAnOldContentOver) {
  const TestImage image({Tar().file("a", "content", 0751).bytes(), Tar().hardlink("z", "a").bytes(),
                         Tar().file("a", "other").bytes()});
  const std::string tar = squash(image);
  EXPECT_THAT(lines_of(tar), ElementsAre("f z=content", "f a=other"));
  EXPECT_EQ(testing::members_of(tar)[0].header.mode, 0751U);
}

TEST(Squash, NamesThroughSymbolicLinksAreTheirPlaces) {
  // Once "lib" is a directory, "lib/x" would be another file.
  const TestImage image({Tar().dir("usr/lib").symlink("lib", "usr/lib").bytes(),
                         Tar().file("lib/x", "x").hardlink("y", "lib/x").bytes(),
                         Tar().dir("lib").file("lib/z", "z").bytes()});
  EXPECT_THAT(lines_of(squash(image)), ElementsAre("d usr/lib/", "f usr/lib/x=x",
                                                   "h y -> usr/lib/x", "d lib/", "f lib/z=z"));
}

TEST(Squash, WhatThePlanTakesGoes) {
  const TestImage image({Tar()
                             .file("var/lib/apt/lists/a", "content")
                             .file("var/lib/apt/lists/b", "b")
                             .hardlink("kept", "var/lib/apt/lists/a")
                             .bytes(),
                         Tar().file("top", "t").bytes()});
  EXPECT_THAT(lines_of(squash(image)), ElementsAre("f kept=content", "f top=t"));
}

TEST(Squash, RewrittenContentUnderAnotherName) {
  const std::string library = testing::library_with_debug();
  const TestImage image({Tar().file("a.so", library).hardlink("b.so", "a.so").bytes(),
                         Tar().file(".wh.a.so", "").bytes()});
  Plan plan = image.plan();
  plan.layers[0].edits[0] = {Action::kRewrite, kDeviceCode, "a.so", {}, library.size(), 100};
  const auto members = testing::members_of(squash(image, plan));
  ASSERT_EQ(members.size(), 1U);
  EXPECT_EQ(members[0].header.name, "b.so");
  EXPECT_LT(members[0].content.size(), library.size() - 4000);
}

TEST(Squash, ListsFollowAcrossLayers) {
  const std::string list = "site-packages/p-1.dist-info/RECORD";
  const TestImage image({Tar().file("site-packages/p/a", "1").bytes(),
                         Tar().file(list, "p/a,sha256=X,1\np/b,,\n").bytes()});
  Plan plan = image.plan();
  plan.layers[0].edits[0] = testing::drop("site-packages/p/a", 1);
  EXPECT_THAT(lines_of(squash(image, plan)), ElementsAre("f " + list + "=p/b,,\n"));
}

TEST(Squash, LinksToNothingAreLeftOut) {
  const TestImage image(
      {Tar().file("a", "a").hardlink("b", "missing").bytes(), Tar().file("c", "c").bytes()});
  EXPECT_THAT(lines_of(squash(image)), ElementsAre("f a=a", "f c=c"));
}

TEST(Squash, OneHistoryEntry) {
  const auto config = text::parse_json(
      R"({"created":"2024-05-01T12:00:00Z","history":[{"created_by":"a"},{"created_by":"b"}]})",
      "config");
  ASSERT_TRUE(config);
  const text::Json out = squashed_history(*config, 7);
  ASSERT_EQ(out["history"].items().size(), 1U);
  EXPECT_EQ(out["history"].items()[0]["created"].text(), "2024-05-01T12:00:00Z");
  EXPECT_THAT(out["history"].items()[0]["comment"].text(), HasSubstr("7 layers"));
  EXPECT_EQ(out["created"].text(), "2024-05-01T12:00:00Z");
}

}  // namespace
}  // namespace flense::slim
