// The loader cache: our writer against our reader, glibc's ldconfig and glibc's loader.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "launch/inject/loader_cache_writer.h"
#include "launch/inject/testing_root.h"

namespace flense::launch {
namespace {

using elf::CacheEntry;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing::Roots;

constexpr std::uint32_t kFlags = 0x0303;
const std::vector<std::string> kNames = {"libcuda.so.1",    "libcuda.so",  "libcuda.so.550.54.15",
                                         "libcudart.so.12", "libm.so.6",   "libx.so.9",
                                         "libx.so.10",      "libx.so.010", "libxa.so",
                                         "libx-1.so",       "libx1.so",    "libnvidia-ml.so.1",
                                         "lib2.so",         "lib10.so",    "libc++.so.1"};

std::vector<CacheEntry> entries_of(const std::vector<std::string>& names) {
  std::vector<CacheEntry> out;
  for (const std::string& name : names) out.push_back({kFlags, name, "/x", 0, 0, {}});
  return out;
}

TEST(CachedNames, DigitsCompareAsNumbers) {
  EXPECT_LT(compare_cached_names("libx.so.9", "libx.so.10"), 0);
  EXPECT_GT(compare_cached_names("libx1.so", "libx-1.so"), 0) << "a digit is above the rest";
  EXPECT_LT(compare_cached_names("libx", "libx.so"), 0);
  EXPECT_GT(compare_cached_names("libx.so", "libx"), 0);
  EXPECT_EQ(compare_cached_names("libx.so.1", "libx.so.01"), 0);
  EXPECT_EQ(compare_cached_names("", ""), 0);
  for (const std::string& a : kNames)
    for (const std::string& b : kNames) {
      const int one = compare_cached_names(a, b), other = compare_cached_names(b, a);
      EXPECT_EQ(one < 0, other > 0) << a << " " << b;
      EXPECT_EQ(one == 0, other == 0) << a << " " << b;
    }
}

TEST(LoaderCacheWriter, WhatIsWrittenIsReadInGlibcsOrder) {
  std::vector<std::string> names = kNames;
  std::mt19937 random(7);
  for (int round = 0; round < 20; ++round) {
    std::ranges::shuffle(names, random);
    const std::string cache = write_loader_cache(entries_of(names)).value();
    const auto read = elf::read_loader_cache(as_bytes(cache));
    ASSERT_TRUE(read);
    ASSERT_EQ(read->size(), names.size());
    for (std::size_t i = 1; i < read->size(); ++i)
      EXPECT_GE(compare_cached_names((*read)[i - 1].name, (*read)[i].name), 0);
  }
  EXPECT_EQ(elf::read_loader_cache(as_bytes(write_loader_cache({}).value()))->size(), 0U);
}

TEST(LoaderCacheWriter, SubdirectoriesOfHwcapsKeepTheirNames) {
  const std::vector<CacheEntry> entries = {
      {kFlags, "libz.so.1", "/lib/libz.so.1", 0, 0, {}},
      {kFlags, "libz.so.1", "/lib/v3/libz.so.1", 0, elf::kNamedHwcap | 7, "x86-64-v3"},
      {kFlags, "libz.so.1", "/lib/v2/libz.so.1", 0, elf::kNamedHwcap | 9, "x86-64-v2"},
      {kFlags, "liba.so.1", "/lib/liba.so.1", 0x50000, 0x8, {}}};
  const std::string cache = write_loader_cache(entries).value();
  const auto read = elf::read_loader_cache(as_bytes(cache)).value();
  ASSERT_EQ(read.size(), 4U);
  EXPECT_EQ(read[0].hwcap_name, "x86-64-v3");
  EXPECT_EQ(read[0].hwcap, elf::kNamedHwcap | 1) << "renumbered: names are in order";
  EXPECT_EQ(read[1].hwcap_name, "x86-64-v2");
  EXPECT_EQ(read[2].path, "/lib/libz.so.1") << "behind those of subdirectories";
  EXPECT_EQ(read[3].os_version, 0x50000U);
  EXPECT_EQ(read[3].hwcap, 0x8U);
  // And again the same bytes.
  EXPECT_EQ(write_loader_cache(read).value(), cache);
}

TEST(LoaderCacheWriter, TextsThatNoLoaderTakesAreRefused) {
  const std::string long_name(5000, 'x');
  for (const std::string_view bad : {std::string_view(""), std::string_view("a\0b", 3),
                                     std::string_view("\xff.so"), std::string_view(long_name)}) {
    EXPECT_FALSE(write_loader_cache({{{kFlags, bad, "/x", 0, 0, {}}}})) << bad;
    EXPECT_FALSE(write_loader_cache({{{kFlags, "libx.so", bad, 0, 0, {}}}})) << bad;
  }
}

TEST(LoaderCacheWriter, OwnEntriesReplaceThoseOfTheirName) {
  const std::vector<CacheEntry> own = {{kFlags, "a.so", "/own", 0, 0, {}}};
  const std::vector<CacheEntry> image = {{kFlags, "a.so", "/image", 0, 0, {}},
                                         {0x0003, "a.so", "/image32", 0, 0, {}},
                                         {kFlags, "\xff.so", "/odd", 0, 0, {}},
                                         {kFlags, "b.so", "/b", 0, 0, {}}};
  std::vector<std::string_view> paths;
  for (const CacheEntry& one : merge_cache_entries(own, image)) paths.push_back(one.path);
  EXPECT_THAT(paths, ElementsAre("/own", "/image32", "/b"));
}

TEST(LoaderCacheReader, EveryTruncationIsAnErrorOrLacksTheExtension) {
  const std::vector<CacheEntry> entries = {
      {kFlags, "libz.so.1", "/lib/v3/libz.so.1", 0, elf::kNamedHwcap, "x86-64-v3"},
      {kFlags, "libz.so.1", "/lib/libz.so.1", 0, 0, {}}};
  const std::string cache = write_loader_cache(entries).value();
  ASSERT_EQ(elf::read_loader_cache(as_bytes(cache))->size(), 2U);
  for (std::size_t size = 0; size < cache.size(); ++size) {
    const std::string part = cache.substr(0, size);
    if (const auto read = elf::read_loader_cache(as_bytes(part))) {
      EXPECT_EQ(read->size(), 1U) << size;
    }
  }
}

TEST(LoaderCacheWriter, LdconfigOfTheMachineReadsIt) {
  if (!std::filesystem::exists("/sbin/ldconfig")) GTEST_SKIP() << "no ldconfig";
  const Roots roots;
  const std::string cache =
      write_loader_cache({{{kFlags, "libcuda.so.1", "/run/flense/lib/libcuda.so.1", 0, 0, {}},
                           {kFlags, "libz.so.1", "/v3/libz.so.1", 0, elf::kNamedHwcap, "x86-64-v3"},
                           {0x0003, "libc.so.6", "/lib32/libc.so.6", 0, 0, {}}}})
          .value();
  const std::filesystem::path file = roots.top() / "ld.so.cache";
  roots.write(file, cache);
  const auto shown = run_process({"/sbin/ldconfig", "-p", "-C", file});
  ASSERT_TRUE(shown);
  ASSERT_EQ(shown->status, 0) << shown->err;
  EXPECT_THAT(shown->out, HasSubstr("3 libs found"));
  EXPECT_THAT(shown->out, HasSubstr("libcuda.so.1 (libc6,x86-64) => /run/flense/lib/libcuda.so.1"));
  EXPECT_THAT(shown->out, HasSubstr("libz.so.1 (libc6,x86-64, hwcap: \"x86-64-v3\")"));
  EXPECT_THAT(shown->out, HasSubstr("libc.so.6 (libc6) => /lib32/libc.so.6"));
}

/// A root with this machine's glibc and a program that loads what it is told to, prints the file
/// that it got, and the answer of its function.
class RealRoot {
 public:
  explicit RealRoot(const Roots& roots) : roots_(roots) {
    roots.write(roots.top() / "work/load.c", R"(#define _GNU_SOURCE
#include <dlfcn.h>
#include <link.h>
#include <stdio.h>
int main(int count, char** words) {
  for (int i = 1; i < count; ++i) {
    void* library = dlopen(words[i], RTLD_NOW);
    if (!library) { puts(dlerror()); return 1; }
    struct link_map* map = 0;
    dlinfo(library, RTLD_DI_LINKMAP, &map);
    int (*who)(void) = (int (*)(void))dlsym(library, "who");
    printf("%s %d\n", map->l_name, who ? who() : -1);
  }
  return 0;
}
)");
    std::filesystem::create_directories(roots.image("bin"));
    Roots::gcc({"-O1", "-o", roots.image("bin/load"), roots.top() / "work/load.c"});
    copy("/lib64/ld-linux-x86-64.so.2", "lib64/ld-linux-x86-64.so.2");
    copy("/lib/x86_64-linux-gnu/libc.so.6", "lib/x86_64-linux-gnu/libc.so.6");
  }
  void copy(const std::string& from, const std::string& to) const {
    std::filesystem::create_directories(roots_.image(to).parent_path());
    std::filesystem::copy_file(from, roots_.image(to));
  }
  /// A library with the real C library below it.
  void library(const std::filesystem::path& path, const std::string& soname, int answer,
               const std::vector<std::string>& options = {}) const {
    std::filesystem::create_directories(path.parent_path());
    roots_.write(roots_.top() / "work/real.c",
                 fmt::format("#include <stdlib.h>\n#include <pthread.h>\n"
                             "int who(void) {{ void* p = malloc(1); free(p); "
                             "pthread_self(); return {}; }}\n",
                             answer));
    std::vector<std::string> args = {
        "-shared", "-fPIC", "-o", path, roots_.top() / "work/real.c", "-Wl,-soname," + soname};
    args.insert(args.end(), options.begin(), options.end());
    Roots::gcc(args);
  }
  ProcessOutput run(const Injection& injection, const std::vector<std::string>& words) const {
    std::vector<std::string> args = {"bwrap",   "--bind", roots_.image(""), "/",
                                     "--tmpfs", "/run",   "--clearenv"};
    for (const cdi::Mount& mount : injection.edits.mounts)
      args.insert(args.end(), {"--ro-bind", mount.host_path, mount.container_path});
    for (const std::string& one : injection.edits.env)
      args.insert(args.end(),
                  {"--setenv", one.substr(0, one.find('=')), one.substr(one.find('=') + 1)});
    args.push_back("/bin/load");
    args.insert(args.end(), words.begin(), words.end());
    return run_process(args).value_or(ProcessOutput{-1, "", "bwrap does not start"});
  }

