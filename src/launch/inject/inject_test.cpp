// Decisions about real ELF files, and their results.
#include "launch/inject/inject.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <algorithm>
#include <atomic>
#include <thread>

#include "elf/loader_cache.h"
#include "launch/inject/directory.h"
#include "launch/inject/loader_cache_writer.h"
#include "launch/inject/testing_root.h"
#include "launch/rootfs/kept_directory.h"

namespace flense::launch {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using testing::Roots;

constexpr std::uint16_t kX86_64 = 62;
const std::string kLib = "usr/lib/x86_64-linux-gnu/";
const std::string kCuda = kLib + "libcuda.so.550.54.15";

const Decision& decision(const Injection& injection, std::string_view name) {
  const auto found = std::ranges::find_if(
      injection.decisions, [&](const Decision& one) { return one.file.ends_with(name); });
  if (found != injection.decisions.end()) return *found;
  ADD_FAILURE() << "no decision about " << name;
  static const Decision kNone;
  return kNone;
}

std::string host_of(const Injection& injection, std::string_view container) {
  for (const cdi::Mount& mount : injection.edits.mounts)
    if (mount.container_path == container) return mount.host_path;
  return {};
}

std::string text_of(const std::filesystem::path& path) {
  return read_file(path, 1U << 20).value_or("");
}

std::vector<std::string> cached(const Injection& injection, std::string_view name) {
  const std::string cache = text_of(host_of(injection, "/etc/ld.so.cache"));
  return elf::cached_paths(as_bytes(cache), name, kX86_64).value_or(std::vector<std::string>{});
}

TEST(Injection, OneDirectoryAndOneCacheForTheDriver) {
  const Roots roots;
  roots.glibc_image(Roots::kAll);
  roots.library(roots.host(kCuda), "libcuda.so.1", {"GLIBC_2.17"});
  roots.library(roots.host(kLib + "libnvidia-ml.so.550.54.15"), "libnvidia-ml.so.1", {});
  roots.write(roots.host("usr/bin/nvidia-smi"), "tool");
  cdi::Edits edits;
  edits.env = {"NVIDIA_VISIBLE_DEVICES=void"};
  edits.mounts = {roots.mount(kCuda), roots.mount("usr/bin/nvidia-smi"),
                  roots.mount(kLib + "libnvidia-ml.so.550.54.15")};
  const auto injection = roots.plan(edits);
  ASSERT_TRUE(injection) << injection.error().message;
  std::vector<std::string> targets;
  for (const cdi::Mount& mount : injection->edits.mounts) targets.push_back(mount.container_path);
  EXPECT_THAT(targets, ElementsAre("/usr/bin/nvidia-smi", "/run/flense/host/0", "/run/flense/lib",
                                   "/etc/ld.so.cache"));
  EXPECT_EQ(host_of(*injection, "/run/flense/host/0"), roots.host(kLib.substr(0, kLib.size() - 1)));
  EXPECT_EQ(injection->edits.env, edits.env);
  const std::filesystem::path links = host_of(*injection, "/run/flense/lib");
  for (const char* name : {"libcuda.so", "libcuda.so.1", "libcuda.so.550.54.15"}) {
    EXPECT_EQ(std::filesystem::read_symlink(links / name),
              "/run/flense/host/0/libcuda.so.550.54.15");
    EXPECT_THAT(cached(*injection, name), ElementsAre(std::string("/run/flense/lib/") + name));
  }
  EXPECT_TRUE(decision(*injection, "libcuda.so.550.54.15").injected);
  EXPECT_EQ(decision(*injection, "libcuda.so.550.54.15").reason,
            "it belongs to the host's driver; it needs GLIBC_2.17, which the image's C library "
            "has");
}

TEST(Injection, ARequiredLibraryThatNeedsANewerGlibcIsRefused) {
  const Roots roots;
  roots.glibc_image(Roots::kOld);
  roots.library(roots.host(kCuda), "libcuda.so.1", {"GLIBC_2.17", "GLIBC_2.34"});
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda)};
  const auto injection = roots.plan(edits);
  ASSERT_FALSE(injection);
  EXPECT_EQ(injection.error().code, Code::kEnvironment);
  EXPECT_THAT(injection.error().message,
              HasSubstr("it needs GLIBC_2.34 of libc.so.6, and the image's "
                        "/usr/lib/x86_64-linux-gnu/libc.so.6 ends at GLIBC_2.28"));
  EXPECT_THAT(injection.error().hint, HasSubstr("newer glibc"));
  EXPECT_TRUE(std::filesystem::is_empty(roots.prepared()));
}

