#include "slim/candidates/vouched_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "slim/apply/testing_image.h"

namespace flense::slim {
namespace {

using testing::edits_of;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::library_with_debug;
using testing::Tar;
using testing::TestImage;

/// A tar of one library with this attribute.
std::string signed_library(const std::string& name, const std::string& attribute) {
  codec::TarMember member;
  member.name = name;
  member.mode = 0755;
  member.xattrs.emplace(attribute, "\x03\x02value");
  const std::string content = library_with_debug();
  member.size = member.stored_size = content.size();
  return Tar().add(member, content).bytes();
}

Plan plan_of(const std::string& tar, bool rewrite_signed = false) {
  SlimOptions options;  // without targets debug sections count as they stand
  options.cuts.rewrite_signed = rewrite_signed;
  return TestImage({tar}).plan(options);
}

TEST(VouchedFiles, SignaturesOfTheKernelHoldTheFile) {
  for (const char* attribute : {"security.ima", "security.evm"}) {
    const std::string tar = signed_library("usr/lib/lib.so", attribute);
    const Plan plan = plan_of(tar);
    EXPECT_THAT(edits_of(plan), IsEmpty()) << attribute;
    ASSERT_EQ(plan.left_alone.size(), 1U);
    EXPECT_EQ(plan.left_alone[0].path, "usr/lib/lib.so");
    EXPECT_GT(plan.left_alone[0].bytes, 4000U);
    EXPECT_THAT(plan.left_alone[0].why, HasSubstr(attribute));
    EXPECT_THAT(edits_of(plan_of(tar, true)), ElementsAre("0:usr/lib/lib.so rewrite"));
  }
  EXPECT_THAT(edits_of(plan_of(signed_library("usr/lib/lib.so", "user.note"))),
              ElementsAre("0:usr/lib/lib.so rewrite"));
}

TEST(VouchedFiles, ASignedFileMayGoAsAWhole) {
  EXPECT_THAT(edits_of(plan_of(signed_library("var/lib/apt/lists/lib.so", "security.ima"))),
              ElementsAre("0:var/lib/apt/lists/lib.so drop"));
}

TEST(VouchedFiles, StoresStayWhole) {
  const std::string hash = "0123456789abcdfghijklmnpqrsvwxyz";
  for (const std::string& prefix :
       {"nix/store/" + hash + "-torch-2.9", "gnu/store/" + hash + "-x"}) {
    const std::string tar = Tar()
                                .file(prefix + "/lib/lib.so", library_with_debug())
                                .file(prefix + "/share/doc/x/changelog", "text")
                                .file("lib/lib.so", library_with_debug())
                                .bytes();
    const Plan plan = plan_of(tar);
    EXPECT_THAT(edits_of(plan), ElementsAre("0:lib/lib.so rewrite"));
    ASSERT_FALSE(plan.left_alone.empty());
    EXPECT_THAT(plan.left_alone[0].why, HasSubstr(prefix.substr(0, 9)));
    EXPECT_GT(edits_of(plan_of(tar, true)).size(), 1U);
  }
}

TEST(VouchedFiles, SpackPrefixesAreToldByTheirManifest) {
  const std::string prefix = "opt/spack/linux-x86_64/gcc-12/py-torch-2.9-abcdef";
  const auto tar = [&](const std::string& manifest) {
    return Tar()
        .file(prefix + "/lib/lib.so", library_with_debug())
        .file(prefix + "/.spack/" + manifest, "{}")
        .bytes();
  };
  EXPECT_THAT(edits_of(plan_of(tar("install_manifest.json"))), IsEmpty());
  EXPECT_THAT(edits_of(plan_of(tar("other.json"))),
              ElementsAre("0:" + prefix + "/lib/lib.so rewrite"));
}

}  // namespace
}  // namespace flense::slim
