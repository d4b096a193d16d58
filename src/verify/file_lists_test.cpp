#include "verify/file_lists.h"

#include <gtest/gtest.h>

#include <map>

namespace flense::verify {
namespace {

const std::map<std::string, std::optional<std::string>> kFates = {
    {"site/pkg/gone.py", std::nullopt}, {"site/pkg/new,1.so", "abc"}, {"lib/new", "abc"}};

std::optional<ListedFile> fate(const std::string& path) {
  const auto found = kFates.find(path);
  if (found == kFates.end()) return std::nullopt;
  if (!found->second) return ListedFile{true, {}};
  return ListedFile{false, as_bytes(*found->second)};
}

std::optional<ListDifference> compare(const char* path, std::string_view before,
                                      std::string_view after) {
  return compare_list(*list_kind(path, true), path, before, after, fate);
}

constexpr const char* kRecord = "site/pkg-1.dist-info/RECORD";
constexpr std::string_view kBefore =
    "pkg/gone.py,sha256=x,1\n\"pkg/new,1.so\",sha256=y,2\npkg/kept.py,sha256=z,3\n";
constexpr std::string_view kAfter =
    "\"pkg/new,1.so\",sha256=ungWv48Bz-pBQUDeXa4iI7ADYaOWF3qctBD_YfIAFa0,3\npkg/"
    "kept.py,sha256=z,3\n";

TEST(FileLists, RecordFollows) {
  EXPECT_FALSE(compare(kRecord, kBefore, kAfter).has_value());
}

TEST(FileLists, ARowThatIsLeftOutOrStaysIsFound) {
  EXPECT_TRUE(compare(kRecord, kBefore, kBefore).has_value());
  const auto short_one = compare(kRecord, kBefore, kAfter.substr(0, kAfter.find('\n') + 1));
  ASSERT_TRUE(short_one.has_value());
  EXPECT_EQ(short_one->where, "line 2");
  EXPECT_EQ(short_one->expected, "pkg/kept.py,sha256=z,3");
  EXPECT_EQ(short_one->found, "the end");
}

TEST(FileLists, DebianAndAlpine) {
  constexpr const char* kDebian = "var/lib/dpkg/info/a.md5sums";
  EXPECT_FALSE(compare(kDebian, "00000000000000000000000000000000  lib/new\n",
                       "900150983cd24fb0d6963f7d28e17f72  lib/new\n")
                   .has_value());
  EXPECT_TRUE(compare(kDebian, "00000000000000000000000000000000  lib/new\n",
                      "00000000000000000000000000000000  lib/new\n")
                  .has_value());
  constexpr const char* kAlpine = "lib/apk/db/installed";
  constexpr std::string_view kOld = "P:a\nF:lib\nR:new\na:0:0:755\nZ:Q1old\nR:kept\nZ:Q1k\n\n";
  constexpr std::string_view kNew =
      "P:a\nF:lib\nR:new\na:0:0:755\nZ:Q1qZk+NkcGgWq6PiVxeFDCbJzQ2J0=\nR:kept\nZ:Q1k\n\n";
  EXPECT_FALSE(compare(kAlpine, kOld, kNew).has_value());
  EXPECT_TRUE(compare(kAlpine, kOld, kOld).has_value());
}

TEST(FileLists, Conda) {
  constexpr const char* kMeta = "site/conda-meta/a.json";
  constexpr std::string_view kOld =
      R"({"name": "a", "files": ["pkg/gone.py", "pkg/k"], "paths_data": {"paths": [{"_path": "pkg/gone.py"}, {"_path": "pkg/k"}]}})";
  EXPECT_FALSE(
      compare(kMeta, kOld,
              R"({"name": "a", "files": ["pkg/k"], "paths_data": {"paths": [{"_path": "pkg/k"}]}})")
          .has_value());
  const auto wrong = compare(
      kMeta, kOld,
      R"({"name": "b", "files": ["pkg/k"], "paths_data": {"paths": [{"_path": "pkg/k"}]}})");
  ASSERT_TRUE(wrong.has_value());
  EXPECT_EQ(wrong->where, "name");
}

// PyPA "Binary distribution format": Build is the build tag of the file's name.
TEST(FileLists, ASlimWheelHasABuildTag) {
  constexpr const char* kTags = "site-packages/pkg-1.dist-info/WHEEL";
  constexpr std::string_view kOld = "Wheel-Version: 1.0\nTag: py3-none-any\n";
  EXPECT_FALSE(compare(kTags, kOld, "Wheel-Version: 1.0\nTag: py3-none-any\nBuild: 1sm90\n"));
  EXPECT_TRUE(compare(kTags, kOld, "Wheel-Version: 1.0\nBuild: 1sm90\n"));
  EXPECT_TRUE(compare(kTags, kOld, "Wheel-Version: 1.0\nTag: py3-none-any\n"));
  EXPECT_TRUE(compare(kTags, kOld, std::string(kOld) + "Build: 1\nBuild: 2\n"));
}

TEST(FileLists, OtherFilesAreNone) {
  EXPECT_FALSE(list_kind("site/pkg/RECORD", false).has_value());
  EXPECT_FALSE(list_kind("usr/lib/python3/site-packages/pkg-1.dist-info/WHEEL", false).has_value());
  EXPECT_FALSE(list_kind("site-packages/pkg-1.dist-info/WHEEL", false).has_value());
  EXPECT_FALSE(list_kind("site-packages/pkg/_vendor/in-1.dist-info/WHEEL", true).has_value());
  EXPECT_FALSE(list_kind("var/lib/dpkg/status", false).has_value());
}

}  // namespace
}  // namespace flense::verify
