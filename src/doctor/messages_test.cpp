#include "doctor/messages.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "doctor/testing_machine.h"

namespace flense::doctor {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class Messages : public ::testing::Test {
 protected:
  Messages() : known_(knowledge::Explained::read(knowledge::TableSet::load().value())) {}
  std::vector<Recognised> in(std::string_view log) const { return recognise(log, known_); }
  const knowledge::Explained known_;
};

TEST_F(Messages, AsProgramsPrintThem) {
  const struct {
    const char* line;
    const char* step;
  } kLines[] = {
      {R"(docker: Error response from daemon: could not select device driver "" with capabilities: [[gpu]].)",
       "engine-docker"},
      {"Error: setting up CDI devices: unresolvable CDI devices nvidia.com/gpu=all",
       "engine-podman"},
      {"RuntimeError: CUDA error: no CUDA-capable device is detected", "cuda-visible-devices"},
      {"Failed to initialize NVML: Driver/library version mismatch", "driver-match"},
      {"Failed to initialize NVML: Unknown Error", "node-access"},
      {"nvidia-container-cli: initialization error: nvml error: driver not loaded: unknown",
       "module-loaded"},
      {"cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version",
       "torch-driver"},
      {"Error 804: forward compatibility was attempted on non supported HW", "compat-library"},
      {"Error 803: system has unsupported display driver / cuda driver combination",
       "driver-match"},
      {"Error 802: system not yet initialized", "fabric-manager"},
      {"\x1b[31mOSError: libcuda.so.1: cannot open  shared object file: No such file or "
       "directory\x1b[0m",
       "driver-library"},
      {"NVRM: GPU 0000:17:00.0: GPU has fallen off the bus.", "gpu-bus"},
      {"modprobe: ERROR: could not insert 'nvidia': Key was rejected by service",
       "module-signature"},
      {"node02:1:5 [0] misc/ibvwrap.cc:190 NCCL WARN Call to ibv_reg_mr failed", "rdma-memlock"},
  };
  for (const auto& one : kLines) {
    const auto found = in(one.line);
    ASSERT_THAT(found, SizeIs(1)) << one.line;
    EXPECT_EQ(found[0].step, one.step) << one.line;
    EXPECT_NE(found[0].cause, "");
    EXPECT_NE(found[0].fix, "");
  }
}

TEST_F(Messages, ALogHasSeveralEachOnce) {
  const std::string log =
      "starting\nnvidia-container-cli: initialization error: nvml error: driver not loaded\nretry\n"
      "NVIDIA-CONTAINER-CLI: initialization error: nvml error: driver not loaded\n"
      "RuntimeError: CUDA error: no kernel image is available for execution on the device\n";
  const auto found = in(log);
  ASSERT_THAT(found, SizeIs(2));
  EXPECT_EQ(found[0].number, 2u);
  EXPECT_EQ(found[1].number, 5u);
  EXPECT_THAT(found[1].says, HasSubstr("209"));
}

TEST_F(Messages, OtherTextIsNotRecognised) {
  EXPECT_THAT(in(""), IsEmpty());
  // A variable being set, another program's file, a shell's symbol.
  EXPECT_THAT(in("export HSA_OVERRIDE_GFX_VERSION=10.3.0\nfile creation failed: disk full\n"
                 "Unknown symbol x\n"),
              IsEmpty());
  EXPECT_THAT(in("Epoch 1: loss 0.34\nGPU 0: NVIDIA H100 80GB HBM3\nInitialising model\n"),
              IsEmpty());
}

TEST_F(Messages, HostileLogs) {
  EXPECT_THAT(in(std::string(5u << 20, 'x')), IsEmpty());
  std::string many;
  for (int i = 0; i < 200000; ++i) many += "\x1b[0m\n";
  EXPECT_THAT(in(many), IsEmpty());
  for (const Recognised& one : in("unresolvable CDI devices \x1b]0;x\x07 \xff"))
    EXPECT_EQ(one.line.find('\x1b'), std::string::npos);
}

TEST_F(Messages, AdviceOfAProgramThatWorksIsNoFailure) {
  const std::string note =
      "NOTE: The SHMEM allocation limit is set to the default of 64MB.  This may be\n"
      "   insufficient for PyTorch.";
  EXPECT_THAT(in(note), ::testing::SizeIs(1));
  EXPECT_FALSE(tells_failure(in(note)));
  EXPECT_FALSE(tells_failure({}));
  EXPECT_TRUE(tells_failure(in(note + "\nCUDA error 803: system has unsupported driver")));
}

/// A row that names a step which no diagnosis has would lead nowhere.
TEST_F(Messages, TheStepsExist) {
  std::set<std::string> ids;
  for (const auto make : {&testing::TestMachine::docker_host, &testing::TestMachine::podman_host,
                          &testing::TestMachine::nvswitch_host, &testing::TestMachine::rdma_host,
                          &testing::TestMachine::nvidia_container, &testing::TestMachine::amd_host,
                          &testing::TestMachine::wsl, &testing::TestMachine::jetson}) {
    host::testing::ScratchTree tree;
    const testing::TestMachine machine(tree);
    (machine.*make)();
    for (const char* name : {"containerd", "crio", "enroot"})
      machine.file(std::string("usr/bin/") + name);
    machine.file("var/lib/kubelet/config.yaml");
    for (const Step& step : machine.diagnosis().steps) ids.insert(step.id);
  }
  std::size_t with_step = 0;
  for (const knowledge::ErrorRow& row : known_.errors) {
    if (row.step.empty()) continue;
    ++with_step;
    EXPECT_TRUE(ids.contains(row.step)) << row.step;
  }
  EXPECT_GT(with_step, 40u);
}

}  // namespace
}  // namespace flense::doctor
