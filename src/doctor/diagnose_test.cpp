// Healthy machines have no finding; each small change to one has its own first broken step.
#include "doctor/diagnose.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <set>

#include "doctor/testing_variants.h"

namespace flense::doctor {
namespace {

using testing::Make;
using testing::TestMachine;
using testing::Variant;
using testing::variants;

std::string findings(const Diagnosis& diagnosis) {
  std::string out;
  for (const Step& step : diagnosis.steps)
    if (step.verdict == Verdict::kBroken || step.verdict == Verdict::kWarn ||
        step.verdict == Verdict::kUnknown)
      out += fmt::format("{} {}: {}\n", to_string(step.verdict), step.id, step.message);
  return out;
}

struct Healthy {
  const char* name;
  Make make;
};
constexpr Healthy kHealthy[] = {{"nvidia_host", &TestMachine::nvidia_host},
                                {"docker_host", &TestMachine::docker_host},
                                {"podman_host", &TestMachine::podman_host},
                                {"nvswitch_host", &TestMachine::nvswitch_host},
                                {"rdma_host", &TestMachine::rdma_host},
                                {"mig_host", &TestMachine::mig_host},
                                {"nvidia_container", &TestMachine::nvidia_container},
                                {"hybrid_laptop", &TestMachine::hybrid_laptop},
                                {"operator_host", &TestMachine::operator_host},
                                {"amd_host", &TestMachine::amd_host},
                                {"wsl", &TestMachine::wsl},
                                {"wsl_container", &TestMachine::wsl_container},
                                {"jetson", &TestMachine::jetson}};

TEST(Doctor, HealthyMachinesHaveNoFinding) {
  for (const Healthy& one : kHealthy) {
    host::testing::ScratchTree tree;
    const TestMachine machine(tree);
    (machine.*one.make)();
    const Diagnosis diagnosis = machine.diagnosis();
    EXPECT_EQ(findings(diagnosis), "") << one.name;
    EXPECT_EQ(diagnosis.verdict(), Verdict::kOk) << one.name;
    EXPECT_EQ(diagnosis.gpu, true) << one.name;
  }
}

/// `targets` as in the marker that slim leaves in every layer it edits.
std::string slim_finding(const std::string& targets) {
  host::testing::ScratchTree tree;
  const TestMachine machine(tree);
  machine.nvidia_container();
  machine.file("usr/share/flense/slim.json",
               R"({"schema": "flense/marker/v1", "flense": "1.0", "level": "standard",
                   "targets": {"cuda": [)" +
                   targets + R"(], "amd": []}})");
  return findings(machine.diagnosis());
}

TEST(Doctor, ASlimImageSaysForWhichGpuItIs) {
  EXPECT_EQ(slim_finding(R"("sm_80", "sm_90")"), "");
  EXPECT_THAT(slim_finding(R"("sm_80")"), ::testing::StartsWith("broken slim-target: the image was "
                                                                "slimmed for sm_80, and code for"));
  EXPECT_THAT(slim_finding(""), ::testing::StartsWith("unknown slim-target: "));
}

TEST(Doctor, EachChangeHasItsFirstBrokenStep) {
  std::set<std::string> ids;
  for (const Variant& one : variants()) {
    SCOPED_TRACE(one.name);
    host::testing::ScratchTree tree;
    const TestMachine machine(tree);
    (machine.*one.make)();
    one.change(machine);
    const Diagnosis diagnosis = machine.diagnosis();
    const Step* step = diagnosis.first(one.verdict);
    if (one.verdict != Verdict::kBroken)
      EXPECT_EQ(diagnosis.first_broken(), nullptr) << findings(diagnosis);
    ASSERT_NE(step, nullptr) << findings(diagnosis);
    EXPECT_EQ(step->id, one.first) << findings(diagnosis);
    EXPECT_THAT(step->message, ::testing::HasSubstr(one.says));
    EXPECT_NE(step->fix, "");
    EXPECT_FALSE(step->looked_at.empty());
    EXPECT_FALSE(step->message.ends_with('.'));
    ids.insert(step->id);
  }
  EXPECT_GE(variants().size(), 25u);
  EXPECT_GE(ids.size(), 30u);
}

/// The step of one that is fine says what it asks and no opposite.
TEST(Doctor, WithoutThePersistenceDaemon) {
  host::testing::ScratchTree tree;
  const TestMachine machine(tree);
  machine.nvidia_host();
  const Diagnosis diagnosis = machine.diagnosis();
  const auto step = std::ranges::find(diagnosis.steps, "persistence", &Step::id);
  EXPECT_EQ(step->title, "whether the driver stays loaded between programs");
  EXPECT_THAT(step->message, ::testing::StartsWith("no, nvidia-persistenced is not running"));
}

TEST(Doctor, NvidiaSmiWorksAllTheSame) {
  const std::set<std::string> unaffected = {"no uvm",
                                            "PyTorch for CPUs",
                                            "no visible device",
                                            "a stub first in the path",
                                            "uvm of an earlier boot",
                                            "utility alone"};
  const std::set<std::string> affected = {"no user half", "PyTorch for CUDA on AMD",
                                          "no control node", "nouveau", "nodes of another group"};
  for (const Variant& one : variants()) {
    const bool works = unaffected.contains(one.name);
    if (!works && !affected.contains(one.name)) continue;
    SCOPED_TRACE(one.name);
    host::testing::ScratchTree tree;
    const TestMachine machine(tree);
    (machine.*one.make)();
    one.change(machine);
    EXPECT_EQ(machine.diagnosis().first_broken()->smi_unaffected, works);
  }
}

TEST(Doctor, ForwardCompatibilityOnDataCentreGpusIsFine) {
  host::testing::ScratchTree tree;
  const TestMachine machine(tree);
  machine.nvidia_container();
  machine.library("usr/local/cuda-13.0/compat/", "580.65.06");
  machine.environment["LD_LIBRARY_PATH"] = "/usr/local/cuda-13.0/compat";
  machine.torch("2.9.0+cu130", "'13.0'", "None");
  EXPECT_EQ(findings(machine.diagnosis()), "");
}

/// Cards of both vendors on the bus, and nodes of one of them.
TEST(Doctor, ContainersAreAskedAboutWhatTheyWereGiven) {
  for (const bool given_amd : {false, true}) {
    host::testing::ScratchTree tree;
    const TestMachine machine(tree);
    machine.nvidia_container();
    machine.amd_host();
    machine.file("sys/bus/pci/drivers/amdgpu/bind");
    if (given_amd) {
      for (const char* name : {"nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"})
        machine.remove(std::string("dev/") + name);
      machine.library(TestMachine::kLib, TestMachine::kVersion);
      machine.remove(std::string(TestMachine::kLib) + "libcuda.so.1");
      machine.environment.clear();
      machine.torch("2.9.0+rocm6.4", "None", "'6.4.0'");
    } else {
      machine.remove("dev/kfd");
      machine.remove("dev/dri");
    }
    EXPECT_EQ(findings(machine.diagnosis()), "") << given_amd;
  }
}

/// The same version beside the driver's own changes nothing.
TEST(Doctor, CompatibilityPackageOfTheDriversVersionIsFine) {
  host::testing::ScratchTree tree;
  const TestMachine machine(tree);
  machine.nvidia_container();
  machine.library("usr/local/cuda-12.4/compat/", TestMachine::kVersion);
  machine.environment["LD_LIBRARY_PATH"] = "/usr/local/cuda-12.4/compat";
  EXPECT_EQ(findings(machine.diagnosis()), "");
}

TEST(Doctor, ThePythonsOwnPackagesAreAsked) {
  host::testing::ScratchTree tree;
  const TestMachine machine(tree);
  machine.nvidia_container();
  const std::string cpu = "__version__ = '2.7.1+cpu'\ncuda = None\nhip = None\n";
  machine.environment["HOME"] = "/home/u";
  machine.file("opt/venv/pyvenv.cfg", "home = /usr/bin\ninclude-system-site-packages = false\n");
  // The user's, another version's, the system's: a virtual environment sees none of them.
  for (const char* place : {"home/u/.local/lib/python3.11/site-packages/torch/version.py",
                            "opt/venv/lib/python3.8/site-packages/torch/version.py",
                            "usr/local/lib/python3.11/dist-packages/torch/version.py"})
    machine.file(place, cpu);
  machine.remove("opt/venv/bin/python3");
  machine.file("usr/bin/python3.11");
  machine.link("opt/venv/bin/python3", "/usr/bin/python3.11");
  EXPECT_EQ(findings(machine.diagnosis()), "");

  machine.environment["PATH"] = "/usr/bin";
  machine.link("usr/bin/python3", "python3.11");
  EXPECT_EQ(machine.diagnosis().first_broken()->looked_at.back(),
            "/home/u/.local/lib/python3.11/site-packages/torch/version.py: 2.7.1+cpu, cuda None, "
            "hip None");
  machine.environment.erase("HOME");
  EXPECT_THAT(machine.diagnosis().first_broken()->looked_at.back(),
              ::testing::HasSubstr("/usr/local/lib/python3.11/dist-packages"));
}

TEST(Doctor, AContainerWithoutAnyMark) {
  host::testing::ScratchTree tree;
  const TestMachine machine(tree);
  machine.nvidia_container();
  machine.remove(".dockerenv");
  machine.file("proc/self/mountinfo",
               "611 590 0:52 / / rw,relatime master:1 - overlay overlay rw,lowerdir=/a\n");
  EXPECT_EQ(machine.diagnosis().steps.front().message.substr(0, 6), "a host");
  machine.file("proc/1/comm", "python3\n");
  EXPECT_THAT(machine.diagnosis().steps.front().message, ::testing::HasSubstr("a container"));
}

TEST(Doctor, WithoutAGpuTheWalkEnds) {
  host::testing::ScratchTree tree;
  const TestMachine machine(tree);
  machine.base();
  const Diagnosis diagnosis = machine.diagnosis();
  EXPECT_EQ(diagnosis.gpu, false);
  EXPECT_EQ(diagnosis.first_broken()->id, "gpu-present");
  EXPECT_EQ(diagnosis.steps.back().id, "gpu-present");
}

TEST(Doctor, WhatCannotBeSeenIsUnknown) {
  host::testing::ScratchTree tree;
  const TestMachine machine(tree);
  const Diagnosis nothing = machine.diagnosis();
  EXPECT_EQ(nothing.gpu, std::nullopt);
  EXPECT_EQ(nothing.verdict(), Verdict::kUnknown);
  EXPECT_EQ(nothing.first(Verdict::kUnknown)->id, "gpu-present");

  machine.nvidia_host();
  for (const char* name : {"nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm"})
    machine.file(std::string("dev/") + name);
  const Diagnosis copy = machine.diagnosis();
  EXPECT_EQ(copy.first(Verdict::kUnknown)->id, "nvidia-nodes");
  EXPECT_EQ(copy.first_broken(), nullptr);
  // A copy without device numbers hides nothing decisive.
  EXPECT_EQ(copy.verdict(), Verdict::kOk);
}

TEST(Doctor, EveryStepOfAHealthyMachineSaysWhatItSaw) {
  for (const Healthy& one : kHealthy) {
    host::testing::ScratchTree tree;
    const TestMachine machine(tree);
    (machine.*one.make)();
    std::set<std::string> ids;
    for (const Step& step : machine.diagnosis().steps) {
      SCOPED_TRACE(fmt::format("{} {}", one.name, step.id));
      EXPECT_TRUE(ids.insert(step.id).second);
      EXPECT_NE(step.message, "");
      EXPECT_NE(step.title, "");
      if (step.verdict != Verdict::kSkipped) EXPECT_FALSE(step.looked_at.empty());
    }
  }
}

TEST(Doctor, HostileTreesNeitherCrashNorHang) {
  const std::string long_text(3u << 20, 'x');
  const std::vector<std::string> places = {"proc/self/status",
                                           "proc/devices",
                                           "proc/driver/nvidia/version",
                                           "proc/self/limits",
                                           "etc/ld.so.cache",
                                           "etc/ld.so.conf",
                                           "etc/group",
                                           "etc/cdi/nvidia.yaml",
                                           "etc/docker/daemon.json",
                                           "usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15",
                                           "dev/nvidiactl",
                                           "dev/nvidia-uvm",
                                           "opt/venv/lib/python3.11/site-packages/torch/version.py",
                                           "var/lib/dpkg/status",
                                           "etc/nvidia-container-runtime/config.toml",
                                           "proc/driver/nvidia/gpus/0000:17:00.0/information"};
  for (const std::string& place : places)
    for (int kind = 0; kind < 5; ++kind) {
      SCOPED_TRACE(fmt::format("{} {}", place, kind));
      host::testing::ScratchTree tree;
      const TestMachine machine(tree);
      machine.docker_host();
      machine.file("etc/cdi/nvidia.yaml", machine.spec());
      machine.torch("2.7.1+cu126", "'12.6'", "None");
      machine.remove(place);
      std::filesystem::create_directories((tree.top() / place).parent_path());
      if (kind == 0) machine.link(place, tree.top().string() + "/" + place);  // a loop
      if (kind == 1) ASSERT_EQ(::mkfifo((tree.top() / place).c_str(), 0600), 0);
      if (kind == 2) machine.file(place, long_text);
      if (kind == 3) machine.file(place, std::string("\0\xff\x1b[2J:=\n- {\n", 14));
      if (kind == 4) std::filesystem::create_directory(tree.top() / place);
      const Diagnosis diagnosis = machine.diagnosis();
      EXPECT_GT(diagnosis.steps.size(), 5u);
      for (const Step& step : diagnosis.steps) {
        for (const std::string& line : step.looked_at) EXPECT_LT(line.size(), 4096u) << step.id;
        EXPECT_LT(step.message.size(), 4096u) << step.id;
      }
    }
}

}  // namespace
}  // namespace flense::doctor
