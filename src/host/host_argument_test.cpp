#include "host/host_argument.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/profile_json.h"
#include "host/testing_tree.h"
#include "knowledge/testing_tables.h"

namespace flense::host {
namespace {

using ::testing::HasSubstr;
using ::testing::Optional;

std::string text(std::string value) {
  return value;
}

TEST(Spec, ProductAndDriver) {
  const auto profile = described_profile("h100@550.54.15", knowledge::test_tables());
  ASSERT_TRUE(profile) << profile.error().message;
  EXPECT_EQ(profile->source, "h100@550.54.15");
  ASSERT_EQ(profile->gpus.size(), 1u);
  EXPECT_EQ(profile->gpus[0].vendor, "nvidia");
  EXPECT_THAT(profile->gpus[0].name.value, Optional(text("H100")));
  EXPECT_THAT(profile->gpus[0].architecture.value, Optional(text("9.0")));
  EXPECT_THAT(profile->nvidia.module_version.value, Optional(text("550.54.15")));
  EXPECT_THAT(profile->nvidia.cuda.value, Optional(text("12.4")));
  EXPECT_FALSE(profile->system.kernel.value);
  EXPECT_EQ(from_json(to_json(*profile), "again").value(), *profile);
}

TEST(Spec, AProfileThatNamesItsGpuAsNvidiaSmiDoes) {
  const auto architecture_of = [](const std::string& name) {
    const auto profiles = parse_profiles(
        R"({"schema": "flense/host/v1", "source": "node", "system": {}, "isolation": {}, "nvidia": {},
            "amd": {}, "gpus": [{"vendor": "nvidia", "name": {"value": ")" +
            name + R"(", "evidence": "nvidia-smi"}}]})",
        "node.json", knowledge::test_tables());
    return profiles ? profiles->at(0).gpus.at(0).architecture
                    : Text::unknown(profiles.error().message);
  };
  EXPECT_THAT(architecture_of("NVIDIA RTX PRO 6000 Blackwell Server Edition").value,
              Optional(text("12.0")));
  EXPECT_THAT(architecture_of("NVIDIA GeForce RTX 5090").value, Optional(text("12.0")));
  EXPECT_THAT(architecture_of("NVIDIA H100 80GB HBM3").value, Optional(text("9.0")));
  EXPECT_THAT(architecture_of("NVIDIA X1").evidence, HasSubstr("not in the product table"));
}

TEST(Spec, ArchitecturesFamiliesAndLists) {
  EXPECT_THAT(
      described_profile("sm_90a@535.129.03", knowledge::test_tables())->gpus[0].architecture.value,
      Optional(text("9.0")));
  EXPECT_FALSE(described_profile("sm_90", knowledge::test_tables())->gpus[0].name.value);
  EXPECT_EQ(described_profile("ampere", knowledge::test_tables())->gpus.size(), 2u);
  const auto mixed = described_profile("l40s,mi300x", knowledge::test_tables());
  ASSERT_EQ(mixed->gpus.size(), 2u);
  EXPECT_EQ(mixed->gpus[1].vendor, "amd");
  EXPECT_EQ(mixed->nvidia.cuda.evidence, "no driver is named");
  EXPECT_THAT(
      described_profile("mi300x@6.10.5", knowledge::test_tables())->amd.driver_version.value,
      Optional(text("6.10.5")));
  // A branch that is not in the table is still a driver.
  const auto future = described_profile("h100@999.10.1", knowledge::test_tables());
  ASSERT_TRUE(future);
  EXPECT_FALSE(future->nvidia.cuda.value);
  EXPECT_THAT(future->nvidia.cuda.evidence, HasSubstr("999.10.1"));
}

TEST(Spec, ErrorsSayWhatIsNear) {
  struct Case {
    const char *words, *message, *hint;
  };
  for (const Case& one : {
           Case{"h1000@550.54.15", "h1000", "h100"},
           Case{"frobnicator", "frobnicator", "this"},
           Case{"h100@550", "'550' is not a version", "h100@550.54.14"},
           Case{"h100@12.4", "'12.4' is not a version", "CUDA 12.4 came with driver 550.54.14"},
           Case{"h100@latest", "'latest'", "h100@550.54.15"},
           Case{"h100@", "''", "h100@550.54.15"},
           Case{"mi300x@six", "amdgpu", "6.10.5"},
           Case{"l40s,mi300x@550.54.15", "which vendor", "one vendor"},
           Case{"", "empty", ""},
           Case{"h100,,a100", "empty", ""},
       }) {
    const auto profile = described_profile(one.words, knowledge::test_tables());
    ASSERT_FALSE(profile) << one.words;
    EXPECT_EQ(profile.error().code, Code::kUsage) << one.words;
    EXPECT_THAT(profile.error().message, HasSubstr(one.message)) << one.words;
    EXPECT_THAT(profile.error().hint, HasSubstr(one.hint)) << one.words;
  }
}

TEST(Spec, Files) {
  const testing::ScratchTree scratch;
  const std::string file = scratch.top() / "node.json";
  const auto read = [&](const std::string& spec) {
    return profile_of(spec, {}, knowledge::test_tables());
  };
  EXPECT_EQ(read(file).error().code, Code::kBadInput);
  scratch.file(
      "node.json",
      text::dump_json(to_json(*described_profile("a100@535.129.03", knowledge::test_tables()))));
  const auto profile = read(file);
  ASSERT_TRUE(profile) << profile.error().message;
  EXPECT_EQ(profile->source, file);
  EXPECT_THAT(profile->nvidia.cuda.value, Optional(text("12.2")));
  for (const char* wrong : {"", "{", "[]", R"({"schema": "flense/plan/v1"})"}) {
    scratch.file("node.json", wrong);
    ASSERT_FALSE(read(file)) << wrong;
    EXPECT_EQ(read(file).error().code, Code::kBadInput) << wrong;
  }
}

TEST(Spec, ThisIsTheMachineAtItsPlaces) {
  const testing::ScratchTree scratch;
  scratch.file("proc/sys/kernel/osrelease", "6.8.0-fixture\n");
  const auto profile =
      profile_of("this", Places{scratch.top(), {}, {}, {}}, knowledge::test_tables());
  ASSERT_TRUE(profile);
  EXPECT_THAT(profile->system.kernel.value, Optional(text("6.8.0-fixture")));
}

}  // namespace
}  // namespace flense::host
