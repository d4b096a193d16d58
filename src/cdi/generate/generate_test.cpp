// Broken and hostile machines: what is missing is named, and nothing outside a root is written.
#include "cdi/generate/generate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <map>

#include "cdi/generate/testing_machine.h"

namespace flense::cdi {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::Each;
using ::testing::ElementsAre;
using ::testing::Field;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::StartsWith;
using testing::TestMachine;

void healthy(const TestMachine& machine) {
  machine.driver();
  machine.gpu(0, "0000:17:00.0");
}

std::vector<std::string> container_paths(const Generated& made) {
  std::vector<std::string> out;
  for (const Mount& mount : made.spec.edits.mounts) out.push_back(mount.container_path);
  return out;
}

std::vector<std::string> node_paths(const Edits& edits) {
  std::vector<std::string> out;
  for (const DeviceNode& node : edits.device_nodes) out.push_back(node.path);
  return out;
}

std::vector<std::string> device_names(const Generated& made) {
  std::vector<std::string> out;
  for (const Device& device : made.spec.devices) out.push_back(device.name);
  return out;
}

/// The error of a generation, and that --allow-missing turns it into a notice.
void expect_missing(const TestMachine& machine, const std::string& what,
                    GenerateOptions options = {}) {
  const auto failed = machine.generated(options);
  ASSERT_FALSE(failed) << what;
  EXPECT_EQ(failed.error().code, Code::kEnvironment);
  EXPECT_THAT(failed.error().message, HasSubstr(what));
  EXPECT_THAT(failed.error().hint, HasSubstr("--allow-missing"));
  options.allow_missing = true;
  const auto made = machine.generated(options);
  ASSERT_TRUE(made) << render(made.error());
  EXPECT_THAT(made->notices, Contains(HasSubstr(what)));
}

TEST(Generate, NoNodeOfUvm) {
  const TestMachine machine;
  healthy(machine);
  machine.remove("dev/nvidia-uvm");
  expect_missing(machine, "there is no device node /dev/nvidia-uvm");
  GenerateOptions options;
  options.capabilities = {Capability::kUtility};
  EXPECT_TRUE(machine.generated(options));
}

TEST(Generate, AFileIsNoDeviceNode) {
  const TestMachine machine;
  healthy(machine);
  machine.file("dev/nvidiactl", "something else");
  expect_missing(machine, "there is no device node /dev/nvidiactl");
}

TEST(Generate, ModuleAndLibrariesOfTwoVersions) {
  const TestMachine machine;
  healthy(machine);
  machine.module("535.129.03");
  const auto failed = machine.generated();
  ASSERT_FALSE(failed);
  EXPECT_THAT(
      failed.error().message,
      AllOf(HasSubstr("535.129.03"), HasSubstr("/usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15")));
  GenerateOptions options;
  options.allow_missing = true;
  EXPECT_THAT(container_paths(machine.generated(options).value()),
              Contains("/usr/lib64/libcuda.so.550.54.15"));
}

TEST(Generate, TheModulesVersionAmongSeveral) {
  const TestMachine machine;
  healthy(machine);
  machine.library(TestMachine::kLib, "libcuda", "535.129.03", "");
  EXPECT_THAT(container_paths(machine.generated().value()), Not(Contains(HasSubstr("535"))));
}

TEST(Generate, AnEmptyPlaceholderIsNoLibrary) {
  const TestMachine machine;
  healthy(machine);
  machine.file("usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15");
  expect_missing(machine, "there is no usable libcuda.so.550.54.15");
}

TEST(Generate, ADanglingLinkIsNoLibrary) {
  const TestMachine machine;
  healthy(machine);
  machine.remove("usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.54.15");
  machine.link("usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.54.15", "/nowhere");
  expect_missing(machine, "there is no usable libnvidia-ml.so.550.54.15");
}

TEST(Generate, NewLibrariesOfTheVersionAreTaken) {
  const TestMachine machine;
  healthy(machine);
  machine.library(TestMachine::kLib, "libnvidia-of-tomorrow", TestMachine::kVersion, "");
  EXPECT_THAT(container_paths(machine.generated().value()),
              Contains("/usr/lib/x86_64-linux-gnu/libnvidia-of-tomorrow.so.550.54.15"));
}

TEST(Generate, DebiansAlternativesAreFollowed) {
  const TestMachine machine;
  machine.module();
  machine.control_nodes();
  machine.gpu(0, "0000:17:00.0");
  const std::string lib = TestMachine::kLib;
  for (const char* stem : {"libcuda", "libnvidia-ml"}) {
    machine.library(lib + "/nvidia/current", stem, TestMachine::kVersion);
    machine.link(fmt::format("etc/alternatives/glx--{}.so.1", stem),
                 fmt::format("/{}/nvidia/current/{}.so.1", lib, stem));
    machine.link(fmt::format("{}/{}.so.1", lib, stem),
                 fmt::format("/etc/alternatives/glx--{}.so.1", stem));
  }
  const auto made = machine.generated();
  ASSERT_TRUE(made) << render(made.error());
  EXPECT_THAT(
      made->spec.edits.mounts,
      Contains(AllOf(Field(&Mount::container_path, "/usr/lib/x86_64-linux-gnu/libcuda.so.1"),
                     Field(&Mount::host_path,
                           "/usr/lib/x86_64-linux-gnu/nvidia/current/"
                           "libcuda.so.550.54.15"))));
}

TEST(Generate, AScriptThatStartsAProgramElsewhereIsNotTheProgram) {
  const TestMachine machine;
  machine.driver();
  machine.gpu(0, "0000:17:00.0");
  machine.file("usr/bin/nvidia-smi", "#!/bin/sh\nexec /usr/local/nvidia/bin/nvidia-smi \"$@\"\n");
  machine.file("usr/local/nvidia/bin/nvidia-smi", "program");
  const auto made = machine.generated();
  ASSERT_TRUE(made) << render(made.error());
  EXPECT_THAT(made->spec.edits.mounts,
              Contains(AllOf(Field(&Mount::container_path, "/usr/bin/nvidia-smi"),
                             Field(&Mount::host_path, "/usr/local/nvidia/bin/nvidia-smi"))));
}

TEST(Generate, FoldersOfTheLoadersConfiguration) {
  const TestMachine machine;
  machine.module();
  machine.control_nodes();
  machine.gpu(0, "0000:17:00.0");
  machine.file("etc/ld.so.conf.d/nvidia.conf", "# driver\n/opt/somewhere/lib\n");
  machine.library("opt/somewhere/lib", "libcuda", TestMachine::kVersion);
  machine.library("opt/somewhere/lib", "libnvidia-ml", TestMachine::kVersion);
  EXPECT_TRUE(machine.generated());
}

TEST(Generate, FoldersOfTheLoadersCache) {
  const TestMachine machine;
  machine.module();
  machine.control_nodes();
  machine.gpu(0, "0000:17:00.0");
  machine.library("opt/elsewhere/lib64", "libcuda", TestMachine::kVersion);
  machine.library("opt/elsewhere/lib64", "libnvidia-ml", TestMachine::kVersion);
  EXPECT_FALSE(machine.generated());
  const std::string cache = testing::loader_cache_bytes(
      {"/opt/elsewhere/lib64/libcuda.so.1", "relative/libcuda.so.1", "/../../libcuda.so.1"});
  machine.file("etc/ld.so.cache", cache);
  const auto made = machine.generated();
  ASSERT_TRUE(made) << render(made.error());
  EXPECT_THAT(made->spec.edits.mounts,
              Contains(AllOf(Field(&Mount::host_path, "/opt/elsewhere/lib64/libcuda.so.550.54.15"),
                             Field(&Mount::container_path, "/usr/lib64/libcuda.so.1"))));
  // A damaged cache counts as absent.
  machine.file("etc/ld.so.cache", cache.substr(0, 60));
  EXPECT_FALSE(machine.generated());
}

TEST(Generate, FoldersThatAreNamed) {
  const TestMachine machine;
  machine.module();
  machine.control_nodes();
  machine.gpu(0, "0000:17:00.0");
  machine.library("nix/store/driver/lib", "libcuda", TestMachine::kVersion);
  machine.library("nix/store/driver/lib", "libnvidia-ml", TestMachine::kVersion);
  EXPECT_FALSE(machine.generated());
  GenerateOptions options;
  options.library_search = {"/nix/store/driver/lib"};
  const auto made = machine.generated(options);
  ASSERT_TRUE(made) << render(made.error());
  EXPECT_THAT(made->spec.edits.mounts,
              Contains(AllOf(Field(&Mount::host_path, "/nix/store/driver/lib/libcuda.so.550.54.15"),
                             Field(&Mount::container_path, "/usr/lib64/libcuda.so.1"))));
}

// A driver root is somebody else's file system: its links stay inside it.
TEST(Generate, HostileLinksOfADriverRootStayInside) {
  const TestMachine machine;
  machine.driver("run/nvidia/driver/");
  machine.gpu(0, "0000:17:00.0");
  machine.file("etc/shadow", "of the host");
  machine.file("usr/lib/x86_64-linux-gnu/libsecret.so.1", testing::library_bytes("libsecret.so.1"));
  const std::string lib = std::string("run/nvidia/driver/") + TestMachine::kLib;
  machine.link(lib + "/libnvidia-evil.so.550.54.15",
               "../../../../../../usr/lib/x86_64-linux-gnu/libsecret.so.1");
  machine.link("run/nvidia/driver/etc/OpenCL/vendors/nvidia.icd", "../../../../../../etc/shadow");
  machine.link("run/nvidia/driver/usr/bin/nvidia-debugdump", "/etc/shadow");
  machine.link("run/nvidia/driver/run/nvidia-persistenced/socket", "/../../../etc/shadow");
  const auto made = machine.generated();
  ASSERT_TRUE(made) << render(made.error());
  for (const Mount& mount : made->spec.edits.mounts)
    EXPECT_THAT(mount.host_path, AllOf(StartsWith("/run/nvidia/driver/"), Not(HasSubstr("shadow")),
                                       Not(HasSubstr("secret"))));
}

TEST(Generate, ALibraryDoesNotTakeAnothersName) {
  const TestMachine machine;
  healthy(machine);
  machine.file("usr/lib/x86_64-linux-gnu/libnvidia-evil.so.550.54.15",
               testing::library_bytes("libc.so.6"));
  machine.file("usr/lib/x86_64-linux-gnu/libnvidia-worse.so.550.54.15",
               testing::library_bytes("../../etc/ld.so.preload"));
  machine.file("usr/lib/x86_64-linux-gnu/lib\nnewline.so.550.54.15",
               testing::library_bytes("libx.so"));
  const Generated made = machine.generated().value();
  EXPECT_THAT(container_paths(made), Each(AllOf(Not(HasSubstr("libc.so")), Not(HasSubstr("..")),
                                                Not(HasSubstr("newline")))));
  EXPECT_THAT(made.notices, Contains(HasSubstr("has the SONAME of something else")));
}

TEST(Generate, ElfClassDecidesWhatIs32Bit) {
  const TestMachine machine;
  healthy(machine);
  // In the directory of 64-bit libraries, as in some distributions.
  machine.file("usr/lib64/libnvidia-opencl.so.550.54.15", testing::library_bytes_32());
  EXPECT_THAT(container_paths(machine.generated().value()), Not(Contains(HasSubstr("opencl"))));
  GenerateOptions options;
  options.capabilities.insert(Capability::kCompat32);
  EXPECT_THAT(container_paths(machine.generated(options).value()),
              Contains("/usr/lib/i386-linux-gnu/libnvidia-opencl.so.550.54.15"));
}

TEST(Generate, NoGpu) {
  const TestMachine machine;
  EXPECT_THAT(machine.generated().error().message, HasSubstr("no driver of NVIDIA or AMD"));
  machine.driver();
  EXPECT_THAT(machine.generated().error().message, HasSubstr("no NVIDIA GPU"));
  machine.pci("0000:65:00.0", "10de", "2330", "vfio-pci");
  EXPECT_THAT(machine.generated().error().message,
              HasSubstr("the GPU at 0000:65:00.0 is left out: its driver is vfio-pci"));
}

TEST(Generate, AGpuThatWasNotOpenedHasNoUuid) {
  const TestMachine machine;
  healthy(machine);
  machine.file("proc/driver/nvidia/gpus/0000:17:00.0/information",
               "Model: \t NVIDIA H100\nGPU UUID: \t GPU-?\nDevice Minor: \t 0\n");
  const Generated made = machine.generated().value();
  EXPECT_THAT(device_names(made), ElementsAre("0", "0000:17:00.0", "all"));
  EXPECT_THAT(made.notices, Contains(HasSubstr("not listed by UUID")));
}

TEST(Generate, TwoGpusOfOneUuidAndOneThatIsNoName) {
  const TestMachine machine;
  healthy(machine);
  machine.gpu(1, "0000:27:00.0");
  machine.gpu(2, "0000:37:00.0");
  const auto information = [&](const char* address, const char* uuid, int minor) {
    machine.file(fmt::format("proc/driver/nvidia/gpus/{}/information", address),
                 fmt::format("GPU UUID: \t {}\nDevice Minor: \t {}\n", uuid, minor));
  };
  information("0000:27:00.0", TestMachine::uuid(0).c_str(), 1);
  information("0000:37:00.0", "GPU-\x1b[2J \"quoted\"", 2);
  const Generated made = machine.generated().value();
  EXPECT_THAT(violations_of(made.spec), IsEmpty());
  EXPECT_THAT(device_names(made), ElementsAre("0", "1", "2", TestMachine::uuid(0), "0000:17:00.0",
                                              "0000:27:00.0", "0000:37:00.0", "all"));
  EXPECT_THAT(made.notices, Contains(HasSubstr("another device has this name")));
  EXPECT_THAT(made.notices, Contains(HasSubstr("not a valid CDI name")));
}

TEST(Generate, MigWithoutInstancesIsNoDevice) {
  const TestMachine machine;
  healthy(machine);
  machine.gpu(1, "0000:27:00.0");
  GenerateOptions options;
  options.mig = host::MigAnswer{{"0000:17:00.0"}, {}};
  const Generated made = machine.generated(options).value();
  EXPECT_THAT(device_names(made), ElementsAre("1", TestMachine::uuid(1), "0000:27:00.0", "all"));
  EXPECT_THAT(made.notices, Contains(HasSubstr("MIG is on and has no instances")));
  options.mig->enabled.insert("0000:27:00.0");
  const auto failed = machine.generated(options);
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("MIG is on and has no instances"));
}

