#include "inventory/describe/build_needs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/layers/testing_image.h"

namespace flense::inventory {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

InstalledPackage pip(const std::string& name) {
  return {{"pip", name, "1.2"}, name + ".dist-info/METADATA"};
}

BuildNeeds needs_of(const std::string& package, const BuildTools& tools) {
  return build_needs(tools, {pip("numpy"), pip(package)});
}

const BuildTools kAll{"usr/bin/gcc", "usr/local/cuda/bin/nvcc", "", ""};

TEST(BuildNeeds, CompilersThatAreNotThereAreNotWaitedFor) {
  for (const char* package : {"triton", "torch", "pycuda", "deepspeed", "flashinfer-python"}) {
    const BuildNeeds needs = needs_of(package, {});
    EXPECT_THAT(needs.host_compiler, IsEmpty()) << package;
    EXPECT_THAT(needs.cuda_compiler, IsEmpty()) << package;
    EXPECT_THAT(needs.cuda_headers, IsEmpty()) << package;
  }
}

TEST(BuildNeeds, CompilersAreFoundByTheirFiles) {
  const auto found = [](const std::string& path) {
    using image::fixture::must;
    image::fixture::Oci oci;
    oci.add_image({{image::fixture::Tar().file(path, "compiler").bytes(), codec::Compression::kNone,
                    "RUN something"}});
    const std::string bytes = image::fixture::tar_of(oci.all());
    const auto image = must(image::open_archive_bytes(as_bytes(bytes), "test.tar", "", {}));
    ScanOptions scan;
    scan.workers = 1;
    const Contents contents = must(Contents::read(*image, scan));
    return find_build_needs(contents, {pip("torch")}).host_compiler;
  };
  for (const char* path :
       {"usr/bin/x86_64-linux-gnu-gcc-12", "usr/bin/aarch64-linux-gnu-gcc-9", "usr/bin/gcc",
        "usr/lib/llvm-18/bin/clang", "usr/bin/clang-19", "usr/local/bin/gcc-13.2.0", "usr/bin/cc",
        "opt/conda/bin/x86_64-conda-linux-gnu-cc"})
    EXPECT_THAT(found(path), HasSubstr(path));
  for (const char* path :
       {"usr/bin/x86_64-linux-gnu-gcc-ar-12", "usr/bin/g++-12", "usr/bin/cc1",
        "usr/bin/clang-format-19", "usr/share/bash-completion/gcc", "usr/bin/ld-2.40"})
    EXPECT_THAT(found(path), IsEmpty()) << path;
}

TEST(BuildNeeds, HostCompilers) {
  for (const char* package :
       {"triton", "pytorch-triton", "pytorch_triton_rocm", "Torch", "pytensor"}) {
    const BuildNeeds needs = needs_of(package, kAll);
    EXPECT_THAT(needs.host_compiler, HasSubstr("usr/bin/gcc at run time")) << package;
    EXPECT_THAT(needs.cuda_compiler, IsEmpty()) << package;
    EXPECT_THAT(needs.cuda_headers, IsEmpty()) << package;
  }
}

TEST(BuildNeeds, NvccBringsTheHostCompiler) {
  for (const char* package :
       {"pycuda", "deepspeed", "flashinfer-python", "tilelang", "deep_gemm"}) {
    const BuildNeeds needs = needs_of(package, kAll);
    EXPECT_THAT(needs.cuda_compiler, HasSubstr("usr/local/cuda/bin/nvcc")) << package;
    EXPECT_NE(needs.host_compiler, "") << package;
  }
  EXPECT_NE(needs_of("cuda-python", kAll).host_compiler, "");
  for (const char* package : {"flashinfer-cubin", "flashinfer_jit_cache"})
    EXPECT_EQ(needs_of(package, kAll).cuda_compiler, "") << package;
}

TEST(BuildNeeds, NvrtcReadsHeadersWithoutAnyCompiler) {
  for (const char* package : {"cupy", "cupy-cuda12x", "numba-cuda", "cuda-core", "cuda_cccl",
                              "transformer-engine-cu12", "transformer_engine", "nvmath-python"}) {
    const BuildNeeds needs = needs_of(package, {});
    EXPECT_THAT(needs.cuda_headers, HasSubstr("NVRTC with CUDA headers")) << package;
    EXPECT_THAT(needs.cuda_compiler, IsEmpty()) << package;
  }
}

TEST(BuildNeeds, TorchExtensions) {
  BuildTools tools = kAll;
  EXPECT_THAT(needs_of("torch", tools).cuda_compiler, IsEmpty()) << "load() needs Ninja";
  tools.ninja = "ninja 1.11";
  EXPECT_THAT(needs_of("torch", tools).cuda_compiler, HasSubstr("ninja 1.11"));
  EXPECT_THAT(needs_of("numpy", tools).cuda_compiler, IsEmpty());
  tools.ninja.clear();
  tools.torch_extensions = "root/.cache/torch_extensions/py311_cu124/op/op.so";
  EXPECT_THAT(needs_of("torch", tools).cuda_compiler, HasSubstr("has built root/.cache"));
  tools.nvcc.clear();
  EXPECT_THAT(needs_of("torch", tools).cuda_compiler, IsEmpty());
}

TEST(BuildNeeds, WhatGoesThroughPtxasNeedsNothingThatARuleTakes) {
  for (const char* package :
       {"jax", "jaxlib", "jax-cuda12-plugin", "numba", "warp-lang", "cuda-bindings"}) {
    const BuildNeeds needs = needs_of(package, kAll);
    EXPECT_THAT(needs.host_compiler + needs.cuda_compiler + needs.cuda_headers, IsEmpty())
        << package;
  }
  const WasteClassifier classifier;
  for (const char* path :
       {"usr/local/cuda-12.4/bin/ptxas", "usr/local/cuda-12.4/bin/nvlink",
        "usr/local/cuda-12.4/nvvm/libdevice/libdevice.10.bc",
        "usr/local/cuda-12.4/nvvm/lib64/libnvvm.so.4.0.0",
        "usr/lib/python3/site-packages/nvidia/cuda_nvcc/bin/ptxas",
        "usr/lib/python3/site-packages/nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc",
        "usr/lib/python3/site-packages/triton/backends/nvidia/bin/ptxas",
        "usr/lib/python3/site-packages/triton/backends/nvidia/include/cuda.h",
        "usr/lib/python3/site-packages/jaxlib/mlir/_mlir_libs/libmlir.so",
        "usr/lib/python3/site-packages/warp/native/builtin.h",
        "usr/lib/x86_64-linux-gnu/libnvrtc-builtins.so.12.4"})
    EXPECT_EQ(classifier.classify(path), nullptr) << path;
}

TEST(BuildNeeds, WhatFilesHoldCountsBesideNames) {
  const auto needs = [](const BuildTools& tools, const CompileEvidence& evidence) {
    return build_needs(tools, {pip("numpy")}, evidence);
  };
  EXPECT_EQ(needs({}, {.nvrtc = "cumm/core_cc.so"}).cuda_headers,
            "cumm/core_cc.so compiles with NVRTC");
  EXPECT_EQ(needs({}, {.front_end = "ziglang/zig"}).host_compiler,
            "ziglang/zig holds a C compiler");
  const CompileEvidence module{.starts_host = "x/jit.py", .starts_nvcc = "x/nv.py"};
  EXPECT_EQ(needs(kAll, module).host_compiler, "x/jit.py may start usr/bin/gcc");
  EXPECT_EQ(needs(kAll, module).cuda_compiler, "x/nv.py may start usr/local/cuda/bin/nvcc");
  EXPECT_EQ(needs({}, module).host_compiler, "");
  EXPECT_EQ(needs({}, {.program = "opt/tcc"}).host_compiler, "") << "nobody starts it";
  EXPECT_EQ(needs({}, {.program = "opt/tcc", .starts_host = "x"}).host_compiler,
            "x may start opt/tcc");
  const BuildNeeds triton = build_needs(kAll, {pip("triton")}, module);
  EXPECT_THAT(triton.host_compiler, HasSubstr("triton 1.2 builds")) << "names come first";
}

TEST(BuildNeeds, HeadersForNvrtcHoldNeitherCompilersNorArchives) {
  BuildNeeds needs;
  needs.cuda_headers = "cupy compiles";
  for (const WasteRule& rule : waste_rules()) {
    const bool held = !held_back(rule, needs).empty();
    if (rule.id == "cuda-headers" || rule.id == "headers") {
      EXPECT_TRUE(held) << rule.id;
    }
    if (rule.id == "cuda-static-libs" || rule.id == "cuda-tools" || rule.id == "static-libs") {
      EXPECT_FALSE(held) << rule.id;
    }
  }
}

}  // namespace
}  // namespace flense::inventory