TEST(Injection, OthersThatNeedANewerGlibcStayOut) {
  const Roots roots;
  roots.glibc_image(Roots::kOld);
  roots.library(roots.host(kCuda), "libcuda.so.1", {"GLIBC_2.28"});
  roots.library(roots.host(kLib + "libGLX.so.0.0.0"), "libGLX.so.0", {"GLIBC_2.38"});
  roots.library(roots.host(kLib + "libnvidia-relr.so.1"), "", {"GLIBC_ABI_DT_RELR"});
  roots.library(roots.host(kLib + "libnvidia-tls2.so.1"), "", {"GLIBC_ABI_GNU2_TLS"});
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda), roots.mount(kLib + "libGLX.so.0.0.0"),
                  roots.mount(kLib + "libnvidia-relr.so.1"),
                  roots.mount(kLib + "libnvidia-tls2.so.1")};
  const auto injection = roots.plan(edits);
  ASSERT_TRUE(injection) << injection.error().message;
  EXPECT_TRUE(decision(*injection, "libcuda.so.550.54.15").injected);
  EXPECT_THAT(decision(*injection, "libGLX.so.0.0.0").reason,
              HasSubstr("needs GLIBC_2.38 of libc.so.6"));
  EXPECT_FALSE(decision(*injection, "libnvidia-relr.so.1").injected);
  EXPECT_THAT(decision(*injection, "libnvidia-relr.so.1").reason,
              HasSubstr("it needs GLIBC_ABI_DT_RELR of libc.so.6, and the image's "
                        "/usr/lib/x86_64-linux-gnu/libc.so.6 does not define it"));
  EXPECT_FALSE(decision(*injection, "libnvidia-tls2.so.1").injected);
  EXPECT_THAT(cached(*injection, "libGLX.so.0"), IsEmpty());
  EXPECT_EQ(injection->edits.mounts.size(), 3U) << "what stays out is not mounted either";
}

TEST(Injection, MuslIsRefusedWithItsReason) {
  const Roots roots;
  roots.musl_image();
  roots.library(roots.host(kCuda), "libcuda.so.1", {});
  roots.library(roots.host(kLib + "libnvidia-nvvm.so.4"), "libnvidia-nvvm.so.4", {});
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda)};
  const auto refused = roots.plan(edits);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message,
              HasSubstr("its C library is musl, /lib/ld-musl-x86_64.so.1"));
  EXPECT_THAT(refused.error().hint, HasSubstr("image with glibc"));
  // What is not essential is left out.
  edits.mounts = {roots.mount(kLib + "libnvidia-nvvm.so.4")};
  const auto skipped = roots.plan(edits);
  ASSERT_TRUE(skipped) << skipped.error().message;
  EXPECT_FALSE(decision(*skipped, "libnvidia-nvvm.so.4").injected);
  EXPECT_THAT(skipped->edits.mounts, IsEmpty());
}

TEST(Injection, AnImageOfAnotherMachineOrWithoutALoaderIsRefused) {
  const Roots roots;
  roots.library(roots.host(kCuda), "libcuda.so.1", {});
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda)};
  auto refused = roots.plan(edits);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("it has no dynamic loader"));
  roots.write(roots.image("lib/ld-linux-aarch64.so.1"), "x");
  refused = roots.plan(edits);
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message,
              HasSubstr("it has no glibc for x86_64, only /lib/ld-linux-aarch64.so.1"));
}

