#include "device/keep_rule.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <sstream>

#include "device/scan.h"
#include "support/fatbin_builder.h"

namespace flense::device {
namespace {

using flense::testing::region;

Targets targets(const std::string& words) {
  std::istringstream in(words);
  std::vector<std::string> list;
  for (std::string word; in >> word;) list.push_back(word);
  return make_targets(list).value();
}

struct Section {
  std::string name;
  std::vector<std::string> regions;
};

FileCode file_code(const std::vector<Section>& sections) {
  FileCode code;
  std::uint64_t address = 0x10000;
  for (const Section& section : sections) {
    std::string bytes;
    for (const std::string& text : section.regions) bytes += region(text);
    SectionCode found;
    found.section = section.name;
    found.address = found.offset = address;
    found.size = bytes.size();
    ScanBudget budget;
    EXPECT_TRUE(scan_section(as_bytes(bytes), found, budget));
    EXPECT_EQ(found.regions.size(), section.regions.size());
    address += bytes.size() + 0x1000;
    code.sections.push_back(std::move(found));
  }
  return code;
}

Standings all_registered(const FileCode& code) {
  Standings standings;
  for (const SectionCode& section : code.sections)
    standings.emplace_back(section.regions.size(),
                           RegionStanding{.standing = Standing::kRegistered, .movable = true});
  return standings;
}

/// "sm80+ ptx90-": entries with + kept, - dropped; ! for the last entry.
std::string outcome(const FileCode& code, const std::vector<EntryDecision>& decisions) {
  std::string out;
  for (const EntryDecision& decision : decisions) {
    const Entry& entry =
        code.sections[decision.section].regions[decision.region].entries[decision.entry];
    if (decision.region + decision.section > 0 && decision.entry == 0) out += "| ";
    out += fmt::format("{}{} ", to_string(entry.arch, entry.kind == EntryKind::kPtx ? "ptx" : "sm"),
                       decision.reason == Reason::kLastEntry ? "!"
                       : is_drop(decision.reason)            ? "-"
                                                             : "+");
  }
  if (!out.empty()) out.pop_back();
  return out;
}

std::string decide_one(const std::string& text, const std::string& target_words,
                       const PruneOptions& options = {}) {
  const FileCode code = file_code({{".nv_fatbin", {text}}});
  PruneOptions with_targets = options;
  with_targets.targets = targets(target_words);
  return outcome(code, decide(code, all_registered(code), rule_options(with_targets)));
}

TEST(KeepRule, Table) {
  struct Case {
    const char *region, *targets, *expected;
  };
  const std::vector<Case> cases = {
      // Lower minors of the same major stay, everything else goes.
      {"sm75:8 sm80:8 sm86:8 sm89:8 sm90:8", "8.6", "sm_75- sm_80+ sm_86+ sm_89- sm_90-"},
      {"sm75:8 sm80:8 sm86:8 sm89:8 sm90:8", "8.0 9.0", "sm_75- sm_80+ sm_86- sm_89- sm_90+"},
      {"sm80:8 sm86:8", "8.0", "sm_80+ sm_86-"},
      // Variants.
      {"sm90:8 sm90a:8 sm100a:8", "9.0", "sm_90+ sm_90a+ sm_100a-"},
      {"sm100:8 sm100a:8 sm100f:8 sm103a:8", "10.3", "sm_100+ sm_100a- sm_100f+ sm_103a+"},
      {"sm100f:8 sm103f:8 sm120f:8", "10.0", "sm_100f+ sm_103f- sm_120f-"},
      {"sm120f:8 sm121a:8", "12.1", "sm_120f+ sm_121a+"},
      // PTX goes only where every target has a cubin.
      {"ptx75:8 sm80:8 sm90:8", "9.0", "ptx_75- sm_80- sm_90+"},
      {"ptx75:8 sm80:8", "9.0", "ptx_75+ sm_80-"},
      {"ptx75:8 sm80:8 sm90:8", "8.0 9.0", "ptx_75- sm_80+ sm_90+"},
      {"ptx75:8 sm80:8 sm90:8", "8.0 10.0", "ptx_75+ sm_80+ sm_90-"},
      {"ptx90:8 sm86:8", "8.0", "ptx_90+ sm_86-"},
      // Code that an embedded GPU may be unable to run does not replace PTX.
      {"ptx80:8 sm86:8", "8.7", "ptx_80+ sm_86+"},
      {"ptx80:8 sm87:8", "8.7", "ptx_80- sm_87+"},
      // The smallest entry of a region with nothing loadable.
      {"sm75:24 sm80:8 sm86:16", "9.0", "sm_75- sm_80! sm_86-"},
      {"sm75:8 sm80:8", "9.0", "sm_75! sm_80-"},
      {"lto75:8 sm80:8", "9.0", "sm_75+ sm_80-"},
      {"sm80:8 kind16/75:64", "9.0", "sm_80- sm_75+"},
      {"", "9.0", ""},
  };
  for (const Case& c : cases)
    EXPECT_EQ(decide_one(c.region, c.targets), c.expected) << c.region << " for " << c.targets;
}

TEST(KeepRule, SafeAndKeepPtxKeepAllPtx) {
  const std::string text = "ptx75:8 sm80:8 sm90:8";
  EXPECT_EQ(decide_one(text, "9.0", {.level = Level::kSafe}), "ptx_75+ sm_80- sm_90+");
  EXPECT_EQ(decide_one(text, "9.0", {.keep_ptx = true}), "ptx_75+ sm_80- sm_90+");
  EXPECT_EQ(decide_one(text, "9.0", {.level = Level::kAggressive, .keep_ptx = true}),
            "ptx_75+ sm_80- sm_90+");
}

TEST(KeepRule, AggressiveKeepsTheBestFitOfEachRegion) {
  const PruneOptions aggressive{.level = Level::kAggressive};
  EXPECT_EQ(decide_one("sm80:8 sm86:8", "8.6", aggressive), "sm_80- sm_86+");
  EXPECT_EQ(decide_one("sm80:8", "8.6", aggressive), "sm_80+");
  EXPECT_EQ(decide_one("sm80:8 sm86:8 sm89:8", "8.0 8.6", aggressive), "sm_80+ sm_86+ sm_89-");
  EXPECT_EQ(decide_one("sm90:8 sm90a:8", "9.0", aggressive), "sm_90+ sm_90a+");
  EXPECT_EQ(decide_one("sm80:8 sm86:8", "8.7", aggressive), "sm_80+ sm_86+")
      << "neither is certain on an embedded part";
  EXPECT_EQ(decide_one("sm80:8 sm86:8 sm87:8", "8.7", aggressive), "sm_80- sm_86- sm_87+");
}

TEST(KeepRule, RegionsThatNothingRegistersStayWhole) {
  const FileCode code = file_code({{".nv_fatbin", {"sm80:8", "sm80:8", "ptx75:8 sm90:8"}}});
  Standings standings = all_registered(code);
  standings[0][0].standing = Standing::kPinned;
  standings[0][1].standing = Standing::kUnregistered;
  const auto decisions = decide(code, standings, rule_options({.targets = targets("9.0")}));
  EXPECT_EQ(decisions[0].reason, Reason::kPinned);
  EXPECT_EQ(decisions[1].reason, Reason::kUnregistered);
  EXPECT_EQ(decisions[2].reason, Reason::kDropPtx);
  EXPECT_EQ(decisions[3].reason, Reason::kServesTarget);
}

class LinkedGroup : public ::testing::Test {
 protected:
  static std::string decided(const std::string& linked, const std::vector<std::string>& relocatable,
                             const std::string& target_words, Level level = Level::kStandard) {
    const FileCode code =
        file_code({{".nv_fatbin", {linked, "ptx75:8 sm90:8"}}, {"__nv_relfatbin", relocatable}});
    Standings standings = all_registered(code);
    standings[0][0].linked = true;
    for (RegionStanding& standing : standings[1]) standing.relocatable = true;
    return outcome(code, decide(code, standings,
                                rule_options({.targets = targets(target_words), .level = level})));
  }
};

TEST_F(LinkedGroup, PtxGoesWhenTheLinkedImageCoversTheTargets) {
  EXPECT_EQ(decided("sm80:8 sm90:8", {"ptx75:8 sm80:8"}, "9.0"),
            "sm_80- sm_90+ | ptx_75- sm_90+ | ptx_75! sm_80-");
  EXPECT_EQ(decided("sm80:8 sm90:8", {"ptx75:8 sm80:8 sm90:8"}, "9.0"),
            "sm_80- sm_90+ | ptx_75- sm_90+ | ptx_75- sm_80- sm_90+");
}

TEST_F(LinkedGroup, PtxStaysWhenTheLinkedImageDoesNot) {
  EXPECT_EQ(decided("sm80:8", {"ptx75:8 sm80:8 sm90:8"}, "9.0"),
            "sm_80! | ptx_75- sm_90+ | ptx_75+ sm_80- sm_90+");
}

TEST_F(LinkedGroup, BestFitFollowsTheLinkedImage) {
  EXPECT_EQ(decided("sm80:8 sm86:8", {"sm80:8 sm86:8 sm89:8", "sm80:8"}, "8.9", Level::kAggressive),
            "sm_80- sm_86+ | ptx_75+ sm_90- | sm_80- sm_86+ sm_89- | sm_80+");
}

TEST_F(LinkedGroup, WithoutALinkedImagePtxStays) {
  const FileCode code = file_code({{"__nv_relfatbin", {"ptx75:8 sm90:8"}}});
  Standings standings = all_registered(code);
  standings[0][0].relocatable = true;
  EXPECT_EQ(outcome(code, decide(code, standings, rule_options({.targets = targets("9.0")}))),
            "ptx_75+ sm_90+");
}

TEST(BolderGains, NamesWhatEachRuleWouldGive) {
  const FileCode code =
      file_code({{".nv_fatbin", {"sm80:8 sm90:8", "sm80:16", "ptx75:8 sm80:8", "sm75:24 sm90:8"}},
                 {".rodata", {"sm80:32 sm90:8"}}});
  Standings standings = all_registered(code);
  standings[0][3].standing = Standing::kPinned;
  standings[1][0].standing = Standing::kUnregistered;
  PruneOptions options{.targets = targets("9.0")};
  PrunePlan plan;
  plan.decisions = decide(code, standings, rule_options(options));
  for (const EntryDecision& decision : plan.decisions)
    plan.bytes[decision.reason] +=
        code.sections[decision.section].regions[decision.region].entries[decision.entry].size();
  using ::testing::Pair;
  EXPECT_THAT(bolder_gains(code, plan, options),
              ::testing::ElementsAre(Pair("all PTX", 72), Pair("empty registered regions", 80),
                                     Pair("pinned regions", 88), Pair("unregistered regions", 96)));
  options.targets = targets("7.5");
  plan.decisions = decide(code, standings, rule_options(options));
  EXPECT_THAT(bolder_gains(code, plan, options),
              ::testing::Contains(Pair("unregistered regions", 96 + 72)))
      << "emptied where nothing serves";
  options.targets = targets("8.6");
  plan.decisions = decide(code, standings, rule_options(options));
  EXPECT_THAT(bolder_gains(code, plan, options), ::testing::Contains(Pair("pinned regions", 88)));
}

}  // namespace
}  // namespace flense::device
