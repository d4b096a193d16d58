// Every row of tests/scenarios against its expected verdict.
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "base/format.h"
#include "compat/facts/image_facts.h"
#include "compat/testing_scenarios.h"
#include "host/host_argument.h"
#include "host/profile_json.h"
#include "knowledge/testing_tables.h"
#include "needs/json.h"

namespace flense::compat::testing {

namespace {

using text::Json;
constexpr std::uint64_t kMaxFile = 16u << 20;

/// Members replace, objects nest; a fact is one thing.
void lay_over(Json& base, const Json& own) {
  for (const auto& [name, value] : own.members()) {
    Json* member = base.find_mutable(name);
    const bool fact = value.find("value") != nullptr || value.find("unknown") != nullptr;
    if (member != nullptr && member->is_object() && value.is_object() && !fact)
      lay_over(*member, value);
    else
      base.set(name, value);
  }
}

Result<needs::Needs> image_of(const Json& images, const Json& row, const std::string& what) {
  Json json = row["image"];
  if (const std::string like(json["like"].text()); !like.empty()) {
    const Json* base = images.find(like);
    if (base == nullptr) return bad_input("{}: there is no image '{}'", what, like);
    Json joined = *base;
    lay_over(joined, json);
    json = std::move(joined);
  }
  return needs::needs_from_json(json, what);
}

Result<host::Profile> host_of(const Json& row, const std::string& what) {
  const Json& json = row["host"];
  if (json.is_string()) return host::described_profile(json.text(), knowledge::test_tables());
  Json base = Json::object();
  base.set("schema", host::kHostSchema);
  if (const std::string spec(json["spec"].text()); !spec.empty()) {
    TRY(const host::Profile described, host::described_profile(spec, knowledge::test_tables()));
    base = host::to_json(described);
  }
  lay_over(base, json);
  return host::from_json(base, what);
}

Result<Scenario> scenario_of(const std::string& file, const Json& images, const Json& row) {
  Scenario out;
  out.file = file;
  out.name = row["name"].text();
  out.rule = row["rule"].text();
  const std::string what = fmt::format("{}: {}", file, out.name);
  TRY(out.image, image_of(images, row, what));
  TRY(out.host, with_context(host_of(row, what), "while reading {}", what));
  out.launcher_assumed = row["launcher"].text() == "unnamed";
  TRY(out.launcher,
      parse_launcher(out.launcher_assumed ? "docker" : row["launcher"].text("docker")));
  out.redistribution = row["redistribution"].bool_or(false);
  const Json& expect = row["expect"];
  out.verdict = expect["verdict"].text();
  for (const auto& [id, verdict] : expect["checks"].members())
    out.checks[id] = std::string(verdict.text());
  for (const auto& [id, words] : expect["says"].members()) out.says[id] = std::string(words.text());
  if (out.name.empty() || out.rule.empty() || (out.verdict.empty() && out.checks.empty()))
    return bad_input("{}: a row has a name, a rule and an expectation", what);
  return out;
}

}  // namespace

Result<std::vector<Scenario>> read_scenarios(const std::string& directory) {
  std::vector<Scenario> out;
  std::set<std::filesystem::path> paths;
  for (const auto& at : std::filesystem::directory_iterator(directory))
    if (at.path().extension() == ".json") paths.insert(at.path());
  for (const std::filesystem::path& path : paths) {
    TRY(const std::string text, read_file(path, kMaxFile));
    TRY(const Json json, text::parse_json(text, path.string()));
    for (const Json& row : json["rows"].items()) {
      TRY(Scenario one, scenario_of(path.filename().string(), json["images"], row));
      out.push_back(std::move(one));
    }
  }
  return out;
}

std::map<std::string, std::string> verdicts_by_id(const HostVerdict& verdict) {
  std::map<std::string, Verdict> found;
  for (const Check& check : verdict.checks) {
    const auto at = found.emplace(check.id, check.verdict).first;
    at->second = std::max(at->second, check.verdict);
  }
  std::map<std::string, std::string> out;
  for (const auto& [id, worst_one] : found) out[id] = std::string(to_string(worst_one));
  return out;
}

std::string described(const HostVerdict& verdict) {
  std::string out;
  for (const Check& check : verdict.checks)
    out += fmt::format("  {} {}: {} [{}]\n", check.id, to_string(check.verdict), check.message,
                       check.source);
  return out;
}

namespace {

class Scenarios : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loaded = knowledge::Knowledge::load({}, knowledge::kVerdictTables);
    ASSERT_TRUE(loaded.has_value()) << render(loaded.error());
    tables = *std::move(loaded);
    auto read = read_scenarios(std::string(FLENSE_SOURCE_DIR) + "/tests/scenarios");
    ASSERT_TRUE(read.has_value()) << render(read.error());
    scenarios = *std::move(read);
  }
  HostVerdict verdict_of(const Scenario& one) const {
    return judge({.image = one.image,
                  .host = one.host,
                  .tables = tables,
                  .launcher = one.launcher,
                  .redistribution = one.redistribution,
                  .launcher_assumed = one.launcher_assumed});
  }