TEST(Generate, MigMinorsTellWhatAccessFilesDoNot) {
  const TestMachine machine;
  healthy(machine);
  machine.mig(0, 3, 30);
  machine.file("proc/driver/nvidia/capabilities/gpu0/mig/gi3/access", "");
  machine.file("proc/driver/nvidia-caps/mig-minors", "config 1\nmonitor 2\ngpu0/gi3/access 30\n");
  const Generated made = machine.generated().value();
  EXPECT_THAT(node_paths(made.spec.devices.front().edits),
              ElementsAre("/dev/nvidia-caps/nvidia-cap30", "/dev/nvidia-caps/nvidia-cap31",
                          "/dev/nvidia0"));
  machine.remove("dev/nvidia-caps/nvidia-cap31");
  expect_missing(machine, "/dev/nvidia-caps/nvidia-cap31");
}

TEST(Generate, AHugeMigMinors) {
  const TestMachine machine;
  healthy(machine);
  machine.mig(0, 3, 30);
  machine.remove("proc/driver/nvidia/capabilities/gpu0/mig/gi3/access");
  machine.file("proc/driver/nvidia-caps/mig-minors", std::string(16u << 20, 'x'));
  const auto failed = machine.generated();
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("lists no capability node"));
}

// Whoever may use an instance may not use the whole GPU.
TEST(Generate, AGpuWithoutComputeInstancesIsNotGivenWhole) {
  const TestMachine machine;
  healthy(machine);
  machine.gpu(1, "0000:27:00.0");
  machine.mig(0, 3, 30);
  machine.remove("proc/driver/nvidia/capabilities/gpu0/mig/gi3/ci0");
  const Generated made = machine.generated().value();
  EXPECT_THAT(device_names(made), ElementsAre("1", TestMachine::uuid(1), "0000:27:00.0", "all"));
  EXPECT_THAT(made.notices, Contains(HasSubstr("no compute instance")));
}

