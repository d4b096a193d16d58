// Which devices a container gets: by name, from specifications and from the machine as it is.
#include "launch/gpus/devices.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include "cdi/generate/testing_machine.h"

namespace flense::launch {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

/// A machine with two GPUs of NVIDIA, a card of AMD's and an RDMA card. No libraries: what is made
/// of the machine is told by its nodes.
class GpuDevicesTest : public ::testing::Test {
 protected:
  GpuDevicesTest() {
    machine_.driver();
    machine_.gpu(0, "0000:17:00.0");
    machine_.gpu(1, "0000:27:00.0");
    machine_.amd_driver();
    machine_.pci("0000:05:00.0", "1002", "74a1", "amdgpu");
    machine_.drm("bus/pci/devices/0000:05:00.0", 1, 128);
    machine_.amd_node(1, "0000:05:00.0", 7, 128);
    machine_.node("infiniband/uverbs0", 231, 192);
    machine_.file("image/etc/passwd", "");
    machine_.file("cdi/none", "");
    root_.path = machine_.tree.top() / "image";
    root_.directory = UniqueFd(::open(root_.path.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC));
    root_.key = std::string(64, 'a');
  }

  void specification(const std::string& kind, const std::string& node,
                     const std::string& file = "x.json") const {
    machine_.file("cdi/" + file, fmt::format(R"({{"cdiVersion":"0.5.0","kind":"{}","devices":[)"
                                             R"({{"name":"0","containerEdits":{{"env":["FROM=0"],)"
                                             R"("deviceNodes":[{{"path":"{}"}}]}}}},)"
                                             R"({{"name":"1","containerEdits":{{"env":["FROM=1"],)"
                                             R"("deviceNodes":[{{"path":"/dev/uvm"}}]}}}}]}})",
                                             kind, node));
  }

  Result<GpuDevices> planned(const std::vector<std::string>& names,
                             const std::set<std::string>& with = {}) const {
    GpuRequest request;
    request.devices = names;
    const host::Machine machine = machine_.machine();
    return plan_devices({request,
                         machine,
                         [](std::string_view) { return std::optional<std::string>(); },
                         {machine_.tree.top() / "cdi"},
                         with,
                         root_,
                         machine_.tree.top() / "prepared",
                         "",
                         {}});
  }
  static std::vector<std::string> nodes(const Result<GpuDevices>& devices) {
    EXPECT_TRUE(devices) << render(devices.error());
    std::vector<std::string> out;
    if (devices)
      for (const cdi::DeviceNode& node : devices->edits.device_nodes) out.push_back(node.path);
    return out;
  }
  Error refused(const std::string& name) const {
    const auto devices = planned({name});
    EXPECT_FALSE(devices) << name;
    return devices ? Error{} : devices.error();
  }

