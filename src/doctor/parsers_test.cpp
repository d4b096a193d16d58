// Other people's formats: loader cache, CDI specifications, PyTorch's version file, device nodes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cerrno>
#include <cstdlib>

#include "doctor/cdi_spec.h"
#include "doctor/loader.h"
#include "doctor/nodes.h"
#include "doctor/python.h"
#include "doctor/testing_machine.h"
#include "elf/loader_cache.h"

namespace flense::doctor {
namespace {

using elf::cached_paths;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::kAArch64;
using testing::kX86_64;
using testing::loader_cache;

TEST(LoaderCache, PathsOfAName) {
  const std::string cache = loader_cache({{"libcuda.so.1", "/b/libcuda.so.1"},
                                          {"libcuda.so.1", "/a/libcuda.so.1"},
                                          {"libm.so.6", "/m"}});
  const auto paths = cached_paths(as_bytes(cache), "libcuda.so.1", kX86_64);
  ASSERT_TRUE(paths);
  EXPECT_THAT(*paths, ElementsAre("/b/libcuda.so.1", "/a/libcuda.so.1"));
  EXPECT_THAT(cached_paths(as_bytes(cache), "libcuda.so", kX86_64).value(), IsEmpty());
  // Entries of another architecture do not apply.
  EXPECT_THAT(cached_paths(as_bytes(cache), "libcuda.so.1", kAArch64).value(), IsEmpty());
}

TEST(LoaderCache, TheOldTableInFrontIsPassedOver) {
  std::string old = std::string("ld.so-1.7.0") + '\0';
  testing::append_le(old, 1, 4);
  testing::append_le(old, 3, 12);
  old.resize((old.size() + 7) / 8 * 8, '\0');
  const std::string cache = old + loader_cache({{"libcuda.so.1", "/a"}});
  EXPECT_THAT(cached_paths(as_bytes(cache), "libcuda.so.1", kX86_64).value(), ElementsAre("/a"));
}

TEST(LoaderCache, EveryTruncationIsAnError) {
  const std::string cache = loader_cache({{"libcuda.so.1", "/a/libcuda.so.1"}});
  for (std::size_t size = 0; size < cache.size(); ++size)
    EXPECT_FALSE(cached_paths(as_bytes(cache.substr(0, size)), "libcuda.so.1", kX86_64)) << size;
  std::string many = cache;
  many.replace(20, 4, "\xff\xff\xff\xff");
  EXPECT_FALSE(cached_paths(as_bytes(many), "libcuda.so.1", kX86_64));
  std::string far = cache;
  far.replace(48 + 8, 4, "\xff\xff\xff\x7f");
  EXPECT_FALSE(cached_paths(as_bytes(far), "libcuda.so.1", kX86_64));
}

TEST(Loader, TheOrderIsTheLoaders) {
  const host::testing::ScratchTree tree;
  const std::string elf = testing::elf_header(kX86_64);
  const auto found = [&](std::string_view path) {
    const LibrarySearch search = find_library(tree.machine().root, "libx.so.1", path, kX86_64);
    return search.found ? search.found->path : std::string("none");
  };
  EXPECT_EQ(found(""), "none");
  tree.file("usr/lib/libx.so.1", elf);
  EXPECT_EQ(found(""), "/usr/lib/libx.so.1");
  tree.file("opt/c/libx.so.1", elf);
  tree.file("etc/ld.so.cache", loader_cache({{"libx.so.1", "/opt/c/libx.so.1"}}));
  EXPECT_EQ(found(""), "/opt/c/libx.so.1");
  tree.file("opt/e/libx.so.1", elf);
  EXPECT_EQ(found("relative:/nowhere:/opt/e"), "/opt/e/libx.so.1");
  EXPECT_EQ(found("/nowhere;/opt/e"), "/opt/e/libx.so.1");
  // Of another class or machine: the loader goes on.
  tree.file("opt/e/libx.so.1", testing::elf_header(kAArch64));
  EXPECT_EQ(found("/opt/e"), "/opt/c/libx.so.1");
  tree.file("opt/e/libx.so.1", testing::elf_header(kX86_64, 1));
  EXPECT_EQ(found("/opt/e"), "/opt/c/libx.so.1");
  // Not an ELF file at all: the loader stops there.
  tree.file("opt/e/libx.so.1", "INPUT(libx.so.2)");
  EXPECT_EQ(found("/opt/e"), "/opt/e/libx.so.1");
  // A stale cache.
  std::filesystem::remove(tree.top() / "opt/c/libx.so.1");
  EXPECT_EQ(found(""), "/usr/lib/libx.so.1");
}

TEST(Loader, DirectoriesOfTheConfiguration) {
  const host::testing::ScratchTree tree;
  tree.file("etc/ld.so.conf",
            "# a comment\n/opt/a   # behind\ninclude ld.so.conf.d/*.conf\ninclude "
            "/etc/ld.so.conf.d/*.conf\n");
  tree.file("etc/ld.so.conf.d/b.conf", "/opt/b\nhwcap 0 nosegneg\n");
  tree.file("etc/ld.so.conf.d/c.txt", "/opt/c\n");
  EXPECT_THAT(configured_directories(tree.machine().root),
              ElementsAre("/opt/a", "/opt/b", "/opt/b"));
}

constexpr const char* kYaml = R"(---
cdiVersion: 0.5.0
kind: "nvidia.com/gpu"
devices:
    - name: "0"
      containerEdits:
        deviceNodes:
            - path: /dev/nvidia0
              major: 195
              fileMode: 438
            - path: /dev/nvidia-uvm
              hostPath: /dev/other-uvm
              major: 511
containerEdits:
    env:
        - NVIDIA_VISIBLE_DEVICES=void
    hooks:
        - hookName: createContainer
          path: /usr/bin/nvidia-cdi-hook
          args:
            - nvidia-cdi-hook
            - create-symlinks
    mounts:
        - hostPath: /usr/bin/nvidia-smi
          containerPath: /usr/bin/nvidia-smi
)";

TEST(Cdi, YamlAndJsonSayTheSame) {
  const auto yaml = parse_cdi_spec(kYaml);
  ASSERT_TRUE(yaml);
  EXPECT_EQ(yaml->kind, "nvidia.com/gpu");
  EXPECT_THAT(yaml->nodes,
              ElementsAre(CdiNode{"/dev/nvidia0", 195}, CdiNode{"/dev/other-uvm", 511}));
  EXPECT_THAT(yaml->files, ElementsAre("/usr/bin/nvidia-cdi-hook", "/usr/bin/nvidia-smi"));
  const auto json = parse_cdi_spec(
      R"({"cdiVersion": "0.5.0", "kind": "nvidia.com/gpu", "devices": [{"name": "0", "containerEdits":
      {"deviceNodes": [{"path": "/dev/nvidia0", "major": 195}, {"path": "/dev/nvidia-uvm", "hostPath":
      "/dev/other-uvm", "major": 511}]}}], "containerEdits": {"hooks": [{"hookName": "createContainer",
      "path": "/usr/bin/nvidia-cdi-hook", "args": ["nvidia-cdi-hook"]}], "mounts": [{"hostPath":
      "/usr/bin/nvidia-smi", "containerPath": "/usr/bin/nvidia-smi"}]}})");
  ASSERT_TRUE(json);
  EXPECT_EQ(json->nodes, yaml->nodes);
  EXPECT_EQ(json->files, yaml->files);
}

