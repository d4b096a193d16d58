// Two CUDA installations in one image: which of the copies nobody can load.
#include "slim/candidates/cuda_copies.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "needs/testing_needs.h"
#include "slim/apply/testing_image.h"

namespace flense::slim {
namespace {

using inventory::testing::elf_builder;
using inventory::testing::elf_file;
using ::testing::HasSubstr;
using testing::Tar;
using testing::TestImage;

const std::string kSystem = "usr/local/cuda-12.8/targets/x86_64-linux/lib/";
const std::string kSite = "usr/lib/python3/dist-packages/";

/// The system's cuBLAS 12.8.3.14 beside the one that a wheel brings, in `version`.
void two_copies(Tar& out, const std::string& version = "12.8.4.1") {
  const std::string first = elf_file(
      {.soname = "libcublas.so.12", .needed = {"libcublasLt.so.12"}, .runpath = "$ORIGIN"});
  const std::string second = elf_file({.soname = "libcublasLt.so.12"});
  out.file(kSystem + "libcublas.so.12.8.3.14", first + "system");
  out.symlink(kSystem + "libcublas.so.12", "libcublas.so.12.8.3.14");
  out.file(kSystem + "libcublasLt.so.12.8.3.14", second + "system");
  out.symlink(kSystem + "libcublasLt.so.12", "libcublasLt.so.12.8.3.14");
  out.file("etc/ld.so.conf.d/cuda.conf", "/usr/local/cuda-12.8/targets/x86_64-linux/lib\n");
  out.file(kSite + "nvidia/cublas/lib/libcublas.so.12", first);
  out.file(kSite + "nvidia/cublas/lib/libcublasLt.so.12", second);
  out.file(kSite + "nvidia_cublas_cu12-1.dist-info/METADATA",
           "Metadata-Version: 2.1\nName: nvidia-cublas-cu12\nVersion: " + version + "\n");
  out.file(kSite + "torch/lib/libtorch_cuda.so",
           elf_file({.soname = "libtorch_cuda.so",
                     .needed = {"libcublas.so.12", "libcublasLt.so.12"},
                     .runpath = "$ORIGIN/../../nvidia/cublas/lib"}));
  // PyTorch's own preloading looks in the packages.
  out.file(kSite + "torch/__init__.py", R"(("cublas", "libcublas.so.12"))");
}

/// File name -> why it stays; empty for those that become links.
std::map<std::string, std::string> judged(Tar& tar,
                                          const text::Json& container = text::Json::object()) {
  const TestImage image({tar.bytes()}, codec::Compression::kNone, container);
  std::map<std::string, std::string> out;
  for (const auto& copy :
       find_cuda_copies(*image.image, *image.contents, [](auto, auto) { return true; }))
    out[copy.path.substr(kSystem.size())] = copy.stays;
  return out;
}

const std::string kBlas = "libcublas.so.12.8.3.14", kLt = "libcublasLt.so.12.8.3.14";

TEST(CudaCopies, WhatNothingLoadsBecomesALink) {
  Tar tar;
  two_copies(tar);
  const TestImage image({tar.bytes()});
  SlimOptions options = testing::options_for_tests();
  EXPECT_EQ(image.plan(options).passes.size(), 0U) << "not at standard";
  options.cuts.level = device::Level::kAggressive;
  const Plan plan = image.plan(options);
  EXPECT_THAT(testing::edits_of(plan),
              ::testing::ElementsAre(
                  "0:" + kSystem + kBlas +
                      " symlink ../../../../../lib/python3/dist-packages/nvidia/cublas/lib/"
                      "libcublas.so.12",
                  "0:" + kSystem + kLt +
                      " symlink ../../../../../lib/python3/dist-packages/nvidia/cublas/lib/"
                      "libcublasLt.so.12"));
  ASSERT_EQ(plan.passes.size(), 1U);
  EXPECT_TRUE(plan.passes[0].breaks_sharing);
  EXPECT_TRUE(verify_plan(*image.image, *image.contents, plan).empty());
}

TEST(CudaCopies, AProgramThatLoadsTheSystemsKeepsItAndWhatItNeeds) {
  Tar tar;
  two_copies(tar);
  tar.file("usr/local/bin/server", elf_file({.needed = {"libcublas.so.12"}}), 0755);
  const auto all = judged(tar);
  EXPECT_EQ(all.at(kBlas), "/usr/local/bin/server loads it");
  EXPECT_EQ(all.at(kLt), "/" + kSystem + kBlas + " loads it");
}

TEST(CudaCopies, ANameInReadOnlyDataIsALoad) {
  Tar tar;
  two_copies(tar);
  auto plugin = elf_builder({.soname = "libplugin.so"});
  plugin.add({.name = ".rodata",
              .flags = SHF_ALLOC,
              .address = 0x1900,
              .bytes = std::string("cannot open libcublasLt.so.12\0", 30)});
  tar.file("opt/app/libplugin.so", plugin.build());
  const auto all = judged(tar);
  EXPECT_EQ(all.at(kLt), "/opt/app/libplugin.so loads it");
  EXPECT_EQ(all.at(kBlas), "/" + kSystem + kLt + " beside it stays")
      << "half of one installation and half of the other";
}

TEST(CudaCopies, AScriptThatNamesItKeepsIt) {
  Tar tar;
  two_copies(tar);
  tar.file("opt/app/run.py", "ctypes.CDLL('libcublasLt.so.12')");
  EXPECT_EQ(judged(tar).at(kLt), "/opt/app/run.py names libcublasLt.so.12");
  // Texts for people name it without loading it.
  Tar licence;
  two_copies(licence);
  licence.file("usr/share/doc/cuda/copyright", "libcublasLt.so.12");
  EXPECT_EQ(judged(licence).at(kLt), "");
}

TEST(CudaCopies, LibraryPathComesBeforeRunpath) {
  const auto container = text::Json::object().set(
      "Env",
      text::Json::array().push("LD_LIBRARY_PATH=/usr/local/cuda-12.8/targets/x86_64-linux/lib"));
  Tar tar;
  two_copies(tar);
  const auto all = judged(tar, container);
  EXPECT_THAT(all.at(kBlas), HasSubstr("libtorch_cuda.so loads it"));
}

TEST(CudaCopies, AnOlderTwinDoesNotServe) {
  Tar older, newer;
  two_copies(older, "12.8.3.1");
  two_copies(newer, "12.9");
  EXPECT_THAT(judged(older).at(kBlas), HasSubstr("it is newer"));
  EXPECT_THAT(judged(newer).at(kBlas), "");
}

TEST(CudaCopies, TheDirectoryThatPackagesOfCuda13Share) {
  const std::string shared = kSite + "nvidia/cu13/lib/";
  Tar tar;
  tar.file("etc/ld.so.conf.d/cuda.conf", "/usr/local/cuda-12.8/targets/x86_64-linux/lib\n");
  for (const auto& [soname, minor] :
       {std::pair("libcublasLt.so.13", ".4.1.3"), std::pair("libcudart.so.13", ".2.86"),
        std::pair("libcusolver.so.12", ".9.0.1"), std::pair("libcufft.so.12", ".2.0.57")}) {
    tar.file(kSystem + soname + minor, elf_file({.soname = soname}) + "system");
    tar.file(shared + soname, elf_file({.soname = soname}));
  }
  for (const auto& [name, version] :
       {std::pair("nvidia_cublas", "13.4.1.3"), std::pair("nvidia_cuda_runtime", "13.2.86"),
        std::pair("nvidia_cusolver", "12.2.0.11"), std::pair("nvidia_cuda_nvrtc", "13.2.86")})
    tar.file(kSite + name + "-1.dist-info/METADATA",
             fmt::format("Metadata-Version: 2.1\nName: {}\nVersion: {}\n", name, version));
  const auto why = judged(tar);
  EXPECT_EQ(why.at("libcublasLt.so.13.4.1.3"), "");
  EXPECT_EQ(why.at("libcudart.so.13.2.86"), "");
  EXPECT_EQ(why.at("libcusolver.so.12.9.0.1"), "it is newer: 12.9.0.1, the package has 12.2.0.11");
  EXPECT_EQ(why.at("libcufft.so.12.2.0.57"), "their versions cannot be compared");

  // Beside it the wheels of CUDA 12, one of which has the same SONAME.
  Tar both;
  both.file(kSystem + "libcusparse.so.12.6.0.0", elf_file({.soname = "libcusparse.so.12"}) + "s");
  both.file(kSite + "nvidia/cusparse/lib/libcusparse.so.12",
            elf_file({.soname = "libcusparse.so.12"}));
  both.file("etc/ld.so.conf.d/cuda.conf", "/usr/local/cuda-12.8/targets/x86_64-linux/lib\n");
  for (const auto& [name, version] :
       {std::pair("nvidia_cusparse_cu12", "12.5.8.93"), std::pair("nvidia_cusparse", "12.7.10.12")})
    both.file(kSite + name + "-1.dist-info/METADATA",
              fmt::format("Metadata-Version: 2.1\nName: {}\nVersion: {}\n", name, version));
  EXPECT_EQ(judged(both).at("libcusparse.so.12.6.0.0"),
            "it is newer: 12.6.0.0, the package has 12.5.8.93");
}

TEST(CudaCopies, ATwinThatOthersCannotReadDoesNotServe) {
  Tar tar;
  tar.dir("usr/lib/python3", 0700);
  two_copies(tar);
  EXPECT_EQ(judged(tar).at(kBlas), "that is not for every user to read");
}

TEST(CudaCopies, VersionsCompareAsNumbers) {
  EXPECT_TRUE(at_least_as_written("12.10", "12.9"));
  EXPECT_TRUE(at_least_as_written("12.8.4.1", "12.8.4"));
  EXPECT_TRUE(at_least_as_written("12.8", "12.8.4"));
  EXPECT_FALSE(at_least_as_written("12.8.3.14", "12.8.4.1"));
  EXPECT_FALSE(at_least_as_written("12.x", "12.8"));
  EXPECT_FALSE(at_least_as_written("", "12"));
  EXPECT_EQ(library_file_version("a/libcublas.so.12.8.4.1"), "12.8.4.1");
  EXPECT_EQ(library_file_version("a/libcublas.so.12"), "");
  EXPECT_EQ(library_file_version("a/libcublas.so"), "");
  EXPECT_EQ(library_file_version("a/libx.so.1.2rc"), "");
}

}  // namespace
}  // namespace flense::slim
