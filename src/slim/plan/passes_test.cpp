// Rules whose traps need more than a path: logs, wheels, archives, compiled Python, kernels.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "slim/apply/testing_image.h"
#include "slim/plan/cuts.h"

namespace flense::slim {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::Tar;
using testing::TestImage;
using ::testing::UnorderedElementsAre;

std::vector<std::string> dropped_at(device::Level level, const std::string& tar,
                                    const text::Json& container = text::Json::object(),
                                    Pyc pyc = Pyc::kByLevel) {
  const TestImage image({tar}, codec::Compression::kNone, container);
  SlimOptions options = testing::options_for_tests();
  options.cuts.level = level;
  options.cuts.pyc = pyc;
  std::vector<std::string> out;
  const Plan plan = image.plan(options);
  for (const auto& [position, edit] : plan.layers[0].edits) out.push_back(edit.path);
  return out;
}

constexpr auto kSafe = device::Level::kSafe, kStandard = device::Level::kStandard,
               kAggressive = device::Level::kAggressive;

TEST(Logs, ThoseOfRootGoAndThoseForAUserStay) {
  codec::TarMember owned;
  owned.name = "var/log/app.log";
  owned.mode = 0644;
  owned.uid = 1000;
  owned.size = owned.stored_size = 3;
  const std::string tar = Tar()
                              .file("var/log/build.log", "text")
                              .file("var/log/nginx/error.log", "text")
                              .file("var/log/empty.log", "")
                              .file("var/log/shared.log", "text", 0666)
                              .add(owned, "log")
                              .file("var/log/app/data.db", "text")
                              .symlink("var/log/access.log", "/dev/stdout")
                              .file("opt/app/run.log", "text")
                              .bytes();
  EXPECT_THAT(dropped_at(kStandard, tar),
              UnorderedElementsAre("var/log/build.log", "var/log/nginx/error.log"));
  EXPECT_THAT(dropped_at(kSafe, tar), IsEmpty());
  // An entry point that follows it: tail -f /var/log/build.log.
  const auto container = text::Json::object().set(
      "Cmd", text::Json::array().push("tail").push("-f").push("/var/log/build.log"));
  EXPECT_THAT(dropped_at(kStandard, tar, container), ElementsAre("var/log/nginx/error.log"));
}

TEST(WasteLinks, ThoseThatLeadToWhatGoesGoToo) {
  const std::string lib = "opt/conda/envs/gpu/lib/", real = "opt/conda/envs/gpu/targets/x/lib/";
  const std::string tar =
      Tar()
          .file(real + "libnvrtc.alt.so.12.9", "1")
          .symlink(real + "libnvrtc.alt.so.12", "libnvrtc.alt.so.12.9")
          .symlink(lib + "libnvrtc.alt.so.12", "../targets/x/lib/libnvrtc.alt.so.12")
          .file(real + "libnvrtc.so.12", "1")
          .symlink(lib + "libnvrtc.so.12", "../targets/x/lib/libnvrtc.so.12")
          .symlink(lib + "libnvrtc.alt.so.11", "/elsewhere/libnvrtc.alt.so.11")
          // Not of the category, so somebody else's.
          .symlink("usr/lib/mine.so", "/" + real + "libnvrtc.alt.so.12.9")
          .bytes();
  EXPECT_THAT(dropped_at(kAggressive, tar),
              UnorderedElementsAre(real + "libnvrtc.alt.so.12.9", real + "libnvrtc.alt.so.12",
                                   lib + "libnvrtc.alt.so.12"));
  EXPECT_THAT(dropped_at(kStandard, tar), IsEmpty());
}

TEST(WasteLinks, WhatALaterLayerWroteAnewGoesThereByTheSameRule) {
  const std::string bin = "opt/conda/pkgs/python-3.11/bin/";
  const TestImage image(
      {Tar().file(bin + "python3.11", "1").symlink(bin + "python", "python3.11").bytes(),
       Tar().file(bin + "python3.11", "1").bytes()});
  EXPECT_THAT(testing::edits_of(image.plan()),
              ElementsAre("0:" + bin + "python3.11 drop", "0:" + bin + "python drop",
                          "1:" + bin + "python3.11 drop"));
}

TEST(Leftovers, WheelsThatVenvInstallsFromStay) {
  const std::string tar =
      Tar()
          .file("wheels/app-1.0-py3-none-any.whl", "1")
          .file("usr/lib/python3.11/ensurepip/_bundled/pip-23.0-py3-none-any.whl", "2")
          .file("usr/share/python-wheels/pip-23.0-py3-none-any.whl", "3")
          .file(
              "v/lib/python3.11/site-packages/virtualenv/seed/wheels/embed/pip-23-py3-none-any.whl",
              "4")
          .file("root/source.tar.gz", "5")
          .file("srv/downloads/product.tar.gz", "6")
          .file("opt/app/model.tar.gz", "7")
          .bytes();
  EXPECT_THAT(dropped_at(kAggressive, tar),
              UnorderedElementsAre("wheels/app-1.0-py3-none-any.whl", "root/source.tar.gz"));
  EXPECT_THAT(dropped_at(kStandard, tar), IsEmpty());
  const auto container = text::Json::object().set(
      "Env", text::Json::array().push("PIP_FIND_LINKS=/wheels/app-1.0-py3-none-any.whl"));
  EXPECT_THAT(dropped_at(kAggressive, tar, container), ElementsAre("root/source.tar.gz"));
}

TEST(Nvrtc, TheSecondBuildGoesOnlyWhereTheFirstOneIs) {
  const std::string wheel = "usr/lib/python3/dist-packages/nvidia/cuda_nvrtc/lib/";
  const std::string tar = Tar()
                              .file(wheel + "libnvrtc.so.12", "1")
                              .file(wheel + "libnvrtc.alt.so.12", "2")
                              .file(wheel + "libnvrtc-builtins.so.12.8", "3")
                              .file(wheel + "libnvrtc-builtins.alt.so.12.8", "4")
                              .file("nix/store/x/lib/libnvrtc.alt.so.12", "5")
                              .bytes();
  EXPECT_THAT(
      dropped_at(kAggressive, tar),
      UnorderedElementsAre(wheel + "libnvrtc.alt.so.12", wheel + "libnvrtc-builtins.alt.so.12.8"));
  EXPECT_THAT(dropped_at(kStandard, tar), IsEmpty());
}

TEST(Pyc, TheOptionDecidesAtEveryLevel) {
  const std::string tar = Tar()
                              .file("usr/lib/python3/dist-packages/p/__pycache__/m.pyc", "1")
                              .file("usr/lib/python3/dist-packages/p/m.py", "2")
                              .file("opt/sourceless/m.pyc", "3")
                              .bytes();
  const auto none = text::Json::object();
  const std::string cache = "usr/lib/python3/dist-packages/p/__pycache__/m.pyc";
  EXPECT_THAT(dropped_at(kAggressive, tar), ElementsAre(cache));
  EXPECT_THAT(dropped_at(kStandard, tar), IsEmpty());
  EXPECT_THAT(dropped_at(kAggressive, tar, none, Pyc::kKeep), IsEmpty());
  EXPECT_THAT(dropped_at(kSafe, tar, none, Pyc::kDrop), ElementsAre(cache));
}

TEST(JitCaches, TritonsNameTheirGpu) {
  const std::string root = "root/.triton/cache/";
  const auto kernel = [&](Tar& tar, const std::string& key, const std::string& metadata) {
    tar.file(root + key + "/kernel.json", metadata).file(root + key + "/kernel.cubin", "code");
    tar.file(root + key + "/__grp__kernel.json", "{}");
  };
  Tar tar;
  kernel(tar, "H100", R"({"target": {"backend": "cuda", "arch": 90, "warp_size": 32}})");
  kernel(tar, "A100", R"({"target": {"backend": "cuda", "arch": 80, "warp_size": 32}})");
  kernel(tar, "MI300", R"({"target": {"backend": "hip", "arch": "gfx942"}})");
  kernel(tar, "BROKEN", "{");
  const std::string bytes = tar.bytes();
  const auto of = [&](const std::string& key) {
    return std::vector{root + key + "/kernel.json", root + key + "/kernel.cubin",
                       root + key + "/__grp__kernel.json"};
  };
  // The options name sm_90 and no AMD GPU, of which nothing is known then.
  EXPECT_EQ(dropped_at(kStandard, bytes), of("A100"));
  EXPECT_THAT(dropped_at(kSafe, bytes), IsEmpty());
  std::vector<std::string> all = of("A100");
  for (const char* key : {"MI300", "BROKEN"}) std::ranges::copy(of(key), std::back_inserter(all));
  EXPECT_EQ(dropped_at(kAggressive, bytes), all);
}

TEST(JitCaches, CompilersOfPyTorchKeepTritonsBesideTheirOwn) {
  const std::string hopper = R"({"target": {"backend": "cuda", "arch": 90}})";
  const std::string ampere = R"({"target": {"backend": "cuda", "arch": 80}})";
  const std::string vllm = "root/.cache/vllm/torch_compile_cache/";
  const std::string bytes = Tar()
                                .file("tmp/torchinductor_root/triton/0/KEY/k.json", hopper)
                                .file("tmp/torchinductor_root/triton/0/OLD/k.json", ampere)
                                .file("tmp/torchinductor_root/fxgraph/ab/graph", "1")
                                .file("tmp/torchinductor_ci/triton/0/KEY/k.json", ampere)
                                .file("tmp/torchinductor_ci/fxgraph/ab/graph", "2")
                                .file("tmp/torchinductor_cpu/fxgraph/ab/graph", "3")
                                .file(vllm + "H100/rank_0_0/triton_cache/KEY/k.json", hopper)
                                .file(vllm + "H100/rank_0_0/inductor_cache/ab/code.py", "4")
                                .file(vllm + "A100/rank_0_0/triton_cache/KEY/k.json", ampere)
                                .file(vllm + "A100/rank_0_0/inductor_cache/ab/code.py", "5")
                                .file(vllm + "NONE/rank_0_0/inductor_cache/ab/code.py", "6")
                                .bytes();
  const std::vector<std::string> others = {
      "tmp/torchinductor_ci/triton/0/KEY/k.json", "tmp/torchinductor_ci/fxgraph/ab/graph",
      "tmp/torchinductor_cpu/fxgraph/ab/graph", vllm + "A100/rank_0_0/triton_cache/KEY/k.json",
      vllm + "A100/rank_0_0/inductor_cache/ab/code.py"};
  EXPECT_EQ(dropped_at(kStandard, bytes), others);
  EXPECT_THAT(dropped_at(kSafe, bytes), IsEmpty());
  std::vector<std::string> bold = others;
  bold.push_back(vllm + "NONE/rank_0_0/inductor_cache/ab/code.py");
  EXPECT_EQ(dropped_at(kAggressive, bytes), bold);
}

TEST(JitCaches, FlashInfersFoldersNameTheirGpus) {
  const std::string root = "root/.cache/flashinfer/0.7.2/";
  const std::string bytes = Tar()
                                .file(root + "90a/cached_ops/op/op.so", "1")
                                .file(root + "80_90a/cached_ops/op/op.so", "2")
                                .file(root + "80/cached_ops/op/op.so", "3")
                                .file(root + "none/cached_ops/op/op.so", "4")
                                .file("root/.cache/flashinfer/cubins/x.cubin", "5")
                                .bytes();
  EXPECT_THAT(dropped_at(kStandard, bytes), ElementsAre(root + "80/cached_ops/op/op.so"));
  EXPECT_THAT(dropped_at(kAggressive, bytes),
              ElementsAre(root + "80/cached_ops/op/op.so", root + "none/cached_ops/op/op.so",
                          "root/.cache/flashinfer/cubins/x.cubin"));
}

TEST(Reported, NothingIsCutThatOnlyTheOwnerCanKnow) {
  const std::string tar = Tar()
                              .file("usr/lib/x86_64-linux-gnu/libnccl.so.2.20.5", "1")
                              .file("opt/conda/lib/libmkl_avx512.so.2", "2")
                              .file("data/train.parquet", "3")
                              .file("root/.netrc", "4")
                              .bytes();
  EXPECT_THAT(dropped_at(kAggressive, tar), IsEmpty());
  const TestImage image({tar});
  SlimOptions options = testing::options_for_tests();
  options.cuts.level = kAggressive;
  std::vector<std::string_view> shown;
  for (const Cut& cut : cuts_of(image.plan(options))) {
    EXPECT_FALSE(cut.held_back.empty()) << cut.pass.id();
    shown.push_back(cut.pass.id());
  }
  EXPECT_THAT(shown,
              UnorderedElementsAre("communication", "processor-variants", "data-sets", "secrets"));
}

}  // namespace
}  // namespace flense::slim
