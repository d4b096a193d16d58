// Each fix names only what the machine has that it is printed on.
#include "doctor/tools.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <set>
#include <sstream>

#include "doctor/testing_variants.h"

namespace flense::doctor {
namespace {

using testing::TestMachine;
using testing::Variant;
using testing::variants;

/// What fixes call, with the packages that bring it; "the package that has NAME" where no manager
/// of packages is there to be named.
const std::map<std::string, std::set<std::string>> kPrograms = {
    {"apt", {}},
    {"apt-get", {}},
    {"dkms", {"dkms"}},
    {"dmesg", {}},
    {"dnf", {}},
    {"docker", {}},
    {"dracut", {}},
    {"journalctl", {}},
    {"ldconfig", {"libc-bin", "glibc"}},
    {"lspci", {}},
    {"mkinitcpio", {}},
    {"mknod", {}},
    {"modprobe", {"kmod"}},
    {"mokutil", {"mokutil"}},
    {"nvidia-container-cli", {"libnvidia-container-tools"}},
    {"nvidia-ctk", {"nvidia-container-toolkit"}},
    {"nvidia-cuda-mps-control",
     {"nvidia-compute-utils-550", "nvidia-driver-cuda", "nvidia-compute-utils-G06"}},
    {"nvidia-modprobe", {"nvidia-modprobe"}},
    {"nvidia-smi", {"nvidia-utils-550", "nvidia-driver-cuda", "nvidia-compute-utils-G06"}},
    {"pip", {}},
    {"podman", {}},
    {"rmmod", {"kmod"}},
    {"rocminfo", {}},
    {"setsebool", {"policycoreutils"}},
    {"systemctl", {}},
    {"ubuntu-drivers", {"ubuntu-drivers-common"}},
    {"update-initramfs", {}},
    {"usermod", {"passwd", "shadow-utils", "shadow"}},
    {"uv", {}},
    {"yum", {}},
    {"zypper", {}}};

/// The first command of a fix that this root does not have and no package before it brings.
std::string not_there(const std::string& fix, const std::filesystem::path& root) {
  std::vector<std::string> words;
  std::istringstream stream(fix);
  for (std::string word; stream >> word;) {
    while (!word.empty() && std::string_view(",;:.()'").find(word.back()) != std::string_view::npos)
      word.pop_back();
    while (!word.empty() && std::string_view("('").find(word.front()) != std::string_view::npos)
      word.erase(0, 1);
    words.push_back(word);
  }
  std::set<std::string> brought;
  for (std::size_t i = 0; i < words.size(); ++i) {
    static const std::set<std::string> kTaking = {"install", "restart", "service", "has",
                                                  "--engine"};
    const bool argument = i > 0 && kTaking.contains(words[i - 1]);
    if (argument) brought.insert(words[i]);
    const auto known = kPrograms.find(words[i]);
    if (argument || known == kPrograms.end()) continue;
    const bool module = i > 1 && words[i - 1] == "-m" && exists(root / words[i - 2].substr(1));
    const bool there = std::ranges::any_of(
        std::initializer_list<const char*>{"usr/bin", "usr/sbin", "opt/venv/bin"},
        [&](const char* folder) { return exists(root / folder / words[i]); });
    const bool package = brought.contains(words[i]) ||
                         std::ranges::any_of(known->second, [&](const std::string& name) {
                           return brought.contains(name);
                         });
    if (!module && !there && !package) return words[i];
  }
  return {};
}

TEST(Doctor, EachFixCanBeDoneWhereItIsPrinted) {
  std::size_t fixes = 0;
  for (const char* manager : {"apt-get", ""})
    for (const Variant& one : variants()) {
      SCOPED_TRACE(fmt::format("{} {}", one.name, manager));
      host::testing::ScratchTree tree;
      const TestMachine machine(tree);
      (machine.*one.make)();
      one.change(machine);
      if (std::string_view(manager) != "apt-get") {
        machine.file("etc/os-release", "ID=other\n");
        for (const char* name : TestMachine::kTools) machine.remove(std::string("usr/bin/") + name);
        if (*manager != '\0') machine.program(manager);
      }
      for (const Step& step : machine.diagnosis().steps) {
        fixes += step.fix.empty() ? 0U : 1U;
        EXPECT_EQ(not_there(step.fix, tree.top()), "") << step.id << ": " << step.fix;
        EXPECT_THAT(step.fix, ::testing::Not(::testing::HasSubstr("-aG root")));
        // What is the host's to do, no container can.
        if (exists(tree.top() / ".dockerenv"))
          for (const char* word : {"modprobe ", "systemctl ", "usermod ", "dkms ", "setsebool "})
            EXPECT_THAT(step.fix, ::testing::Not(::testing::HasSubstr(word))) << step.id;
      }
    }
  EXPECT_GT(fixes, 2 * variants().size());
  // The check itself sees what is not there.
  host::testing::ScratchTree tree;
  EXPECT_EQ(not_there("as root: modprobe nvidia; reboot", tree.top()), "modprobe");
  EXPECT_EQ(not_there("apt-get install kmod, then modprobe nvidia", tree.top()), "apt-get");
  EXPECT_EQ(not_there("install kmod, then modprobe nvidia", tree.top()), "");
  EXPECT_EQ(not_there("install dkms, then modprobe nvidia", tree.top()), "modprobe");
}

/// The fix of the variant's first broken step.
std::string fix_of(const char* name, const std::function<void(const TestMachine&)>& more = {}) {
  const auto one = std::ranges::find_if(
      variants(), [&](const Variant& variant) { return std::string_view(variant.name) == name; });
  host::testing::ScratchTree tree;
  const TestMachine machine(tree);
  (machine.*one->make)();
  one->change(machine);
  if (more) more(machine);
  return machine.diagnosis().first(one->verdict)->fix;
}

TEST(Doctor, FixesFitTheMachine) {
  using M = const TestMachine&;
  EXPECT_EQ(fix_of("source that was never built"),
            "apt-get install linux-headers-6.8.0-45-generic, then dkms autoinstall -k "
            "6.8.0-45-generic");
  EXPECT_EQ(fix_of("source that was never built",
                   [](M m) { m.file("lib/modules/6.8.0-45-generic/build/Makefile"); }),
            "dkms autoinstall -k 6.8.0-45-generic; where that fails, make.log below /var/lib/dkms "
            "says why");
  EXPECT_EQ(fix_of("no driver installed"),
            "apt-get install ubuntu-drivers-common, then ubuntu-drivers install");
  const auto fedora = [](M m) {
    m.remove("usr/bin/apt-get");
    m.program("dnf");
  };
  EXPECT_EQ(fix_of("source that was never built", fedora),
            "dnf install kernel-devel-6.8.0-45-generic, then dkms autoinstall -k "
            "6.8.0-45-generic");
  EXPECT_EQ(fix_of("no user half", fedora), "dnf install nvidia-driver-cuda-libs");
  EXPECT_EQ(fix_of("a GPU that the branch has dropped"),
            "install a driver of branch 470 and keep it there; it runs CUDA up to 11.4");
  EXPECT_EQ(fix_of("no control node"),
            "as root: apt-get install nvidia-modprobe, then nvidia-modprobe -c 255 -c 0 -c 1");
  EXPECT_EQ(fix_of("no control node", [](M m) { m.program("nvidia-modprobe"); }),
            "as root: nvidia-modprobe -c 255 -c 0 -c 1");
  EXPECT_EQ(fix_of("no uvm", [](M m) { m.program("nvidia-modprobe"); }),
            "as root: nvidia-modprobe -u -c 0");
  EXPECT_EQ(fix_of("nodes of the group root"),
            "let the driver give its nodes to all: 'options nvidia NVreg_DeviceFileMode=0666' in "
            "/etc/modprobe.d/nvidia.conf, or to a group: 'options nvidia NVreg_DeviceFileGID=GID "
            "NVreg_DeviceFileMode=0660'; then rebuild the initramfs (update-initramfs -u) and "
            "reboot");
  EXPECT_EQ(fix_of("nodes of the group root",
                   [](M m) {
                     m.program("nvidia-modprobe");
                     m.file("proc/driver/nvidia/params", "DeviceFileMode: 438\n");
                     m.file("etc/udev/rules.d/9.rules", "KERNEL==\"nvidia*\", MODE=\"0660\"\n");
                   }),
            "not the driver did this, whose nodes are for all: take back what did "
            "(/etc/udev/rules.d/9.rules), then as root: nvidia-modprobe -c 255 -c 0 -c 1");
  EXPECT_EQ(fix_of("nodes of the group video",
                   [](M m) { m.file("etc/group", "root:x:0:\nvideo:x:45:\n"); }),
            "usermod -aG video USER, and log in again");
  EXPECT_THAT(fix_of("AMD nodes of the group root"),
              ::testing::HasSubstr("/etc/udev/rules.d/70-amdgpu.rules"));
  EXPECT_EQ(fix_of("no toolkit"),
            "flense cdi install --engine podman, which needs no toolkit; or apt-get install "
            "nvidia-container-toolkit (from NVIDIA's package repository)");
}

}  // namespace
}  // namespace flense::doctor
