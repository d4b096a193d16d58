#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

#include "base/file.h"
#include "base/format.h"
#include "host/host_argument.h"
#include "lint/testing_examples.h"

namespace flense::lint {

namespace {

std::uint64_t bytes_of(std::string_view word, std::string& fault) {
  std::uint64_t number = 0;
  std::size_t at = 0;
  for (; at < word.size() && word[at] >= '0' && word[at] <= '9'; ++at)
    number = number * 10 + static_cast<std::uint64_t>(word[at] - '0');
  const std::map<std::string_view, std::uint64_t> units = {
      {"B", 1}, {"kB", 1000}, {"MB", 1000000}, {"GB", 1000000000}};
  const auto unit = units.find(word.substr(at));
  if (at == 0 || unit == units.end()) {
    fault = fmt::format("'{}' is no size", word);
    return 0;
  }
  return number * unit->second;
}

/// What stands behind "-- ", ends at the next mark.
struct Block {
  std::string* text = nullptr;
};

void take_mark(Example& example, std::string_view line, Block& block) {
  const std::string_view mark = line.substr(0, 3), rest = line.substr(3);
  block.text = nullptr;
  if (mark == "-- ") {
    const std::size_t blank = rest.rfind(' ');
    if (blank == std::string_view::npos) {
      example.files.push_back({std::string(rest), {}});
      block.text = &example.files.back().text;
    } else {
      example.context.push_back(
          {std::string(rest.substr(0, blank)), bytes_of(rest.substr(blank + 1), example.fault)});
    }
  } else if (mark == "=> ") {
    example.fixes.push_back({std::string(rest), {}});
    block.text = &example.fixes.back().text;
  } else if (mark == "!! ") {
    example.expected.emplace_back(rest);
  } else if (rest.starts_with("host ")) {
    example.hosts.emplace_back(rest.substr(5));
  } else {
    example.fault = fmt::format("'{}' is not understood", line);
  }
}

std::vector<Example> examples_of(const std::string& rule, std::string_view text) {
  std::vector<Example> out;
  Block block;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size() - 1);
    const std::string_view line = text.substr(0, end), whole = text.substr(0, end + 1);
    text.remove_prefix(end + 1);
    const std::string_view mark = line.substr(0, 3);
    if (mark == "== ") {
      Example& example = out.emplace_back();
      example.rule = rule;
      const std::size_t colon = line.find(':');
      example.kind = line.substr(3, colon - 3);
      if (colon == std::string_view::npos || line.size() < colon + 3)
        example.fault = "an example needs a title: '== bad: title'";
      else
        example.title = line.substr(colon + 2);
      if (example.kind != "bad" && example.kind != "good" && example.kind != "tricky")
        example.fault = fmt::format("'{}' is not bad, good or tricky", example.kind);
      block = {};
    } else if (!out.empty() && (mark == "-- " || mark == "!! " || mark == "%% " || mark == "=> ")) {
      take_mark(out.back(), line, block);
    } else if (block.text != nullptr) {
      *block.text += whole;
    }
  }
  for (Example& example : out) {
    std::ranges::sort(example.expected);
    if (example.files.empty()) example.fault = "an example needs a file: '-- Dockerfile'";
    if ((example.kind == "bad" && example.expected.empty()) ||
        (example.kind == "good" && !example.expected.empty()))
      example.fault = "a bad example needs '!! PATH:LINE', and a good one has none";
  }
  return out;
}

std::vector<Context> contexts_of(const Example& example) {
  Context context{".", example.context, true};
  for (const Input& file : example.files) context.files.push_back({file.path, file.text.size()});
  std::ranges::sort(context.files, {}, &ContextFile::path);
  return {context};
}

class Examples : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    knowledge_ = new knowledge::Knowledge(*knowledge::Knowledge::load());
    rules_ = new knowledge::LintRules(*knowledge::LintRules::load());
    examples_ = new std::vector<Example>(
        read_examples(std::filesystem::path(FLENSE_SOURCE_DIR) / "tests/lint/rules"));
  }
  static void TearDownTestSuite() {
    delete knowledge_;
    delete rules_;
    delete examples_;
  }

  static Project project_of(const Example& example) {
    std::vector<host::Profile> hosts;
    for (const std::string& words : example.hosts) {
      auto profile = host::described_profile(words, *knowledge_);
      EXPECT_TRUE(profile.has_value()) << words;
      if (profile) hosts.push_back(std::move(*profile));
    }
    return read_project(example.files, contexts_of(example), std::move(hosts), *knowledge_);
  }

  static std::vector<Finding> found_in(const Project& project, const std::string& rule) {
    Policy policy;
    policy.only = {rule};
    return lint(project, *rules_, policy).findings;
  }

  static inline const knowledge::Knowledge* knowledge_ = nullptr;
  static inline const knowledge::LintRules* rules_ = nullptr;
  static inline const std::vector<Example>* examples_ = nullptr;
};

