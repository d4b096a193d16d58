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

}  // namespace
}  // namespace flense::cli
