#include "report/verdicts/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/host_argument.h"
#include "knowledge/testing_tables.h"
#include "report/testing_schema.h"

namespace flense::report {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

std::vector<host::Profile> hosts(const std::vector<std::string>& words) {
  std::vector<host::Profile> out;
  for (const std::string& one : words) {
    out.push_back(host::described_profile(one, knowledge::test_tables()).value());
    out.back().source = fmt::format("n{}", out.size());
  }
  return out;
}

TEST(FleetReport, TableOfWhatDiffers) {
  const auto machines = hosts({"a100@550.54.15", "a100@550.54.15", "h100@535.129.03"});
  EXPECT_EQ(fleet_text(machines, host::compare(machines), {}),
            "3 hosts: 2 groups differ in 4 facts\n"
            "\nWHAT DIFFERS\n"
            "  FACT                HOSTS  VALUE           WHICH\n"
            "  GPUs                    2  1 x A100 (8.0)  n[1,2]\n"
            "                          1  1 x H100 (9.0)  n3\n"
            "  NVIDIA driver           2  550.54.15       n[1,2]\n"
            "                          1  535.129.03      n3\n"
            "  libcuda                 2  550.54.15       n[1,2]\n"
            "                          1  535.129.03      n3\n"
            "  CUDA of the driver      2  12.4            n[1,2]\n"
            "                          1  12.2            n3\n"
            "\nEQUAL HOSTS\n"
            "  HOSTS  WHICH\n"
            "      2  n[1,2]\n"
            "      1  n3\n"
            "\n"
            "  oldest CUDA of a driver  12.2               n3\n"
            "  lowest architecture      sm_80              n[1,2]\n"
            "  serves all               --gpu sm_80,sm_90\n");
}

TEST(FleetReport, EqualUnknownAndHostile) {
  auto machines = hosts({"a100@550.54.15", "a100@550.54.15"});
  EXPECT_THAT(fleet_text(machines, host::compare(machines), {}), HasSubstr("2 hosts: equal\n"));
  machines[0].system.kernel = host::Text::known("6.8\x1b[2J", "x");
  machines[0].notices = {"note\x1b"};
  machines[1].system.kernel = host::Text::unknown("no label");
  machines[1].source = "\x1b]0;x";
  const std::string text = fleet_text(machines, host::compare(machines), {});
  EXPECT_THAT(text, HasSubstr("2 hosts: equal in what is known\n"));
  EXPECT_THAT(text, HasSubstr("UNKNOWN IN PART"));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(FleetReport, JsonConformsToItsSchema) {
  const std::string path = std::string(FLENSE_SOURCE_DIR) + "/docs/schemas/fleet-v1.json";
  const auto schema = text::parse_json(testing::read_whole(path), path);
  ASSERT_TRUE(schema) << render(schema.error());
  testing::SchemaChecker checker(*schema);
  auto machines = hosts({"a100@550.54.15", "h100", "mi300x@6.10.5"});
  machines.emplace_back();
  machines.back().gpu_count = host::Number::unknown("no label");
  const text::Json json = fleet_json(machines, host::compare(machines));
  EXPECT_THAT(checker.check(json), IsEmpty());
  EXPECT_FALSE(json["equal"].bool_or(true));
  EXPECT_EQ(json["architectures"].items().size(), 3u);
  EXPECT_EQ(json["architecture_unknown"].items().size(), 1u);
}

}  // namespace
}  // namespace flense::report
