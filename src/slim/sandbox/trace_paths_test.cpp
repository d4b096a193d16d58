#include "slim/sandbox/trace_paths.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "base/file.h"
#include "image/layers/testing_image.h"

namespace flense::slim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

class TracePaths : public ::testing::Test {
 protected:
  void file(const std::string& path, const std::string& text = "x") {
    std::filesystem::create_directories((dir / path).parent_path());
    std::ofstream(dir / path) << text;
  }
  void link(const std::string& path, const std::string& target) {
    std::filesystem::create_directories((dir / path).parent_path());
    std::filesystem::create_symlink(target, dir / path);
  }
  PathRecorder recorder(PathRecorder::Limits limits = {}) {
    root = UniqueFd(::open(dir.path().c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    return PathRecorder(root.get(), {"tmp", "proc", "run"}, limits);
  }

  image::fixture::TempDir dir;
  UniqueFd root;
};

TEST_F(TracePaths, LinksOnTheWayAndWhatTheyLeadTo) {
  file("usr/lib/real/libx.so.1.2");
  link("usr/lib/libx.so.1", "real/libx.so.1.2");
  link("usr/lib/libx.so", "libx.so.1");
  link("lib", "usr/lib");
  link("opt/app/lib", "/lib");
  PathRecorder paths = recorder();
  paths.used("", "/opt/app/lib/libx.so", true);
  EXPECT_THAT(paths.take().used, ElementsAre("lib", "opt/app/lib", "usr/lib/libx.so",
                                             "usr/lib/libx.so.1", "usr/lib/real/libx.so.1.2"));
}

TEST_F(TracePaths, AbsoluteLinksStayInTheRoot) {
  file("etc/passwd");
  link("opt/above", "../../../../etc/passwd");
  link("opt/absolute", "/etc/passwd");
  link("opt/dangling", "/etc/hostname-of-nobody");
  PathRecorder paths = recorder();
  paths.used("opt", "above", true);
  paths.used("opt", "absolute", true);
  paths.used("opt", "dangling", true);
  EXPECT_THAT(paths.take().used, ElementsAre("etc/passwd", "opt/above", "opt/absolute"));
}

TEST_F(TracePaths, DotsAndSlashesAsTheKernelTakesThem) {
  file("a/b/file");
  link("short", "a/b");
  PathRecorder paths = recorder();
  // ".." behind a link is above its target, not above the link.
  paths.used("", "short/../b/./file", true);
  EXPECT_THAT(paths.take().used, ElementsAre("a/b/file", "short"));
  paths.used("", "//a///b//file", true);
  EXPECT_THAT(paths.take().used, ElementsAre("a/b/file"));
  paths.used("", "/a/b/file/", true);
  paths.used("", "/a/b/file/below", true);
  paths.used("", "/", true);
  EXPECT_THAT(paths.take().used, IsEmpty());
  paths.looked_at("", "short/", false);
  EXPECT_THAT(paths.take().looked, ElementsAre("a/b", "short"));
}

TEST_F(TracePaths, ALinkItself) {
  file("target");
  link("name", "target");
  PathRecorder paths = recorder();
  paths.used("", "name", false);
  EXPECT_THAT(paths.take().used, ElementsAre("name"));
}

TEST_F(TracePaths, LoopsAndLongPathsEnd) {
  link("one", "two");
  link("two", "one");
  link("grow", "grow/grow");
  PathRecorder paths = recorder();
  paths.used("", "one", true);
  paths.used("", "grow", true);
  paths.used("", std::string(100'000, 'x'), true);
  std::string deep;
  for (int i = 0; i < 1000; ++i) deep += "../";
  paths.used("", deep, true);
  EXPECT_THAT(paths.take().used, IsEmpty());
}

TEST_F(TracePaths, WhatIsCoveredIsNotTheImages) {
  file("tmp/file");
  file("etc/file");
  link("var/run", "/run");
  PathRecorder paths = recorder();
  paths.used("", "/tmp/file", true);
  paths.used("tmp", "file", true);
  paths.used("", "/var/run/socket", true);
  // Out of it again.
  paths.used("tmp/work", "../../etc/file", true);
  EXPECT_THAT(paths.take().used, ElementsAre("etc/file", "var/run"));
  EXPECT_THAT(recorder().take().used, IsEmpty());
}

TEST_F(TracePaths, UseOutweighsALook) {
  file("file");
  file("only-looked");
  PathRecorder paths = recorder();
  paths.looked_at("", "/file", true);
  paths.looked_at("", "/only-looked", true);
  paths.looked_at("", "/nothing", true);
  paths.used("", "/file", true);
  const MetPaths met = paths.take();
  EXPECT_THAT(met.used, ElementsAre("file"));
  EXPECT_THAT(met.looked, ElementsAre("only-looked"));
}

TEST_F(TracePaths, ScriptsBringTheirInterpreters) {
  file("usr/bin/interpreter", "#! /usr/bin/below --flag\n");
  file("usr/bin/below", "\177ELF and nothing more");
  link("bin", "usr/bin");
  file("script", "#!/bin/interpreter\n");
  file("endless", "#!/endless\n");
  PathRecorder paths = recorder();
  paths.executed("", "/script", true);
  paths.executed("", "/endless", true);
  paths.executed("", "/missing", true);
  EXPECT_THAT(paths.take().used,
              ElementsAre("bin", "endless", "script", "usr/bin/below", "usr/bin/interpreter"));
}

TEST_F(TracePaths, AtMostSoManyPaths) {
  for (const char* name : {"a", "b", "c"}) file(name);
  PathRecorder paths = recorder({.paths = 2});
  for (const char* name : {"a", "b", "a"}) paths.used("", name, true);
  EXPECT_FALSE(paths.full());
  paths.used("", "c", true);
  EXPECT_TRUE(paths.full());
  EXPECT_THAT(paths.take().used, UnorderedElementsAre("a", "b"));
}

}  // namespace
}  // namespace flense::slim
