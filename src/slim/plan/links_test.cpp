// Copies that become links: equal files of a layer, the cache of the Hugging Face hub.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "slim/apply/testing_image.h"

namespace flense::slim {
namespace {

using testing::edits_of;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::lines_of;
using testing::Tar;
using testing::TestImage;

constexpr std::size_t kLarge = 100'000;

std::string large(char c) {
  return std::string(kLarge, c);
}

codec::TarMember plain_member(const std::string& name, std::size_t size = kLarge) {
  codec::TarMember out;
  out.name = name;
  out.mode = 0644;
  out.mtime = 1'700'000'000;
  out.size = out.stored_size = size;
  return out;
}

SlimOptions at_level(device::Level level) {
  SlimOptions out = testing::options_for_tests();
  out.cuts.level = level;
  return out;
}

TEST(EqualFiles, BecomeHardLinksWithinTheirLayer) {
  const TestImage image({Tar()
                             .file("usr/lib/libtensor.so.2", large('a'))
                             .file("usr/lib/libother.so", large('b'))
                             .file("opt/app/libtensor.so", large('a'))
                             .file("v/lib/python3/site-packages/p/libtensor.so", large('a'))
                             .bytes()});
  const Plan plan = image.plan();
  EXPECT_THAT(edits_of(plan), ElementsAre("0:opt/app/libtensor.so link usr/lib/libtensor.so.2",
                                          "0:v/lib/python3/site-packages/p/libtensor.so link "
                                          "usr/lib/libtensor.so.2"));
  EXPECT_EQ(plan.bytes_given_back(), 2 * kLarge);
  EXPECT_FALSE(plan.passes.front().breaks_sharing);
  LayerOutcome outcome;
  EXPECT_THAT(
      lines_of(image.apply(0, plan.layers[0], &outcome)),
      ElementsAre("f usr/lib/libtensor.so.2=" + large('a'), "f usr/lib/libother.so=" + large('b'),
                  "h opt/app/libtensor.so -> usr/lib/libtensor.so.2",
                  "h v/lib/python3/site-packages/p/libtensor.so -> "
                  "usr/lib/libtensor.so.2"));
  EXPECT_EQ(outcome.bytes_by_pass.at(kEqualFiles), 2 * kLarge);
  EXPECT_EQ(outcome.content_after, 2 * kLarge);
  EXPECT_THAT(edits_of(image.plan(at_level(device::Level::kSafe))), IsEmpty());
}

TEST(EqualFiles, WhatCouldBeToldApartStays) {
  const std::string content = large('x');
  codec::TarMember capable = plain_member("usr/bin/capable");
  capable.xattrs["security.capability"] = std::string("\1\0\0\2", 4);
  codec::TarMember owned = plain_member("usr/lib/owned");
  owned.uid = 1000;
  codec::TarMember later = plain_member("opt/p/site-packages/later.py");
  later.mtime += 1;
  Tar tar;
  tar.file("usr/lib/first", content)
      .add(capable, content)
      .add(owned, content)
      .file("usr/bin/setuid", content, 04755)
      .file("usr/lib/executable", content, 0755)
      .file("opt/p/site-packages/sooner.py", content + "#")
      .file("etc/first", content)
      .file("var/lib/first", content)
      .file("home/me/first", content)
      .file("root/first", content)
      .file("usr/share/app/cache/first", content)
      .file("usr/share/app/logs/first", content)
      .file("opt/p/site-packages/p-1.dist-info/RECORD", content)
      .file("opt/p/site-packages/p/__pycache__/first.pyc", content);
  later.size = later.stored_size = kLarge + 1;
  tar.add(later, content + "#");
  EXPECT_THAT(edits_of(TestImage({tar.bytes()}).plan()), IsEmpty());
}

TEST(EqualFiles, OtherLayersAndOtherBytesAreNotTouched) {
  std::string almost = large('a');
  almost.back() = 'b';
  const TestImage image({Tar()
                             .file("usr/lib/one", large('a'))
                             .file("usr/lib/two", almost)
                             .file("usr/lib/small", std::string(1000, 's'))
                             .file("usr/lib/small2", std::string(1000, 's'))
                             .bytes(),
                         Tar().file("usr/lib/three", large('a')).bytes()});
  EXPECT_THAT(edits_of(image.plan()), IsEmpty());
}

TEST(EqualFiles, TheFirstNameThatStaysIsTheOneToLeadTo) {
  // The first is waste, the second is hidden by a later layer, the third is kept by the user.
  const TestImage image({Tar()
                             .file("usr/share/doc/a/data", large('a'))
                             .file("usr/lib/hidden", large('a'))
                             .file("usr/lib/third", large('a'))
                             .file("usr/lib/fourth", large('a'))
                             .file("usr/lib/fifth", large('a'))
                             .bytes(),
                         Tar().file("usr/lib/hidden", "new").bytes()});
  SlimOptions options = testing::options_for_tests();
  options.cuts.keep = {"usr/lib/fifth"};
  EXPECT_THAT(edits_of(image.plan(options)),
              ElementsAre("0:usr/share/doc/a/data drop", "0:usr/lib/hidden drop",
                          "0:usr/lib/fourth link usr/lib/third"));
}

TEST(EqualFiles, LinksToALinkedFileStayTrue) {
  const TestImage image({Tar()
                             .file("usr/lib/a", large('a'))
                             .file("usr/lib/b", large('a'))
                             .hardlink("usr/lib/c", "usr/lib/b")
                             .bytes()});
  const Plan plan = image.plan();
  EXPECT_THAT(edits_of(plan), ElementsAre("0:usr/lib/b link usr/lib/a"));
  EXPECT_THAT(lines_of(image.apply(0, plan.layers[0])),
              ElementsAre("f usr/lib/a=" + large('a'), "h usr/lib/b -> usr/lib/a",
                          "h usr/lib/c -> usr/lib/b"));
}

TEST(EqualFiles, FilesThatCheckTheirBytesStayFiles) {
  const TestImage image({Tar()
                             .file("usr/lib/libz.so.1", large('a'))
                             .file("usr/lib/libgnutls.so.30", large('a'))
                             .file("usr/lib/.libgnutls.so.30.hmac", "mac")
                             .bytes()});
  EXPECT_THAT(edits_of(image.plan()), IsEmpty());
}

TEST(CondaPackages, WhatAnEnvironmentLinksMovesThere) {
  const TestImage image(
      {Tar()
           .file("opt/conda/pkgs/zlib/lib/libz.so.1", "library")
           .file("opt/conda/pkgs/zlib/info/index.json", "{}")
           .hardlink("opt/conda/lib/libz.so.1", "opt/conda/pkgs/zlib/lib/libz.so.1")
           .bytes()});
  const Plan plan = image.plan();
  EXPECT_THAT(lines_of(image.apply(0, plan.layers[0])),
              ElementsAre("f opt/conda/lib/libz.so.1=library"));
  EXPECT_EQ(plan.bytes_given_back(), 2U) << "the linked content gives nothing back";
}

TEST(HubCache, CopiesBecomeTheLinksOfTheHub) {
  const std::string hub = "root/.cache/huggingface/hub/models--org--name/";
  const TestImage image(
      {Tar()
           .file(hub + "blobs/digest-a", large('a'))
           .file(hub + "blobs/digest-c", large('c'))
           .file(hub + "refs/main", "rev1")
           .file(hub + "snapshots/rev1/model.safetensors", large('a'))
           .file(hub + "snapshots/rev1/unet/model.bin", large('a'))
           .file(hub + "snapshots/rev1/changed.bin", large('d'))
           .symlink(hub + "snapshots/rev1/linked", "../../blobs/digest-c")
           .file("root/.cache/huggingface/hub/models--org--other/snapshots/r/x", large('a'))
           .bytes()});
  const Plan plan = image.plan();
  EXPECT_THAT(edits_of(plan), ElementsAre("0:" + hub +
                                              "snapshots/rev1/model.safetensors symlink "
                                              "../../blobs/digest-a",
                                          "0:" + hub +
                                              "snapshots/rev1/unet/model.bin symlink "
                                              "../../../blobs/digest-a"));
  const auto lines = lines_of(image.apply(0, plan.layers[0]));
  EXPECT_EQ(lines[3], "l " + hub + "snapshots/rev1/model.safetensors -> ../../blobs/digest-a");
  EXPECT_EQ(plan.bytes_given_back(), 2 * kLarge);
}

TEST(HubCache, ALinkLetsNobodyReadMoreOrLess) {
  const std::string hub = "srv/hub/models--org--name/";
  const TestImage other_mode({Tar()
                                  .file(hub + "blobs/digest", large('a'), 0600)
                                  .file(hub + "snapshots/rev1/model", large('a'))
                                  .bytes()});
  EXPECT_THAT(edits_of(other_mode.plan()), IsEmpty());
  const TestImage other_folder({Tar()
                                    .dir(hub + "blobs", 0700)
                                    .dir(hub + "snapshots")
                                    .file(hub + "blobs/digest", large('a'))
                                    .file(hub + "snapshots/rev1/model", large('a'))
                                    .bytes()});
  EXPECT_THAT(edits_of(other_folder.plan()), IsEmpty());
}

}  // namespace
}  // namespace flense::slim
