// Which processors and whose memory, as values; and that a process really gets them.
#include "launch/container/numa.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include "host/testing_tree.h"

namespace flense::launch {
namespace {

using host::testing::ScratchTree;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

host::Gpu gpu(const char* vendor, std::uint64_t minor, const char* address, int node) {
  host::Gpu out;
  out.vendor = vendor;
  out.minor = host::Number::known(minor, "test");
  out.pci_address = host::Text::known(address, "test");
  out.numa_node = node < 0 ? host::Number::unknown("numa_node names no node")
                           : host::Number::known(static_cast<std::uint64_t>(node), "test");
  return out;
}

class NumaTest : public testing::Test {
 protected:
  NumaTest() {
    node(0, "0-3,8-11");
    node(1, "4-7,12-15");
    node(2, "");
    for (unsigned cpu = 0; cpu < 16; ++cpu) all_.insert(cpu);
    profile_.gpus = {gpu("nvidia", 0, "0000:17:00.0", 0), gpu("nvidia", 1, "0000:65:00.0", 1),
                     gpu("nvidia", 2, "0000:99:00.0", -1), gpu("nvidia", 3, "0000:a9:00.0", 2),
                     gpu("amd", 128, "0000:c1:00.0", 1)};
  }
  void node(int number, std::string_view cpus) {
    tree_.file(fmt::format("sys/devices/system/node/node{}/cpulist", number),
               std::string(cpus) + "\n");
  }
  PlacementPlan plan(const std::vector<std::string>& nodes) {
    return plan_placement(profile_, tree_.machine().sys, nodes, all_);
  }
  std::string complaint(const std::vector<std::string>& nodes) {
    const PlacementPlan made = plan(nodes);
    EXPECT_FALSE(made.placement);
    EXPECT_EQ(made.notices.size(), 1U);
    return made.notices.empty() ? "" : made.notices[0];
  }

  ScratchTree tree_;
  host::Profile profile_;
  std::set<unsigned> all_;
};

TEST(NumaLists, AsTheKernelWritesThem) {
  for (const char* text : {"", "0", "0-3", "0-3,8-11", "5,7,9", "65535"}) {
    const auto list = parse_list(text);
    ASSERT_TRUE(list) << text;
    EXPECT_EQ(list_text(*list), text);
  }
  EXPECT_EQ(list_text(*parse_list("3,1,2,2-4")), "1-4");
  for (const char* text :
       {"-", "1-", "-1", "3-1", "1,", ",1", "1,,2", "a", "65536", "0-99999", " 1"})
    EXPECT_FALSE(parse_list(text)) << text;
}

TEST_F(NumaTest, BesideItsGpus) {
  const PlacementPlan one = plan({"/dev/nvidiactl", "/dev/nvidia-uvm", "/dev/nvidia1"});
  EXPECT_EQ(one.placement, (Placement{"4-7,12-15", "1"}));
  EXPECT_THAT(one.reasons, ElementsAre(HasSubstr("0000:65:00.0 at node 1")));
  EXPECT_EQ(plan({"/dev/nvidia0", "/dev/nvidia1"}).placement, (Placement{"0-15", "0-1"}));
  EXPECT_EQ(plan({"/dev/kfd", "/dev/dri/renderD128", "/dev/dri/card1"}).placement,
            (Placement{"4-7,12-15", "1"}));
  // Only what the batch system gave us.
  all_ = {2, 3, 4};
  EXPECT_EQ(plan({"/dev/nvidia0"}).placement, (Placement{"2-3", "0"}));
}

TEST_F(NumaTest, WhatIsUnknownIsToldAndNotBound) {
  EXPECT_THAT(complaint({"/dev/nvidia0", "/dev/nvidia2"}),
              HasSubstr("the NUMA node of 0000:99:00.0 is unknown, numa_node names no node"));
  EXPECT_THAT(complaint({"/dev/nvidia3"}), HasSubstr("NUMA node 2 has no processors"));
  EXPECT_THAT(complaint({"/dev/nvidiactl"}), HasSubstr("no device is a GPU with a known location"));
  EXPECT_THAT(complaint({"/dev/nvidia17"}), HasSubstr("no device is a GPU with a known location"));
  node(1, "some");
  EXPECT_THAT(complaint({"/dev/nvidia1"}), HasSubstr("node1/cpulist is not a list of processors"));
  all_ = {0, 1};
  node(1, "4-7");
  EXPECT_THAT(complaint({"/dev/nvidia1"}),
              HasSubstr("none of the processors 4-7 of NUMA node 1 is ours; ours are 0-1"));
}

TEST_F(NumaTest, WhatTheBatchSystemGaveIsRenewedWhereCrunTakesIt) {
  const Engine old{"/usr/bin/crun", {1, 8, 1}}, taking{"/usr/bin/crun", {1, 28, 0}};
  EXPECT_FALSE(inherited_placement(taking, tree_.machine().sys, {0, 1}));  // the number is unknown
  tree_.file("sys/devices/system/cpu/online", "0-15\n");
  const host::Machine machine = tree_.machine();
  EXPECT_FALSE(inherited_placement(old, machine.sys, {0, 1}));
  EXPECT_FALSE(inherited_placement(taking, machine.sys, all_));
  EXPECT_EQ(inherited_placement(taking, machine.sys, {0, 1, 5}), (Placement{"0-1,5", ""}));
}

TEST(NumaWords, BeforeTheCommandAndForThoseWhoJoin) {
  std::vector<std::string> args = placing_words({"0-3", "0"});
  EXPECT_THAT(placing_words_of(args), IsEmpty());  // no command
  args.emplace_back("sleep");
  EXPECT_EQ(placing_words_of(args), placing_words({"0-3", "0"}));
  EXPECT_THAT(placing_words_of({"sleep", "1", "2", "3", "4"}), IsEmpty());
}

TEST(NumaPlace, TheProcessGetsIt) {
  const std::set<unsigned> before = allowed_cpus();
  ASSERT_FALSE(before.empty());
  const pid_t pid = ::fork();
  ASSERT_GE(pid, 0);
  if (pid == 0) {
    const std::set<unsigned> one = {*before.rbegin()};
    const auto placed = place_here({list_text(one), "0"});
    ::_exit(placed && allowed_cpus() == one ? 0 : 1);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_EQ(status, 0);
  EXPECT_EQ(allowed_cpus(), before);
  EXPECT_FALSE(place_here({"", "0"}));
  EXPECT_FALSE(place_here({"65000", ""}));
  EXPECT_EQ(allowed_cpus(), before);
}

}  // namespace
}  // namespace flense::launch