TEST(Injection, TheImagesOwnLibrariesWinUnlessTheyAreTheDrivers) {
  const Roots roots;
  roots.glibc_image(Roots::kAll);
  const auto both = [&](const std::string& host, const std::string& image,
                        const std::string& soname) {
    roots.library(roots.host(kLib + host), soname, {});
    roots.library(roots.image(kLib + image), soname, {});
    if (image != soname) roots.link(roots.image(kLib + soname), image);
  };
  both("libGL.so.1.7.0", "libGL.so.1.2.0", "libGL.so.1");            // older, and still its own
  both("libdrm.so.2.4.0", "libdrm.so.2.123.0", "libdrm.so.2");       // newer
  both("libnuma.so.1.0.0", "libnuma.so.1.0.0", "libnuma.so.1");      // the same
  both("libz.so.1.3.1", "libz.so.1", "libz.so.1");                   // of unknown version
  both("libffi.so.8.1.2", "libffi.so.8.1.0", "libffi.so.8");         // older
  both("libcuda.so.550.54.15", "libcuda.so.560.1", "libcuda.so.1");  // the driver's
  roots.library(roots.host(kLib + "libOpenCL.so.1.0.0"), "libOpenCL.so.1", {});
  cdi::Edits edits;
  for (const char* name : {"libGL.so.1.7.0", "libdrm.so.2.4.0", "libnuma.so.1.0.0", "libz.so.1.3.1",
                           "libffi.so.8.1.2", "libcuda.so.550.54.15", "libOpenCL.so.1.0.0"})
    edits.mounts.push_back(roots.mount(kLib + name));
  const auto injection = roots.plan(edits);
  ASSERT_TRUE(injection) << injection.error().message;
  const auto reason = [&](const char* name) { return decision(*injection, name).reason; };
  const auto injected = [&](const char* name) { return decision(*injection, name).injected; };
  EXPECT_FALSE(injected("libGL.so.1.7.0"));
  EXPECT_EQ(reason("libGL.so.1.7.0"),
            "the image has its own libGL.so.1, /usr/lib/x86_64-linux-gnu/libGL.so.1.2.0");
  EXPECT_FALSE(injected("libdrm.so.2.4.0"));
  EXPECT_FALSE(injected("libnuma.so.1.0.0"));
  EXPECT_FALSE(injected("libz.so.1.3.1"));
  EXPECT_TRUE(injected("libffi.so.8.1.2"));
  EXPECT_THAT(reason("libffi.so.8.1.2"), HasSubstr("is older"));
  EXPECT_TRUE(injected("libcuda.so.550.54.15"));
  EXPECT_THAT(reason("libcuda.so.550.54.15"), HasSubstr("comes before the image's"));
  EXPECT_TRUE(injected("libOpenCL.so.1.0.0"));
  EXPECT_THAT(reason("libOpenCL.so.1.0.0"), HasSubstr("the image has no libOpenCL.so.1"));
}

TEST(Injection, PlaceholdersAndStubsCountAsAbsent) {
  const Roots roots;
  roots.glibc_image(Roots::kAll);
  roots.library(roots.host(kCuda), "libcuda.so.1", {});
  roots.library(roots.host(kLib + "libOpenCL.so.1.0.0"), "libOpenCL.so.1", {});
  roots.write(roots.image(kLib + "libOpenCL.so.1"), "");
  roots.library(roots.image("usr/local/cuda/lib64/stubs/libcuda.so.1"), "libcuda.so.1", {});
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda), roots.mount(kLib + "libOpenCL.so.1.0.0")};
  InjectOptions options;
  auto injection = roots.plan(edits, options);
  ASSERT_TRUE(injection) << injection.error().message;
  EXPECT_TRUE(decision(*injection, "libOpenCL.so.1.0.0").injected);
  EXPECT_THAT(decision(*injection, "libOpenCL.so.1.0.0").reason, HasSubstr("holds no byte"));
  EXPECT_THAT(injection->edits.env, IsEmpty());
  // A stub where the loader looks before its cache: only LD_LIBRARY_PATH comes before that.
  options.library_path = "/opt/x:/usr/local/cuda/lib64/stubs";
  injection = roots.plan(edits, options);
  ASSERT_TRUE(injection) << injection.error().message;
  EXPECT_THAT(decision(*injection, "libcuda.so.550.54.15").reason,
              HasSubstr("/usr/local/cuda/lib64/stubs/libcuda.so.1 is a stub for linking"));
  EXPECT_THAT(injection->edits.env,
              ElementsAre("LD_LIBRARY_PATH=/run/flense/lib:/opt/x:/usr/local/cuda/lib64/stubs"));
  EXPECT_THAT(injection->notices, ElementsAre(HasSubstr("LD_LIBRARY_PATH of the image leads to "
                                                        "/usr/local/cuda/lib64/stubs")));
}

