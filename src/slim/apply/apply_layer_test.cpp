#include "slim/apply/apply_layer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "slim/apply/records.h"
#include "slim/apply/testing_image.h"

namespace flense::slim {
namespace {

using ::testing::AllOf;
using testing::drop;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::library_with_debug;
using testing::lines_of;
using testing::Member;
using testing::members_of;
using ::testing::Not;
using testing::Tar;
using testing::TestImage;

LayerPlan plan_of(std::map<std::uint64_t, Edit> edits) {
  LayerPlan out;
  out.edits = std::move(edits);
  return out;
}

Edit rewrite(const std::string& path) {
  return {Action::kRewrite, kDeviceCode, path, {}, 6000, 1000};
}

codec::TarMember rich_member(const std::string& name, std::size_t size) {
  codec::TarMember out;
  out.name = name;
  out.mode = 04755;
  out.uid = 1234;
  out.gid = 99;
  out.user = "someone";
  out.mtime = 1'600'000'000;
  out.mtime_nanos = 123'456'789;
  out.size = out.stored_size = size;
  out.xattrs = {{"security.capability", std::string("\1\0\0\2\0", 5)},
                {"security.ima", "signature"},
                {"security.evm", "signature"},
                {"user.note", "kept"}};
  out.pax["comment"] = "kept too";
  return out;
}

TEST(ApplyLayer, UntouchedMembersAreCopiedByteForByte) {
  const std::string tar = Tar()
                              .dir("d")
                              .file("d/" + std::string(150, 'n'), "x")
                              .add(rich_member("rich", 3), "abc")
                              .bytes();
  const TestImage image({tar}, codec::Compression::kGzip);
  EXPECT_EQ(image.apply(0, {}), tar);
}

TEST(ApplyLayer, WhatSpokeOfTheFormOfTheLayerGoes) {
  const TestImage image({Tar()
                             .file(".no.prefetch.landmark", "\x0f")
                             .file("a", "1")
                             .file("opt/stargz.index.json", "2")
                             .file("stargz.index.json", "{}")
                             .bytes()});
  EXPECT_THAT(lines_of(image.apply(0, {})), ElementsAre("f a=1", "f opt/stargz.index.json=2"));
}

TEST(ApplyLayer, RewrittenFilesKeepTheirMetadata) {
  const std::string library = library_with_debug();
  for (const auto compression : {codec::Compression::kNone, codec::Compression::kGzip}) {
    const TestImage image({Tar().add(rich_member("lib.so", library.size()), library).bytes()},
                          compression);
    LayerOutcome outcome;
    const auto members = members_of(image.apply(0, plan_of({{0, rewrite("lib.so")}}), &outcome));
    ASSERT_EQ(members.size(), 1U);
    const codec::TarMember& header = members[0].header;
    EXPECT_LT(members[0].content.size(), library.size() - 4000);
    EXPECT_EQ(header.size, members[0].content.size());
    EXPECT_EQ(header.mode, 04755U);
    EXPECT_EQ(header.uid, 1234U);
    EXPECT_EQ(header.gid, 99U);
    EXPECT_EQ(header.user, "someone");
    EXPECT_EQ(header.mtime, 1'600'000'000);
    EXPECT_EQ(header.mtime_nanos, 123'456'789U);
    EXPECT_EQ(header.pax.at("comment"), "kept too");
    // Capabilities belong to the file; the signatures were over its content.
    EXPECT_EQ(header.xattrs.at("security.capability"), std::string("\1\0\0\2\0", 5));
    EXPECT_EQ(header.xattrs.at("user.note"), "kept");
    EXPECT_FALSE(header.xattrs.contains("security.ima"));
    EXPECT_FALSE(header.xattrs.contains("security.evm"));
    EXPECT_EQ(outcome.notices.size(), 2U);
    EXPECT_EQ(outcome.bytes_by_pass.at(kDebugSections), library.size() - members[0].content.size());
  }
}

TEST(ApplyLayer, AFileThatCannotBeRewrittenStaysWhole) {
  const std::string tar = Tar().add(rich_member("lib.so", 4), "junk").bytes();
  const TestImage image({tar});
  LayerOutcome outcome;
  EXPECT_EQ(image.apply(0, plan_of({{0, rewrite("lib.so")}}), &outcome), tar);
  ASSERT_EQ(outcome.left_alone.size(), 1U);
  EXPECT_EQ(outcome.left_alone[0].path, "lib.so");
}

/// A global PAX header as git archive and GNU tar write it.
std::string global_header() {
  codec::TarMember carrier;
  carrier.name = "x";
  carrier.pax["comment"] = "global";
  std::string block = Tar().add(carrier, "").bytes().substr(0, 1024);
  block[156] = 'g';
  const unsigned sum_change = 'x' - 'g';
  const unsigned sum = static_cast<unsigned>(std::stoul(block.substr(148, 6), nullptr, 8));
  block.replace(148, 6, fmt::format("{:06o}", sum - sum_change));
  return block;
}

TEST(ApplyLayer, GlobalHeadersOutliveTheirCarrier) {
  const std::string global = global_header();
  const std::string first = Tar().file("a", "1").bytes().substr(0, 1024);
  const std::string second = Tar().file("b", "2").bytes();
  const TestImage image({global + first + second});
  EXPECT_EQ(image.apply(0, plan_of({{0, drop("a", 1)}})), global + second);
  EXPECT_EQ(image.apply(0, {}), global + first + second);
}

TEST(ApplyLayer, GlobalHeadersStayInFrontOfRewrittenFiles) {
  const std::string library = library_with_debug();
  const TestImage image({global_header() + Tar().file("lib.so", library).bytes()});
  const std::string out = image.apply(0, plan_of({{0, rewrite("lib.so")}}));
  EXPECT_TRUE(out.starts_with(global_header()));
  EXPECT_THAT(lines_of(out).size(), 1U);
}

TEST(ApplyLayer, TheInputMustBeTheOnePlanned) {
  const TestImage image({Tar().file("a", "1").bytes()});
  StringSink out;
  const auto result =
      apply_layer(*image.image, 0, plan_of({{0, drop("b")}}), testing::options_for_tests().cuts, {},
                  testing::workplace_for_tests(), out);
  ASSERT_FALSE(result);
  EXPECT_THAT(render(result.error()), HasSubstr("changed while it was read"));
}

TEST(ApplyLayer, AddedFilesReplaceThoseOfAnEarlierRun) {
  const TestImage image({Tar().dir("d").file("d/m", "old").file("e", "x").bytes()});
  const std::string out = image.apply(0, {}, nullptr, {{"d/m", "new"}});
  EXPECT_THAT(lines_of(out), ElementsAre("d d/", "f e=x", "f d/m=new"));
  EXPECT_EQ(members_of(out).back().header.mtime, 1'700'000'000) << "of the last directory";
}

const std::string kList = "site-packages/pkg-1.dist-info/RECORD";

std::string list_of(const std::string& tar, const std::string& path = kList) {
  for (const Member& member : members_of(tar))
    if (member.header.name == path) return member.content;
  return "missing";
}

TEST(PackageLists, FollowDropsAndRewrites) {
  const std::string library = library_with_debug();
  codec::TarMember list = rich_member(kList, 0);
  const std::string text = "pkg/lib.so,sha256=X,1\npkg/doc,sha256=Y,2\npkg/other,sha256=Z,3\n";
  list.size = list.stored_size = text.size();
  const TestImage image({Tar()
                             .add(list, text)
                             .file("site-packages/pkg/lib.so", library)
                             .file("site-packages/pkg/doc", "dd")
                             .bytes()});
  const std::string out = image.apply(0, plan_of({{1, rewrite("site-packages/pkg/lib.so")},
                                                  {2, drop("site-packages/pkg/doc", 2)}}));
  const auto members = members_of(out);
  ASSERT_EQ(members.size(), 2U);
  EXPECT_EQ(members[1].header.name, kList);
  EXPECT_FALSE(members[1].header.xattrs.contains("security.ima")) << "the list changed too";
  EXPECT_TRUE(members[1].header.xattrs.contains("user.note"));
  EXPECT_THAT(members[1].content, HasSubstr(fmt::format(",{}\n", members[0].content.size())));
  EXPECT_THAT(members[1].content, Not(HasSubstr("pkg/doc")));
  EXPECT_THAT(members[1].content, HasSubstr("pkg/other,sha256=Z,3\n"));
}

TEST(PackageLists, WhatLaterLayersHideIsNoNews) {
  const TestImage image(
      {Tar().file(kList, "pkg/a,sha256=X,1\n").file("site-packages/pkg/a", "1").bytes()});
  const std::string out =
      image.apply(0, plan_of({{1, drop("site-packages/pkg/a", 1, kShadowedFiles)}}));
  EXPECT_EQ(list_of(out), "pkg/a,sha256=X,1\n");
}

TEST(PackageLists, WhatGoesFromTheLayerAboveGoesFromTheList) {
  // Another hard link to a file of the layer below: the whole file is in the upper layer again.
  const std::string header = "opt/conda/include/x.h", meta = "opt/conda/conda-meta/x-1.json";
  const std::string text =
      R"({"name":"x","version":"1","files":["include/x.h","lib/x.txt"],"paths_data":{"paths":[]}})";
  const TestImage image(
      {Tar().file(meta, text).file(header, "1").file("opt/conda/lib/x.txt", "1").bytes(),
       Tar().file(header, "1").hardlink("opt/conda/envs/e/include/x.h", header).bytes()});
  const Plan plan = image.plan();
  EXPECT_THAT(list_of(image.apply(0, plan.layers[0]), meta),
              AllOf(HasSubstr("lib/x.txt"), Not(HasSubstr("include/x.h"))));
}

TEST(PackageLists, AListOfAnotherListFollowsIt) {
  const std::string meta = "conda-meta/pkg-1.json";
  const TestImage image(
      {Tar()
           .file(meta, R"({"files":[")" + kList + R"("],"paths_data":{"paths":[{"_path":")" +
                           kList + R"(","sha256_in_prefix":"X","size_in_bytes":30}]}})")
           .file(kList, "pkg/a,sha256=X,1\npkg/b,,\n")
           .hardlink("env/" + kList, kList)
           .file("env/" + meta, R"({"paths_data":{"paths":[{"_path":")" + kList + R"("}]}})")
           .file("site-packages/pkg/a", "1")
           .bytes()});
  const std::string out = image.apply(0, plan_of({{4, drop("site-packages/pkg/a", 1)}}));
  ASSERT_EQ(list_of(out), "pkg/b,,\n");
  const std::string digest = fate_of(as_bytes("pkg/b,,\n")).digests.get().sha256_hex;
  for (const std::string& path : {meta, "env/" + meta})
    EXPECT_THAT(list_of(out, path), AllOf(HasSubstr(digest), HasSubstr("\"size_in_bytes\": 8")))
        << path;
}

