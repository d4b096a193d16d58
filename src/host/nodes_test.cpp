// Node lists of clusters as profiles.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "host/host_argument.h"
#include "host/hostlist.h"
#include "host/node_facts.h"
#include "host/profile_json.h"
#include "knowledge/testing_tables.h"

namespace flense::host {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::Optional;

std::string text(std::string value) {
  return value;
}

std::vector<Profile> read(std::string_view content) {
  auto profiles = parse_profiles(content, "nodes", knowledge::test_tables());
  EXPECT_TRUE(profiles) << render(profiles.error());
  return profiles ? *std::move(profiles) : std::vector<Profile>();
}

std::string node(std::string_view name, std::string_view labels, std::string_view more = "{}") {
  return fmt::format(R"({{"kind": "Node", "metadata": {{"name": "{}", "labels": {{{}}}}},
    "spec": {{"providerID": "aws:///eu-west-1a/i-0"}}, "status": {}}})",
                     name, labels, more);
}

std::string list(const std::vector<std::string>& nodes) {
  return fmt::format(R"({{"apiVersion": "v1", "kind": "List", "items": [{}]}})",
                     fmt::join(nodes, ","));
}

constexpr const char* kH100 = R"(
  "nvidia.com/cuda.driver.major": "550", "nvidia.com/cuda.driver.minor": "54",
  "nvidia.com/cuda.driver.rev": "15", "nvidia.com/cuda.runtime.major": "12",
  "nvidia.com/cuda.runtime.minor": "4", "nvidia.com/gpu.compute.major": "9",
  "nvidia.com/gpu.compute.minor": "0", "nvidia.com/gpu.count": "8",
  "nvidia.com/gpu.family": "hopper", "nvidia.com/gpu.memory": "81559",
  "nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3", "nvidia.com/mig.capable": "true",
  "nvidia.com/mig.strategy": "single",
  "feature.node.kubernetes.io/cpu-cpuid.AVX2": "true",
  "feature.node.kubernetes.io/cpu-cpuid.FMA3": "true",
  "feature.node.kubernetes.io/system-os_release.ID": "ubuntu")";

constexpr const char* kStatus = R"({"capacity": {"cpu": "96", "memory": "2113560944Ki",
  "nvidia.com/gpu": "8"}, "nodeInfo": {"architecture": "amd64", "kernelVersion": "5.15.0-105-generic",
  "osImage": "Ubuntu 22.04.4 LTS", "containerRuntimeVersion": "containerd://1.7.22"}})";

TEST(Kubernetes, EachFactNamesItsLabel) {
  const auto profiles = read(list({node("gpu-7", kH100, kStatus)}));
  ASSERT_EQ(profiles.size(), 1u);
  const Profile& host = profiles[0];
  EXPECT_EQ(host.source, "gpu-7");
  EXPECT_THAT(host.nvidia.module_version.value, Optional(text("550.54.15")));
  EXPECT_EQ(host.nvidia.module_version.evidence, "label nvidia.com/cuda.driver.major");
  EXPECT_THAT(host.nvidia.cuda.value, Optional(text("12.4")));
  EXPECT_THAT(host.gpu_count.value, Optional(8u));
  ASSERT_EQ(host.gpus.size(), 8u);
  EXPECT_THAT(host.gpus[7].name.value, Optional(text("NVIDIA-H100-80GB-HBM3")));
  EXPECT_THAT(host.gpus[7].architecture.value, Optional(text("9.0")));
  EXPECT_THAT(host.gpus[7].memory_bytes.value, Optional(std::uint64_t{81559} << 20));
  EXPECT_THAT(host.gpus[7].mig.value, Optional(false));
  EXPECT_THAT(host.system.kernel.value, Optional(text("5.15.0-105-generic")));
  EXPECT_EQ(host.system.kernel.evidence, "status.nodeInfo.kernelVersion");
  EXPECT_THAT(host.system.architecture.value, Optional(text("x86_64")));
  EXPECT_THAT(host.system.cpu_level.value, Optional(text("x86-64-v3")));
  EXPECT_THAT(host.system.distribution_id.value, Optional(text("ubuntu")));
  EXPECT_THAT(host.system.memory_bytes.value, Optional(std::uint64_t{2113560944} << 10));
  ASSERT_EQ(host.engines.size(), 1u);
  EXPECT_EQ(host.engines[0].name, "containerd");
  EXPECT_THAT(host.engines[0].version.value, Optional(text("1.7.22")));
  EXPECT_FALSE(host.system.libc_version.value);
  EXPECT_EQ(host.system.libc_version.evidence, "no label of the node tells it");
  EXPECT_THAT(host.notices, IsEmpty());
  EXPECT_EQ(from_json(to_json(host), "again").value(), host);
}

