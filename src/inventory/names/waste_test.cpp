#include "inventory/names/waste.h"

#include <gtest/gtest.h>

#include <set>

#include "base/glob.h"

namespace flense::inventory {
namespace {

using device::Level;

std::string category(std::string_view path) {
  static const WasteClassifier classifier;
  const WasteRule* rule = classifier.classify(path);
  return rule == nullptr ? "" : std::string(rule->id);
}

TEST(Waste, TellsCategoriesByPath) {
  EXPECT_EQ(category("var/lib/apt/lists/deb.debian.org_dists_bookworm_InRelease"), "apt-lists");
  EXPECT_EQ(category("var/cache/apt/archives/libc6_2.36_amd64.deb"), "package-caches");
  EXPECT_EQ(category("root/.cache/pip/http/a/b"), "pip-cache");
  EXPECT_EQ(category("home/me/.cache/uv/wheels/x"), "pip-cache");
  EXPECT_EQ(category("root/.cache/pypoetry/artifacts/a/b.whl"), "pip-cache");
  EXPECT_EQ(category("opt/conda/pkgs/python-3.11.tar.bz2"), "conda-pkgs");
  EXPECT_EQ(category("opt/miniconda3/pkgs/x/lib/libpython.so"), "conda-pkgs");
  for (const char* root :
       {"opt/miniforge3", "opt/mambaforge", "root/miniforge3", "home/me/micromamba",
        "root/.local/share/mamba", "home/me/.cache/rattler/cache"})
    EXPECT_EQ(category(std::string(root) + "/pkgs/zlib-1.3-h/lib/libz.so.1"), "conda-pkgs") << root;
  EXPECT_EQ(category("opt/conda/envs/gpu/targets/x86_64-linux/include/cuda.h"), "cuda-headers");
  EXPECT_EQ(category("opt/miniconda3/targets/x86_64-linux/include/cub/cub.cuh"), "cuda-headers");
  EXPECT_EQ(category("opt/miniforge3/include/python3.11/Python.h"), "headers");
  EXPECT_EQ(category("opt/conda/envs/gpu/targets/x86_64-linux/lib/libnvrtc.alt.so.12.9.86"),
            "nvrtc-alternative");
  EXPECT_EQ(category("opt/conda/envs/gpu/targets/x86_64-linux/lib/stubs/libcuda.so"), "stubs");
  EXPECT_EQ(category("srv/app/.git/objects/pack/p.pack"), "git");
  EXPECT_EQ(category("usr/local/cuda-12.4/targets/x86_64-linux/lib/libcublas_static.a"),
            "cuda-static-libs");
  EXPECT_EQ(category("usr/lib/x86_64-linux-gnu/libz.a"), "static-libs");
  EXPECT_EQ(category("usr/local/cuda-12.4/targets/x86_64-linux/include/cuda.h"), "cuda-headers");
  EXPECT_EQ(category("usr/lib/python3.11/site-packages/nvidia/cudnn/include/cudnn.h"),
            "cuda-headers");
  EXPECT_EQ(category("usr/include/stdio.h"), "headers");
  EXPECT_EQ(category("v/lib/python3.11/site-packages/torch/include/ATen/ATen.h"), "headers");
  EXPECT_EQ(category("usr/local/cuda/bin/nvcc"), "cuda-tools");
  EXPECT_EQ(category("opt/nvidia/nsight-compute/2024.1/ncu"), "profilers");
  EXPECT_EQ(category("usr/local/cuda-12.4/lib64/stubs/libcuda.so"), "stubs");
  EXPECT_EQ(category("usr/share/doc/bash/README"), "documentation");
  EXPECT_EQ(category("usr/share/locale/de/LC_MESSAGES/bash.mo"), "locales");
  EXPECT_EQ(category("usr/lib/debug/.build-id/ab/cd.debug"), "debug-files");
  EXPECT_EQ(category("usr/lib/python3/dist-packages/a/__pycache__/b.cpython-311.pyc"), "pycache");
  EXPECT_EQ(category("opt/pkg/old.deb"), "installers");
}

TEST(Waste, LeavesWhatIsRead) {
  for (const char* path :
       {"etc/passwd",
        "etc/ld.so.cache",
        "usr/lib/locale/C.utf8/LC_CTYPE",
        "usr/local/cuda/bin/ptxas",
        "usr/local/cuda/nvvm/libdevice/libdevice.10.bc",
        "usr/local/cuda/compat/libcuda.so.550.54",
        "usr/bin/gcc",
        "v/lib/python3.11/site-packages/torch-2.4.dist-info/METADATA",
        "v/lib/python3.11/site-packages/triton/backends/nvidia/include/cuda.h",
        "usr/share/locale/en/LC_MESSAGES/x.mo",
        "usr/local/go/pkg/linux/a.a",
        "usr/lib/x86_64-linux-gnu/libcudart.so.12",
        "var/lib/dpkg/status",
        "pkgs/x",
        "tmpfile",
        "usr/local/cuda-12.4/targets/x86_64-linux/lib/libcudadevrt.a",
        "v/lib/python3.11/site-packages/nvidia/cuda_runtime/lib/libcudadevrt.a",
        "root/.julia/artifacts/0a1b/lib/libcudadevrt.a",
        "v/lib/python3.11/site-packages/docutils/parsers/rst/include/isonum.txt",
        "v/lib/python3.11/site-packages/app/include/__init__.py",
        "v/lib/python3.11/site-packages/app/include/_speed.cpython-311-x86_64-linux-gnu.so",
        "root/.cache/pypoetry/virtualenvs/app-x-py3.11/bin/gunicorn"})
    EXPECT_EQ(category(path), "") << path;
}

TEST(Waste, LicenceTextsStayInEveryCategory) {
  for (const char* path : {"usr/share/doc/bash/copyright", "usr/share/doc/libfoo/LICENSE.txt",
                           "usr/share/doc/x/NOTICE", "opt/nvidia/nsight-systems/EULA.txt",
                           "usr/local/cuda/doc/COPYING", "usr/share/doc/x/Licence-3"}) {
    EXPECT_TRUE(is_licence_text(path)) << path;
    EXPECT_EQ(category(path), "") << path;
  }
  EXPECT_FALSE(is_licence_text("usr/share/doc/x/noticeboard"));
}

TEST(Waste, EveryPatternIsFoundByTheIndex) {
  // A path made from each pattern must come back in that category or an earlier one: the index
  // may not lose a pattern.
  const auto rules = waste_rules();
  std::set<std::string_view> ids;
  for (std::size_t r = 0; r < rules.size(); ++r) {
    EXPECT_TRUE(ids.insert(rules[r].id).second) << rules[r].id;
    EXPECT_FALSE(rules[r].text.empty());
    for (const std::string_view glob : rules[r].patterns) {
      std::string path;
      for (std::size_t i = 0; i < glob.size(); ++i) {
        if (glob[i] != '*') {
          path += glob[i];
        } else if (i + 1 < glob.size() && glob[i + 1] == '*') {
          path += i + 2 < glob.size() ? "aa/bb" : "aa/bb.cc";
          ++i;
        } else {
          path += "x1";
        }
      }
      ASSERT_TRUE(glob_match(glob, path)) << glob << " " << path;
      static const WasteClassifier classifier;
      const WasteRule* found = classifier.classify(path);
      ASSERT_NE(found, nullptr) << glob << " " << path;
      EXPECT_LE(found, &rules[r]) << glob << " " << path;
    }
  }
}

TEST(Waste, GuardsHoldBackWhatCompilersNeed) {
  const auto rule = [](std::string_view id) -> const WasteRule& {
    for (const WasteRule& one : waste_rules())
      if (one.id == id) return one;
    ADD_FAILURE() << id;
    return waste_rules().front();
  };
  const BuildNeeds none, host{"triton compiles", "", ""}, cuda{"", "deepspeed compiles", ""};
  EXPECT_EQ(held_back(rule("headers"), none), "");
  EXPECT_EQ(held_back(rule("headers"), host), "triton compiles");
  EXPECT_EQ(held_back(rule("headers"), cuda), "deepspeed compiles");
  EXPECT_EQ(held_back(rule("cuda-static-libs"), host), "");
  EXPECT_EQ(held_back(rule("cuda-static-libs"), cuda), "deepspeed compiles");
  EXPECT_EQ(held_back(rule("static-libs"), cuda), "");
  EXPECT_EQ(held_back(rule("apt-lists"), host), "");
  EXPECT_TRUE(applies_at(rule("apt-lists"), Level::kSafe));
  EXPECT_FALSE(applies_at(rule("headers"), Level::kSafe));
  EXPECT_FALSE(applies_at(rule("pycache"), Level::kStandard));
  EXPECT_TRUE(applies_at(rule("pycache"), Level::kAggressive));
}

}  // namespace
}  // namespace flense::inventory