TEST(Injection, TheImagesCompatibilityLibraries) {
  const Roots roots;
  roots.glibc_image(Roots::kAll);
  roots.library(roots.host(kCuda), "libcuda.so.1", {});
  roots.library(roots.host(kLib + "libnvidia-ml.so.550.54.15"), "libnvidia-ml.so.1", {});
  const auto compat = [&](const std::string& cuda, const std::string& version) {
    const std::string folder = "usr/local/" + cuda + "/compat/";
    roots.library(roots.image(folder + "libcuda.so." + version), "libcuda.so.1", {});
    roots.link(roots.image(folder + "libcuda.so.1"), "libcuda.so." + version);
    roots.link(roots.image(folder + "libcuda.so"), "libcuda.so.1");
  };
  compat("cuda-12.4", "550.90.07");
  compat("cuda-12.8", "570.86.10");
  roots.link(roots.image("usr/local/cuda"), "cuda-12.8");
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda), roots.mount(kLib + "libnvidia-ml.so.550.54.15")};
  const auto without = roots.plan(edits);
  ASSERT_TRUE(without);
  EXPECT_TRUE(decision(*without, "libcuda.so.550.54.15").injected);
  InjectOptions options;
  options.use_image_compat = true;
  const auto with = roots.plan(edits, options);
  ASSERT_TRUE(with) << with.error().message;
  EXPECT_FALSE(decision(*with, "libcuda.so.550.54.15").injected);
  EXPECT_THAT(decision(*with, "libcuda.so.550.54.15").reason,
              HasSubstr("/usr/local/cuda-12.8/compat/libcuda.so.1 (570.86.10) serves here"));
  EXPECT_TRUE(decision(*with, "libnvidia-ml.so.550.54.15").injected);
  EXPECT_THAT(cached(*with, "libcuda.so.1"),
              ElementsAre("/usr/local/cuda-12.8/compat/libcuda.so.1"));
  EXPECT_THAT(cached(*with, "libnvidia-ml.so.1"), ElementsAre("/run/flense/lib/libnvidia-ml.so.1"));
}

TEST(Injection, CompatibilityLibrariesThatAreNoNewerAreLeft) {
  const Roots roots;
  roots.glibc_image(Roots::kAll);
  roots.library(roots.host(kCuda), "libcuda.so.1", {});
  roots.library(roots.image("usr/local/cuda/compat/libcuda.so.1"), "libcuda.so.1", {});
  roots.write(roots.image("usr/local/cuda-11/compat/libcuda.so.1"), "");
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda)};
  InjectOptions options;
  options.use_image_compat = true;
  const auto injection = roots.plan(edits, options);
  ASSERT_TRUE(injection) << injection.error().message;
  EXPECT_TRUE(decision(*injection, "libcuda.so.550.54.15").injected);
  EXPECT_THAT(injection->notices, ElementsAre(HasSubstr("is no older")));
}