TEST(Kubernetes, NewerLabelsAndTheDriverTable) {
  const auto profiles = read(list({node("n", R"(
    "nvidia.com/cuda.driver-version.full": "570.124.06", "nvidia.com/cuda.driver.major": "1",
    "nvidia.com/cuda.runtime-version.full": "12.8", "nvidia.com/gpu.product": "Tesla-T4-SHARED",
    "nvidia.com/gpu.count": "1")"),
                                   node("m", R"("nvidia.com/cuda.driver.major": "455",
    "nvidia.com/cuda.driver.minor": "06", "nvidia.com/cuda.driver.rev": "",
    "nvidia.com/gpu.product": "Tesla-T4", "nvidia.com/gpu.count": "2")")}));
  EXPECT_THAT(profiles[0].nvidia.module_version.value, Optional(text("570.124.06")));
  EXPECT_THAT(profiles[0].nvidia.cuda.value, Optional(text("12.8")));
  EXPECT_THAT(profiles[0].gpus[0].name.value, Optional(text("Tesla-T4")));
  EXPECT_THAT(profiles[0].gpus[0].architecture.value, Optional(text("7.5")));
  EXPECT_THAT(profiles[1].nvidia.module_version.value, Optional(text("455.06")));
  EXPECT_THAT(profiles[1].nvidia.cuda.value, Optional(text("11.1")));
  EXPECT_THAT(profiles[1].nvidia.cuda.evidence, HasSubstr("driver table"));
}

TEST(Kubernetes, NodesOfOneKindDifferInTheirNamesAlone) {
  const std::string labels = R"("nvidia.com/gpu.product": "Tesla-T4", "nvidia.com/gpu.count": "2",
    "nvidia.com/cuda.driver.major": "535", "nvidia.com/cuda.driver.minor": )";
  const auto profiles = read(list({node("a", labels + R"("129")"), node("b", labels + R"("129")"),
                                   node("c", labels + R"("154")")}));
  EXPECT_TRUE(is_same_kind(profiles[0], profiles[1]));
  EXPECT_FALSE(profiles[0] == profiles[1]);
  EXPECT_FALSE(is_same_kind(profiles[0], profiles[2]));
}

TEST(Kubernetes, MigDevicesAreNoGpus) {
  const auto profiles =
      read(list({node("single", R"("nvidia.com/gpu.product": "A100-SXM4-40GB-MIG-1g.5gb",
    "nvidia.com/gpu.count": "56", "nvidia.com/gpu.memory": "4864")"),
                 node("mixed", R"("nvidia.com/gpu.product": "A100-SXM4-40GB",
    "nvidia.com/gpu.count": "8", "nvidia.com/mig-3g.20gb.count": "2")"),
                 node("never", R"("nvidia.com/gpu.product": "L40S", "nvidia.com/gpu.count": "4",
    "nvidia.com/mig.capable": "false")")}));
  const Profile& single = profiles[0];
  EXPECT_FALSE(single.gpu_count.value);
  ASSERT_EQ(single.gpus.size(), 1u);
  EXPECT_THAT(single.gpus[0].name.value, Optional(text("A100-SXM4-40GB")));
  EXPECT_THAT(single.gpus[0].architecture.value, Optional(text("8.0")));
  EXPECT_THAT(single.gpus[0].mig.value, Optional(true));
  EXPECT_THAT(single.gpus[0].mig_instances.value, Optional(56u));
  EXPECT_THAT(single.gpus[0].memory_bytes.evidence, HasSubstr("each MIG device"));
  EXPECT_THAT(single.gpus[0].mig_memory_bytes.value, Optional(std::uint64_t{4864} << 20));
  EXPECT_EQ(profiles[1].gpus.size(), 8u);
  EXPECT_THAT(profiles[1].gpus[0].mig.value, Optional(true));
  EXPECT_THAT(profiles[2].gpus[0].mig.value, Optional(false));
}

TEST(Kubernetes, SharedGpus) {
  const std::string shared = R"("nvidia.com/gpu.product": "Tesla-T4-SHARED",
    "nvidia.com/gpu.count": "1", "nvidia.com/gpu.memory": "15360", "nvidia.com/gpu.replicas": )";
  const auto profiles =
      read(list({node("mps", shared + R"("4", "nvidia.com/gpu.sharing-strategy": "mps")"),
                 node("time", shared + R"("8", "nvidia.com/gpu.sharing-strategy": "time-slicing")"),
                 node("before", shared + R"("8")"),
                 node("alone", shared + R"("1", "nvidia.com/gpu.sharing-strategy": "none")")}));
  EXPECT_THAT(profiles[0].gpus[0].sharing.value, Optional(text("mps")));
  EXPECT_THAT(profiles[0].gpus[0].replicas.value, Optional(4u));
  EXPECT_THAT(profiles[1].gpus[0].sharing.value, Optional(text("time-slicing")));
  EXPECT_THAT(profiles[2].gpus[0].sharing.value, Optional(text("time-slicing")));
  EXPECT_EQ(profiles[2].gpus[0].sharing.evidence,
            "label nvidia.com/gpu.replicas, and none of the strategy");
  EXPECT_EQ(profiles[3].gpus[0].sharing, Text());
}

// Strategy single offers nothing where the GPUs are cut in different ways.
TEST(Kubernetes, MigInvalidIsGpusThatNobodyCanAskFor) {
  const auto profiles =
      read(list({node("mixed-up", R"("nvidia.com/gpu.product": "A100-SXM4-40GB-MIG-INVALID",
    "nvidia.com/gpu.count": "0", "nvidia.com/mig.strategy": "single")")}));
  ASSERT_EQ(profiles[0].gpus.size(), 1u);
  EXPECT_THAT(profiles[0].gpus[0].name.value, Optional(text("A100-SXM4-40GB")));
  EXPECT_THAT(profiles[0].gpu_count.value, Optional(0u));
  EXPECT_THAT(profiles[0].gpu_count.evidence, HasSubstr("MIG-INVALID"));
}

TEST(Kubernetes, AmdLabelsOfBothKinds) {
  const auto profiles = read(list(
      {node("new", R"("amd.com/gpu.product-name": "AMD_Instinct_MI300X_OAM",
    "amd.com/gpu.device-id": "74a1", "amd.com/gpu.driver-version": "6.12.12",
    "amd.com/gpu.vram": "192G", "beta.amd.com/gpu.device-id.74a1": "8")"),
       node("old", R"("beta.amd.com/gpu.device-id.740f": "4", "beta.amd.com/gpu.vram.64G": "4")"),
       node("strange", R"("amd.com/gpu.device-id": "ffff")",
            R"({"capacity": {"amd.com/gpu": "2"}})")}));
  EXPECT_EQ(profiles[0].gpus.size(), 8u);
  EXPECT_THAT(profiles[0].gpus[0].architecture.value, Optional(text("gfx942")));
  EXPECT_THAT(profiles[0].gpus[0].name.value, Optional(text("AMD Instinct MI300X OAM")));
  EXPECT_THAT(profiles[0].gpus[0].memory_bytes.value, Optional(std::uint64_t{192} << 30));
  EXPECT_THAT(profiles[0].amd.driver_version.value, Optional(text("6.12.12")));
  EXPECT_TRUE(profiles[0].nvidia.module_version.evidence.empty());
  EXPECT_EQ(profiles[1].gpus.size(), 4u);
  EXPECT_THAT(profiles[1].gpus[0].architecture.value, Optional(text("gfx90a")));
  EXPECT_THAT(profiles[1].gpus[0].memory_bytes.value, Optional(std::uint64_t{64} << 30));
  EXPECT_FALSE(profiles[1].amd.driver_version.value);
  EXPECT_EQ(profiles[2].gpus.size(), 2u);
  EXPECT_FALSE(profiles[2].gpus[0].architecture.value);
}

TEST(Kubernetes, WithoutGpuLabelsNothingIsAssumed) {
  const auto profiles =
      read(list({node("plain", ""),
                 node("bus", R"("feature.node.kubernetes.io/pci-0302_10de.present": "true")"),
                 node("cloud", R"("node.kubernetes.io/instance-type": "p5.48xlarge")")}));
  EXPECT_FALSE(profiles[0].gpu_count.value);
  EXPECT_EQ(profiles[0].gpu_count.evidence, "no label of the node tells it");
  EXPECT_FALSE(profiles[0].nvidia.module_version.value);
  ASSERT_EQ(profiles[0].notices.size(), 2u);
  EXPECT_THAT(profiles[0].notices[0], HasSubstr("no node of nodes has a GPU label"));
  EXPECT_THAT(profiles[0].notices[1], HasSubstr("node plain has no GPU label"));
  ASSERT_EQ(profiles[1].gpus.size(), 1u);
  EXPECT_EQ(profiles[1].gpus[0].vendor, "nvidia");
  EXPECT_FALSE(profiles[1].gpus[0].architecture.value);
  EXPECT_FALSE(profiles[1].gpus[0].architecture.evidence.empty());
  ASSERT_EQ(profiles[2].gpus.size(), 8u);
  EXPECT_THAT(profiles[2].gpus[0].architecture.value, Optional(text("9.0")));
  EXPECT_THAT(profiles[2].gpus[0].architecture.evidence, HasSubstr("instances.json"));
  EXPECT_FALSE(profiles[2].nvidia.module_version.value);
  // With one labelled node the list is no longer reported as unlabelled.
  EXPECT_THAT(read(list({node("a", kH100), node("b", "")}))[1].notices,
              ElementsAre("node b has no GPU label"));
}

TEST(Kubernetes, HostileLabelsBecomeUnknown) {
  const auto profiles = read(list({node("evil\\u001b[2J", R"(
    "nvidia.com/gpu.count": "99999999999", "nvidia.com/gpu.product": "x\u001b]0;\u0007",
    "nvidia.com/gpu.memory": "18446744073709551615", "nvidia.com/gpu.compute.major": "-9",
    "nvidia.com/cuda.driver-version.full": "rm -rf /", "amd.com/gpu.vram": "99999999G",
    "amd.com/gpu.device-id": ["a"])",
                                        R"({"capacity": {"memory": "18446744073709551615Ti"}})")}));
  const Profile& host = profiles[0];
  EXPECT_THAT(host.source, Not(HasSubstr("\x1b")));
  EXPECT_EQ(host.gpus.size(), 1u);
  EXPECT_FALSE(host.gpu_count.value);
  EXPECT_FALSE(host.gpus[0].memory_bytes.value);
  EXPECT_FALSE(host.gpus[0].architecture.value);
  EXPECT_FALSE(host.nvidia.module_version.value);
  EXPECT_THAT(host.nvidia.module_version.evidence, HasSubstr("rm -rf"));
  EXPECT_FALSE(host.system.memory_bytes.value);
  EXPECT_THAT(*host.gpus[0].name.value, Not(HasSubstr("\x1b")));
}

TEST(Kubernetes, OneNodeAndWrongLists) {
  EXPECT_EQ(read(node("one", kH100)).size(), 1u);
  EXPECT_EQ(read(R"({"kind": "NodeList", "items": [{"metadata": {"name": "n"}}]})").size(), 1u);
  for (const char* wrong :
       {R"({"kind": "List", "items": []})", R"({"kind": "List", "items": [{"kind": "Pod"}]})",
        R"({"kind": "NodeList", "items": [{"metadata": {}}]})", R"({"kind": "List"})", "[]", "",
        " \n", R"({"nodes": []})", R"({"nodes": [{}]})", "hello", "NodeName= Gres=gpu:8",
        "NODELIST GRES\n", "NODELIST GRES\nn[1-\n", "NODELIST GRES\nn1\n",
        R"([{"schema": "flense/plan/v1"}])"}) {
    const auto profiles = parse_profiles(wrong, "f", knowledge::test_tables());
    ASSERT_FALSE(profiles) << wrong;
    EXPECT_EQ(profiles.error().code, Code::kBadInput) << wrong;
  }
}

TEST(Slurm, TextOfScontrol) {
  const auto profiles = read(R"(NodeName=gpu001 Arch=x86_64 CoresPerSocket=32
   CPUAlloc=0 CPUEfctv=128 CPUTot=128 CPULoad=0.10
   AvailableFeatures=h100,ib ActiveFeatures=h100,ib
   Gres=gpu:h100:8(S:0-1),shard:16
   NodeAddr=gpu001 NodeHostName=gpu001 Version=23.11.4
   OS=Linux 5.15.0-91-generic #101-Ubuntu SMP Tue Nov 14 13:30:08 UTC 2023
   RealMemory=2063000 AllocMem=0

NodeName=gpu002 Arch=x86_64
   Gres=gpu:8 ActiveFeatures=mi300x
NodeName=cpu1 Gres=(null) OS=Linux 5.14.0-1.el9.x86_64
NodeName=mig1 Gres=gpu:a100_3g.20gb:14
NodeName=what Gres=gpu:4
)");
  ASSERT_EQ(profiles.size(), 5u);
  EXPECT_EQ(profiles[0].source, "gpu001");
  EXPECT_EQ(profiles[0].gpus.size(), 8u);
  EXPECT_THAT(profiles[0].gpus[0].architecture.value, Optional(text("9.0")));
  EXPECT_EQ(profiles[0].gpus[0].name.evidence, "node record, Gres=gpu:h100:8(S:0-1),shard:16");
  EXPECT_THAT(profiles[0].system.kernel.value, Optional(text("5.15.0-91-generic")));
  EXPECT_THAT(profiles[0].system.memory_bytes.value, Optional(std::uint64_t{2063000} << 20));
  EXPECT_FALSE(profiles[0].nvidia.module_version.value);
  EXPECT_THAT(profiles[0].nvidia.module_version.evidence, HasSubstr("Slurm does not report it"));
  EXPECT_EQ(profiles[1].gpus.size(), 8u);
  EXPECT_EQ(profiles[1].gpus[0].vendor, "amd");
  EXPECT_EQ(profiles[1].gpus[0].name.evidence, "node record, feature mi300x");
  EXPECT_THAT(profiles[2].gpu_count.value, Optional(0u));
  EXPECT_THAT(profiles[3].gpus[0].mig_instances.value, Optional(14u));
  EXPECT_FALSE(profiles[3].gpu_count.value);
  EXPECT_THAT(profiles[4].gpus, IsEmpty());
  EXPECT_FALSE(profiles[4].gpu_count.value);
  EXPECT_THAT(profiles[4].gpu_count.evidence, HasSubstr("names no GPU model"));
}

// GKE and EKS have the device plugin and no GPU feature discovery: the count is in the capacity,
// the product in the cloud's own label.
TEST(Kubernetes, TheCloudNamesTheGpusThatTheDevicePluginCounts) {
  const char* status =
      R"({"capacity": {"nvidia.com/gpu": "4"}, "nodeInfo": {"architecture": "amd64"}})";
  const auto profiles = read(
      list({node("gke", R"("cloud.google.com/gke-accelerator": "nvidia-l4")", status),
            node("eks", R"("node.kubernetes.io/instance-type": "g5.12xlarge")", status),
            node("time-sliced", R"("node.kubernetes.io/instance-type": "p5.48xlarge")", status),
            node("bare", "", status)}));
  ASSERT_EQ(profiles.size(), 4u);
  EXPECT_EQ(profiles[0].gpus.size(), 4u);
  EXPECT_THAT(profiles[0].gpus[3].architecture.value, Optional(text("8.9")));
  EXPECT_THAT(profiles[0].gpus[0].name.evidence, HasSubstr("gke-accelerator"));
  EXPECT_THAT(profiles[1].gpus[0].name.value, Optional(text("A10G")));
  EXPECT_THAT(profiles[1].gpu_count.value, Optional(4u));
  EXPECT_THAT(profiles[2].gpu_count.value, Optional(4u))
      << "what the plugin counts is what is there";
  EXPECT_FALSE(profiles[3].gpus[0].name.value);
}

// Kubernetes, well-known labels: beta.kubernetes.io/instance-type is the name that
// node.kubernetes.io/instance-type had. Karpenter, well-known labels: the GPU and its count.
TEST(Kubernetes, OlderLabelsAndKarpentersNameTheGpus) {
  const auto gpu = [](const char* maker, const char* name) {
    return fmt::format(R"("karpenter.k8s.aws/instance-gpu-manufacturer": "{}",
      "karpenter.k8s.aws/instance-gpu-name": "{}", "karpenter.k8s.aws/instance-gpu-count": "4")",
                       maker, name);
  };
  const auto profiles =
      read(list({node("old", R"("beta.kubernetes.io/instance-type": "p5.48xlarge")"),
                 node("karpenter", gpu("nvidia", "l40s")), node("other", gpu("habana", "h100"))}));
  EXPECT_EQ(profiles[0].gpus.size(), 8u);
  EXPECT_THAT(profiles[0].gpus.at(0).architecture.value, Optional(text("9.0")));
  EXPECT_THAT(profiles[0].gpus.at(0).architecture.evidence, HasSubstr("beta.kubernetes.io"));
  EXPECT_EQ(profiles[1].gpus.size(), 4u);
  EXPECT_THAT(profiles[1].gpus.at(3).architecture.value, Optional(text("8.9")));
  EXPECT_THAT(profiles[1].gpu_count.value, Optional(4u));
  EXPECT_TRUE(profiles[2].gpus.empty());
}

// slurm.conf(5), AccountingStorageTRES: gres/gpu is tracked with and without its type; a site that
// does not show Gres still has CfgTRES.
TEST(Slurm, CfgTresTellsTheGpusWhereGresDoesNot) {
  const auto profiles = read(R"(NodeName=a Arch=x86_64
   CfgTRES=cpu=128,mem=2063000M,billing=128,gres/gpu=8,gres/gpu:h100=8
NodeName=b Gres=(null) CfgTRES=cpu=64,gres/gpu=4,gres/gpumem=80G ActiveFeatures=a100
NodeName=c Gres=gpu:l40s:2 CfgTRES=cpu=64,gres/gpu=4
NodeName=d CfgTRES=cpu=64,mem=1M
)");
  ASSERT_EQ(profiles.size(), 4u);
  EXPECT_EQ(profiles[0].gpus.size(), 8u);
  EXPECT_THAT(profiles[0].gpus[0].architecture.value, Optional(text("9.0")));
  EXPECT_EQ(profiles[0].gpus[0].name.evidence, "node record, CfgTRES=gpu:h100:8");
  EXPECT_THAT(profiles[0].gpu_count.value, Optional(8u));
  EXPECT_EQ(profiles[1].gpus.size(), 4u);
  EXPECT_THAT(profiles[1].gpus[0].architecture.value, Optional(text("8.0")));
  EXPECT_EQ(profiles[2].gpus.size(), 2u);
  EXPECT_THAT(profiles[3].gpu_count.value, Optional(0u));
  const auto json =
      read(R"({"nodes": [{"name": "n", "gres": "", "tres": "cpu=64,gres/gpu:b200=8"}]})");
  EXPECT_EQ(json[0].gpus.size(), 8u);
}

TEST(Slurm, AGpuThatIsOnlyBesideOneProcessorTellsIt) {
  const auto profiles = read("NODELIST GRES\ngrace gpu:gh200:1\nany gpu:h100:8\n");
  EXPECT_THAT(profiles[0].system.architecture.value, Optional(text("aarch64")));
  EXPECT_FALSE(profiles[1].system.architecture.value);
}

TEST(Slurm, JsonOfOldAndNewVersions) {
  const auto profiles = read(R"({"nodes": [
    {"name": "n1", "architecture": "aarch64", "gres": "gpu:gh200:1", "features": "a,b",
     "cpus": 72, "real_memory": 480000, "operating_system": "Linux 6.5.0-1019-nvidia-64k #19"},
    {"name": "n2", "gres": "gpu:nvidia_h100_80gb_hbm3:4(S:0-1),gpu:a30:1", "active_features": ["x"],
     "real_memory": {"set": true, "infinite": false, "number": 1000}},
    {"name": "n3", "gres": ""}]})");
  ASSERT_EQ(profiles.size(), 3u);
  EXPECT_THAT(profiles[0].gpus[0].architecture.value, Optional(text("9.0")));
  EXPECT_THAT(profiles[0].system.cpus.value, Optional(72u));
  EXPECT_EQ(profiles[1].gpus.size(), 5u);
  EXPECT_THAT(profiles[1].gpu_count.value, Optional(5u));
  EXPECT_THAT(profiles[1].gpus[0].memory_bytes.value, Optional(std::uint64_t{80} << 30));
  EXPECT_THAT(profiles[1].gpus[4].architecture.value, Optional(text("8.0")));
  EXPECT_THAT(profiles[1].system.memory_bytes.value, Optional(std::uint64_t{1000} << 20));
  EXPECT_THAT(profiles[2].gpu_count.value, Optional(0u));
}

TEST(Slurm, LinesOfSinfo) {
  const auto profiles = read(
      "NODELIST GRES AVAIL_FEATURES\n"
      "gpu[001-003],x1 gpu:a100:8 ib,nvme\n"
      "gpu001 gpu:a100:8 ib\n"
      "cpu[1-2] (null) (null)\n");
  ASSERT_EQ(profiles.size(), 6u);
  EXPECT_EQ(profiles[2].source, "gpu003");
  EXPECT_EQ(profiles[3].source, "x1");
  EXPECT_EQ(profiles[3].gpus.size(), 8u);
  EXPECT_THAT(profiles[5].gpu_count.value, Optional(0u));
  EXPECT_EQ(read("gpu[1-2] gpu:l40s:4 (null)\n").size(), 2u);
  EXPECT_EQ(read("PARTITION AVAIL NODELIST GRES\nmain* up n1 gpu:t4:1\n")[0].source, "n1");
}

/// A partition with holes has a long host list.
TEST(Slurm, HostListsAreLong) {
  std::string names = "n[";
  for (int i = 1000; i < 1400; i += 2) names += fmt::format("{}{}", i == 1000 ? "" : ",", i);
  EXPECT_EQ(read(names + "] gpu:a100:1 x\n").size(), 200u);
}

TEST(Slurm, ALineCannotClaimMillionsOfGpus) {
  const auto profiles =
      parse_profiles("n[1-20000] gpu:h100:64 x\n", "nodes", knowledge::test_tables());
  ASSERT_FALSE(profiles);
  EXPECT_THAT(profiles.error().message, HasSubstr("more than 200000 GPUs"));
}

TEST(Hostlist, ExpandsAsSlurmDoes) {
  const auto expand = [](std::string_view list) { return expand_hostlist(list, 100).value(); };
  EXPECT_THAT(expand("a"), ElementsAre("a"));
  EXPECT_THAT(expand("n[09-11,2],b"), ElementsAre("n09", "n10", "n11", "n2", "b"));
  EXPECT_THAT(expand("r[1-2]n[1-2].x"), ElementsAre("r1n1.x", "r1n2.x", "r2n1.x", "r2n2.x"));
  for (const char* wrong : {"n[1-", "n]1", "n[2-1]", "n[a-b]", "n[1-999999999]", "n[]",
                            "n[1-50],m[1-51]", "a[1-20]b[1-20]", "n[1-99999999999999999999]"})
    EXPECT_FALSE(expand_hostlist(wrong, 100)) << wrong;
}

TEST(NodeFacts, Quantities) {
  EXPECT_EQ(parse_quantity("8"), 8u);
  EXPECT_EQ(parse_quantity("95800m"), 95u);
  EXPECT_EQ(parse_quantity("2Ki"), 2048u);
  EXPECT_EQ(parse_quantity("64G"), 64'000'000'000u);
  for (const char* wrong : {"", "-1", "1.5", "Ki", "1 Ki", "8x", "18446744073709551615Ki"})
    EXPECT_FALSE(parse_quantity(wrong)) << wrong;
}

TEST(Spec, InstanceTypes) {
  const auto profile = described_profile("aws:p5.48xlarge@550.54.15", knowledge::test_tables());
  ASSERT_TRUE(profile) << render(profile.error());
  EXPECT_EQ(profile->source, "aws:p5.48xlarge@550.54.15");
  EXPECT_EQ(profile->gpus.size(), 8u);
  EXPECT_THAT(profile->gpus[0].architecture.value, Optional(text("9.0")));
  EXPECT_THAT(profile->gpus[0].memory_bytes.value, Optional(std::uint64_t{80} << 30));
  EXPECT_THAT(profile->nvidia.cuda.value, Optional(text("12.4")));
  EXPECT_THAT(profile->system.architecture.value, Optional(text("x86_64")));
  EXPECT_EQ(profile->networks.size(), 1u);
  EXPECT_EQ(described_profile("azure:Standard_ND96isr_MI300X_v5@6.10.5", knowledge::test_tables())
                ->gpus[0]
                .vendor,
            "amd");
  const auto wrong = described_profile("aws:p5.48xlrge", knowledge::test_tables());
  ASSERT_FALSE(wrong);
  EXPECT_EQ(wrong.error().code, Code::kUsage);
  EXPECT_THAT(wrong.error().hint, HasSubstr("aws:p5.48xlarge"));
}

TEST(Spec, ListsOfProfilesKeepTheirNames) {
  auto first = *described_profile("h100@550.54.15", knowledge::test_tables()), second = first;
  first.source = "this";
  const auto profiles =
      read("[" + text::dump_json(to_json(first)) + "," + text::dump_json(to_json(second)) + "]");
  ASSERT_EQ(profiles.size(), 2u);
  EXPECT_EQ(profiles[0].source, "nodes[0]");
  EXPECT_EQ(profiles[1].source, "h100@550.54.15");
}

}  // namespace
}  // namespace flense::host
