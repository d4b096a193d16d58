// The files of tests/lint/launch, checked with the formats' own validators
// (tests/e2e/test_lint_launch_large.py): what they accept is read without a problem, and what they
// reject has one.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>

#include "base/file.h"
#include "lint/readers/testing_launch.h"

namespace flense::lint {
namespace {

std::vector<std::filesystem::path> files_of(const std::string& folder) {
  std::vector<std::filesystem::path> out;
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(FLENSE_SOURCE_DIR) / "tests/lint/launch" / folder))
    out.push_back(entry.path());
  std::ranges::sort(out);
  return out;
}

std::unique_ptr<ProjectFile> read(const std::filesystem::path& path) {
  const auto text = read_file(path, 1U << 20);
  EXPECT_TRUE(text.has_value()) << path;
  const FileKind kind = kind_of(path.string(), *text);
  EXPECT_TRUE(kind == FileKind::kCompose || kind == FileKind::kKubernetes) << path;
  return read_launch(kind == FileKind::kCompose ? read_compose : read_kubernetes, path.string(),
                     *text);
}

TEST(LaunchCorpus, WhatValidatorsAcceptHasNoProblem) {
  std::size_t count = 0;
  for (const std::string folder : {"compose", "kubernetes"})
    for (const auto& path : files_of(folder)) {
      const auto file = read(path);
      EXPECT_TRUE(file->problems.empty())
          << path << ": " << (file->problems.empty() ? "" : file->problems[0].message);
      EXPECT_FALSE(file->workloads.empty()) << path;
      EXPECT_EQ(file->template_language, "") << path;
      ++count;
    }
  EXPECT_GE(count, 100u);
}

TEST(LaunchCorpus, WhatTheyRefuseHasAProblemWithItsPlace) {
  std::size_t count = 0;
  for (const auto& path : files_of("broken")) {
    const std::string name = path.string();
    const auto text = read_file(path, 1U << 20);
    // Some are too broken to be recognised: their names say what they were meant to be.
    const auto file = read_launch(
        name.find(".compose.") != name.npos ? read_compose : read_kubernetes, name, *text);
    EXPECT_FALSE(file->problems.empty()) << path;
    for (const ParseProblem& problem : file->problems) {
      EXPECT_FALSE(problem.span.empty()) << path;
      EXPECT_LE(problem.span.end, text->size()) << path;
    }
    ++count;
  }
  EXPECT_GE(count, 20u);
}

}  // namespace
}  // namespace flense::lint