  knowledge::Knowledge tables;
  std::vector<Scenario> scenarios;
};

TEST_F(Scenarios, GiveTheExpectedVerdicts) {
  ASSERT_GE(scenarios.size(), 100u);
  for (const Scenario& one : scenarios) {
    const HostVerdict verdict = verdict_of(one);
    const auto found = verdicts_by_id(verdict);
    const std::string where =
        fmt::format("{}: {} ({})\n{}", one.file, one.name, one.rule, described(verdict));
    if (!one.verdict.empty()) {
      EXPECT_EQ(to_string(verdict.verdict), one.verdict) << where;
    }
    for (const auto& [id, expected] : one.checks) {
      const auto at = found.find(id);
      EXPECT_EQ(at == found.end() ? "absent" : at->second, expected) << id << " in " << where;
    }
    for (const auto& [id, expected] : one.says) {
      const bool never = expected.starts_with('!');
      const bool said = std::ranges::any_of(verdict.checks, [&](const Check& check) {
        return check.id == id &&
               (check.message + "; " + check.fix).contains(expected.substr(never ? 1 : 0));
      });
      EXPECT_NE(said, never) << id << " says '" << expected << "' in " << where;
    }
  }
}

TEST_F(Scenarios, EveryCheckIsComplete) {
  for (const Scenario& one : scenarios)
    for (const Check& check : verdict_of(one).checks) {
      const std::string where = fmt::format("{}: {}: {}", one.file, one.name, check.id);
      EXPECT_FALSE(check.message.empty()) << where;
      EXPECT_FALSE(check.message.ends_with('.')) << where << ": " << check.message;
      EXPECT_FALSE(check.source.empty()) << where;
      EXPECT_FALSE(check.evidence.empty()) << where;
      for (const Evidence& evidence : check.evidence) {
        EXPECT_FALSE(evidence.side.empty()) << where;
        EXPECT_FALSE(evidence.text.empty()) << where;
      }
      if (check.verdict != Verdict::kOk) {
        EXPECT_FALSE(check.fix.empty()) << where;
      }
    }
}

TEST_F(Scenarios, FactsOfTheImageMayBeShared) {
  for (const Scenario& one : scenarios) {
    const ImageFacts facts(one.image, tables);
    const Question question{.image = one.image,
                            .host = one.host,
                            .tables = tables,
                            .launcher = one.launcher,
                            .redistribution = one.redistribution,
                            .facts = &facts,
                            .launcher_assumed = one.launcher_assumed};
    EXPECT_EQ(judge(question).checks, verdict_of(one).checks) << one.name;
    EXPECT_EQ(judge(question).checks, verdict_of(one).checks) << one.name << ", again";
  }
}

TEST_F(Scenarios, NamesAreUnique) {
  std::set<std::string> names;
  for (const Scenario& one : scenarios) EXPECT_TRUE(names.insert(one.name).second) << one.name;
}

}  // namespace
}  // namespace flense::compat::testing
