#include "closure/package_metadata.h"

#include <gmock/gmock.h>

namespace flense::closure {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

ListedPackage only(FileListKind kind, std::string_view path, std::string_view text) {
  auto all = parse_file_list(kind, path, text);
  EXPECT_EQ(all.size(), 1U);
  return all.empty() ? ListedPackage{} : all.front();
}

TEST(PackageFiles, ListsAreToldByTheirPlace) {
  const std::string site = "opt/v/lib/python3.11/site-packages/";
  EXPECT_EQ(file_list_kind(site + "numpy-1.26.dist-info/RECORD"), FileListKind::kWheelRecord);
  EXPECT_EQ(file_list_kind(site + "numpy-1.26.dist-info/METADATA"), FileListKind::kPythonMetadata);
  EXPECT_EQ(file_list_kind(site + "RECORD"), FileListKind::kNone);
  EXPECT_EQ(file_list_kind("var/lib/dpkg/info/libc6:amd64.list"), FileListKind::kDpkgList);
  EXPECT_EQ(file_list_kind("var/lib/dpkg/info/libc6:amd64.md5sums"), FileListKind::kNone);
  EXPECT_EQ(file_list_kind("opt/conda/conda-meta/zlib-1.3-h.json"), FileListKind::kCondaMeta);
}

TEST(PackageFiles, RecordOfAWheel) {
  const ListedPackage wheel = only(
      FileListKind::kWheelRecord, "v/lib/python3.11/site-packages/PyYAML-6.0.1.dist-info/RECORD",
      "yaml/__init__.py,sha256=x,10\r\n../../../bin/tool,,\n\"odd,\"\"name\"\".py\",,\n"
      "/etc/jupyter/x.json,,\n../../../../../../../up,,\n\n");
  EXPECT_EQ(wheel.name, "PyYAML");
  EXPECT_EQ(wheel.version, "6.0.1");
  EXPECT_THAT(
      wheel.files,
      ElementsAre("v/lib/python3.11/site-packages/yaml/__init__.py", "v/bin/tool",
                  "v/lib/python3.11/site-packages/odd,\"name\".py", "etc/jupyter/x.json", "up"));
}

TEST(PackageFiles, DebianAlpineConda) {
  EXPECT_THAT(only(FileListKind::kDpkgList, "var/lib/dpkg/info/libc6:amd64.list",
                   "/.\n/lib\n/lib/x86_64-linux-gnu/libc.so.6\n")
                  .files,
              ElementsAre("lib", "lib/x86_64-linux-gnu/libc.so.6"));
  const ListedPackage sums = only(FileListKind::kDpkgSums, "var/lib/dpkg/status.d/base.md5sums",
                                  "d41d8cd98f00b204e9800998ecf8427e  usr/share/x y\nbroken\n");
  EXPECT_EQ(sums.name, "base");
  EXPECT_THAT(sums.files, ElementsAre("usr/share/x y"));
  const auto apk = parse_file_list(FileListKind::kApkInstalled, "lib/apk/db/installed",
                                   "P:musl\nV:1.2\nF:lib\nR:libc.musl.so\nZ:Q1\n\nP:b\nR:top\n");
  ASSERT_EQ(apk.size(), 2U);
  EXPECT_THAT(apk[0].files, ElementsAre("lib/libc.musl.so"));
  EXPECT_THAT(apk[1].files, ElementsAre("top"));
  const ListedPackage conda = only(
      FileListKind::kCondaMeta, "opt/conda/conda-meta/numpy-1.json",
      R"({"name":"numpy","version":"1","files":["lib/a.so"],"depends":["libblas >=3","python"]})");
  EXPECT_THAT(conda.files, ElementsAre("opt/conda/lib/a.so"));
  EXPECT_THAT(conda.depends, ElementsAre("libblas", "python"));
  EXPECT_THAT(parse_file_list(FileListKind::kCondaMeta, "a/conda-meta/x.json", "{"), IsEmpty());
}

TEST(PackageFiles, RequirementsWithExtrasAndMarkers) {
  EXPECT_THAT(
      parse_requirements("Name: x\nRequires-Dist: Typing_Extensions>=4.8\n"
                         "Requires-Dist: uvicorn[standard,http2] (>=0.12); extra == 'all'\n"
                         "Requires-Dist: colorama; sys_platform == \"win32\"\nRequires-Dist: \n"
                         "Requires-Dist: uvloop; (os_name != 'nt') and extra == 'all'\n"
                         "\nRequires-Dist: not-a-field\n"),
      ElementsAre(Requirement{"typing-extensions", {}, {}, false},
                  Requirement{"uvicorn", {"standard", "http2"}, "all", false},
                  Requirement{"colorama", {}, {}, true}, Requirement{"uvloop", {}, "all", true}));
}

TEST(PackageFiles, PluginGroupsWithoutScripts) {
  EXPECT_THAT(
      parse_plugin_groups("[console_scripts]\na = b:c\n[torch.backends]\n x = y\n[ q ]\n[]\n"),
      ElementsAre("torch.backends", "q"));
}

}  // namespace
}  // namespace flense::closure