TEST(PackageLists, APathThatStandsTwiceIsStillThere) {
  const TestImage image({Tar()
                             .file(kList, "pkg/a,sha256=X,1\n")
                             .file("site-packages/pkg/a", "1")
                             .file("site-packages/pkg/a", "2")
                             .bytes()});
  EXPECT_EQ(list_of(image.apply(0, plan_of({{1, drop("site-packages/pkg/a", 1)}}))),
            "pkg/a,sha256=X,1\n");
}

TEST(PackageLists, FurtherNamesOfAChangedFileFollow) {
  const std::string library = library_with_debug();
  const TestImage image({Tar()
                             .file(kList, "pkg/lib.so,sha256=X,1\n")
                             .file("pkgs/lib.so", library)
                             .hardlink("site-packages/pkg/lib.so", "pkgs/lib.so")
                             .bytes()});
  const std::string out = image.apply(0, plan_of({{1, rewrite("pkgs/lib.so")}}));
  EXPECT_THAT(list_of(out), Not(HasSubstr("sha256=X")));
}

TEST(PackageLists, APackageWithinAPackageIsListedByBoth) {
  const std::string inner = "site-packages/pkg/_vendor/in-1.dist-info/RECORD";
  const TestImage image({Tar()
                             .file(kList, "pkg/_vendor/in-1.dist-info/RECORD,sha256=X,19\n")
                             .file(inner, "in/a,,\nin/b,,\n")
                             .file("site-packages/pkg/_vendor/in/a", "a")
                             .bytes()});
  const std::string out = image.apply(0, plan_of({{2, drop("site-packages/pkg/_vendor/in/a")}}));
  const std::string text = "in/b,,\n";
  EXPECT_EQ(list_of(out, inner), text);
  EXPECT_EQ(list_of(out),
            fmt::format("pkg/_vendor/in-1.dist-info/RECORD,sha256={},{}\n",
                        fate_of(as_bytes(text)).digests.get().sha256_record, text.size()));
}

