#include "compat/compare_requirements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "compat/diff_gates.h"

namespace flense::compat {
namespace {

using host::Text;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Requirements sheet() {
  Requirements out;
  out.name = "image";
  out.platform = Text::known("linux/amd64", "configuration");
  out.cuda = Text::known("12.4", "libcudart.so.12");
  out.driver_native = Text::known("550.54.14", "table");
  out.driver_minor = Text::known("525.60.13", "table");
  out.gpus = {{"nvidia", "8.0", "native", 0, {}, {}},
              {"nvidia", "9.0", "native", 0, {}, {}},
              {"nvidia", "12.0", "ptx", 500, {}, {}},
              {"amd", "gfx942", "native", 0, {}, {}}};
  out.libc = Text::known("glibc 2.36", "C library");
  out.cpu_level = Text::known("x86-64-v2", "lib/ld.so");
  out.disk_bytes = host::Number::known(1000, "layers");
  return out;
}

HostChanges compare(const Requirements& a, const Requirements& b) {
  return compare_requirements({&a, nullptr}, {&b, nullptr});
}

/// "id direction: text" of each change.
std::vector<std::string> lines(const HostChanges& changes) {
  std::vector<std::string> out;
  for (const HostChange& one : changes.changes)
    out.push_back(fmt::format("{} {}: {}", one.id, to_string(one.direction), one.text));
  return out;
}

std::string status(const HostChanges& hosts, std::string_view gate) {
  const std::vector<Gate> gates = {parse_gate(gate).value()};
  return check_gates(gates, {}, hosts, {})[0].status;
}

TEST(CompareRequirements, EqualSheetsSayNothing) {
  const HostChanges same = compare(sheet(), sheet());
  EXPECT_THAT(same.changes, IsEmpty());
  EXPECT_THAT(same.untold, IsEmpty());
  for (const char* gate : {"arch", "driver-floor", "glibc", "cpu", "platform", "ptx-driver"})
    EXPECT_EQ(status(same, gate), "passed") << gate;
}

TEST(CompareRequirements, DriversRiseAndFall) {
  Requirements after = sheet();
  after.driver_minor = Text::known("580.65.06", "table");
  const HostChanges rose = compare(sheet(), after);
  EXPECT_THAT(lines(rose), ElementsAre("driver-floor narrower: the minimum driver (minor-version "
                                       "mode) rose from 525.60.13 to 580.65.06"));
  EXPECT_EQ(status(rose, "driver-floor"), "failed");
  EXPECT_EQ(status(rose, "driver-native"), "passed");
  EXPECT_THAT(lines(compare(after, sheet())), Contains(HasSubstr("driver-floor wider")));
  // Numerically, not alphabetically.
  after.driver_minor = Text::known("1000.1", "table");
  EXPECT_EQ(compare(sheet(), after).changes[0].direction, Direction::kNarrower);
}

TEST(CompareRequirements, WhatIsOnlyALowerBoundNeitherRisesNorFalls) {
  Requirements bound = sheet();
  bound.cuda = Text::known("11.8", std::string(kAtLeast) + "device code for sm_90");
  bound.driver_minor = Text::known("450.80.02", "table");
  // At least 450 now: it may be anything above.
  EXPECT_EQ(status(compare(sheet(), bound), "driver-floor"), "unknown");
  EXPECT_EQ(status(compare(bound, sheet()), "driver-floor"), "unknown");
  // At least 580 now is more than the previous 525, and not less.
  bound.driver_minor = Text::known("580.65.06", "table");
  EXPECT_EQ(status(compare(sheet(), bound), "driver-floor"), "failed");
  EXPECT_THAT(lines(compare(sheet(), bound)),
              Contains("cuda neutral: CUDA was 12.4 and is at least 11.8 now"));
}

TEST(CompareRequirements, GpusByTheWayTheyAreServed) {
  Requirements after = sheet();
  after.gpus = {{"nvidia", "9.0", "ptx", 500, {}, {}},
                {"nvidia", "12.0", "native", 0, {}, {}},
                {"nvidia", "7.5", "partly", 0, {}, {"libx.so"}},
                {"amd", "gfx942", "native", 0, {}, {}},
                {"amd", "gfx90a", "native", 0, {}, {}}};
  const HostChanges changes = compare(sheet(), after);
  EXPECT_THAT(lines(changes),
              ElementsAre("arch narrower: sm_80 no longer served",
                          "cold-start narrower: sm_90 compiled from PTX at first use now",
                          "cold-start wider: sm_120 served by machine code now, without compiling",
                          "arch wider: sm_75 served in part now", "arch wider: gfx90a served now"));
  EXPECT_EQ(status(changes, "arch"), "failed");
  EXPECT_EQ(status(changes, "cold-start"), "failed");
  EXPECT_THAT(lines(compare(after, sheet())), Contains("arch narrower: gfx90a no longer served"));
}

TEST(CompareRequirements, LibcOfTheImageAndOfTheHost) {
  Requirements after = sheet();
  after.libc = Text::known("glibc 2.28", "C library");
  EXPECT_THAT(lines(compare(sheet(), after)),
              ElementsAre(HasSubstr("glibc narrower: glibc 2.36 fell to glibc 2.28")));
  after.libc = Text::known("musl 1.2.4", "C library");
  EXPECT_THAT(lines(compare(sheet(), after)), ElementsAre(HasSubstr("glibc narrower")));
  // Files without a C library of their own need the host's.
  Requirements bare = sheet();
  bare.libc = {};
  const inventory::GlibcNeed old_need{"2.28", "lib/a.so"}, new_need{"2.34", "lib/b.so"};
  EXPECT_THAT(lines(compare_requirements({&bare, &old_need}, {&bare, &new_need})),
              ElementsAre("glibc narrower: the glibc that the files need from the host rose from "
                          "2.28 to 2.34"));
}

TEST(CompareRequirements, ProcessorLevelsAndPlatforms) {
  Requirements after = sheet();
  after.cpu_level = Text::known("x86-64-v3", "bin/app");
  after.platform = Text::known("linux/arm64", "configuration");
  EXPECT_THAT(lines(compare(sheet(), after)),
              ElementsAre("cpu narrower: the processor level rose from x86-64-v2 to x86-64-v3",
                          "platform narrower: the platform was linux/amd64 and is linux/arm64 "
                          "now"));
  after.cpu_level = Text::known("x86-64", "bin/app");
  EXPECT_THAT(lines(compare(sheet(), after)), Contains(HasSubstr("cpu wider")));
}

TEST(CompareRequirements, UnknownIsNeverAPass) {
  Requirements after = sheet();
  after.driver_minor = Text::unknown("the table has no such CUDA");
  EXPECT_EQ(status(compare(sheet(), after), "driver-floor"), "unknown");
  EXPECT_EQ(status(compare(after, sheet()), "driver-floor"), "unknown");
  EXPECT_EQ(status(compare(after, after), "driver-floor"), "unknown");
  after.disk_bytes = host::Number::unknown("layers were not read");
  EXPECT_EQ(status(compare(sheet(), after), "arch"), "unknown");
  const Requirements one = sheet();
  const HostChanges saved = compare_requirements({nullptr, nullptr}, {&one, nullptr});
  for (const std::string_view gate : gate_ids())
    if (gate != "size" && gate != "unpacked" && gate != "packages" && gate != "runtimes" &&
        gate != "configuration" && gate != "files" && gate != "any")
      EXPECT_EQ(status(saved, gate), "unknown") << gate;
}

TEST(DiffGates, Growth) {
  inventory::InventoryChanges changes;
  changes.before.size_bytes = 1000;
  changes.after.size_bytes = 1050;
  const auto size = [&](std::string_view gate) {
    const std::vector<Gate> gates = {parse_gate(gate).value()};
    return check_gates(gates, changes, {}, {})[0].status;
  };
  EXPECT_EQ(size("size"), "failed");
  EXPECT_EQ(size("size:+5%"), "passed");
  EXPECT_EQ(size("size:+4.99%"), "failed");
  EXPECT_EQ(size("size:+50"), "passed");
  EXPECT_EQ(size("size:+49"), "failed");
  EXPECT_EQ(size("unpacked"), "passed");
  for (const char* wrong : {"size:+-5%", "size:+nan%", "size:+", "size:+%", "arch:+1%", "no", ""})
    EXPECT_FALSE(parse_gate(wrong)) << wrong;
}

TEST(DiffGates, VerdictsOfHosts) {
  HostVerdict before{"h100", "docker", "", Verdict::kOk, {}};
  before.checks = {{"driver-cuda", Verdict::kOk, "fits", {}, {}, {}},
                   {"memory", Verdict::kWarn, "tight", {}, {}, {}}};
  HostVerdict after = before;
  after.verdict = Verdict::kFail;
  after.checks[0].verdict = Verdict::kFail;
  after.checks[0].message = "the driver is too old";
  const std::vector<Gate> gates = {parse_gate("host").value()};
  const auto worse = compare_verdicts(std::vector{before}, std::vector{after});
  ASSERT_EQ(worse[0].checks.size(), 1u);
  EXPECT_EQ(check_gates(gates, {}, {}, worse)[0].reason, "h100: the driver is too old");
  EXPECT_EQ(check_gates(gates, {}, {}, compare_verdicts(std::vector{after}, std::vector{before}))[0]
                .status,
            "passed");
  after.checks[0].verdict = after.verdict = Verdict::kUnknown;
  EXPECT_EQ(check_gates(gates, {}, {}, compare_verdicts(std::vector{before}, std::vector{after}))[0]
                .status,
            "unknown");
}

}  // namespace
}  // namespace flense::compat