TEST(Generate, MpsDirectoriesOfTrustedOwners) {
  const TestMachine machine;
  healthy(machine);
  machine.file("tmp/nvidia-mps/control");
  machine.file("var/log/nvidia-mps/control.log");
  machine.file("srv/mps/control");
  EXPECT_THAT(container_paths(machine.generated().value()),
              AllOf(Contains("/tmp/nvidia-mps"), Contains("/var/log/nvidia-mps")));
  GenerateOptions options;
  options.mps_pipe_directory = "/srv/mps";
  EXPECT_THAT(
      machine.generated(options)->spec.edits.mounts,
      Contains(AllOf(
          Field(&Mount::host_path, "/srv/mps"), Field(&Mount::container_path, "/tmp/nvidia-mps"),
          Field(&Mount::options, ElementsAre("nosuid", "nodev", "noexec", "rbind", "rprivate")))));
  if (::geteuid() != 0) GTEST_SKIP() << "only root gives files away";
  ASSERT_EQ(::chown((machine.tree.top() / "tmp/nvidia-mps").c_str(), 4711, 4711), 0);
  const Generated made = machine.generated().value();
  EXPECT_THAT(container_paths(made), Not(Contains("/tmp/nvidia-mps")));
  EXPECT_THAT(made.notices, Contains(HasSubstr("belongs to user 4711")));
}