TEST(Cdi, WhatIsNoSpecification) {
  EXPECT_FALSE(parse_cdi_spec(""));
  EXPECT_FALSE(parse_cdi_spec("{"));
  EXPECT_FALSE(parse_cdi_spec("{}"));
  EXPECT_FALSE(parse_cdi_spec("name: x\n"));
  EXPECT_FALSE(parse_cdi_spec(std::string(1000, '-')));
}

TEST(Torch, VersionFiles) {
  const auto parse = [](const char* text) { return parse_torch_version(text); };
  EXPECT_EQ(parse("__version__ = '2.7.1+cu126'\ndebug = False\ncuda: Optional[str] = '12.6'\nhip: "
                  "Optional[str] = None\n"),
            (TorchVersion{"2.7.1+cu126", "12.6", {}, {}}));
  // Before type annotations.
  EXPECT_EQ(parse("__version__ = '1.4.0'\ncuda = '10.1'\nhip = None\n"),
            (TorchVersion{"1.4.0", "10.1", {}, {}}));
  EXPECT_EQ(parse("__version__ = \"2.6.0+cpu\"\ncuda: Optional[str] = None\n"),
            (TorchVersion{"2.6.0+cpu", {}, {}, {}}));
  EXPECT_FALSE(parse("cuda = '12.6'\n"));
  EXPECT_FALSE(parse("__version__ = '"));
}

host::DeviceNode node(std::uint32_t mode, std::uint32_t uid, std::uint32_t gid) {
  return {host::DeviceNode::Kind::kDevice, 195, 0, mode, uid, gid, {}};
}

TEST(Access, ByOwnerGroupAndMode) {
  const User user{true, 1000, 1000, {44}, ""};
  EXPECT_EQ(access_of(node(0666, 0, 0), user), Access::kYes);
  EXPECT_EQ(access_of(node(0666, 0, 0), {}), Access::kYes);
  EXPECT_EQ(access_of(node(0660, 0, 0), {}), Access::kUnknown);
  EXPECT_EQ(access_of(node(0660, 0, 44), user), Access::kYes);
  EXPECT_EQ(access_of(node(0660, 0, 109), user), Access::kNo);
  EXPECT_EQ(access_of(node(0640, 0, 44), user), Access::kNo);
  // For the owner only the owner's bits count, even if others have more.
  EXPECT_EQ(access_of(node(0466, 1000, 0), user), Access::kNo);
  EXPECT_EQ(access_of(node(0606, 0, 44), user), Access::kNo);
  EXPECT_EQ(access_of(node(0600, 0, 0), {true, 0, 0, {}, ""}), Access::kYes);
  // Root of a user namespace that does not know the owner has no more rights than others.
  EXPECT_EQ(access_of(node(0660, 65534, 65534), {true, 0, 0, {}, ""}), Access::kNo);
  EXPECT_EQ(access_of(node(0660, 65534, 65534), {true, 0, 0, {65534}, ""}), Access::kUnknown);
}

TEST(Access, TheKernelsAnswerCountsMore) {
  host::DeviceNode one = node(0666, 0, 0);
  one.refusal = EPERM;
  EXPECT_EQ(access_of(one, {}), Access::kDenied);
  one = node(0600, 0, 0);
  one.refusal = 0;
  EXPECT_EQ(access_of(one, {true, 1000, 1000, {}, ""}), Access::kYes);
}

}  // namespace
}  // namespace flense::doctor
