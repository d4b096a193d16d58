// The pass of --closure: what it drops of which layers, what else depends on it.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "slim/apply/squash.h"
#include "slim/apply/testing_image.h"
#include "slim/job/read_closure.h"

namespace flense::slim {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::Tar;
using testing::TestImage;
using ::testing::UnorderedElementsAre;

text::Json starts(const std::string& program) {
  return text::Json::object().set("Cmd", text::Json::array().push(program));
}

SlimOptions closure_options() {
  SlimOptions out = testing::options_for_tests();
  out.cuts.level = device::Level::kAggressive;
  out.closure.wanted = true;
  return out;
}

Plan closure_plan(const TestImage& image, const SlimOptions& options = closure_options()) {
  const closure::Reach reach = testing::must(
      read_closure(*image.image, *image.contents, {}, options, testing::workplace_for_tests()));
  return testing::must(make_plan(*image.image, *image.contents, {}, options, &reach));
}

const std::string& program() {
  static const std::string kProgram = testing::library_with_debug();
  return kProgram;
}

TEST(Unreachable, LowerCopiesDoNotComeBack) {
  const TestImage image({Tar()
                             .file("usr/bin/app", program(), 0755)
                             .file("usr/share/x/old", "1")
                             .symlink("usr/share/x/link", "old")
                             .file("usr/share/x/empty", "")
                             .bytes(),
                         Tar()
                             .file("usr/share/x/old", "2")
                             .symlink("usr/share/x/link", "new")
                             .file("usr/share/x/empty", "now with content")
                             .file("srv/data", "stays")
                             .bytes()},
                        codec::Compression::kNone, starts("/usr/bin/app"));
  const Plan plan = closure_plan(image);
  EXPECT_THAT(testing::edits_of(plan),
              UnorderedElementsAre("0:usr/share/x/old drop", "0:usr/share/x/link drop",
                                   "0:usr/share/x/empty drop", "1:usr/share/x/old drop",
                                   "1:usr/share/x/link drop", "1:usr/share/x/empty drop"));
  ASSERT_TRUE(plan.closure);
  EXPECT_EQ(plan.closure->files, 5U) << "one copy goes as a shadowed file";
  EXPECT_THAT(plan.closure->kept, Contains(::testing::Key("usr/bin/app")));
  EXPECT_THAT(verify_plan(*image.image, *image.contents, plan), ElementsAre());
  const text::Json json = to_json(plan);
  EXPECT_EQ(json["closure"]["starts"].items().size(), 1U);
  EXPECT_FALSE(json["closure"]["kept"].items().empty());
}

TEST(Unreachable, WhatAKeptBaseHoldsStaysVisible) {
  const TestImage image(
      {Tar().file("usr/share/x/a", "1").bytes(), Tar()
                                                     .file("usr/bin/app", program(), 0755)
                                                     .file("usr/share/x/a", "2")
                                                     .file("usr/share/x/b", "3")
                                                     .bytes()},
      codec::Compression::kNone, starts("/usr/bin/app"));
  SlimOptions options = closure_options();
  options.packing.kept_layers = 1;
  EXPECT_THAT(testing::edits_of(closure_plan(image, options)),
              UnorderedElementsAre("1:usr/share/x/b drop"));
}

TEST(Unreachable, AContentGoesOnUnderTheNameThatStays) {
  const TestImage image({Tar()
                             .file("usr/share/x/first", program(), 0755)
                             .hardlink("usr/bin/app", "usr/share/x/first")
                             .bytes()},
                        codec::Compression::kNone, starts("/usr/bin/app"));
  const Plan plan = closure_plan(image);
  const std::string out = image.apply(0, plan.layers[0]);
  const auto members = testing::members_of(out);
  ASSERT_EQ(members.size(), 1U);
  EXPECT_EQ(members[0].header.name, "usr/bin/app");
  EXPECT_FALSE(members[0].content.empty());
}

TEST(Unreachable, MinimalTakesDirectoriesToo) {
  const TestImage image({Tar()
                             .dir("usr")
                             .dir("usr/bin")
                             .file("usr/bin/app", program(), 0755)
                             .dir("usr/games")
                             .dir("tmp", 01777)
                             .dir("var")
                             .dir("var/lib")
                             .dir("var/lib/app")
                             .file("etc/passwd", "root:x:0:0::/root:/bin/sh\n")
                             .file("etc/motd", "hello")
                             .file("usr/share/zoneinfo/UTC", "TZif")
                             .bytes()},
                        codec::Compression::kNone, starts("/usr/bin/app"));
  SlimOptions options = closure_options();
  options.closure.minimal = true;
  EXPECT_THAT(testing::edits_of(closure_plan(image, options)),
              UnorderedElementsAre("0:usr/games drop", "0:var/lib/app drop", "0:etc/motd drop",
                                   "0:usr/share/zoneinfo/UTC drop"));
  options.closure.time_zones = true;
  EXPECT_THAT(testing::edits_of(closure_plan(image, options)),
              Not(Contains("0:usr/share/zoneinfo/UTC drop")));
}

TEST(Unreachable, WithoutTheOptionNothingChanges) {
  const TestImage image({Tar().file("usr/share/x/a", "1").bytes()});
  EXPECT_TRUE(image.plan().empty());
  EXPECT_FALSE(image.plan().closure);
}

}  // namespace
}  // namespace flense::slim