TEST(Generate, TwoVendorsAreTwoSpecifications) {
  const TestMachine machine;
  healthy(machine);
  machine.amd_driver();
  machine.pci("0000:05:00.0", "1002", "74a1", "amdgpu");
  machine.drm("bus/pci/devices/0000:05:00.0", 1, 128, 109);
  machine.amd_node(1, "0000:05:00.0", 7, 128);
  EXPECT_THAT(modes_here(machine.machine()), ElementsAre(Mode::kNvidia, Mode::kAmd));
  const auto failed = machine.generated();
  ASSERT_FALSE(failed);
  EXPECT_EQ(failed.error().code, Code::kUsage);
  EXPECT_THAT(failed.error().hint, HasSubstr("--mode amd"));
  GenerateOptions options;
  options.mode = Mode::kAmd;
  EXPECT_EQ(machine.generated(options)->spec.kind, "amd.com/gpu");
  options.vendor = "flense.dev";
  EXPECT_EQ(machine.generated(options)->spec.kind, "flense.dev/gpu");
}

TEST(Generate, AmdWithoutItsNodes) {
  const TestMachine machine;
  machine.amd_driver();
  machine.pci("0000:05:00.0", "1002", "74a1", "amdgpu");
  machine.drm("bus/pci/devices/0000:05:00.0", 1, 128, 109);
  machine.amd_node(1, "0000:05:00.0", 7, 128);
  machine.remove("dev/kfd");
  expect_missing(machine, "there is no device node /dev/kfd");
  machine.node("kfd", 236, 0);
  machine.remove("dev/dri/renderD128");
  const auto failed = machine.generated();
  ASSERT_FALSE(failed);
  EXPECT_THAT(failed.error().message, HasSubstr("/dev/dri/renderD128"));
}