TEST(PackageLists, LinksToAListComeAfterIt) {
  const TestImage image({Tar()
                             .file(kList, "a,,\n")
                             .hardlink("pkgs/RECORD", kList)
                             .hardlink("other", "pkgs/RECORD")
                             .file("z", "z")
                             .bytes()});
  EXPECT_THAT(lines_of(image.apply(0, {})),
              ElementsAre("f z=z", "f " + kList + "=a,,\n", "h pkgs/RECORD -> " + kList,
                          "h other -> pkgs/RECORD"));
}

TEST(PackageLists, AListThatTakesOverALinksNameFollowsToo) {
  const TestImage image({Tar()
                             .file("var/lib/apt/lists/RECORD", "pkg/a,sha256=X,1\npkg/b,,\n")
                             .hardlink(kList, "var/lib/apt/lists/RECORD")
                             .hardlink("again", "var/lib/apt/lists/RECORD")
                             .file("site-packages/pkg/a", "1")
                             .bytes()});
  Plan plan = image.plan();
  plan.layers[0].edits[3] = drop("site-packages/pkg/a", 1);
  EXPECT_THAT(lines_of(image.apply(0, plan.layers[0])),
              ElementsAre("f " + kList + "=pkg/b,,\n", "h again -> " + kList));
}

TEST(ApplyLayer, TreesBecomeLayersThatEnginesTake) {
  const image::fixture::TempDir dir;
  image::fixture::write_file(dir / "tree/d/file", "x");
  image::fixture::write_file(dir / "tree/d/gone", "y");
  const auto image = testing::must(image::open_image((dir / "tree").string(), {}));
  StringSink out;
  testing::must(apply_layer(*image, 0, plan_of({{2, drop("d/gone", 1)}}),
                            testing::options_for_tests().cuts, {}, testing::workplace_for_tests(),
                            out));
  EXPECT_THAT(lines_of(out.text()), ElementsAre("d d/", "f d/file=x"));
}

}  // namespace
}  // namespace flense::slim