TEST(Injection, TheImagesCacheIsKeptAndOursComesFirst) {
  const Roots roots;
  roots.glibc_image(Roots::kAll);
  roots.library(roots.host(kCuda), "libcuda.so.1", {});
  const std::uint32_t flags = elf::cache_flags(kX86_64);
  const std::vector<elf::CacheEntry> entries = {
      {flags, "libcuda.so.1", "/opt/old/libcuda.so.1", 0, elf::kNamedHwcap, "x86-64-v3"},
      {flags, "libz.so.1", "/opt/v3/libz.so.1", 0, elf::kNamedHwcap, "x86-64-v3"},
      {flags, "libz.so.1", "/opt/libz.so.1", 0, 0, {}}};
  roots.write(roots.image("etc/ld.so.cache"), write_loader_cache(entries).value());
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda)};
  auto injection = roots.plan(edits);
  ASSERT_TRUE(injection);
  EXPECT_THAT(cached(*injection, "libcuda.so.1"), ElementsAre("/run/flense/lib/libcuda.so.1"));
  EXPECT_THAT(cached(*injection, "libz.so.1"), ElementsAre("/opt/v3/libz.so.1", "/opt/libz.so.1"));
  // As unpacking leaves it if the image has none.
  std::filesystem::remove_all(roots.prepared());
  roots.write(roots.image("etc/ld.so.cache"), "");
  injection = roots.plan(edits);
  ASSERT_TRUE(injection);
  EXPECT_THAT(injection->notices, IsEmpty());
  // A damaged one is reported, and does not stop the launch.
  std::filesystem::remove_all(roots.prepared());
  roots.write(roots.image("etc/ld.so.cache"), "glibc-ld.so.cache1.1\xff\xff\xff\xff");
  injection = roots.plan(edits);
  ASSERT_TRUE(injection);
  EXPECT_THAT(injection->notices, ElementsAre(HasSubstr("ends within its header")));
  EXPECT_THAT(cached(*injection, "libcuda.so.1"), ElementsAre("/run/flense/lib/libcuda.so.1"));
}

TEST(Injection, ALoaderWithACacheElsewhereGetsLibraryPath) {
  const Roots roots;
  const std::string glibc = "nix/store/0abc-glibc-2.38-27/lib/";
  roots.libc(roots.image(glibc + "libc.so.6"), Roots::kAll);
  roots.write(roots.image(glibc + "ld-linux-x86-64.so.2"),
              "/nix/store/0abc-glibc-2.38-27/etc/ld.so.cache");
  roots.library(roots.host(kCuda), "libcuda.so.1", {"GLIBC_2.34"});
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda)};
  const auto injection = roots.plan(edits);
  ASSERT_TRUE(injection) << injection.error().message;
  EXPECT_THAT(injection->edits.env, ElementsAre("LD_LIBRARY_PATH=/run/flense/lib"));
  EXPECT_THAT(injection->notices, ElementsAre(HasSubstr("does not read /etc/ld.so.cache")));
}

TEST(Injection, LibrariesOf32BitsHaveTheirOwnDirectory) {
  const Roots roots;
  const std::string lib32 = "usr/lib/i386-linux-gnu/";
  roots.glibc_image(Roots::kAll);
  roots.library(roots.host(kCuda), "libcuda.so.1", {});
  roots.library(roots.host(lib32 + "libcuda.so.550.54.15"), "libcuda.so.1", {"GLIBC_2.17"},
                {"-m32"});
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda), roots.mount(lib32 + "libcuda.so.550.54.15")};
  // Nothing in the image starts 32-bit programs: the library is no loss.
  auto injection = roots.plan(edits);
  ASSERT_TRUE(injection) << injection.error().message;
  EXPECT_FALSE(decision(*injection, lib32 + "libcuda.so.550.54.15").injected);
  std::filesystem::remove_all(roots.prepared());
  roots.libc(roots.image(lib32 + "libc.so.6"), Roots::kOld, {"-m32"});
  injection = roots.plan(edits);
  ASSERT_TRUE(injection) << injection.error().message;
  EXPECT_TRUE(decision(*injection, lib32 + "libcuda.so.550.54.15").injected);
  const std::filesystem::path links = host_of(*injection, "/run/flense/lib32");
  EXPECT_EQ(std::filesystem::read_symlink(links / "libcuda.so.1"),
            "/run/flense/host/1/libcuda.so.550.54.15");
  const std::string cache = text_of(host_of(*injection, "/etc/ld.so.cache"));
  EXPECT_THAT(elf::cached_paths(as_bytes(cache), "libcuda.so.1", 3).value(),
              ElementsAre("/run/flense/lib32/libcuda.so.1"));
  EXPECT_THAT(cached(*injection, "libcuda.so.1"), ElementsAre("/run/flense/lib/libcuda.so.1"));
}

