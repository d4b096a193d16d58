// examples/mistakes is a project with everyday mistakes; expected.txt lists them. Here it is linted
// as it is on disk, and fixed.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <sstream>

#include "base/file.h"
#include "base/format.h"
#include "lint/lint.h"
#include "lint/readers/readers.h"

namespace flense::lint {

namespace {

namespace fs = std::filesystem;

struct Mistake {
  std::string rule;  ///< number
  std::string path;
  std::uint32_t line = 0;
};

class Mistakes : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    knowledge_ = new knowledge::Knowledge(*knowledge::Knowledge::load());
    rules_ = new knowledge::LintRules(*knowledge::LintRules::load());
  }
  static void TearDownTestSuite() {
    delete knowledge_;
    delete rules_;
  }

  void SetUp() override {
    const fs::path root = fs::path(FLENSE_SOURCE_DIR) / "examples/mistakes";
    context_.directory = ".";
    for (const auto& entry : fs::recursive_directory_iterator(root)) {
      if (!entry.is_regular_file()) continue;
      const std::string path = entry.path().lexically_relative(root).generic_string();
      context_.files.push_back({path, entry.file_size()});
      std::string text = *flense::read_file(entry.path(), 1U << 20);
      if (path == "expected.txt")
        read_expected(text);
      else if (kind_of(path, text) != FileKind::kUnknown)
        inputs_.push_back({path, std::move(text)});
    }
    context_.files.push_back({".git/objects/pack/a.pack", 3'000'000});
    std::ranges::sort(context_.files, {}, &ContextFile::path);
  }

  void read_expected(const std::string& text) {
    std::istringstream lines(text);
    for (std::string line; std::getline(lines, line);) {
      if (line.empty() || line.starts_with('#')) continue;
      std::istringstream words(line);
      std::string rule, place;
      words >> rule >> place;
      const std::size_t colon = place.find(':');
      ASSERT_NE(colon, std::string::npos) << line;
      expected_.push_back({rule, place.substr(0, colon),
                           static_cast<std::uint32_t>(std::stoul(place.substr(colon + 1)))});
    }
  }

  Project project(const std::vector<Input>& inputs) const {
    return read_project(inputs, {context_}, {}, *knowledge_);
  }

  static std::vector<Finding> findings(const Project& project) {
    Policy policy;
    policy.pedantic = true;
    return lint(project, *rules_, policy).findings;
  }

  static inline const knowledge::Knowledge* knowledge_ = nullptr;
  static inline const knowledge::LintRules* rules_ = nullptr;
  std::vector<Input> inputs_;
  Context context_;
  std::vector<Mistake> expected_;
};

TEST_F(Mistakes, WhatGitCryptWroteIsNone) {
  const std::string zero(1, '\0');
  EXPECT_TRUE(findings(project({{"user.sh", zero + "GITCRYPT" + zero + "\x3a\x91"}})).empty());
  EXPECT_EQ(findings(project({{"user.sh", "echo" + zero + "a"}})).size(), 1U);
}

TEST_F(Mistakes, AreAllFound) {
  ASSERT_GE(expected_.size(), 25U);
  const Project read = project(inputs_);
  const std::vector<Finding> found = findings(read);
  std::string said;
  for (const Finding& finding : found) {
    const ProjectFile* file = read.find(finding.path);
    ASSERT_NE(file, nullptr) << finding.path;
    const knowledge::LintRuleRow* row = rules_->find(finding.rule);
    ASSERT_NE(row, nullptr) << finding.rule;
    said +=
        fmt::format("{} {}:{} {}: {}\n", row->number, finding.path,
                    file->source.position(finding.span.begin).line, finding.rule, finding.message);
    EXPECT_NE(finding.fix, "") << finding.rule;
    EXPECT_FALSE(finding.evidence.empty()) << finding.rule << ": " << finding.message;
  }
  std::size_t missed = 0;
  for (const Mistake& mistake : expected_) {
    // One number stands for several rules where a topic has several kinds of files.
    const auto rows = rules_->named(mistake.rule);
    const bool there = std::ranges::any_of(found, [&](const Finding& finding) {
      return finding.path == mistake.path &&
             read.find(finding.path)->source.position(finding.span.begin).line == mistake.line &&
             std::ranges::any_of(rows, [&](const auto* row) { return row->id == finding.rule; });
    });
    missed += there ? 0 : 1;
    EXPECT_TRUE(there) << "rule " << mistake.rule << " at " << mistake.path << ":" << mistake.line;
  }
  if (missed > 0) ADD_FAILURE() << said;
}

TEST_F(Mistakes, AreMendedWhereThatIsMechanical) {
  std::vector<Input> texts = inputs_;
  const std::size_t before = findings(project(texts)).size();
  std::size_t applied = 0, rounds = 0;
  for (bool more = true; more && rounds < 20; ++rounds) {
    const Project read = project(texts);
    const std::vector<Finding> found = findings(read);
    more = false;
    for (Input& input : texts) {
      Fixed fixed = apply_fixes(read.find(input.path)->source, found, true);
      more = more || fixed.text != input.text;
      applied += fixed.applied;
      input.text = std::move(fixed.text);
    }
  }
  EXPECT_LT(rounds, 20U) << "fixes undo each other";
  EXPECT_GE(applied, 5U);
  const Project read = project(texts);
  for (const auto& file : read.files) {
    if (file->dockerfile) {
      EXPECT_TRUE(file->dockerfile->problems.empty()) << file->source.text();
    }
    EXPECT_TRUE(file->problems.empty()) << file->source.path();
  }
  const std::vector<Finding> after = findings(read);
  EXPECT_LT(after.size(), before);
  for (const Finding& finding : after)
    EXPECT_TRUE(finding.edits.empty()) << finding.rule << ": " << finding.message;
}

}  // namespace

}  // namespace flense::lint