 private:
  const Roots& roots_;
};

bool can_run() {
  const auto tried = run_process({"bwrap", "--bind", "/", "/", "true"});
  return tried && tried->status == 0 && std::filesystem::exists("/lib64/ld-linux-x86-64.so.2") &&
         std::filesystem::exists("/lib/x86_64-linux-gnu/libc.so.6");
}

TEST(RealLoader, FindsTheDriverInARootWithoutACache) {
  if (!can_run()) GTEST_SKIP() << "no bubblewrap, or no x86_64 Debian";
  const Roots roots;
  const RealRoot root(roots);
  const std::string lib = "usr/lib/x86_64-linux-gnu/";
  root.library(roots.host(lib + "libcuda.so.550.54.15"), "libcuda.so.1", 42);
  // As the driver's libraries find each other: by SONAME through the cache, and by $ORIGIN.
  root.library(roots.host(lib + "libnvidia-inner.so.550.54.15"), "libnvidia-inner.so.1", 7);
  root.library(roots.host("opt/driver/libnvidia-outer.so.550.54.15"), "libnvidia-outer.so.1", 8,
               {"-Wl,--no-as-needed", roots.host(lib + "libnvidia-inner.so.550.54.15"),
                "-Wl,-rpath,$ORIGIN"});
  cdi::Edits edits;
  for (const char* name : {"usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15",
                           "usr/lib/x86_64-linux-gnu/libnvidia-inner.so.550.54.15",
                           "opt/driver/libnvidia-outer.so.550.54.15"})
    edits.mounts.push_back(roots.mount(name));
  const auto injection = roots.plan(edits);
  ASSERT_TRUE(injection) << injection.error().message;
  const ProcessOutput done = root.run(
      *injection, {"libcuda.so.1", "libcuda.so", "libcuda.so.550.54.15", "libnvidia-outer.so.1"});
  EXPECT_EQ(done.status, 0) << done.out << done.err;
  EXPECT_EQ(done.out,
            "/run/flense/lib/libcuda.so.1 42\n/run/flense/lib/libcuda.so.1 42\n"
            "/run/flense/lib/libcuda.so.1 42\n/run/flense/lib/libnvidia-outer.so.1 8\n");
  // Without the injection it is not found.
  EXPECT_EQ(root.run(Injection{}, {"libcuda.so.1"}).status, 1);
}

TEST(RealLoader, TakesOursBeforeTheImagesAndKeepsTheRestOfItsCache) {
  if (!can_run()) GTEST_SKIP() << "no bubblewrap, or no x86_64 Debian";
  const Roots roots;
  const RealRoot root(roots);
  const std::string lib = "usr/lib/x86_64-linux-gnu/";
  root.library(roots.host(lib + "libcuda.so.550.54.15"), "libcuda.so.1", 42);
  // An image that was committed with another driver, and has a library where only its cache leads.
  root.library(roots.image("opt/odd/libcuda.so.1"), "libcuda.so.1", 13);
  root.library(roots.image("opt/odd/libzz.so.3"), "libzz.so.3", 3);
  const std::vector<CacheEntry> entries = {
      {kFlags, "libcuda.so.1", "/opt/odd/libcuda.so.1", 0, 0, {}},
      {kFlags, "libzz.so.3", "/opt/odd/libzz.so.3", 0, 0, {}}};
  roots.write(roots.image("etc/ld.so.cache"), write_loader_cache(entries).value());
  Injection bare;
  EXPECT_EQ(root.run(bare, {"libcuda.so.1", "libzz.so.3"}).out,
            "/opt/odd/libcuda.so.1 13\n/opt/odd/libzz.so.3 3\n");
  cdi::Edits edits;
  edits.mounts = {roots.mount(lib + "libcuda.so.550.54.15")};
  const auto injection = roots.plan(edits);
  ASSERT_TRUE(injection) << injection.error().message;
  EXPECT_EQ(root.run(*injection, {"libcuda.so.1", "libzz.so.3"}).out,
            "/run/flense/lib/libcuda.so.1 42\n/opt/odd/libzz.so.3 3\n");
}

TEST(RealLoader, FindsEveryNameAmongMany) {
  if (!can_run()) GTEST_SKIP() << "no bubblewrap, or no x86_64 Debian";
  const Roots roots;
  const RealRoot root(roots);
  root.library(roots.image("opt/x/lib.so"), "lib.so", 5);
  // The loader uses binary search: one pair of names in the wrong order makes it miss some of them.
  std::vector<CacheEntry> entries = entries_of(kNames);
  for (CacheEntry& one : entries) one.path = "/opt/x/lib.so";
  std::mt19937 random(11);
  std::ranges::shuffle(entries, random);
  roots.write(roots.image("etc/ld.so.cache"), write_loader_cache(entries).value());
  for (const std::string& name : kNames) {
    const ProcessOutput done = root.run(Injection{}, {name});
    EXPECT_EQ(done.out, "/opt/x/lib.so 5\n") << name;
  }
}

}  // namespace
}  // namespace flense::launch
