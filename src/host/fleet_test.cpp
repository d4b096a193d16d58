#include "host/fleet.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/host_argument.h"
#include "knowledge/testing_tables.h"

namespace flense::host {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::vector<Profile> hosts(const std::vector<std::string>& words) {
  std::vector<Profile> out;
  for (const std::string& one : words)
    out.push_back(described_profile(one, knowledge::test_tables()).value());
  return out;
}

const Drift* row(const Fleet& fleet, std::string_view fact) {
  for (const Drift& drift : fleet.drift)
    if (drift.fact == fact) return &drift;
  return nullptr;
}

TEST(Fleet, EqualMachinesAreOneGroup) {
  const Fleet fleet = compare(hosts({"h100@550.54.15", "h100@550.54.15", "h100@550.54.15"}));
  EXPECT_TRUE(fleet.equal());
  EXPECT_FALSE(fleet.undecided());
  EXPECT_THAT(fleet.drift, IsEmpty());
  EXPECT_THAT(fleet.groups, ElementsAre(ElementsAre(0, 1, 2)));
  EXPECT_THAT(fleet.architectures, ElementsAre("sm_90"));
  EXPECT_THAT(compare({}).groups, IsEmpty());
}

TEST(Fleet, DriftTheWeakestAndWhatServesAll) {
  const Fleet fleet = compare(hosts({"a100@550.54.15", "h100@535.129.03", "v100,h100@550.54.15",
                                     "a100@550.54.15", "mi300x@6.10.5"}));
  EXPECT_FALSE(fleet.equal());
  EXPECT_THAT(fleet.groups,
              ElementsAre(ElementsAre(0, 3), ElementsAre(1), ElementsAre(2), ElementsAre(4)));
  ASSERT_NE(row(fleet, "NVIDIA driver"), nullptr);
  const auto& values = row(fleet, "NVIDIA driver")->values;
  EXPECT_EQ(values[0].text, "550.54.15");
  EXPECT_THAT(values[0].hosts, ElementsAre(0, 2, 3));
  EXPECT_EQ(fleet.cuda.text, "12.2");
  EXPECT_THAT(fleet.cuda.hosts, ElementsAre(1));
  EXPECT_EQ(fleet.architecture.text, "sm_70");
  EXPECT_THAT(fleet.architecture.hosts, ElementsAre(2));
  EXPECT_THAT(fleet.architectures, ElementsAre("sm_70", "sm_80", "sm_90", "gfx942"));
  EXPECT_EQ(row(fleet, "kernel"), nullptr);
}

TEST(Fleet, TheWeakestAreAllThatAreAsWeak) {
  const Fleet fleet = compare(hosts({"h100@550.54.15", "t4@535.129.03", "t4@535.54.03"}));
  EXPECT_THAT(fleet.cuda.hosts, ElementsAre(1, 2));
  EXPECT_THAT(fleet.architecture.hosts, ElementsAre(1, 2));
}

TEST(Fleet, UnknownIsNeitherEqualNorDrift) {
  auto machines = hosts({"h100@550.54.15", "h100@550.54.15", "h100@550.54.15"});
  machines[1].system.kernel = Text::known("6.8.0", "x");
  machines[0].system.kernel = Text::unknown("no label");
  machines[2].system.kernel = Text::known("6.8.0", "x");
  Fleet fleet = compare(machines);
  EXPECT_TRUE(fleet.equal());
  EXPECT_TRUE(fleet.undecided());
  ASSERT_EQ(fleet.drift.size(), 1u);
  EXPECT_FALSE(fleet.drift[0].differs);
  EXPECT_EQ(fleet.drift[0].values[1].text, "?");
  machines[2].system.kernel = Text::known("6.9.0", "x");
  fleet = compare(machines);
  EXPECT_FALSE(fleet.equal());
  EXPECT_FALSE(fleet.undecided());
  Profile unseen;
  unseen.gpu_count = Number::unknown("no label");
  machines.push_back(unseen);
  EXPECT_THAT(compare(machines).without_architecture, ElementsAre(3));
}

}  // namespace
}  // namespace flense::host
