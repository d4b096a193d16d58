// The text formats of discovery, and the comparison of specifications.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "cdi/diff.h"
#include "cdi/generate/jetson_csv.h"
#include "cdi/generate/mig.h"
#include "cdi/generate/testing_machine.h"

namespace flense::cdi {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Pair;
using testing::TestMachine;
using ::testing::UnorderedElementsAre;

TEST(MigMinors, LinesOfTheKernel) {
  EXPECT_THAT(parse_mig_minors("config 1\nmonitor 2\ngpu0/gi0/access 3\ngpu0/gi0/ci0/access 4\n"),
              UnorderedElementsAre(Pair("config", 1), Pair("monitor", 2),
                                   Pair("gpu0/gi0/access", 3), Pair("gpu0/gi0/ci0/access", 4)));
  EXPECT_THAT(parse_mig_minors("\n\n 5\nname\nname x\nname -1\nname 4294967296\nname 1048576"),
              IsEmpty());
  EXPECT_EQ(parse_access("DeviceFileMinor: 30\nDeviceFileMode: 292\n"), 30u);
  EXPECT_FALSE(parse_access("DeviceFileMinor: -1\n"));
}

TEST(JetsonCsv, KindsAndPaths) {
  using Kind = CsvLine::Kind;
  EXPECT_THAT(
      parse_csv("# text\n\n dev,/dev/nvhost-*\r\nlib ,  /usr/lib/x.so\ndir, /a/\nsym, /b", "list")
          .value(),
      ElementsAre(CsvLine{Kind::kDevice, "/dev/nvhost-*"}, CsvLine{Kind::kLibrary, "/usr/lib/x.so"},
                  CsvLine{Kind::kDirectory, "/a"}, CsvLine{Kind::kLink, "/b"}));
}

TEST(JetsonCsv, WhatCannotBeAPath) {
  for (const auto& [line, why] :
       {std::pair("lib, usr/lib/x.so", "is not absolute"), std::pair("lib, /usr/../etc", "'..'"),
        std::pair("dir, /usr/..", "'..'"), std::pair("dir, /", "is the root"),
        std::pair("lib, /usr/*/x.so", "pattern in a directory"),
        std::pair("mod, /usr/lib/x", "expected dev"), std::pair("lib", "expected dev")}) {
    const auto failed = parse_csv(fmt::format("# first\n{}\n", line), "drivers.csv");
    ASSERT_FALSE(failed) << line;
    EXPECT_EQ(failed.error().code, Code::kBadInput);
    EXPECT_THAT(failed.error().message, AllOf(HasSubstr("drivers.csv:2"), HasSubstr(why)));
  }
  std::string many;
  for (int i = 0; i < 20'001; ++i) many += "lib, /x\n";
  EXPECT_THAT(parse_csv(many, "x").error().message, HasSubstr("more than"));
}

Difference difference(std::string what, std::string how, std::string device, std::string name,
                      std::string was = "", std::string now = "") {
  return {std::move(what), std::move(how), std::move(device),
          std::move(name), std::move(was), std::move(now)};
}

TEST(Diff, NothingWithTheSameOptions) {
  const TestMachine machine;
  machine.driver();
  machine.drawing_driver();
  machine.gpu(0, "0000:01:00.0");
  machine.drm("bus/pci/devices/0000:01:00.0", 1, 129);
  machine.node("gdrdrv", 238, 0);
  machine.node("nvidia-caps-imex-channels/channel5", 507, 5);
  GenerateOptions everything;
  everything.capabilities = testing::kEverything;
  everything.with = {"gdrcopy", "imex:5"};
  everything.groups = true;
  GenerateOptions compat;
  compat.capabilities = {Capability::kCompute};
  compat.compat_hook = true;
  compat.hook_program = "/opt/nvidia-cdi-hook";
  compat.library_dirs = {"/opt/nvidia/lib"};
  compat.vendor = "flense.dev";
  GenerateOptions hooks;
  hooks.all_hooks = true;
  hooks.hook_program = "/usr/bin/nvidia-ctk";
  GenerateOptions management;
  management.mode = Mode::kManagement;
  for (const GenerateOptions& options :
       {GenerateOptions(), everything, compat, hooks, management}) {
    const auto made = machine.generated(options);
    ASSERT_TRUE(made) << render(made.error());
    const GenerateOptions again = recognise(made->spec, modes_here(machine.machine()));
    EXPECT_EQ(again.capabilities, options.capabilities);
    EXPECT_THAT(differences(made->spec, machine.generated(again)->spec), IsEmpty());
  }
}

TEST(Diff, RootsAreRecognised) {
  const TestMachine machine;
  machine.driver("opt/driver/");
  machine.control_nodes("opt/nodes/");
  machine.gpu(0, "0000:17:00.0", "opt/nodes/");
  GenerateOptions options;
  options.driver_root = "/opt/driver";
  options.dev_root = "/opt/nodes";
  const Spec spec = machine.generated(options)->spec;
  const GenerateOptions again = recognise(spec, {Mode::kNvidia});
  EXPECT_EQ(again.driver_root, "/opt/driver");
  EXPECT_EQ(again.dev_root, "/opt/nodes");
  EXPECT_THAT(differences(spec, machine.generated(again)->spec), IsEmpty());
}

TEST(Diff, DevicesNodesAndVersions) {
  Spec was, now;
  was.kind = now.kind = "nvidia.com/gpu";
  was.edits.mounts = {
      {"/usr/lib/libcuda.so.535.1", "/usr/lib64/libcuda.so.535.1", "", {}},
      {"/usr/lib/libcuda.so.535.1", "/usr/lib64/libcuda.so.1", "", {}},
      {"/old", "/etc/gone", "", {}},
      {"/lib/firmware/nvidia/535.1.2/gsp.bin", "/lib/firmware/nvidia/535.1.2/gsp.bin", "", {}}};
  now.edits.mounts = {
      {"/usr/lib/libcuda.so.550.2", "/usr/lib64/libcuda.so.550.2", "", {}},
      {"/usr/lib/libcuda.so.550.2", "/usr/lib64/libcuda.so.1", "", {}},
      {"/lib/firmware/nvidia/550.2.3/gsp.bin", "/lib/firmware/nvidia/550.2.3/gsp.bin", "", {}},
      {"/new", "/etc/new", "", {}}};
  was.edits.env = {"A=1"};
  now.edits.env = {"A=2"};
  DeviceNode node;
  node.path = "/dev/nvidia0";
  node.major = 195;
  was.devices = {{"0", {}, {}}, {"1", {}, {}}};
  was.devices[0].edits.device_nodes = {node};
  node.major.reset();
  node.host_path = "/dev/nvidia0";
  now.devices = {{"0", {}, {}}, {"0:0", {}, {}}};
  now.devices[0].edits.device_nodes = {node};
  EXPECT_THAT(differences(was, now),
              UnorderedElementsAre(
                  difference("device", "gone", "", "1"), difference("device", "new", "", "0:0"),
                  difference("mount", "changed", "", "/usr/lib64/libcuda.so.550.2",
                             "/usr/lib/libcuda.so.535.1", "/usr/lib/libcuda.so.550.2"),
                  difference("mount", "changed", "", "/usr/lib64/libcuda.so.1",
                             "/usr/lib/libcuda.so.535.1", "/usr/lib/libcuda.so.550.2"),
                  difference("mount", "changed", "", "/lib/firmware/nvidia/550.2.3/gsp.bin",
                             "/lib/firmware/nvidia/535.1.2/gsp.bin",
                             "/lib/firmware/nvidia/550.2.3/gsp.bin"),
                  difference("mount", "gone", "", "/etc/gone", "/old"),
                  difference("mount", "new", "", "/etc/new", "", "/new"),
                  difference("environment", "gone", "", "A=1", "A=1"),
                  difference("environment", "new", "", "A=2", "", "A=2")));
  node.host_path = "/dev/nvidia7";
  now.devices[0].edits.device_nodes = {node};
  EXPECT_THAT(differences(was, now), Contains(difference("node", "changed", "0", "/dev/nvidia0",
                                                         "/dev/nvidia0", "/dev/nvidia7")));
}

}  // namespace
}  // namespace flense::cdi