TEST(Injection, HooksOfTheToolkitAreDoneBefore) {
  const Roots roots;
  roots.glibc_image(Roots::kAll);
  roots.library(roots.host(kLib + "libnvidia-opticalflow.so.550.54.15"),
                "libnvidia-opticalflow.so.1", {});
  roots.library(roots.host(kLib + "libGLX_nvidia.so.550.54.15"), "libGLX_nvidia.so.0", {});
  cdi::Edits edits;
  edits.mounts = {roots.mount(kLib + "libnvidia-opticalflow.so.550.54.15"),
                  roots.mount(kLib + "libGLX_nvidia.so.550.54.15")};
  const auto hook = [](std::vector<std::string> args) {
    args.insert(args.begin(), "nvidia-cdi-hook");
    return cdi::Hook{"createContainer", "/usr/bin/nvidia-cdi-hook", args, {}, {}};
  };
  edits.hooks = {hook({"create-symlinks", "--link",
                       "libGLX_nvidia.so.550.54.15::/usr/lib/x86_64-linux-gnu/"
                       "libGLX_indirect.so.0",
                       "--link", "../card0::/dev/dri/by-path/pci-0000:01:00.0-card"}),
                 hook({"update-ldcache", "--folder", "/usr/lib/x86_64-linux-gnu"}),
                 cdi::Hook{"createContainer", "/opt/site/hook", {"hook"}, {}, {}}};
  const auto injection = roots.plan(edits);
  ASSERT_TRUE(injection) << injection.error().message;
  ASSERT_EQ(injection->edits.hooks.size(), 1U);
  EXPECT_EQ(injection->edits.hooks[0].path, "/opt/site/hook");
  EXPECT_THAT(cached(*injection, "libGLX_indirect.so.0"),
              ElementsAre("/run/flense/lib/libGLX_indirect.so.0"));
  EXPECT_THAT(injection->notices, ElementsAre(HasSubstr("/dev/dri/by-path")));
}

TEST(Injection, WhatIsLoadedByItsPathStaysThere) {
  const Roots roots;
  roots.glibc_image(Roots::kOld);
  const std::string vdpau = kLib + "vdpau/libvdpau_nvidia.so.550.54.15";
  const std::string gbm = kLib + "gbm/nvidia-drm_gbm.so";
  roots.library(roots.host(vdpau), "libvdpau_nvidia.so.1", {});
  roots.library(roots.host(gbm), "", {"GLIBC_2.38"});
  cdi::Edits edits;
  edits.mounts = {roots.mount(vdpau), roots.mount(gbm)};
  const auto injection = roots.plan(edits);
  ASSERT_TRUE(injection) << injection.error().message;
  ASSERT_EQ(injection->edits.mounts.size(), 1U);
  EXPECT_EQ(injection->edits.mounts[0], edits.mounts[0]);
  EXPECT_FALSE(decision(*injection, "nvidia-drm_gbm.so").injected);
}

TEST(Injection, ALaunchReusesWhatIsPrepared) {
  const Roots roots;
  roots.glibc_image(Roots::kAll);
  roots.library(roots.host(kCuda), "libcuda.so.1", {});
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda)};
  const auto first = roots.plan(edits);
  ASSERT_TRUE(first);
  // Nothing in the image is read again.
  std::filesystem::remove_all(roots.image("usr"));
  const auto second = roots.plan(edits);
  ASSERT_TRUE(second) << second.error().message;
  EXPECT_EQ(second->edits, first->edits);
  EXPECT_EQ(second->decisions, first->decisions);
  // Another driver, another decision.
  roots.write(roots.host(kCuda), "something else");
  const auto third = roots.plan(edits);
  ASSERT_TRUE(third);
  EXPECT_EQ(third->edits, edits) << "no library any more";
  EXPECT_THAT(third->decisions, IsEmpty());
}