  cdi::testing::TestMachine machine_;
  RootFs root_;
};

TEST_F(GpuDevicesTest, AnotherVendorsDeviceIsNoneOfOurs) {
  for (const char* name : {"foo.com/gpu=1", "intel.com/gpu=0", "nvidia.org/gpu=0", "amd.org/gpu=0",
                           "nvidia.com/other=0", "flense.dev/gpu=all"}) {
    const Error error = refused(name);
    EXPECT_EQ(error.code, Code::kEnvironment);
    EXPECT_THAT(error.message,
                AllOf(HasSubstr(fmt::format("there is no CDI device {} in ", name)),
                      HasSubstr((machine_.tree.top() / "cdi").string() + " (no specification)")));
  }
}

TEST_F(GpuDevicesTest, AStaleSpecificationOfAnotherVendorIsAnError) {
  specification("intel.com/gpu", "/dev/dri/renderD200");
  const Error error = refused("intel.com/gpu=0");
  EXPECT_EQ(error.code, Code::kEnvironment);
  EXPECT_THAT(error.message, AllOf(HasSubstr("x.json"), HasSubstr("/dev/dri/renderD200")));
  machine_.node("dri/renderD200", 226, 200);
  EXPECT_THAT(nodes(planned({"intel.com/gpu=0"})), ElementsAre("/dev/dri/renderD200"));
}

TEST_F(GpuDevicesTest, OtherDevicesOfAFileMayBeStale) {
  specification("intel.com/gpu", "/dev/dri/renderD128");
  EXPECT_THAT(nodes(planned({"intel.com/gpu=0"})), ElementsAre("/dev/dri/renderD128"));
  EXPECT_THAT(refused("intel.com/gpu=1").message, HasSubstr("/dev/uvm"));
}

TEST_F(GpuDevicesTest, WhatGenerateMakesIsMadeByItsOwnMode) {
  EXPECT_THAT(nodes(planned({"nvidia.com/mofed=all"})), ElementsAre("/dev/infiniband/uverbs0"));
  EXPECT_THAT(nodes(planned({"amd.com/gpu=0"})), Contains("/dev/kfd"));
  EXPECT_THAT(refused("nvidia.com/gdrcopy=all").message, HasSubstr("/dev/gdrdrv"));
}

TEST_F(GpuDevicesTest, WhatTheMachineLacksNamesBoth) {
  const std::string text = render(refused("amd.com/gpu=7"));
  EXPECT_THAT(text, AllOf(HasSubstr("there is no CDI device amd.com/gpu=7"),
                          HasSubstr("amd.com/gpu=0"), HasSubstr("(no specification)")));
}

TEST_F(GpuDevicesTest, RdmaIsOfGpusAlone) {
  specification("intel.com/gpu", "/dev/dri/renderD128");
  const auto devices = planned({"intel.com/gpu=0"}, {"rdma"});
  EXPECT_THAT(nodes(devices), ElementsAre("/dev/dri/renderD128"));
  EXPECT_THAT(devices->notices, ElementsAre(HasSubstr("gets no nodes of rdma")));
  EXPECT_THAT(nodes(planned({"amd.com/gpu=0"}, {"rdma"})), Contains("/dev/infiniband/uverbs0"));
}

TEST_F(GpuDevicesTest, WhatOthersMayWriteIsToldAndNotUsed) {
  specification("amd.com/gpu", "/dev/nvidia0");
  const auto path = machine_.tree.top() / "cdi/x.json";
  EXPECT_THAT(nodes(planned({"amd.com/gpu=0"})), ElementsAre("/dev/nvidia0"));
  ::chmod(path.c_str(), 0666);
  const auto devices = planned({"amd.com/gpu=0"});
  EXPECT_THAT(nodes(devices),
              UnorderedElementsAre("/dev/kfd", "/dev/dri/card1", "/dev/dri/renderD128",
                                   "/dev/dri/by-path/pci-0000:05:00.0-card",
                                   "/dev/dri/by-path/pci-0000:05:00.0-render"));
  EXPECT_THAT(devices->notices, ElementsAre(AllOf(HasSubstr(path.string()), HasSubstr("0666"))));
  specification("intel.com/gpu", "/dev/dri/renderD128");
  EXPECT_THAT(refused("intel.com/gpu=0").message,
              AllOf(HasSubstr(path.string()), HasSubstr("has mode 0666")));
}

TEST_F(GpuDevicesTest, NodesOutsideOfDevAreRefused) {
  for (const char* name : {"/etc/passwd", "/dev/../etc/passwd", "/dev/./../x", "/dev"})
    EXPECT_EQ(refused(name).code, Code::kUsage) << name;
  EXPECT_THAT(nodes(planned({"/dev/infiniband/uverbs0"})), ElementsAre("/dev/infiniband/uverbs0"));
  specification("intel.com/gpu", "/dev/../../etc/passwd");
  EXPECT_THAT(refused("intel.com/gpu=0").message, HasSubstr("not a harmless CDI specification"));
}

}  // namespace
}  // namespace flense::launch
