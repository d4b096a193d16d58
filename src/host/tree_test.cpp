#include "host/tree.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstdlib>

#include "host/testing_tree.h"

namespace flense::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Optional;

/// From here on this process's kernel has no openat2(2).
bool forget_openat2() {
  std::array<sock_filter, 4> code = {{
      BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_openat2, 0, 1),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOSYS),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
  }};
  const sock_fprog program = {code.size(), code.data()};
  return ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 &&
         ::prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
}

void links_stay_inside() {
  const testing::ScratchTree scratch;
  scratch.file("etc/secret", "of the host");
  scratch.file("tree/etc/os-release", "ID=fixture\n");
  scratch.link("tree/up", "../../etc/secret");
  scratch.link("tree/absolute", "/etc/os-release");
  scratch.link("tree/a/folder", "../../../../etc");
  scratch.link("tree/loop", "loop");
  const Tree tree(scratch.top() / "tree", "/");
  EXPECT_FALSE(tree.read("up"));
  EXPECT_EQ(tree.read("absolute").value(), "ID=fixture\n");
  EXPECT_EQ(tree.read("a/folder/os-release").value(), "ID=fixture\n");
  EXPECT_THAT(tree.resolve("/a/folder/../absolute"), Optional(std::string("etc/os-release")));
  // However the path is written.
  for (const char* path : {"etc/os-release", "/etc//os-release/", "./etc/os-release",
                           "etc/./os-release", "nothing/../etc/../etc/os-release/."})
    EXPECT_EQ(tree.resolve(path).value_or("none"),
              std::string_view(path).starts_with("nothing") ? "none" : "etc/os-release")
        << path;
  EXPECT_THAT(tree.resolve(""), Optional(std::string()));
  EXPECT_THAT(tree.resolve("/"), Optional(std::string()));
  EXPECT_FALSE(tree.resolve("etc/os-release/below"));
  EXPECT_FALSE(tree.exists("loop"));
  EXPECT_FALSE(tree.read("../etc/secret"));
}

TEST(Tree, LinksStayInside) {
  links_stay_inside();
}

TEST(Tree, AnOlderKernel) {
  // In a separate process, since a filter cannot be removed.
  EXPECT_EXIT(
      {
        if (!forget_openat2()) std::_Exit(2);
        links_stay_inside();
        std::_Exit(::testing::Test::HasFailure() ? 1 : 0);
      },
      ::testing::ExitedWithCode(0), "");
}

TEST(Tree, AMachineKeepsItsAnswers) {
  const testing::ScratchTree scratch;
  scratch.file("sys/devices/one/vendor", "0x10de\n");
  scratch.file("sys/devices/one/class", "0x0302\n");
  scratch.link("sys/bus/one", "../devices/one");
  const Machine machine = scratch.machine();
  const Tree now(scratch.top() / "sys", "/sys");
  const Tree of_machine = *machine.root.below("sys/bus/one", "/sys/bus/one");
  for (const Tree* tree : {&machine.sys, &now}) {
    EXPECT_EQ(tree->read("bus/one/vendor").value(), "0x10de\n");
    EXPECT_EQ(tree->read("bus/one/class").value(), "0x0302\n");
    EXPECT_THAT(tree->list("bus/one"), ElementsAre("class", "vendor"));
    EXPECT_FALSE(tree->exists("bus/one/driver"));
  }
  EXPECT_FALSE(of_machine.exists("driver"));
  scratch.file("sys/devices/one/vendor", "0x1002\n");
  scratch.file("sys/devices/one/driver", "");
  // As the first time: also for a copy, and for a subtree that is asked for again.
  const Machine copy = machine;
  EXPECT_EQ(copy.sys.read("bus/one/vendor").value(), "0x10de\n");
  EXPECT_FALSE(machine.sys.read("bus/one/vendor", 3)) << "too large, known or not";
  EXPECT_THAT(copy.sys.list("bus/one"), ElementsAre("class", "vendor"));
  EXPECT_THAT(copy.sys.list("bus/one", 1), ElementsAre("class"));
  EXPECT_FALSE(copy.sys.exists("bus/one/driver"));
  EXPECT_FALSE(machine.root.below("sys/bus/one", "/sys/bus/one")->exists("driver"));
  // The others look again.
  EXPECT_EQ(now.read("bus/one/vendor").value(), "0x1002\n");
  EXPECT_THAT(now.list("bus/one"), ElementsAre("class", "driver", "vendor"));
  EXPECT_TRUE(now.exists("bus/one/driver"));
  EXPECT_TRUE(scratch.machine().sys.exists("bus/one/driver"));
}

