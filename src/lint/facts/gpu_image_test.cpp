#include "lint/facts/gpu_image.h"

#include <gtest/gtest.h>

#include "lint/facts/gpu_architectures.h"
#include "lint/packages/requirement_text.h"

namespace flense::lint {
namespace {

const knowledge::Knowledge& tables() {
  static const knowledge::Knowledge kLoaded = *knowledge::Knowledge::load();
  return kLoaded;
}

/// "nvidia cuda 12.4.1 cudnn 9 devel ubuntu22.04 python 3.10", what is known.
std::string shown(const std::string& name) {
  const auto image = parse_image_name(name);
  EXPECT_TRUE(image) << name;
  if (!image) return {};
  const GpuImage got = describe_image(*image, tables().images);
  std::string out;
  const auto add = [&](const char* what, const Brought& value) {
    if (!value.known()) return;
    EXPECT_FALSE(value.evidence.empty()) << name << what;
    out += (out.empty() ? "" : " ") + std::string(what) + value.value;
  };
  add("", got.vendor);
  add("cuda ", got.cuda);
  add("cudnn ", got.cudnn);
  add("rocm ", got.rocm);
  add("", got.flavour);
  add("", got.distribution);
  add("python ", got.python);
  add("", got.framework);
  add("", got.framework_version);
  return out + (got.platform.empty() ? "" : " " + got.platform);
}

TEST(GpuImage, RowsOfTheTable) {
  EXPECT_EQ(shown("runpod/pytorch:2.1.0-py3.10-cuda11.8.0-devel-ubuntu22.04"),
            "nvidia cuda 11.8.0 ubuntu22.04 python 3.10 torch 2.1.0");
  EXPECT_EQ(shown("runpod/pytorch:1.0.2-cu1281-torch280-ubuntu2404"), "ubuntu2404 torch 2.8.0");
  const auto user = [](const char* name) {
    const auto* row = describe_image(*parse_image_name(name), tables().images).row;
    return row == nullptr ? "" : row->user;
  };
  EXPECT_EQ(user("quay.io/jupyter/scipy-notebook"), "jovyan");
  EXPECT_EQ(user("mambaorg/micromamba:2.0.5"), "mambauser");
  EXPECT_EQ(user("registry.example.org/mambaorg/micromamba:2.0.5"), "mambauser");
  EXPECT_EQ(user("pytorch/pytorch:2.6.0-cuda12.4-cudnn9-devel"), "");
}

TEST(GpuImage, CudaImages) {
  EXPECT_EQ(shown("nvidia/cuda:12.4.1-cudnn-devel-ubuntu22.04"),
            "nvidia cuda 12.4.1 cudnn 9 devel ubuntu22.04 python 3.10");
  EXPECT_EQ(shown("docker.io/nvidia/cuda:11.8.0-cudnn8-runtime-ubi8"),
            "nvidia cuda 11.8.0 cudnn 8 runtime ubi8 python 3.6");
  EXPECT_EQ(shown("mirror.example.com/x/nvidia/cuda:12.4.1-base-rockylinux9"),
            "nvidia cuda 12.4.1 base rockylinux9 python 3.9");
  EXPECT_EQ(shown("nvidia/cuda"), "nvidia");
  EXPECT_EQ(shown("example.com/not-nvidia/cuda:12.4.1"), "");
}

TEST(GpuImage, FrameworkImages) {
  EXPECT_EQ(shown("nvcr.io/nvidia/pytorch:25.04-py3"),
            "nvidia cuda 12.9.0 devel ubuntu24.04 python 3.12 torch");
  EXPECT_EQ(shown("nvcr.io/nvidia/pytorch:99.99-py3"), "nvidia devel torch");
  EXPECT_EQ(shown("pytorch/pytorch:2.6.0-cuda12.4-cudnn9-devel"),
            "nvidia cuda 12.4 cudnn 9 devel torch 2.6.0");
  EXPECT_EQ(shown("tensorflow/tensorflow:2.17.0-gpu"), "nvidia tensorflow 2.17.0");
  EXPECT_EQ(shown("tensorflow/tensorflow:2.17.0"), "tensorflow 2.17.0");
  EXPECT_EQ(shown("rocm/dev-ubuntu-22.04:6.4.1-complete"),
            "amd rocm 6.4.1 devel ubuntu22.04 python 3.10");
  EXPECT_EQ(shown("rocm/pytorch:rocm6.4.1_ubuntu24.04_py3.12_pytorch_release_2.6.0"),
            "amd rocm 6.4.1 devel ubuntu24.04 python 3.12 torch 2.6.0");
  EXPECT_EQ(shown("nvcr.io/nvidia/l4t-base:r36.2.0"), "nvidia jetson");
  EXPECT_EQ(shown("mambaorg/micromamba:2.0.5-cuda12.4.1-ubuntu22.04"),
            "nvidia cuda 12.4.1 ubuntu22.04 python 3.10");
}

TEST(GpuImage, OtherImages) {
  EXPECT_EQ(shown("osrf/ros:humble-desktop"), "ubuntu22.04 python 3.10");
  EXPECT_EQ(shown("ros:noetic-ros-base-focal"), "ubuntu20.04 python 3.8");
  EXPECT_EQ(shown("ubuntu:22.04"), "ubuntu22.04 python 3.10");
  EXPECT_EQ(shown("ubuntu:jammy-20240808"), "ubuntu22.04 python 3.10");
  EXPECT_EQ(shown("debian:12-slim"), "debian12 python 3.11");
  EXPECT_EQ(shown("python:3.12-slim-bookworm"), "debian12 python 3.12");
  EXPECT_EQ(shown("python:3.12-alpine3.20"), "alpine python 3.12");
  EXPECT_EQ(shown("python:3.12-slim"), "python 3.12");
  EXPECT_EQ(shown("alpine"), "alpine");
  EXPECT_EQ(shown("registry.access.redhat.com/ubi9/ubi-minimal:9.4"), "ubi9 python 3.9");
  EXPECT_EQ(shown("gcr.io/distroless/cc-debian12"), "distroless");
  EXPECT_EQ(shown("ubuntu"), "");
}

TEST(Frameworks, VariantsOfIndexes) {
  EXPECT_EQ(variant_of_index("https://download.pytorch.org/whl/cu124"), "cu124");
  EXPECT_EQ(variant_of_index("https://download.pytorch.org/whl/nightly/rocm6.4/"), "rocm6.4");
  EXPECT_EQ(variant_of_index("https://download.pytorch.org/whl/cu113/torch_stable.html"), "cu113");
  EXPECT_EQ(variant_of_index("https://data.pyg.org/whl/torch-2.4.0+cu124.html"), "cu124");
  EXPECT_EQ(variant_of_index("https://download.pytorch.org/whl/cpu"), "cpu");
  EXPECT_EQ(variant_of_index("https://flashinfer.ai/whl/cu124/torch2.4/"), "cu124");
  EXPECT_EQ(variant_of_index("https://pypi.org/simple"), "");
  EXPECT_EQ(variant_of_index(""), "");
  EXPECT_EQ(variant_of_index("https://download.pytorch.org/whl/${V}"), "");
}

std::string cuda_of(const char* text) {
  return cuda_of_package(*parse_requirement(text));
}

TEST(Frameworks, CudaOfPackages) {
  EXPECT_EQ(cuda_of("torch==2.6.0+cu124"), "12.4");
  EXPECT_EQ(cuda_of("nvidia-cudnn-cu12==9"), "12");
  EXPECT_EQ(cuda_of("cupy-cuda11x"), "11");
  EXPECT_EQ(cuda_of("cupy-cuda117"), "11.7");
  EXPECT_EQ(cuda_of("mxnet-cu112"), "11.2");
  EXPECT_EQ(cuda_of("jax[cuda12]"), "12");
  EXPECT_EQ(cuda_of("jax[cuda12-local]"), "12");
  EXPECT_EQ(cuda_of("jax-cuda12-plugin"), "12");
  EXPECT_EQ(cuda_of("tensorrt-cu12-libs"), "12");
  EXPECT_EQ(cuda_of("torch"), "");
  EXPECT_EQ(cuda_of("ascii-cup"), "");
  EXPECT_EQ(cuda_of("docutils"), "");
}

TEST(Frameworks, WhatDecidesTheVariant) {
  const SourceText source("requirements.txt",
                          "--extra-index-url https://download.pytorch.org/whl/cu124\n"
                          "torch==2.6.0\ntorchvision==0.21.0+cpu\nnumpy\n");
  std::vector<ParseProblem> problems;
  const PackageList list = read_requirements(source, problems);
  const auto found = frameworks_of(list, tables().frameworks);
  ASSERT_EQ(found.size(), 2u);
  EXPECT_EQ(found[0].variant.value, "cu124");
  EXPECT_TRUE(found[0].from_index);
  EXPECT_EQ(found[0].cuda.value, "12.4");
  EXPECT_EQ(found[1].variant.value, "cpu");

  const SourceText plain("requirements.txt", "torch==2.6.0\ntorchaudio==2.6.0\n");
  const PackageList own = read_requirements(plain, problems);
  const auto defaults = frameworks_of(own, tables().frameworks);
  EXPECT_EQ(defaults[0].variant.value, "cu124");
  EXPECT_NE(defaults[0].variant.evidence.find("framework_builds.json"), std::string::npos);
  EXPECT_EQ(defaults[1].variant.value, "");
}

std::string shown(const ArchitectureList& list) {
  std::string out = list.well_spelt ? "" : "wrong ";
  for (const ListedArchitecture& item : list.items)
    out += (item.architecture.empty() ? "'" + item.keyword + "'" : item.architecture) + " ";
  return out + "-> " + list.corrected;
}

TEST(GpuArchitectures, Spellings) {
  using enum ArchitectureSyntax;
  EXPECT_EQ(shown(read_architectures("8.0;8.6 9.0+PTX", kTorch)), "8.0 8.6 9.0 -> 8.0;8.6;9.0+PTX");
  EXPECT_EQ(shown(read_architectures("Ampere;Hopper+PTX", kTorch)),
            "'ampere' 'hopper' -> Ampere;Hopper+PTX");
  EXPECT_EQ(shown(read_architectures("80,sm_90a", kTorch)), "wrong 8.0 9.0a -> 8.0;9.0a");
  EXPECT_EQ(shown(read_architectures("8.x", kTorch)), "wrong '' -> ");
  EXPECT_EQ(shown(read_architectures("80;86-real;90a-virtual;120f", kCmake)),
            "8.0 8.6 9.0a 12.0f -> 80;86-real;90a-virtual;120f");
  EXPECT_EQ(shown(read_architectures("8.0 9.0-real", kCmake)), "wrong 8.0 9.0 -> 80;90-real");
  EXPECT_EQ(shown(read_architectures("Native", kCmake)), "'native' -> Native");
  EXPECT_EQ(shown(read_architectures("arch=compute_80,code=[sm_80,compute_80]", kNvcc)),
            "'' 8.0 '' 8.0 8.0 -> arch;compute_80;code;sm_80;compute_80");
  EXPECT_EQ(shown(read_architectures("gfx90a:sramecc+;gfx942", kRocm)),
            "gfx90a gfx942 -> gfx90a:sramecc+;gfx942");
  EXPECT_TRUE(read_architectures("", kTorch).items.empty());
  EXPECT_EQ(read_architectures(std::string(100000, ';') + "80", kCmake).items.size(), 1u);
}

}  // namespace
}  // namespace flense::lint