TEST(Injection, ARootThatMayChangeIsLookedAtAgain) {
  const Roots roots;
  roots.glibc_image(Roots::kAll);
  roots.library(roots.host(kLib + "libdrm.so.2.4.0"), "libdrm.so.2", {});
  cdi::Edits edits;
  edits.mounts = {roots.mount(kLib + "libdrm.so.2.4.0")};
  InjectOptions options;
  options.root_may_change = true;
  const auto before = roots.plan(edits, options);
  ASSERT_TRUE(before);
  EXPECT_TRUE(decision(*before, "libdrm.so.2.4.0").injected);
  roots.library(roots.image(kLib + "libdrm.so.2"), "libdrm.so.2", {});
  const auto after = roots.plan(edits, options);
  ASSERT_TRUE(after);
  EXPECT_FALSE(decision(*after, "libdrm.so.2.4.0").injected);
}

TEST(Injection, ADamagedDirectoryIsMadeAgain) {
  const Roots roots;
  roots.glibc_image(Roots::kAll);
  roots.library(roots.host(kCuda), "libcuda.so.1", {});
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda)};
  auto first = roots.plan(edits);
  ASSERT_TRUE(first);
  const std::filesystem::path place =
      std::filesystem::path(host_of(*first, "/run/flense/lib")).parent_path();
  {
    // Not while a container uses it.
    roots.write(place / "decisions.json", "");
    const auto again = roots.plan(edits);
    ASSERT_FALSE(again);
    EXPECT_THAT(again.error().message, HasSubstr("a container uses it"));
  }
  first->held = UniqueFd();
  for (const char* text : {"", "{", "{\"form\":\"flense/injection/v1\",\"binds\":7}"}) {
    roots.write(place / "decisions.json", text);
    const auto again = roots.plan(edits);
    ASSERT_TRUE(again) << again.error().message;
    EXPECT_EQ(again->edits, first->edits);
    EXPECT_THAT(text_of(place / "decisions.json"), HasSubstr("libcuda"));
  }
}

TEST(Injection, WhatIsInUseStaysAndEveryChangeIsFound) {
  const Roots roots;
  roots.glibc_image(Roots::kAll);
  roots.library(roots.host(kCuda), "libcuda.so.1", {});
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda)};
  auto injection = roots.plan(edits);
  ASSERT_TRUE(injection);
  const auto listed = list_prepared(roots.prepared());
  ASSERT_EQ(listed.size(), 1U);
  EXPECT_EQ(listed[0].image, std::string(64, 'a'));
  EXPECT_GT(listed[0].bytes, 100U);
  const std::filesystem::path place = roots.prepared() / listed[0].key;
  EXPECT_TRUE(verify_prepared(place));
  EXPECT_FALSE(discard_directory(place).value());
  EXPECT_TRUE(verify_prepared(place));

  const auto complaint = [&] {
    const auto verified = verify_prepared(place);
    return verified ? std::string() : verified.error().message;
  };
  std::filesystem::remove(place / "lib/libcuda.so.1");
  EXPECT_THAT(complaint(), HasSubstr("lib/libcuda.so.1 is not the link"));
  roots.link(place / "lib/libcuda.so.1", "/elsewhere");
  EXPECT_THAT(complaint(), HasSubstr("lib/libcuda.so.1 is not the link"));
  injection->held = UniqueFd();
  EXPECT_TRUE(discard_directory(place).value());
  ASSERT_TRUE(injection = roots.plan(edits));
  EXPECT_EQ(complaint(), "");
  roots.write(place / "lib/more", "");
  EXPECT_THAT(complaint(), HasSubstr("lib/more is not a link"));
  std::filesystem::remove(place / "lib/more");
  roots.write(place / "ld.so.cache", "other");
  EXPECT_EQ(complaint(), "ld.so.cache has different content");
  roots.write(place / "decisions.json", "{");
  EXPECT_THAT(complaint(), HasSubstr("not a complete entry"));
  EXPECT_EQ(list_prepared(roots.prepared())[0].image, "");
}

