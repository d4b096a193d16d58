#include "scaffold/choose.h"
#include "base/version_numbers.h"

#include <array>

#include "compat/judge.h"
#include "scaffold/testing_hosts.h"

namespace flense::scaffold {
namespace {

using testing::hosts;
using testing::named;
using testing::tables;

Result<Choice> chosen(std::string_view name, const std::vector<std::string>& words) {
  return choose(named(name), hosts(words), tables());
}

std::string build_of(std::string_view name, const std::vector<std::string>& words) {
  const Result<Choice> out = chosen(name, words);
  return out ? out->candidate.name : "error: " + out.error().message;
}

struct Row {
  std::string_view name;
  std::vector<std::string> words;
  std::string_view build;
};

// What each host gets, derived from the tables by hand: CUDA of the driver, minimum driver of a
// major, GPUs of a build, ROCm of amdgpu.
TEST(ChooseTest, EachHostGetsTheNewestThatItRuns) {
  const std::vector<Row> rows = {
      {"pytorch-inference", {"h100@550.54.15"}, "torch 2.14.1+cu126"},
      {"pytorch-inference", {"a100@525.60.13"}, "torch 2.14.1+cu126"},
      {"pytorch-inference", {"rtx4090@580.95.05"}, "torch 2.15.0+cu130"},
      {"pytorch-inference", {"b200@580.95.05"}, "torch 2.15.0+cu130"},
      {"pytorch-inference", {"b200@570.124.06"}, "torch 2.11.0+cu128"},
      {"pytorch-inference", {"h100@595.71.05"}, "torch 2.15.0+cu132"},
      {"pytorch-inference", {"v100@580.95.05"}, "torch 2.14.1+cu126"},
      {"pytorch-inference", {"a100@470.82.01"}, "torch 2.7.1+cu118"},
      {"pytorch-training", {"p100@535.104.05"}, "torch 2.14.1+cu126"},
      {"pytorch-inference", {"h100@550.54.15", "b200@580.95.05"}, "torch 2.11.0+cu128"},
      {"pytorch-inference", {"a100@535.104.05", "l4@550.54.15"}, "torch 2.14.1+cu126"},
      {"jax", {"h100@580.95.05"}, "jax[cuda13] 0.12.0.1"},
      {"jax", {"h100@550.54.15"}, "jax[cuda12] 0.12.0.1"},
      {"jax", {"v100@580.95.05"}, "jax[cuda12] 0.12.0.1"},
      {"cuda-cpp", {"h100@580.95.05"}, "CUDA toolkit 13.0.3"},
      {"cuda-cpp", {"h100@550.54.15"}, "CUDA toolkit 12.9.1"},
      {"cuda-cpp", {"v100@580.95.05"}, "CUDA toolkit 12.9.1"},
      {"cuda-cpp", {"k80@470.82.01"}, "CUDA toolkit 11.8.0"},
      {"distroless-cuda", {"l4@535.104.05"}, "CUDA toolkit 12.9.1"},
      {"rocm-pytorch", {"mi300x@6.10.5"}, "torch 2.10.0+rocm7.0"},
      {"rocm-pytorch", {"mi300x@6.16.13"}, "torch 2.14.1+rocm7.2"},
      {"rocm-pytorch", {"mi250x@6.7.0"}, "torch 2.9.1+rocm6.4"},
  };
  for (const Row& row : rows)
    EXPECT_EQ(build_of(row.name, row.words), row.build)
        << row.name << " for " << fmt::format("{}", fmt::join(row.words, " and "));
}

TEST(ChooseTest, WithoutADriverTheBuildAsksForLittle) {
  const Result<Choice> l4 = chosen("pytorch-inference", {"l4"});
  ASSERT_TRUE(l4) << l4.error().message;
  EXPECT_EQ(l4->candidate.name, "torch 2.15.0+cu130");
  EXPECT_EQ(l4->driver, "580.65.06");
  EXPECT_TRUE(l4->hosts.front().assumed);
  EXPECT_EQ(l4->hosts.front().name, "l4@580.65.06");
  const Result<Choice> b200 = chosen("pytorch-inference", {"b200"});
  ASSERT_TRUE(b200) << b200.error().message;
  EXPECT_EQ(b200->candidate.name, "torch 2.15.0+cu130");
  EXPECT_EQ(b200->hosts.front().driver, "580.65.06");
  const Result<Choice> mi300 = chosen("rocm-pytorch", {"mi300x"});
  ASSERT_TRUE(mi300) << mi300.error().message;
  EXPECT_TRUE(mi300->hosts.front().assumed);
  EXPECT_EQ(mi300->hosts.front().driver, "6.4");
}

TEST(ChooseTest, WhatRulesABuildOutIsTold) {
  const Result<Choice> out = chosen("pytorch-inference", {"h100@550.54.15"});
  ASSERT_TRUE(out);
  ASSERT_FALSE(out->rejected.empty());
  for (const Rejection& one : out->rejected) {
    EXPECT_EQ(one.host, "h100@550.54.15");
    EXPECT_FALSE(one.why.empty());
    EXPECT_FALSE(one.source.empty()) << one.candidate;
  }
  EXPECT_NE(out->rejected.front().why.find("driver is too old"), std::string::npos)
      << out->rejected.front().why;
}

TEST(ChooseTest, NothingFits) {
  // The last code for Kepler is CUDA 11.8's, and torch 2.7 for cu118 dropped what came before; CUDA
  // 12 needs 525.
  const Result<Choice> old = chosen("jax", {"a100@470.82.01"});
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().code, Code::kUsage);
  EXPECT_NE(old.error().message.find("a100@470.82.01"), std::string::npos);
  EXPECT_NE(old.error().message.find("too old"), std::string::npos) << old.error().message;
  EXPECT_FALSE(old.error().hint.empty());
  EXPECT_FALSE(old.error().context.empty());
}

TEST(ChooseTest, OtherMachinesAreRefusedByTheirFact) {
  const Result<Choice> amd = chosen("pytorch-inference", {"mi300x@6.10.5"});
  ASSERT_FALSE(amd);
  EXPECT_NE(amd.error().message.find("NVIDIA"), std::string::npos);
  EXPECT_NE(amd.error().hint.find("rocm-pytorch"), std::string::npos);
  const Result<Choice> nvidia = chosen("rocm-pytorch", {"h100@550.54.15"});
  ASSERT_FALSE(nvidia);
  EXPECT_NE(nvidia.error().hint.find("pytorch-inference"), std::string::npos);
  const Result<Choice> jetson = chosen("cuda-cpp", {"jetsonnano"});
  ASSERT_FALSE(jetson);
  EXPECT_NE(jetson.error().message.find("embedded"), std::string::npos);
  std::vector<host::Profile> two = hosts({"h100@550.54.15", "l4@550.54.15"});
  two[0].system.architecture = host::Text::known("x86_64", "uname");
  two[1].system.architecture = host::Text::known("aarch64", "uname");
  const Result<Choice> mixed = choose(named("cuda-cpp"), two, tables());
  ASSERT_FALSE(mixed);
  EXPECT_NE(mixed.error().message.find("two architectures"), std::string::npos);
  const Result<Choice> none = choose(named("cuda-cpp"), {host::Profile{}}, tables());
  ASSERT_FALSE(none);
  EXPECT_NE(none.error().hint.find("--host"), std::string::npos);
}

TEST(ChooseTest, ArmHostsGetArmBuilds) {
  std::vector<host::Profile> one = hosts({"gh200@580.95.05"});
  one[0].system.architecture = host::Text::known("aarch64", "uname");
  const Result<Choice> out = choose(named("pytorch-inference"), one, tables());
  ASSERT_TRUE(out) << out.error().message;
  EXPECT_EQ(out->platform, "linux/arm64");
  EXPECT_EQ(out->candidate.variant, "cu130");
}

TEST(ChooseTest, HostWordsAreSafeInFiles) {
  std::vector<host::Profile> all = hosts({"NVIDIA H100@550.54.15", "sm_90,a100", "mi300x@6.10.5"});
  EXPECT_EQ(host_words(all[0], tables()), "sm_90@550.54.15");
  all[0].gpus[0].name = host::Text::known("NVIDIA H100 80GB HBM3", "a file");
  EXPECT_EQ(host_words(all[0], tables()), "h100@550.54.15");
  all[0].gpus[0].name = host::Text::known("$(reboot)\nH200", "a file");
  EXPECT_EQ(host_words(all[0], tables()), "h200@550.54.15");
  EXPECT_EQ(host_words(all[1], tables()), "sm_90,a100");
  EXPECT_EQ(host_words(all[2], tables()), "mi300x@6.10.5");
  all[0].source = "$(reboot)\nRUN x";
  all[0].nvidia.library_version = all[0].nvidia.module_version =
      host::Text::known("550\"; reboot", "a file");
  EXPECT_EQ(host_words(all[0], tables()), "h200");
}

/// The image as its files say, not as the chooser described it.
needs::Needs image_of(const Choice& choice) {
  needs::Needs out;
  out.name = choice.candidate.name;
  out.platform = choice.platform;
  out.contents = true;
  out.libc = "glibc";
  out.libc_version = "2.36";
  const Candidate& one = choice.candidate;
  const auto add = [&](const char* type, std::string name, std::string version) {
    inventory::InstalledPackage added;
    added.package = {type, std::move(name), std::move(version)};
    out.packages.push_back(std::move(added));
  };
  if (one.name.starts_with("torch")) {
    add("pip", "torch", one.version + "+" + one.variant);
  } else if (one.name.starts_with("jax")) {
    add("pip", "jax", one.version);
    add("pip", "jax-" + one.variant + "-plugin", one.version);
    add("pip", "jax-" + one.variant + "-pjrt", one.version);
  } else if (one.name.starts_with("pytorch")) {
    add("conda", "pytorch", one.version);
    add("conda", "cuda-cudart", one.cuda);
    out.runtimes.push_back(
        {"PyTorch", one.version, fmt::format("torch/version.py (built for CUDA {})", one.cuda)});
  }
  if (!one.cuda.empty()) {
    out.runtimes.push_back({"CUDA runtime", one.cuda, "libcudart"});
    needs::CodeFile code;
    code.path = "srv/program";
    for (const std::string& architecture : choice.architectures) {
      inventory::ArchCount row;
      row.vendor = "nvidia";
      row.kind = "cubin";
      row.arch = "sm_" + architecture;
      std::erase(row.arch, '.');
      row.count = 1;
      row.bytes = 1000;
      code.entries.push_back(row);
    }
    // For a framework the code is in the wheels, which framework-build judges by the table.
    if (one.version.empty()) out.code.push_back(code);
  } else {
    out.runtimes.push_back({"ROCm", one.rocm, "librocblas"});
  }
  return out;
}

// What is chosen is what check accepts: every template for hosts from old to new.
TEST(ChooseTest, CheckAcceptsEveryChoice) {
  const std::vector<std::string> nvidia = {
      "a100@525.60.13",    "h100@535.104.05", "h100@550.54.15",    "l4@550.54.15",
      "t4@525.60.13",      "v100@535.104.05", "rtx4090@580.95.05", "b200@580.95.05",
      "rtx5090@580.95.05", "b300@590.48.01",  "a100@615.31",       "l40s@595.71.05"};
  const std::vector<std::string> amd = {"mi300x@6.10.5", "mi300x@6.12.12", "mi250x@6.7.0",
                                        "mi210@6.8.5",   "mi355x@6.16.13", "rx7900xtx@6.12.12"};
  const Result<std::vector<Template>> all = templates();
  ASSERT_TRUE(all);
  EXPECT_EQ(all->size(), 8u);
  std::size_t judged = 0;
  for (const Template& one : *all)
    for (const std::string& words : one.vendor == "amd" ? amd : nvidia) {
      const auto host = hosts({words});
      const Result<Choice> out = choose(one, host, tables());
      ASSERT_TRUE(out) << one.name << " for " << words << ": " << out.error().message;
      const needs::Needs image = image_of(*out);
      const compat::HostVerdict verdict =
          compat::judge({image, host.front(), tables(), compat::Launcher::kDocker, false, nullptr});
      for (const compat::Check& check : verdict.checks) {
        // The code of frameworks is not described here: the table of their builds judges it.
        const bool bad = check.verdict == compat::Verdict::kFail ||
                         check.verdict == compat::Verdict::kUnsupported ||
                         (check.verdict == compat::Verdict::kUnknown && check.decisive &&
                          one.stack == Stack::kToolkit);
        EXPECT_FALSE(bad) << one.name << ", " << out->candidate.name << " for " << words << ": "
                          << check.id << ": " << check.message;
      }
      // The minimum driver is not one that the host falls short of.
      if (!out->driver.empty()) {
        EXPECT_TRUE(version_at_least(out->hosts.front().driver, out->driver))
            << one.name << " for " << words;
      }
      ++judged;
    }
  EXPECT_EQ(judged, 7 * nvidia.size() + amd.size());
}

}  // namespace
}  // namespace flense::scaffold