TEST_F(Examples, AreFoundExactly) {
  ASSERT_FALSE(examples_->empty());
  for (const Example& example : *examples_) {
    SCOPED_TRACE(fmt::format("{}, {}: {}", example.rule, example.kind, example.title));
    ASSERT_EQ(example.fault, "");
    const Project project = project_of(example);
    std::vector<std::string> found;
    std::string said;
    const std::vector<Finding> shown = lint(project, *rules_, {}).findings;
    const bool pedantic_rule = rules_->find(example.rule)->group == "pedantic";
    for (const Finding& finding : found_in(project, example.rule)) {
      const ProjectFile* file = project.find(finding.path);
      ASSERT_NE(file, nullptr) << finding.path;
      found.push_back(
          fmt::format("{}:{}", finding.path,
                      finding.span.empty() ? 1 : file->source.position(finding.span.begin).line));
      const bool usual = std::ranges::any_of(shown, [&](const Finding& one) {
        return one.rule == finding.rule && one.path == finding.path && one.span == finding.span;
      });
      if (!usual && !pedantic_rule) found.back() += " pedantic";
      said += fmt::format("{}: {}\n", found.back(), finding.message);
      EXPECT_NE(finding.message, "");
      EXPECT_NE(finding.fix, "");
      EXPECT_LE(finding.span.end, file->source.text().size());
    }
    std::ranges::sort(found);
    EXPECT_EQ(found, example.expected) << said;
  }
}

TEST_F(Examples, AreMendedAsTheySay) {
  for (const Example& example : *examples_) {
    SCOPED_TRACE(fmt::format("{}, {}: {}", example.rule, example.kind, example.title));
    const Project project = project_of(example);
    const std::vector<Finding> findings = found_in(project, example.rule);
    for (const ExampleFix& fix : example.fixes) {
      const ProjectFile* file = project.find(fix.path);
      ASSERT_NE(file, nullptr) << fix.path;
      EXPECT_EQ(apply_fixes(file->source, findings, true).text, fix.text);
    }
    if (example.fixes.empty()) continue;
    // What has been fixed is no longer reported.
    std::vector<Input> after;
    for (const Input& input : example.files)
      after.push_back(
          {input.path, apply_fixes(project.find(input.path)->source, findings, true).text});
    Example fixed = example;
    fixed.files = std::move(after);
    for (const Finding& finding : found_in(project_of(fixed), example.rule))
      EXPECT_TRUE(finding.edits.empty()) << finding.message;
  }
}

TEST_F(Examples, OnlyRulesOfTheTableReport) {
  for (const Example& example : *examples_)
    for (const Finding& finding : lint(project_of(example), *rules_, {}).findings)
      EXPECT_NE(rules_->find(finding.rule), nullptr) << finding.rule << ": " << finding.message;
}

TEST_F(Examples, EveryRuleHasThem) {
  std::map<std::string, std::set<std::string>> kinds;
  std::set<std::string> fixed;
  for (const Example& example : *examples_) {
    kinds[example.rule].insert(example.kind);
    if (!example.fixes.empty()) fixed.insert(example.rule);
  }
  std::set<std::uint64_t> numbers;
  for (const knowledge::LintRuleRow& row : rules_->rows) {
    SCOPED_TRACE(row.id);
    EXPECT_EQ(kinds[row.id], (std::set<std::string>{"bad", "good", "tricky"}));
    EXPECT_EQ(fixed.contains(row.id), row.automatic);
    EXPECT_TRUE(numbers.insert(row.number).second) << row.number;
    EXPECT_TRUE(row.severity == "error" || row.severity == "warning" || row.severity == "info");
    for (const std::string* text : {&row.summary, &row.why, &row.detect, &row.fix, &row.source})
      EXPECT_NE(*text, "");
  }
  for (const auto& [rule, which] : kinds) EXPECT_NE(rules_->find(rule), nullptr) << rule;
}

}  // namespace

std::vector<Example> read_examples(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> paths;
  for (const auto& entry : std::filesystem::directory_iterator(directory))
    if (entry.path().extension() == ".txt") paths.push_back(entry.path());
  std::ranges::sort(paths);
  std::vector<Example> out;
  for (const auto& path : paths)
    for (Example& example : examples_of(path.stem(), *flense::read_file(path, 1U << 20)))
      out.push_back(std::move(example));
  return out;
}

}  // namespace flense::lint
