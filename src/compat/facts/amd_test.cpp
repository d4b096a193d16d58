#include "compat/facts/amd.h"

#include <gtest/gtest.h>

namespace flense::compat {
namespace {

AmdMatch match(std::string_view code, std::string_view gpu, char xnack = 0) {
  static const auto tables = knowledge::Knowledge::load({}, knowledge::kVerdictTables);
  return amd_match(parse_amd_target(code), parse_amd_target(gpu), xnack, tables->rocm);
}

TEST(AmdTarget, Parts) {
  const AmdTarget target = parse_amd_target("gfx90a:sramecc+:xnack-");
  EXPECT_EQ(target.processor, "gfx90a");
  EXPECT_EQ(target.features, (std::vector<std::string>{"sramecc+", "xnack-"}));
  EXPECT_EQ(parse_amd_target("gfx942").features.size(), 0u);
  EXPECT_EQ(parse_amd_target("").processor, "");
  EXPECT_EQ(parse_amd_target("::").features.size(), 2u);
}

TEST(AmdTarget, RunsWhereProcessorAndFeaturesAgree) {
  EXPECT_EQ(match("gfx942", "gfx942"), AmdMatch::kYes);
  EXPECT_EQ(match("gfx942", "gfx942:sramecc+:xnack-"), AmdMatch::kYes) << "any setting";
  EXPECT_EQ(match("gfx90a", "gfx942"), AmdMatch::kNo);
  EXPECT_EQ(match("gfx940", "gfx942"), AmdMatch::kNo);
  EXPECT_EQ(match("gfx90a:xnack+", "gfx90a:xnack-"), AmdMatch::kNo);
  EXPECT_EQ(match("gfx90a:xnack+", "gfx90a:xnack+"), AmdMatch::kYes);
  EXPECT_EQ(match("gfx90a:sramecc-", "gfx90a:sramecc+:xnack-"), AmdMatch::kNo);
}

TEST(AmdTarget, WhatTheMachineDoesNotSayDecidesByTheDefault) {
  EXPECT_EQ(match("gfx90a:xnack-", "gfx90a"), AmdMatch::kYes);
  EXPECT_EQ(match("gfx90a:xnack+", "gfx90a"), AmdMatch::kDepends);
  EXPECT_EQ(match("gfx90a:sramecc+:xnack-", "gfx90a"), AmdMatch::kYes);
  EXPECT_EQ(match("gfx90a:sramecc-", "gfx90a"), AmdMatch::kDepends);
}

TEST(AmdTarget, TheProcessSaysWhetherItHasXnackFromMi200On) {
  for (const char* gpu : {"gfx90a", "gfx90a:sramecc+:xnack-", "gfx90a:sramecc+:xnack+"}) {
    EXPECT_EQ(match("gfx90a:xnack+", gpu, '+'), AmdMatch::kYes) << gpu;
    EXPECT_EQ(match("gfx90a:xnack-", gpu, '+'), AmdMatch::kNo) << gpu;
    EXPECT_EQ(match("gfx90a:xnack+", gpu, '-'), AmdMatch::kNo) << gpu;
    EXPECT_EQ(match("gfx90a:xnack-", gpu, '-'), AmdMatch::kYes) << gpu;
  }
  EXPECT_EQ(match("gfx908:xnack+", "gfx908", '+'), AmdMatch::kDepends);
  EXPECT_EQ(match("gfx908:xnack+", "gfx908:sramecc+:xnack-", '+'), AmdMatch::kNo);
  EXPECT_EQ(match("gfx908:xnack-", "gfx908", '+'), AmdMatch::kYes);
}

TEST(AmdTarget, GenericTargets) {
  EXPECT_EQ(match("gfx9-4-generic", "gfx942"), AmdMatch::kYes);
  EXPECT_EQ(match("gfx9-4-generic", "gfx90a"), AmdMatch::kNo);
  EXPECT_EQ(match("gfx9-4-generic:xnack+", "gfx942"), AmdMatch::kDepends);
  EXPECT_EQ(match("gfx13-generic", "gfx942"), AmdMatch::kNo);
}

}  // namespace
}  // namespace flense::compat