TEST(Generate, WithWhatIsNotThere) {
  const TestMachine machine;
  healthy(machine);
  for (const auto& [what, node] :
       {std::pair("rdma", "/dev/infiniband/uverbs*"), std::pair("gdrcopy", "/dev/gdrdrv"),
        std::pair("gds", "/dev/nvidia-fs*"), std::pair("nvswitch", "/dev/nvidia-nvswitch*"),
        std::pair("imex:7", "/dev/nvidia-caps-imex-channels/channel7")}) {
    GenerateOptions options;
    options.with = {what};
    expect_missing(machine, node, options);
  }
  GenerateOptions options;
  for (const char* what : {"imex:", "imex:1048576", "imex:x", "infiniband"}) {
    options.with = {what};
    EXPECT_EQ(machine.generated(options).error().code, Code::kUsage) << what;
  }
}

TEST(Generate, HooksNeedTheirProgram) {
  const TestMachine machine;
  healthy(machine);
  GenerateOptions options;
  options.all_hooks = true;
  expect_missing(machine, "there is no /usr/bin/nvidia-cdi-hook", options);
}

TEST(Generate, HooksWhereTheyDoNotApply) {
  const TestMachine machine;
  healthy(machine);
  GenerateOptions options;
  options.all_hooks = true;
  options.hook_program = "/usr/bin/nvidia-cdi-hook";
  const auto words = [&] {
    std::vector<std::string> out;
    const auto made = machine.generated(options);
    for (const Hook& hook : made->spec.edits.hooks) out.push_back(hook.args.at(1));
    return out;
  };
  EXPECT_THAT(words(), Contains("disable-device-node-modification"));
  options.mode = Mode::kManagement;
  EXPECT_THAT(words(), Not(Contains("disable-device-node-modification")));
  options.mode = Mode::kWsl;
  machine.node("dxg", 10, 125);
  options.allow_missing = true;
  EXPECT_THAT(words(), Not(Contains("enable-cuda-compat")));
  options.mode = Mode::kRdma;
  options.with = {"gds"};
  EXPECT_EQ(machine.generated(options).error().code, Code::kUsage);
}

