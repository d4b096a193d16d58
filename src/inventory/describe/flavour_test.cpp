#include "inventory/describe/flavour.h"

#include <gtest/gtest.h>

#include <set>

namespace flense::inventory {
namespace {

TEST(Flavour, LibrariesOfFlavours) {
  EXPECT_EQ(flavour_of_library("libcudart.so.12"), Flavour::kBase);
  EXPECT_EQ(flavour_of_library("libcublasLt.so.12"), Flavour::kRuntime);
  EXPECT_EQ(flavour_of_library("libcudnn.so.9"), Flavour::kCudnn);
  EXPECT_EQ(flavour_of_library("libcudnn_engines_precompiled.so.9"), Flavour::kCudnn);
  EXPECT_EQ(flavour_of_library("libcupti.so.12"), Flavour::kDevel);
  EXPECT_FALSE(flavour_of_library("libc.so.6"));
  EXPECT_FALSE(flavour_of_library("libcudart_static.a"));
}

TEST(Flavour, StrongestNeedWins) {
  const std::vector<LibraryUse> files = {
      {"opt/app/server", "server", {"libcudart.so.12", "libcublas.so.12", "libc.so.6"}, true},
      {"usr/local/cuda-12.4/targets/x86_64-linux/lib/libcublas.so.12",
       "libcublas.so.12",
       {"libcublasLt.so.12"},
       true}};
  const BaseFlavour base = smallest_flavour(files, {});
  EXPECT_EQ(base.flavour, Flavour::kRuntime);
  ASSERT_EQ(base.reasons.size(), 2U);
  EXPECT_EQ(base.reasons[0].library, "libcublas.so.12");
  EXPECT_EQ(base.reasons[0].user, "opt/app/server");
  EXPECT_EQ(base.reasons[0].how, "DT_NEEDED");
  EXPECT_EQ(base.reasons[1].library, "libcudart.so.12");
}

TEST(Flavour, WheelsThatBringTheirOwnNeedNoBase) {
  const std::string site = "usr/lib/python3/site-packages/";
  const std::vector<LibraryUse> files = {
      {site + "torch/lib/libtorch_cuda.so", "libtorch_cuda.so", {"libcudart.so.12"}, true},
      {site + "nvidia/cuda_runtime/lib/libcudart.so.12", "libcudart.so.12", {}, false}};
  EXPECT_EQ(smallest_flavour(files, {}).flavour, Flavour::kNone);

  // The copy of one environment does not serve another.
  const std::vector<LibraryUse> two = {
      {"opt/a/site-packages/x.so", "x.so", {"libcudart.so.12"}, true},
      {"opt/b/site-packages/nvidia/lib/libcudart.so.12", "libcudart.so.12", {}, false}};
  EXPECT_EQ(smallest_flavour(two, {}).flavour, Flavour::kBase);

  // A site-packages directory as the target.
  const std::vector<LibraryUse> bare = {
      {"torch/lib/libtorch_cuda.so", "libtorch_cuda.so", {"libcudart.so.12"}, true},
      {"nvidia/cuda_runtime/lib/libcudart.so.12", "libcudart.so.12", {}, false}};
  EXPECT_EQ(smallest_flavour(bare, {}).flavour, Flavour::kNone);
}

TEST(Flavour, OpenedByName) {
  const std::vector<LibraryUse> gpu = {
      {"v/site-packages/tensorflow/libtensorflow_cc.so.2", "libtensorflow_cc.so.2", {}, true}};
  const BaseFlavour base = smallest_flavour(gpu, {});
  EXPECT_EQ(base.flavour, Flavour::kCudnn);
  EXPECT_EQ(base.reasons.front().how, "dlopen");
  // The CPU build of the same library opens nothing of CUDA.
  std::vector<LibraryUse> cpu = gpu;
  cpu[0].device_code = false;
  EXPECT_EQ(smallest_flavour(cpu, {}).flavour, Flavour::kNone);
}

// jax_cuda13_pjrt 0.12: its RPATH leads to nvidia/cu13/lib, that of jax_cuda12_pjrt to a directory
// for each library.
TEST(Flavour, AFrameworkOpensTheCudaThatItsSearchPathLeadsTo) {
  const auto opened = [](const char* path) {
    const std::vector<LibraryUse> files = {{"v/site-packages/jax_plugins/xla/xla_cuda_plugin.so",
                                            "xla_cuda_plugin.so",
                                            {},
                                            true,
                                            path}};
    std::set<std::string> out;
    for (const FlavourReason& reason : smallest_flavour(files, {}).reasons)
      out.insert(reason.library);
    return out;
  };
  const auto cuda13 = opened("$ORIGIN/../../nvidia/cu13/lib:$ORIGIN/../../nvidia/cudnn/lib");
  EXPECT_TRUE(cuda13.contains("libcudart.so.13"));
  EXPECT_FALSE(cuda13.contains("libcudart.so.12"));
  const auto cuda12 = opened("$ORIGIN/../../nvidia/cuda_runtime/lib");
  EXPECT_TRUE(cuda12.contains("libcudart.so.12"));
  // Of a CUDA that the table does not know nothing is claimed.
  EXPECT_TRUE(opened("$ORIGIN/../../nvidia/cu19/lib").empty());
}

TEST(Flavour, AFullerNameServesAnOpening) {
  const std::vector<LibraryUse> files = {
      {"v/site-packages/nvidia/lib/libnvrtc.so.13", "libnvrtc.so.13", {}, false},
      {"v/site-packages/nvidia/lib/b.so", "libnvrtc-builtins.so.13.2", {}, false}};
  EXPECT_EQ(smallest_flavour(files, {}).flavour, Flavour::kNone);
}

TEST(Flavour, CompilingAtRunTimeNeedsDevel) {
  const BaseFlavour base = smallest_flavour({}, {"", "deepspeed may compile"});
  EXPECT_EQ(base.flavour, Flavour::kDevel);
  EXPECT_EQ(base.reasons.front().user, "deepspeed may compile");
}

}  // namespace
}  // namespace flense::inventory
