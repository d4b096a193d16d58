#include <gtest/gtest.h>

#include "compat/facts/image_facts.h"
#include "compat/rules/rules.h"
#include "compat/testing_scenarios.h"

namespace flense::compat {
namespace {

class RedistributionRules : public ::testing::Test {
 protected:
  void SetUp() override {
    auto loaded = knowledge::Knowledge::load();
    ASSERT_TRUE(loaded.has_value());
    tables = *std::move(loaded);
    image.code = {
        {"usr/lib/libcublas.so.12.4.5.8", 100, {{"nvidia", "cubin", "sm_90", 1, 100, "", 0}}}};
  }
  std::map<std::string, std::string> ids(bool asked = true) const {
    HostVerdict out;
    const ImageFacts facts(image, tables);
    rule_redistribution(
        {.image = image, .host = host, .tables = tables, .redistribution = asked, .facts = &facts},
        out.checks);
    return testing::verdicts_by_id(out);
  }
  using Ids = std::map<std::string, std::string>;

  needs::Needs image;
  host::Profile host;
  knowledge::Knowledge tables;
};

TEST_F(RedistributionRules, SpeakOnlyWhenAsked) {
  EXPECT_EQ(ids(false), Ids());
  EXPECT_EQ(ids(), (Ids{{"redistribution-licences", "ok"}}));
}

TEST_F(RedistributionRules, DriverLibrariesAndToolsAreNotListed) {
  image.driver_files = {{"usr/lib/libnvidia-ml.so.550.54.15", "driver library", 0}};
  EXPECT_EQ(ids().at("redistribution-not-listed"), "warn");
  image.driver_files.clear();
  EXPECT_FALSE(ids().contains("redistribution-not-listed"));
  image.packages = {{{"deb", "cuda-nvcc-12-4", "12.4.131-1"}, "var/lib/dpkg/status"}};
  EXPECT_EQ(ids().at("redistribution-not-listed"), "warn");
}

TEST_F(RedistributionRules, SlimImagesHoldChangedLibraries) {
  image.slim = inventory::SlimMark{{"sm_90"}, "", "standard", "0.1.0", "label dev.flense.targets"};
  EXPECT_EQ(ids().at("redistribution-modified"), "warn");
  image.code[0].path = "opt/app/libown.so";
  EXPECT_FALSE(ids().contains("redistribution-modified")) << "nothing of NVIDIA's was changed";
}

TEST_F(RedistributionRules, WhatWasNotReadIsUnknown) {
  image.contents = false;
  EXPECT_EQ(ids(), (Ids{{"redistribution-licences", "unknown"}}));
}

}  // namespace
}  // namespace flense::compat
