#include "host/processor.h"

#include <gtest/gtest.h>

#include <array>

namespace flense::host {
namespace {

Profile x86(std::string source, std::vector<std::string> flags, std::string level) {
  Profile out;
  out.source = std::move(source);
  out.system.architecture = Text::known("x86_64", "x");
  out.system.cpu_level = Text::known(std::move(level), "x");
  if (!flags.empty()) out.system.cpu_flags = List::known(std::move(flags), "x");
  return out;
}

Profile arm(std::vector<std::string> features) {
  Profile out;
  out.system.architecture = Text::known("aarch64", "x");
  out.system.cpu_flags = List::known(std::move(features), "x");
  return out;
}

TEST(Processor, TheWeakestDecides) {
  const std::array both = {x86("new", {}, "x86-64-v4"), x86("old", {"sse4_2", "avx"}, "x86-64-v2")};
  EXPECT_EQ(weakest_processor(both).march, "x86-64-v2");
  EXPECT_EQ(weakest_processor(both).avx, "avx");
  EXPECT_EQ(weakest_processor(std::span(both).first(1)).avx, "avx512");
}

TEST(Processor, GccHasNoLevelOne) {
  const std::array old = {x86("old", {"sse2"}, "x86-64-v1")};
  EXPECT_EQ(weakest_processor(old).march, "x86-64");
  EXPECT_EQ(weakest_processor(old).avx, "none");
}

TEST(Processor, LevelTwoAloneSaysNothingOfAvx) {
  const std::array quiet = {x86("quiet", {}, "x86-64-v2"), x86("new", {}, "x86-64-v3")};
  const Processor out = weakest_processor(quiet);
  EXPECT_EQ(out.march, "x86-64-v2");
  EXPECT_EQ(out.avx, "");
  EXPECT_EQ(out.avx_unknown, "the processor of 'quiet' is unknown");
}

TEST(Processor, ArmByTheFeaturesThatTheKernelNames) {
  const std::array both = {arm({"fp", "asimd", "crc32", "atomics", "asimdrdm"}),
                           arm({"fp", "asimd", "crc32"})};
  EXPECT_EQ(weakest_processor(std::span(both).first(1)).march, "armv8.1-a");
  EXPECT_EQ(weakest_processor(both).march, "armv8-a");
  EXPECT_EQ(weakest_processor(both).avx, "");
}

TEST(Processor, TwoKindsHaveNothingInCommon) {
  const std::array mixed = {x86("x", {}, "x86-64-v3"), arm({"crc32"})};
  const Processor out = weakest_processor(mixed);
  EXPECT_EQ(out.march, "");
  EXPECT_EQ(out.march_unknown,
            "the machines are aarch64 and x86_64, and one image serves one of them");
}

TEST(BuildJobs, MemoryAndProcessorsLimit) {
  Profile host;
  EXPECT_EQ(build_jobs({&host, 1}).jobs, 0U);
  EXPECT_EQ(build_jobs({&host, 1}).unknown, "") << "nothing is known of any";
  host.system.cpus = Number::known(64, "x");
  host.system.memory_bytes = Number::known(100ull << 30, "x");
  EXPECT_EQ(build_jobs({&host, 1}).jobs, 11U);
  host.system.cpus = Number::known(4, "x");
  EXPECT_EQ(build_jobs({&host, 1}).jobs, 4U);
  host.system.memory_bytes = Number::known(2ull << 30, "x");
  EXPECT_EQ(build_jobs({&host, 1}).jobs, 1U) << "one compiler always runs";
}

}  // namespace
}  // namespace flense::host
