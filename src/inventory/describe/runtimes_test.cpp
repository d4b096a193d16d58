#include "inventory/describe/runtimes.h"

#include <gtest/gtest.h>

#include <algorithm>

namespace flense::inventory {
namespace {

InstalledPackage package(std::string type, std::string name, std::string version) {
  return {{std::move(type), std::move(name), std::move(version)}, "db"};
}

std::vector<std::string> versions(const std::vector<Runtime>& runtimes, std::string_view name) {
  std::vector<std::string> out;
  for (const Runtime& runtime : runtimes)
    if (runtime.name == name) out.push_back(runtime.version);
  return out;
}

using Versions = std::vector<std::string>;

TEST(Runtimes, MergesWhatSaysTheSameLessExactly) {
  RuntimeClues clues;
  clues.packages = {package("pip", "nvidia-cuda-runtime-cu12", "12.4.127"),
                    package("pip", "torch", "2.4.0"), package("pip", "triton", "3.0.0")};
  clues.paths = {"v/site-packages/nvidia/cuda_runtime/lib/libcudart.so.12"};
  clues.texts = {{"v/site-packages/torch/version.py",
                  "__version__ = '2.4.0+cu124'\ncuda: Optional[str] = '12.4'\n"}};
  const auto runtimes = find_runtimes(clues);
  EXPECT_EQ(versions(runtimes, "CUDA runtime"), Versions{"12.4.127"});
  EXPECT_EQ(versions(runtimes, "PyTorch"), Versions{"2.4.0+cu124"});
  EXPECT_EQ(versions(runtimes, "Triton"), Versions{"3.0.0"});
  for (const Runtime& runtime : runtimes) EXPECT_FALSE(runtime.evidence.empty()) << runtime.name;
  const auto torch = std::find_if(runtimes.begin(), runtimes.end(),
                                  [](const Runtime& r) { return r.name == "PyTorch"; });
  EXPECT_NE(torch->evidence.find("built for CUDA 12.4"), std::string::npos) << torch->evidence;
}

TEST(Runtimes, TwoCopiesAreTwoRows) {
  RuntimeClues clues;
  clues.paths = {"usr/local/cuda-12.4/lib64/libcudart.so.12.4.127",
                 "opt/app/libcudart.so.12.8.90",
                 "opt/other/libcudart.so.12",
                 "opt/wheel/libcudart-9335f6a2.so.11.0.221",
                 "torchvision.libs/libcudart.e8e8b82a.so.10",
                 "opt/libcudart.static.so.9"};
  Versions found = versions(find_runtimes(clues), "CUDA runtime");
  std::sort(found.begin(), found.end());
  EXPECT_EQ(found, (Versions{"10", "11.0.221", "12.4.127", "12.8.90"}));
}

TEST(Runtimes, SystemFacts) {
  RuntimeClues clues;
  clues.packages = {package("deb", "libc6", "2.36-9+deb12u7"),
                    package("deb", "python3.11", "3.11.2-6"),
                    package("deb", "libnccl2", "2.21.5-1+cuda12.4"),
                    package("deb", "libcudnn9-cuda-12", "9.1.0.70-1"),
                    package("deb", "libcudnn9-dev-cuda-12", "9.9.9-1")};
  clues.paths = {"usr/bin/python3.11"};
  clues.texts = {{"etc/os-release", "ID=debian\nPRETTY_NAME=\"Debian GNU/Linux 12\"\n"},
                 {"usr/local/cuda-12.4/version.json",
                  R"({"cuda":{"name":"CUDA SDK","version":"12.4.20240301"}})"},
                 {"opt/rocm/.info/version", "6.2.0-66\n"}};
  clues.environment = {{"CUDA_VERSION", "12.4.1"}};
  clues.libc_releases = {{"usr/lib/x86_64-linux-gnu/libc.so.6", "2.36"}};
  const auto runtimes = find_runtimes(clues);
  EXPECT_EQ(versions(runtimes, "distribution"), Versions{"Debian GNU/Linux 12"});
  EXPECT_EQ(versions(runtimes, "glibc"), Versions{"2.36"});
  EXPECT_EQ(versions(runtimes, "Python"), Versions{"3.11.2"});
  EXPECT_EQ(versions(runtimes, "CUDA toolkit"), Versions{"12.4.1"});
  EXPECT_EQ(versions(runtimes, "ROCm"), Versions{"6.2.0"});
  EXPECT_EQ(versions(runtimes, "NCCL"), Versions{"2.21.5"});
  EXPECT_EQ(versions(runtimes, "cuDNN"), Versions{"9.1.0.70"});
}

TEST(Runtimes, CuPyOfBothVendors) {
  for (const char* name : {"cupy-cuda12x", "cupy-rocm-7-0"}) {
    RuntimeClues clues;
    clues.packages = {package("pip", name, "14.2.0")};
    EXPECT_EQ(versions(find_runtimes(clues), "CuPy"), Versions{"14.2.0"}) << name;
  }
}

TEST(Runtimes, NothingFromNothing) {
  EXPECT_TRUE(find_runtimes({}).empty());
}

TEST(Runtimes, Clues) {
  EXPECT_TRUE(is_runtime_clue("usr/lib/libcudart.so.12"));
  EXPECT_TRUE(is_runtime_clue("opt/v/bin/python3.12"));
  EXPECT_TRUE(is_runtime_clue("lib/ld-musl-x86_64.so.1"));
  EXPECT_FALSE(is_runtime_clue("usr/lib/libcudart_static.a"));
  EXPECT_FALSE(is_runtime_clue("usr/lib/libcublasLt.so.12"));
  EXPECT_FALSE(is_runtime_clue("usr/lib/libcudart.so.12.debug"));
  EXPECT_FALSE(is_runtime_clue("usr/bin/python3"));
  EXPECT_FALSE(is_runtime_clue("usr/bin/python3.11-config"));
}

}  // namespace
}  // namespace flense::inventory
