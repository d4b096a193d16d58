#include "scaffold/write.h"

#include <gtest/gtest.h>

#include <fstream>
#include <sstream>

#include "support/temp_dir.h"

namespace flense::scaffold {
namespace {

namespace fs = std::filesystem;

const std::vector<ProjectFile> kFiles = {
    {"a.txt", "one\n"}, {"b/c.txt", "two\n"}, {".d/e", "three\n"}};

std::string content(const fs::path& path) {
  std::ifstream in(path);
  std::ostringstream out;
  out << in.rdbuf();
  return out.str();
}

std::size_t count(const fs::path& directory) {
  std::size_t out = 0;
  for (const auto& entry : fs::recursive_directory_iterator(directory))
    out += entry.is_regular_file();
  return out;
}

TEST(WriteTest, FilesAndFoldersAreMade) {
  const testing::TempDir dir;
  const fs::path project = fs::path(dir.string()) / "new" / "project";
  ASSERT_TRUE(write_project(kFiles, project, false));
  EXPECT_EQ(content(project / "a.txt"), "one\n");
  EXPECT_EQ(content(project / "b" / "c.txt"), "two\n");
  EXPECT_EQ(content(project / ".d" / "e"), "three\n");
  EXPECT_EQ(count(fs::path(dir.string())), kFiles.size());
}

TEST(WriteTest, NothingIsWrittenWhenOneIsInTheWay) {
  const testing::TempDir dir;
  fs::create_directories(fs::path(dir.string()) / "b");
  std::ofstream(fs::path(dir.string()) / "b" / "c.txt") << "mine";
  EXPECT_EQ(files_in_the_way(kFiles, fs::path(dir.string())), std::vector<std::string>{"b/c.txt"});
  const Result<void> out = write_project(kFiles, fs::path(dir.string()), false);
  ASSERT_FALSE(out);
  EXPECT_EQ(out.error().code, Code::kEnvironment);
  EXPECT_NE(out.error().message.find("b/c.txt"), std::string::npos);
  EXPECT_EQ(count(fs::path(dir.string())), 1u);
  ASSERT_TRUE(write_project(kFiles, fs::path(dir.string()), true));
  EXPECT_EQ(content(fs::path(dir.string()) / "b" / "c.txt"), "two\n");
}

TEST(WriteTest, WhatIsNoFileIsNeverReplaced) {
  const testing::TempDir dir;
  fs::create_directories(fs::path(dir.string()) / "b" / "c.txt");
  EXPECT_FALSE(write_project(kFiles, fs::path(dir.string()), true));
  EXPECT_EQ(count(fs::path(dir.string())), 0u);
  const testing::TempDir other;
  std::ofstream(fs::path(other.string()) / ".d") << "a file where a folder belongs";
  EXPECT_FALSE(write_project(kFiles, fs::path(other.string()), true));
  EXPECT_EQ(count(fs::path(other.string())), 1u);
  const testing::TempDir linked;
  fs::create_symlink("/nowhere/else", fs::path(linked.string()) / "a.txt");
  EXPECT_FALSE(write_project(kFiles, fs::path(linked.string()), true));
  EXPECT_EQ(count(fs::path(linked.string())), 0u);
}

}  // namespace
}  // namespace flense::scaffold
