#include "slim/plan/draft.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "slim/apply/testing_image.h"

namespace flense::slim {
namespace {

using testing::drop;
using testing::edits_of;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::must;
using testing::Tar;
using testing::TestImage;

TEST(Draft, FirstClaimStandsAndKeepWins) {
  const TestImage image({Tar().file("a/x", "1").file("a/y", "2").bytes()});
  Draft draft(*image.contents, {"a/y*", "/b/**"});
  EXPECT_TRUE(draft.may_claim({0, 0}, "a/x"));
  EXPECT_FALSE(draft.may_claim({0, 1}, "a/y"));
  EXPECT_FALSE(draft.may_claim({0, 5}, "b/c/d"));
  draft.claim({0, 0}, drop("a/x", 1));
  EXPECT_FALSE(draft.may_claim({0, 0}, "a/x"));
  ASSERT_NE(draft.edit_at({0, 0}), nullptr);
  draft.withdraw({0, 0});
  EXPECT_EQ(draft.edit_at({0, 0}), nullptr);
  EXPECT_TRUE(draft.may_claim({0, 0}, "a/x"));
}

TEST(Draft, TotalsAreTheSumOfTheEdits) {
  const TestImage image({Tar().file("a", "1").file("b", "2").file("c", "3").bytes()});
  Draft draft(*image.contents, {});
  draft.breaks_sharing(kHubCache);
  draft.claim({0, 0}, {.action = Action::kRewrite,
                       .pass = kDeviceCode,
                       .path = "a",
                       .bytes_before = 100,
                       .bytes_after = 30,
                       .shares = shares_of({.code = true, .debug = 20}, 70)});
  draft.claim({0, 1}, drop("b", 5));
  draft.claim({0, 2}, {Action::kRename, testing::pass_of("apt-lists"), "c", "d", 9, 9});
  draft.leave_alone({"small", 1, "why"});
  draft.leave_alone({"large", 2, "why"});
  draft.add_bolder("rule", 1);
  draft.add_bolder("rule", 2);
  const Plan plan = std::move(draft).finish();
  ASSERT_EQ(plan.passes.size(), 3U) << "passes without effect are not named";
  EXPECT_EQ(plan.passes[0].pass, kDeviceCode);
  EXPECT_EQ(plan.passes[0].bytes, 50U);
  EXPECT_EQ(plan.passes[1].pass, kDebugSections);
  EXPECT_EQ(plan.passes[1].bytes, 20U);
  EXPECT_EQ(plan.passes[2].bytes, 5U);
  EXPECT_EQ(plan.passes[2].files, 1U) << "a moved content is none";
  EXPECT_EQ(plan.bytes_given_back(), 75U);
  EXPECT_EQ(plan.left_alone.front().path, "large");
  EXPECT_EQ(plan.bolder.at("rule"), 3U);
}

TEST(Passes, WhiteoutsStayWhenTheirTargetsGo) {
  const TestImage image({Tar().file("opt/a", "old").file("opt/d/b", "old").bytes(),
                         Tar().file("opt/.wh.a", "").file("opt/d/.wh..wh..opq", "").bytes()});
  EXPECT_THAT(edits_of(image.plan()), ElementsAre("0:opt/a drop", "0:opt/d/b drop"));
}

TEST(Passes, WhiteoutsInCachesAreNoCaches) {
  const TestImage image({Tar()
                             .file("var/lib/apt/lists/x", "cache")
                             .file("var/lib/apt/lists/.wh.y", "")
                             .file("var/lib/apt/lists/.wh..wh..opq", "")
                             .bytes()});
  EXPECT_THAT(edits_of(image.plan()), ElementsAre("0:var/lib/apt/lists/x drop"));
}

TEST(Passes, HiddenLinksGoWithTheirContent) {
  const TestImage image({Tar().file("a", "content").hardlink("b", "a").bytes(),
                         Tar().hardlink("c", "b").bytes(),
                         Tar().file(".wh.a", "").file(".wh.b", "").file(".wh.c", "").bytes()});
  const Plan plan = image.plan();
  EXPECT_THAT(edits_of(plan), ElementsAre("0:a drop", "0:b drop", "1:c drop"));
  EXPECT_EQ(plan.bytes_given_back(), 7U);
}

TEST(Passes, AHiddenLinkAloneIsNoReasonToWriteALayer) {
  const TestImage image(
      {Tar().file("a", "content").hardlink("b", "a").bytes(), Tar().file(".wh.b", "").bytes()});
  EXPECT_THAT(edits_of(image.plan()), IsEmpty());
}

TEST(Passes, ContentThatALiveLinkShowsStays) {
  const TestImage image(
      {Tar().file("a", "content").hardlink("b", "a").bytes(), Tar().file(".wh.a", "").bytes()});
  EXPECT_THAT(edits_of(image.plan()), IsEmpty());
}

/// TestImage reads without a plan for ELF files.
void look_into_libraries(TestImage& image) {
  inventory::ScanOptions scan;
  scan.scratch_directory = std::filesystem::temp_directory_path();
  scan.workers = 1;
  scan.prune = rewrite_rules(testing::options_for_tests().cuts);
  image.contents = must(inventory::Contents::read(*image.image, scan));
}

TEST(Passes, LibrariesOfMuslStay) {
  for (const char* loader : {"lib/ld-musl-x86_64.so.1", "usr/lib/ld-musl-x86_64.so.1"}) {
    TestImage image({Tar()
                         .file(loader, "loader")
                         .file("usr/lib/libx.so.1", testing::library_with_debug())
                         .bytes()});
    look_into_libraries(image);
    EXPECT_THAT(edits_of(image.plan()), IsEmpty()) << loader;
  }
}

TEST(Passes, FilesThatCheckTheirOwnBytesStay) {
  const std::string library = testing::library_with_debug();
  TestImage image({Tar()
                       .file("usr/lib/libx.so.1", library)
                       .file("usr/lib/libgnutls.so.30", library)
                       .file("usr/lib/.libgnutls.so.30.hmac", "mac")
                       .bytes()});
  look_into_libraries(image);
  const Plan plan = image.plan();
  EXPECT_THAT(edits_of(plan), ElementsAre("0:usr/lib/libx.so.1 rewrite"));
  ASSERT_EQ(plan.left_alone.size(), 1U);
  EXPECT_EQ(plan.left_alone[0].path, "usr/lib/libgnutls.so.30");
}

TEST(Passes, CachesThatAreUsedStay) {
  const TestImage image(
      {Tar()
           .file("root/.cache/uv/archive-v0/a/m.py", "1")
           .file("root/.cache/uv/archive-v0/b/m.py", "2")
           .symlink("app/m.py", "/root/.cache/uv/archive-v0/a/m.py")
           .file("tmp/hf/model", "3")
           .file("tmp/left", "4")
           .bytes()},
      codec::Compression::kNone,
      text::Json::object().set("Env", text::Json::array().push("HF_HOME=/tmp/hf")));
  EXPECT_THAT(edits_of(image.plan()),
              ElementsAre("0:root/.cache/uv/archive-v0/b/m.py drop", "0:tmp/left drop"));
}

TEST(Passes, SparseFilesGiveBackWhatTheyStore) {
  // Old GNU sparse: 1 MiB of which 512 bytes are stored; installation logs are such files.
  codec::TarMember member;
  member.name = "var/log/lastlog";
  member.mode = 0644;
  member.size = 512;
  std::string tar = Tar().add(member, std::string(512, 'x')).bytes();
  std::string header = tar.substr(0, 512);
  const auto put = [&](std::size_t at, std::string_view text) {
    header.replace(at, text.size(), text);
  };
  put(257, std::string_view("ustar  \0", 8));
  put(156, "S");
  put(386, "00000000000");  // offset
  put(398, "00000001000");  // 512 bytes
  put(483, "00004000000");  // 1 MiB
  put(148, "        ");
  unsigned sum = 0;
  for (const char c : header) sum += static_cast<unsigned char>(c);
  put(148, fmt::format("{:06o}", sum));
  header[154] = '\0';
  tar.replace(0, 512, header);
  const TestImage image({tar});
  EXPECT_EQ(image.contents->tree().entry({0, 0}).size, 1U << 20);
  const Plan plan = image.plan();
  EXPECT_EQ(plan.bytes_given_back(), 512U);
  LayerOutcome outcome;
  image.apply(0, plan.layers[0], &outcome);
  EXPECT_EQ(outcome.bytes_by_pass.at(testing::pass_of("install-logs")), 512U);
}

}  // namespace
}  // namespace flense::slim
