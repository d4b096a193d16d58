// What lay hidden below a dropped member does not come back.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "slim/apply/squash.h"
#include "slim/apply/testing_image.h"

namespace flense::slim {
namespace {

using ::testing::ElementsAre;
using testing::lines_of;
using testing::Tar;
using testing::TestImage;

const std::string kGone = "var/lib/apt/lists/";

/// The last layer after slimming.
std::vector<std::string> top(const std::vector<std::string>& layers,
                             const SlimOptions& options = testing::options_for_tests()) {
  const TestImage image(layers);
  return lines_of(image.apply(layers.size() - 1, image.plan(options).layers.back()));
}

TEST(OlderEntries, LinksStayHidden) {
  const std::string newer = Tar().dir("var/lib/apt/lists").file(kGone + "a", "new").bytes();
  EXPECT_THAT(top({Tar().symlink(kGone + "a", "/opt/x").bytes(), newer}),
              ElementsAre("d " + kGone, "f " + kGone + ".wh.a="));
  EXPECT_THAT(top({Tar().file(kGone + "a", "").bytes(), newer}), ElementsAre("d " + kGone))
      << "it goes by the same rule";
  EXPECT_THAT(top({Tar().file(kGone + "b", "").bytes(), newer}), ElementsAre("d " + kGone));
}

TEST(OlderEntries, ContentsThatOtherNamesShowStayHidden) {
  EXPECT_THAT(top({Tar().file(kGone + "a", "old").bytes(), Tar().hardlink("k", kGone + "a").bytes(),
                   Tar().file(kGone + "a", "new").bytes()}),
              ElementsAre("f " + kGone + ".wh.a="));
}

TEST(OlderEntries, KeptLayersStayHidden) {
  SlimOptions options = testing::options_for_tests();
  options.packing.kept_layers = 1;
  EXPECT_THAT(top({Tar().file(kGone + "a", "old").bytes(), Tar().file(kGone + "a", "new").bytes()},
                  options),
              ElementsAre("f " + kGone + ".wh.a="));
}

TEST(OlderEntries, ThePathMayLeadThroughALink) {
  EXPECT_THAT(top({Tar().dir("v").symlink("var", "v").symlink("v/lib/apt/lists/a", "/x").bytes(),
                   Tar().file(kGone + "a", "new").bytes()}),
              ElementsAre("f " + kGone + ".wh.a="));
}

TEST(OlderEntries, AHiddenFileStillHidesADirectory) {
  for (const std::string& low : {Tar().dir("srv/d").file("srv/d/old", "1").bytes(),
                                 Tar().symlink("srv/d/old", "x").bytes()}) {
    const TestImage image({low, Tar().file("srv/d", "a file").bytes(),
                           Tar().dir("srv/d").file("srv/d/new", "2").bytes()});
    const Plan plan = image.plan();
    EXPECT_THAT(lines_of(image.apply(1, plan.layers[1])), ElementsAre("f srv/.wh.d="));
  }
}

TEST(OlderEntries, ContentThatMovesLeavesAWhiteout) {
  EXPECT_THAT(top({Tar().symlink(kGone + "a", "/x").bytes(),
                   Tar().file(kGone + "a", "new").hardlink("k", kGone + "a").bytes()}),
              ElementsAre("f " + kGone + ".wh.a=", "f k=new"));
}

TEST(OlderEntries, OfTheSameLayerGoesToo) {
  EXPECT_THAT(
      top({Tar().symlink(kGone + "a", "/x").file(kGone + "a", "new").file("b", "1").bytes()}),
      ElementsAre("f b=1"));
}

TEST(OlderEntries, OneLayerHidesNothing) {
  const TestImage image({Tar().symlink(kGone + "a", "/x").bytes(),
                         Tar().file(kGone + "a", "new").file("b", "1").bytes()});
  const Plan plan = squash_plan(image.contents->tree(), image.plan());
  EXPECT_THAT(lines_of(image.apply(0, plan.layers[0])), ::testing::IsEmpty());
  EXPECT_THAT(lines_of(image.apply(1, plan.layers[1])), ElementsAre("f b=1"));
}

}  // namespace
}  // namespace flense::slim