TEST(Generate, DriverRootsThatAreNotThere) {
  const TestMachine machine;
  healthy(machine);
  GenerateOptions options;
  options.driver_root = "/nowhere";
  EXPECT_THAT(machine.generated(options).error().message, HasSubstr("/nowhere"));
  options.driver_root = "/usr/bin/nvidia-smi";
  EXPECT_FALSE(machine.generated(options));
  options.driver_root.clear();
  options.dev_root = "/nowhere";
  EXPECT_THAT(machine.generated(options).error().message, HasSubstr("/nowhere/dev"));
}

std::vector<DeviceNode> all_nodes(const Spec& spec) {
  std::vector<DeviceNode> nodes = spec.edits.device_nodes;
  for (const Device& device : spec.devices)
    nodes.insert(nodes.end(), device.edits.device_nodes.begin(), device.edits.device_nodes.end());
  return nodes;
}

TEST(Generate, NodesHaveNoNumbers) {
  const TestMachine machine;
  healthy(machine);
  const Generated made = machine.generated().value();
  EXPECT_EQ(least_version(made.spec), "0.5.0");
  for (const DeviceNode& node : all_nodes(made.spec)) {
    EXPECT_FALSE(node.major || node.minor) << node.path;
    EXPECT_EQ(node.permissions, "rw");
  }
}

TEST(Generate, NodesHaveTheModeAndOwnerOfTheHost) {
  const TestMachine machine;
  healthy(machine);
  machine.mig(0, 1, 12);
  machine.drm("bus/pci/devices/0000:17:00.0", 0, 128);
  // The node that configures MIG belongs to root alone; others may be anybody's.
  machine.node("nvidia-caps/nvidia-cap1", 508, 1, 0400);
  machine.file("dev/nvidia-uvm", "c 511 0 4660 1000 27");
  GenerateOptions options;
  options.mode = Mode::kManagement;
  std::map<std::string, std::array<std::uint32_t, 3>> found;
  const auto add = [&](const Generated& made) {
    for (const DeviceNode& node : all_nodes(made.spec)) {
      ASSERT_TRUE(node.file_mode && node.uid && node.gid) << node.path;
      found[node.path] = {*node.file_mode, *node.uid, *node.gid};
    }
  };
  add(machine.generated(options).value());
  options.mode = Mode::kNvidia;
  options.capabilities = testing::kEverything;
  machine.remove("proc/driver/nvidia/capabilities");
  add(machine.generated(options).value());
  using Owned = std::array<std::uint32_t, 3>;
  EXPECT_EQ(found["/dev/nvidia-caps/nvidia-cap1"], (Owned{0400, 0, 0}));
  EXPECT_EQ(found["/dev/nvidia-caps/nvidia-cap12"], (Owned{0444, 0, 0}));
  EXPECT_EQ(found["/dev/nvidia0"], (Owned{0666, 0, 0}));
  EXPECT_EQ(found["/dev/dri/card0"], (Owned{0660, 0, 44}));
  EXPECT_EQ(found["/dev/dri/by-path/pci-0000:17:00.0-render"], (Owned{0660, 0, 44}));
  // Only what opening asks.
  EXPECT_EQ(found["/dev/nvidia-uvm"], (Owned{0660, 1000, 27}));
}