TEST(TreeMemory, IsBounded) {
  TreeMemory memory(UniqueFd(), TreeMemory::Recall::kKeep);
  memory.keep_text("small", "a");
  memory.keep_text("large", std::string(TreeMemory::kMaxText + 1, 'x'));
  EXPECT_THAT(memory.text("small"), Optional(std::string("a")));
  EXPECT_FALSE(memory.text("large"));
  memory.keep_names("folder", {std::string(TreeMemory::kMost, 'x')});
  EXPECT_FALSE(memory.names("folder"));
  const std::string page(TreeMemory::kMaxText, 'x');
  std::size_t kept = 0;
  for (std::size_t i = 0; i < TreeMemory::kMost / page.size(); ++i) {
    memory.keep_text(std::to_string(i), page);
    if (memory.text(std::to_string(i))) ++kept;
  }
  EXPECT_GT(kept, TreeMemory::kMost / page.size() / 2);
  EXPECT_LT(kept, TreeMemory::kMost / page.size());
}

TEST(Tree, ADirectoryAsATreeOfItsOwn) {
  const testing::ScratchTree scratch;
  scratch.file("secret", "of the host");
  scratch.file("run/driver/usr/lib/libcuda.so.1", "library");
  scratch.link("run/driver/absolute", "/usr/lib/libcuda.so.1");
  scratch.link("run/driver/up", "../../secret");
  scratch.link("var/run", "/run");
  const Tree tree(scratch.top(), "/");
  const auto below = tree.below("var/run/driver", "/run/driver");
  ASSERT_TRUE(below);
  EXPECT_EQ(below->read("absolute").value(), "library");
  EXPECT_FALSE(below->read("up"));
  EXPECT_EQ(below->label("usr"), "/run/driver/usr");
  EXPECT_FALSE(tree.below("secret", "/secret"));
  EXPECT_FALSE(tree.below("nowhere", "/nowhere"));
}

TEST(Tree, OnlyRegularFilesOfBoundedSize) {
  const testing::ScratchTree scratch;
  scratch.file("large", std::string(Tree::kSmall + 1, 'x'));
  ASSERT_EQ(::mkfifo((scratch.top() / "pipe").c_str(), 0600), 0);
  const Tree tree(scratch.top(), "/sys");
  EXPECT_FALSE(tree.read("large"));
  EXPECT_TRUE(tree.read("large", Tree::kSmall + 1));
  const auto pipe = tree.read("pipe");
  ASSERT_FALSE(pipe);
  EXPECT_THAT(pipe.error().message, HasSubstr("/sys/pipe"));
  EXPECT_FALSE(tree.read(""));
  EXPECT_THAT(tree.list(""), ElementsAre("large", "pipe"));
  EXPECT_TRUE(tree.list("large").empty());
}

TEST(Machine, PartsLieBelowTheRootUnlessNamed) {
  const testing::ScratchTree scratch;
  scratch.file("proc/a", "1");
  scratch.file("other/b", "2");
  const Machine machine(Places{scratch.top(), {}, scratch.top() / "other", {}});
  EXPECT_TRUE(machine.proc.exists("a"));
  EXPECT_TRUE(machine.sys.exists("b"));
  EXPECT_EQ(machine.sys.label("b"), "/sys/b");
  EXPECT_EQ(machine.root.label("b"), "/b");
}

}  // namespace
}  // namespace flense::host
