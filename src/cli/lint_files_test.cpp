// Contexts that lie in each other are listed once, and hold what each would by itself.
#include "cli/lint_files.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "support/temp_dir.h"

namespace flense::cli {
namespace {

namespace fs = std::filesystem;

TEST(LintFiles, ContextsInEachOther) {
  const testing::TempDir directory;
  const fs::path top = directory / "top";
  for (const char* name : {"a/one", "a/b/two", "a-b/three", "a/b/c/four", "a.txt", "far/five"}) {
    fs::create_directories((top / name).parent_path());
    std::ofstream(top / name) << name;
  }
  fs::create_directory_symlink("../far", top / "a/link");
  fs::create_directory(top / "a/empty");
  std::vector<std::string> names;
  for (const char* name : {"", "/a", "/a/b", "/a/b/c", "/a/empty", "/a/link", "/a/none", "/a-b"})
    names.push_back(top.generic_string() + name);
  std::ranges::sort(names);
  const std::vector<lint::Context> together = list_contexts(names);
  ASSERT_EQ(together.size(), names.size());
  for (std::size_t at = 0; at < names.size(); ++at) {
    const lint::Context alone = list_contexts({names[at]}).front();
    EXPECT_EQ(together[at].directory, names[at]);
    EXPECT_EQ(together[at].complete, alone.complete) << names[at];
    ASSERT_EQ(together[at].files.size(), alone.files.size()) << names[at];
    for (std::size_t file = 0; file < alone.files.size(); ++file) {
      EXPECT_EQ(together[at].files[file].path, alone.files[file].path);
      EXPECT_EQ(together[at].files[file].bytes, alone.files[file].bytes);
    }
  }
}

TEST(LintFiles, VariablesThatGitHolds) {
  const testing::TempDir directory;
  const fs::path top = directory / "top";
  fs::create_directories(top / "api");
  for (const char* name : {".env", "api/.env", "api/.env.local"})
    std::ofstream(top / name) << "A=1\n";
  const auto found = [&](const fs::path& path) {
    std::vector<std::string> out;
    for (const LintFile& file : *lint_files({path.generic_string()}))
      out.push_back(file.project_path);
    std::ranges::sort(out);
    return out;
  };
  // No repository: they came with the rest.
  EXPECT_EQ(found(top), (std::vector<std::string>{".env", "api/.env", "api/.env.local"}));
  fs::create_directory(top / ".git");
  EXPECT_TRUE(found(top).empty());
  // The flags of an entry, with the length of its name, and the name.
  const std::string name = "api/.env";
  std::ofstream(top / ".git/index", std::ios::binary)
      << "DIRC" << '\0' << static_cast<char>(name.size()) << name << '\0' << '\0';
  EXPECT_EQ(found(top), std::vector<std::string>{"api/.env"});
  EXPECT_EQ(found(top / "api"), std::vector<std::string>{".env"});
}

}  // namespace
}  // namespace flense::cli