TEST(Generate, ALinkOfDevIsWhatItLeadsTo) {
  const TestMachine machine;
  healthy(machine);
  machine.remove("dev/nvidia0");
  machine.node("nv/gpu-a", 195, 0, 0660, 44);
  machine.link("dev/nvidia0", "nv/gpu-a");
  const Generated made = machine.generated().value();
  const DeviceNode& node = made.spec.devices.at(0).edits.device_nodes.at(0);
  EXPECT_EQ(node.path, "/dev/nvidia0");
  EXPECT_EQ(node.host_path, "/dev/nv/gpu-a");
  EXPECT_EQ(node.file_mode, 0660U);
  // It leads nowhere outside /dev.
  machine.node("../elsewhere/gpu", 195, 0);
  machine.remove("dev/nvidia0");
  machine.link("dev/nvidia0", "../elsewhere/gpu");
  EXPECT_THAT(machine.generated().error().message, HasSubstr("/dev/nvidia0"));
}

TEST(Generate, FilesOfStorageAreOfTheDriversRoot) {
  const auto mounts = [](const TestMachine& machine, const char* root) {
    GenerateOptions options;
    options.mode = Mode::kGds;
    options.driver_root = root;
    const Result<Generated> made = machine.generated(options);
    std::map<std::string, std::string> out;
    if (!made) return out;
    for (const Mount& mount : made->spec.devices.at(0).edits.mounts)
      out[mount.container_path] = mount.host_path;
    for (const std::string& notice : made->notices) out["notice"] += notice;
    return out;
  };
  const TestMachine machine;
  machine.node("nvidia-fs0", 237, 0);
  machine.file("opt/driver/usr/lib/x");
  machine.file("etc/cufile.json", "of the host");
  machine.file("run/udev/control");
  // The host's configuration is not this driver's; its udev is the one that runs.
  auto found = mounts(machine, "/opt/driver");
  EXPECT_FALSE(found.contains("/etc/cufile.json"));
  EXPECT_EQ(found["/run/udev"], "/run/udev");
  EXPECT_THAT(found["notice"], HasSubstr("there is no /opt/driver/etc/cufile.json"));
  machine.file("opt/driver/etc/cufile.json", "of the driver");
  machine.file("opt/driver/run/udev/control");
  found = mounts(machine, "/opt/driver");
  EXPECT_EQ(found["/etc/cufile.json"], "/opt/driver/etc/cufile.json");
  EXPECT_EQ(found["/run/udev"], "/opt/driver/run/udev");
  EXPECT_EQ(found["notice"], "");
  // Nothing is dropped without a message, and no link leads out of the root.
  machine.remove("run/udev");
  machine.remove("opt/driver/run/udev");
  machine.remove("opt/driver/etc/cufile.json");
  machine.link("opt/driver/etc/cufile.json", "../../../etc/cufile.json");
  found = mounts(machine, "/opt/driver");
  EXPECT_FALSE(found.contains("/etc/cufile.json") || found.contains("/run/udev"));
  EXPECT_THAT(found["notice"], HasSubstr("there is no /opt/driver/run/udev"));
}

}  // namespace
}  // namespace flense::cdi
