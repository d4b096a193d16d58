// What people type, on machines and in all kinds of jobs.
#include "launch/gpus/request.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/format.h"
#include "launch/gpus/gpus_option.h"

namespace flense::launch {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

host::Gpu nvidia(std::uint64_t minor) {
  host::Gpu gpu;
  gpu.vendor = "nvidia";
  gpu.kernel_driver = host::Text::known("nvidia", "test");
  gpu.minor = host::Number::known(minor, "test");
  gpu.uuid =
      host::Text::known(fmt::format("GPU-{:08x}-aaaa-bbbb-cccc-dddddddddddd", minor), "test");
  gpu.pci_address = host::Text::known(fmt::format("0000:{:02x}:00.0", minor + 1), "test");
  return gpu;
}
host::Gpu amd(std::uint64_t minor, std::uint64_t partitions = 1) {
  host::Gpu gpu;
  gpu.vendor = "amd";
  gpu.kernel_driver = host::Text::known("amdgpu", "test");
  gpu.minor = host::Number::known(minor, "test");
  gpu.partitions = host::Number::known(partitions, "test");
  gpu.pci_address = host::Text::known(fmt::format("0000:{:02x}:00.0", minor), "test");
  return gpu;
}
host::Profile machine(std::vector<host::Gpu> gpus) {
  host::Profile out;
  out.gpus = std::move(gpus);
  out.gpu_count = host::Number::known(out.gpus.size(), "no GPU on the PCI bus");
  out.nvidia.module_version = host::Text::unknown("/proc/driver/nvidia/version is missing");
  return out;
}
/// Minors in another order than the bus, as on real machines.
host::Profile four() {
  host::Profile out = machine({nvidia(2), nvidia(3), nvidia(0), nvidia(1)});
  for (std::size_t i = 0; i < 4; ++i)
    out.gpus[i].pci_address = host::Text::known(fmt::format("0000:{:02x}:00.0", i + 1), "test");
  return out;
}

using Variables = std::map<std::string, std::string, std::less<>>;

Result<GpuChoice> choose(const host::Profile& host, GpuRequest request,
                         const Variables& variables = {},
                         const std::optional<std::set<std::uint64_t>>& openable = std::nullopt) {
  const auto variable = [&](std::string_view name) -> std::optional<std::string> {
    const auto at = variables.find(name);
    return at == variables.end() ? std::nullopt : std::optional(at->second);
  };
  return choose_gpus(request, host, variable, openable);
}
Result<GpuChoice> gpus(const host::Profile& host, const std::string& value,
                       const Variables& variables = {}) {
  return choose(host, {{value}, {}, false, false}, variables);
}
std::vector<std::string> names(const Result<GpuChoice>& choice) {
  if (!choice) return {"error: " + choice.error().message};
  return choice->names;
}

TEST(GpuWords, DockersForms) {
  const auto devices = [](std::string_view text) {
    const auto words = parse_gpu_words(text);
    return words ? words->devices : std::vector<std::string>{words.error().message};
  };
  const std::vector<std::string> two = {"0", "1"};
  for (const char* text : {"0,1", "device=0,1", "\"device=0,1\"", "\"device=0\",1", "device=0, 1",
                           "\"device=0,1\",capabilities=utility", "capabilities=utility,device=0,1",
                           "driver=nvidia,\"device=0,1\""})
    EXPECT_EQ(devices(text), two) << text;
  EXPECT_THAT(devices("device=GPU-1234"), ElementsAre("GPU-1234"));
  EXPECT_THAT(devices("MIG-5d5"), ElementsAre("MIG-5d5"));
  EXPECT_THAT(devices("1:0"), ElementsAre("1:0"));
  EXPECT_THAT(devices("nvidia.com/gpu=0,nvidia.com/gpu=1"),
              ElementsAre("nvidia.com/gpu=0", "nvidia.com/gpu=1"));
  EXPECT_EQ(parse_gpu_words("2")->count, 2U);
  EXPECT_EQ(parse_gpu_words("count=2,capabilities=compute")->count, 2U);
  EXPECT_TRUE(parse_gpu_words("all")->all);
  EXPECT_TRUE(parse_gpu_words("count=all")->all);
  EXPECT_TRUE(parse_gpu_words("device=all")->all);
  EXPECT_TRUE(parse_gpu_words("\"capabilities=compute,utility\"")->all);
  EXPECT_THAT(parse_gpu_words("\"capabilities=compute,utility\"")->capabilities,
              ElementsAre("compute", "utility"));
  EXPECT_TRUE(parse_gpu_words("none")->none);
}

TEST(GpuWords, WhatIsNotUnderstoodSaysWhatIs) {
  for (const char* text :
       {"", "0", ",", "0,,1", "device=", "colour=red", "\"device=0", "count=x", "none,0", "all,0",
        "count=2,device=0", "count=1,count=2", "driver=intel"}) {
    const auto words = parse_gpu_words(text);
    ASSERT_FALSE(words) << text;
    EXPECT_EQ(words.error().code, Code::kUsage) << text;
    EXPECT_THAT(words.error().hint, HasSubstr("--gpus takes all")) << text;
  }
  EXPECT_THAT(parse_gpu_words("0").error().message, HasSubstr("say none, or device=0"));
}

TEST(GpuRequest, OnAMachine) {
  const host::Profile host = four();
  EXPECT_THAT(names(gpus(host, "all")), ElementsAre("nvidia.com/gpu=all"));
  EXPECT_THAT(names(gpus(host, "1,3")), ElementsAre("nvidia.com/gpu=1", "nvidia.com/gpu=3"));
  EXPECT_THAT(names(gpus(host, "2")), ElementsAre("nvidia.com/gpu=0", "nvidia.com/gpu=1"));
  EXPECT_THAT(names(gpus(host, "GPU-00000001-aaaa-bbbb-cccc-dddddddddddd")),
              ElementsAre("nvidia.com/gpu=3"));
  EXPECT_THAT(names(gpus(host, "GPU-00000001")), ElementsAre("nvidia.com/gpu=3"));
  EXPECT_THAT(names(gpus(host, "0000:02:00.0")), ElementsAre("nvidia.com/gpu=1"));
  EXPECT_THAT(names(gpus(host, "MIG-1-2")), ElementsAre("nvidia.com/gpu=MIG-1-2"));
  EXPECT_THAT(names(gpus(host, "vendor.org/gpu=x")), ElementsAre("vendor.org/gpu=x"));
  EXPECT_THAT(names(gpus(host, "none")), IsEmpty());
  EXPECT_THAT(names(gpus(host, "device=1,1")), ElementsAre("nvidia.com/gpu=1"));
  EXPECT_THAT(gpus(host, "all,capabilities=utility")->notices,
              ElementsAre(HasSubstr("capabilities=utility has no effect")));
  // Outside a job the caller's variable does not choose devices, but it must not hide them.
  EXPECT_THAT(gpus(host, "1,3", {{"CUDA_VISIBLE_DEVICES", "3"}})->env,
              ElementsAre("CUDA_VISIBLE_DEVICES=0,1"));
  EXPECT_THAT(gpus(host, "1,3")->env, IsEmpty());
}

TEST(GpuRequest, WhatIsNotThereIsNamed) {
  const host::Profile host = four();
  const auto ninth = gpus(host, "device=9");
  ASSERT_FALSE(ninth);
  EXPECT_EQ(ninth.error().code, Code::kEnvironment);
  EXPECT_EQ(ninth.error().message, "there is no GPU '9' on this machine");
  EXPECT_THAT(ninth.error().hint, HasSubstr("0, 1, 2, 3, GPU-00000002"));
  const auto slip = gpus(host, "GPU-00000003-aaaa-bbbb-cccc-ddddddddddde");
  ASSERT_FALSE(slip);
  EXPECT_THAT(slip.error().hint,
              HasSubstr("did you mean GPU-00000003-aaaa-bbbb-cccc-dddddddddddd?"));
  EXPECT_THAT(names(gpus(host, "5")),
              ElementsAre(HasSubstr("asks for 5 GPUs, and this machine has 4")));
  EXPECT_THAT(names(choose(host, {{"none", "1,2"}, {}, false, false})),
              ElementsAre(HasSubstr("exclude each other")));
}

TEST(GpuRequest, WithoutADriverOrAGpu) {
  EXPECT_THAT(names(gpus(machine({}), "all")),
              ElementsAre("error: --gpus all asks for a GPU, and there is none (no GPU on the PCI "
                          "bus)"));
  host::Gpu bare = nvidia(0);
  bare.minor = host::Number::unknown("no driver");
  bare.kernel_driver = host::Text::unknown("no driver is bound");
  const auto choice = gpus(machine({bare}), "device=0");
  ASSERT_FALSE(choice);
  EXPECT_THAT(choice.error().message,
              HasSubstr("at 0000:01:00.0 is not loaded: /proc/driver/nvidia/version is missing"));
  EXPECT_THAT(choice.error().hint, HasSubstr("flense doctor"));
  // --nv and --rocm take whatever is there.
  const auto present = choose(machine({}), {{}, {}, true, true});
  ASSERT_TRUE(present);
  EXPECT_THAT(present->names, IsEmpty());
  EXPECT_EQ(present->reasons.size(), 2U);
}

TEST(GpuRequest, TwoVendors) {
  const host::Profile host = machine({nvidia(0), amd(128), amd(129)});
  EXPECT_THAT(names(gpus(host, "all")), ElementsAre("nvidia.com/gpu=all", "amd.com/gpu=all"));
  const auto index = gpus(host, "device=0");
  ASSERT_FALSE(index);
  EXPECT_EQ(index.error().code, Code::kUsage);
  EXPECT_THAT(index.error().hint, HasSubstr("--device nvidia.com/gpu=0 or --device amd.com/gpu=0"));
  EXPECT_THAT(names(gpus(host, "driver=amd,device=1")), ElementsAre("amd.com/gpu=1"));
  EXPECT_THAT(names(choose(host, {{}, {}, false, true})), ElementsAre("amd.com/gpu=all"));
  EXPECT_THAT(names(choose(host, {{}, {}, true, false})), ElementsAre("nvidia.com/gpu=all"));
  EXPECT_THAT(names(gpus(host, "0000:81:00.0")), ElementsAre("amd.com/gpu=1"));
}

TEST(GpuRequest, PartitionsOfAmdCountAsDevices) {
  const host::Profile host = machine({amd(128, 8), amd(136, 8)});
  EXPECT_THAT(names(gpus(host, "device=15")), ElementsAre("amd.com/gpu=15"));
  EXPECT_FALSE(gpus(host, "device=16"));
}

TEST(GpuRequest, Mig) {
  host::Profile host = machine({nvidia(0), nvidia(1)});
  host.gpus[1].mig_instances = host::Number::known(3, "test");
  EXPECT_THAT(names(gpus(host, "1:2,0")), ElementsAre("nvidia.com/gpu=1:2", "nvidia.com/gpu=0"));
  const auto whole = gpus(host, "device=1");
  ASSERT_FALSE(whole);
  EXPECT_THAT(whole.error().message, HasSubstr("divided into 3 MIG instances"));
  EXPECT_THAT(whole.error().hint, HasSubstr("device=1:0"));
  EXPECT_THAT(names(gpus(host, "1")), ElementsAre("nvidia.com/gpu=0")) << "a GPU that is whole";
  host.gpus[0].mig = host::Flag::known(true, "test");
  host.gpus[0].mig_instances = host::Number::known(0, "test");
  EXPECT_THAT(names(gpus(host, "device=0")), ElementsAre(HasSubstr("it has no instances")));
  host.gpus.pop_back();
  EXPECT_THAT(names(gpus(host, "all")), ElementsAre(HasSubstr("it has no instances")));
}

TEST(GpuRequest, Wsl) {
  host::Profile host = machine({});
  host.system.wsl2 = host::Flag::known(true, "test");
  host.nvidia.library_path = host::Text::known("/usr/lib/wsl/lib/libcuda.so.1", "test");
  EXPECT_THAT(names(gpus(host, "all")), ElementsAre("nvidia.com/gpu=all"));
  EXPECT_THAT(names(choose(host, {{}, {}, true, false})), ElementsAre("nvidia.com/gpu=all"));
}

TEST(GpuRequest, InASlurmJobIndicesAreTheJobs) {
  const host::Profile host = four();  // minors 2 3 0 1 by index
  const Variables job = {
      {"SLURM_JOB_ID", "7"}, {"SLURM_JOB_GPUS", "0,3"}, {"CUDA_VISIBLE_DEVICES", "0,3"}};
  EXPECT_THAT(names(gpus(host, "all", job)), ElementsAre("nvidia.com/gpu=2", "nvidia.com/gpu=1"));
  EXPECT_THAT(names(gpus(host, "device=1", job)), ElementsAre("nvidia.com/gpu=1"));
  EXPECT_THAT(names(gpus(host, "1", job)), ElementsAre("nvidia.com/gpu=2"));
  EXPECT_THAT(gpus(host, "all", job)->env, ElementsAre("CUDA_VISIBLE_DEVICES=0,1"));
  EXPECT_THAT(gpus(host, "all", job)->reasons.front(), HasSubstr("SLURM_JOB_GPUS=0,3"));
  EXPECT_THAT(names(gpus(host, "3", job)), ElementsAre(HasSubstr("the Slurm job has 2")));
  const auto third = gpus(host, "device=2", job);
  ASSERT_FALSE(third);
  EXPECT_THAT(third.error().message, HasSubstr("in this Slurm job (SLURM_JOB_GPUS=0,3)"));
  EXPECT_FALSE(gpus(host, "GPU-00000001", job)) << "a GPU of another job";
  // The step has fewer; ranges as Slurm may write them.
  Variables step = job;
  step["SLURM_STEP_GPUS"] = "3";
  EXPECT_THAT(names(gpus(host, "all", step)), ElementsAre("nvidia.com/gpu=1"));
  step["SLURM_STEP_GPUS"] = "0-2";
  EXPECT_THAT(names(gpus(host, "all", step)),
              ElementsAre("nvidia.com/gpu=2", "nvidia.com/gpu=3", "nvidia.com/gpu=0"));
  // A name that identifies a GPU means that GPU.
  EXPECT_THAT(names(gpus(host, "nvidia.com/gpu=0", job)), ElementsAre("nvidia.com/gpu=0"));
}

TEST(GpuRequest, InASlurmJobTheOpenableNodesDecide) {
  const host::Profile host = four();
  const Variables job = {
      {"SLURM_JOB_ID", "7"}, {"SLURM_JOB_GPUS", "0"}, {"CUDA_VISIBLE_DEVICES", "0"}};
  const auto choice = choose(host, {{"all"}, {}, false, false}, job, std::set<std::uint64_t>{1, 2});
  EXPECT_THAT(names(choice), ElementsAre("nvidia.com/gpu=0", "nvidia.com/gpu=3"));
  EXPECT_THAT(choice->env, ElementsAre("CUDA_VISIBLE_DEVICES=0,1"));
  // Without constraints all can be opened, and what Slurm says counts.
  EXPECT_THAT(
      names(choose(host, {{"all"}, {}, false, false}, job, std::set<std::uint64_t>{0, 1, 2, 3})),
      ElementsAre("nvidia.com/gpu=2"));
}

TEST(GpuRequest, InASlurmJobByCudasVariable) {
  const host::Profile host = four();
  const Variables job = {{"SLURM_JOB_ID", "7"}, {"CUDA_VISIBLE_DEVICES", "1"}};
  EXPECT_THAT(names(gpus(host, "all", job)), ElementsAre("nvidia.com/gpu=1"));
  const Variables mig = {
      {"SLURM_JOB_ID", "7"}, {"SLURM_JOB_GPUS", "0"}, {"CUDA_VISIBLE_DEVICES", "MIG-aa,MIG-bb"}};
  const auto choice = gpus(host, "all", mig);
  EXPECT_THAT(names(choice), ElementsAre("nvidia.com/gpu=MIG-aa", "nvidia.com/gpu=MIG-bb"));
  EXPECT_THAT(choice->env, ElementsAre("CUDA_VISIBLE_DEVICES=MIG-aa,MIG-bb"));
  EXPECT_FALSE(gpus(host, "MIG-cc", mig));
  const Variables rocm = {{"SLURM_JOB_ID", "7"}, {"ROCR_VISIBLE_DEVICES", "1"}};
  const auto of_amd = gpus(machine({amd(128), amd(129)}), "all", rocm);
  EXPECT_THAT(names(of_amd), ElementsAre("amd.com/gpu=1"));
  EXPECT_THAT(of_amd->env, ElementsAre("ROCR_VISIBLE_DEVICES=0"));
}

TEST(GpuRequest, AJobWithoutGpus) {
  const Variables job = {{"SLURM_JOB_ID", "7"}, {"CUDA_VISIBLE_DEVICES", "NoDevFiles"}};
  EXPECT_THAT(names(gpus(four(), "all", job)), ElementsAre(HasSubstr("the Slurm job has none")));
  EXPECT_THAT(names(choose(four(), {{}, {}, true, false}, job)), IsEmpty());
  // If nothing is said about GPUs, nothing is known to be forbidden.
  EXPECT_THAT(names(gpus(four(), "all", {{"SLURM_JOB_ID", "7"}})),
              ElementsAre("nvidia.com/gpu=all"));
  const Variables empty = {{"SLURM_JOB_ID", "7"}, {"SLURM_JOB_GPUS", "9"}};
  EXPECT_THAT(names(gpus(four(), "all", empty)), ElementsAre(HasSubstr("the Slurm job has none")));
}

TEST(GpuRequest, Devices) {
  const auto choice = choose(four(), {{}, {"/dev/fuse", "nvidia.com/gpu=1"}, false, false});
  ASSERT_TRUE(choice);
  ASSERT_EQ(choice->nodes.size(), 1U);
  EXPECT_EQ(choice->nodes.front().path, "/dev/fuse");
  EXPECT_THAT(choice->names, ElementsAre("nvidia.com/gpu=1"));
  const auto bad = choose(four(), {{}, {"fuse"}, false, false});
  ASSERT_FALSE(bad);
  EXPECT_EQ(bad.error().code, Code::kUsage);
}

}  // namespace
}  // namespace flense::launch