TEST(Injection, MadeAgainWhilePruned) {
  const Roots roots;
  roots.glibc_image(Roots::kAll);
  roots.library(roots.host(kCuda), "libcuda.so.1", {});
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda)};
  std::atomic<bool> done = false;
  std::atomic<int> removed = 0;
  std::jthread pruning([&] {
    while (!done)
      for (const ListedPrepared& one : list_prepared(roots.prepared()))
        if (const auto gone = discard_directory(roots.prepared() / one.key); gone && *gone)
          ++removed;
  });
  for (int i = 0; i < 100; ++i) {
    const auto injection = roots.plan(edits);
    EXPECT_TRUE(injection) << injection.error().message;
    if (!injection) break;
    EXPECT_TRUE(verify_prepared(
        std::filesystem::path(host_of(*injection, "/run/flense/lib")).parent_path()));
  }
  done = true;
  pruning.join();
  EXPECT_GT(removed, 0);
}

TEST(Injection, AMissingFileIsAStaleSpecification) {
  const Roots roots;
  roots.glibc_image(Roots::kAll);
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda)};
  const auto injection = roots.plan(edits);
  ASSERT_FALSE(injection);
  EXPECT_THAT(injection.error().message, HasSubstr("which does not exist"));
  EXPECT_THAT(injection.error().hint, HasSubstr("cdi generate"));
}

TEST(Injection, LinksOfTheImageDoNotLeaveIt) {
  const Roots roots;
  roots.libc(roots.host("secret/libc.so.6"), Roots::kAll);
  roots.library(roots.host(kCuda), "libcuda.so.1", {});
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda)};
  // Each would give the image a C library if it were followed on the host.
  const std::string secret = roots.host("secret");
  for (const std::string& target :
       {secret, "/proc/self/root" + secret, std::string("../../../../../../../..") + secret}) {
    std::filesystem::remove_all(roots.image(""));
    std::filesystem::create_directories(roots.image("usr"));
    roots.link(roots.image("lib64"), target);
    const auto injection = roots.plan(edits);
    ASSERT_FALSE(injection) << target;
    EXPECT_THAT(injection.error().message, HasSubstr("no dynamic loader"));
  }
  // The machine's own loader cache is not the image's.
  std::filesystem::remove_all(roots.image(""));
  roots.glibc_image(Roots::kAll);
  roots.write(roots.host("cache"),
              write_loader_cache(
                  {{{elf::cache_flags(kX86_64), "libsecret.so", "/secret/libsecret.so", 0, 0, {}}}})
                  .value());
  roots.link(roots.image("etc/ld.so.cache"), roots.host("cache"));
  const auto injection = roots.plan(edits);
  ASSERT_TRUE(injection);
  EXPECT_THAT(cached(*injection, "libsecret.so"), IsEmpty());
}

TEST(Injection, PipesAndDevicesInTheImageAreNotWaitedFor) {
  const Roots roots;
  roots.glibc_image(Roots::kAll);
  roots.library(roots.host(kCuda), "libcuda.so.1", {});
  std::filesystem::create_directories(roots.image("etc"));
  ASSERT_EQ(::mkfifo(roots.image("etc/ld.so.cache").c_str(), 0600), 0);
  ASSERT_EQ(::mkfifo(roots.image(kLib + "libcuda.so.1").c_str(), 0600), 0);
  cdi::Edits edits;
  edits.mounts = {roots.mount(kCuda)};
  const auto injection = roots.plan(edits);
  ASSERT_TRUE(injection);
  EXPECT_THAT(injection->notices, ElementsAre(HasSubstr("not a regular file")));
  EXPECT_THAT(cached(*injection, "libcuda.so.1"), Not(IsEmpty()));
}

}  // namespace
}  // namespace flense::launch
