// Verdicts before a start: what they depend on, and when they are recomputed.
#include "launch/gpus/preflight.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "doctor/testing_machine.h"
#include "launch/gpus/preflight_host.h"
#include "needs/testing_needs.h"

namespace flense::launch {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

MATCHER_P(Id, id, "") {
  return arg.id == id;
}

class PreflightTest : public needs::testing::NeedsTest {
 protected:
  PreflightTest() : machine_(tree_) {
    machine_.nvidia_host();
    auto store = inventory::EntryStore::open(dir_ / "cache", 1U << 20);
    EXPECT_TRUE(store);
    cache_.emplace(std::move(*store), 0);
    options_.devices = {"nvidia.com/gpu=all"};
    options_.cache = &*cache_;
    options_.scratch_directory = dir_.path();
  }

  /// A CUDA that needs a driver of the 580 branch, and a library that is not there.
  std::unique_ptr<const image::Image> cuda13() {
    inventory::testing::Tar tar;
    tar.file("usr/local/cuda/lib64/libcudart.so.13.0.48",
             inventory::testing::elf_file({.soname = "libcudart.so.13", .needed = {"libc.so.6"}}));
    return open(tar.bytes(),
                text::Json::object().set("Env", text::Json::array().push("CUDA_VERSION=13.0.0")));
  }

  Result<Preflight> ask(const image::Image& image) {
    return preflight(image, tree_.machine(), options_);
  }

  host::testing::ScratchTree tree_;
  doctor::testing::TestMachine machine_;
  std::optional<inventory::InventoryCache> cache_;
  PreflightOptions options_;
};

TEST_F(PreflightTest, OfTheConfigurationWhenNothingElseIsKnown) {
  const auto image = cuda13();
  const auto verdict = ask(*image);
  ASSERT_TRUE(verdict) << verdict.error().message;
  EXPECT_FALSE(verdict->layers_known);
  EXPECT_THAT(verdict->failures, Contains(Id("driver-cuda")));
  EXPECT_THAT(verdict->notices, ElementsAre(HasSubstr("flense check reads them once")));
  const auto refused = refuse(*verdict);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, Code::kEnvironment);
  EXPECT_THAT(refused.error().message, HasSubstr("the image will not run here: "));
  EXPECT_THAT(refused.error().hint, HasSubstr("--no-preflight"));
  EXPECT_EQ(ask(*image).value(), *verdict) << "from the cache";
}

TEST_F(PreflightTest, OtherTablesAreAskedAnew) {
  const auto image = cuda13();
  EXPECT_THAT(ask(*image)->failures, Contains(Id("driver-cuda")));
  options_.tables.files = {{"cuda_driver", "/own/cuda_driver.json", R"({"branches": {"rows": [
      {"branch": 550, "cuda_native": "13.0", "type": "PB"}]}})"}};
  EXPECT_THAT(ask(*image)->failures, Not(Contains(Id("driver-cuda"))));
  options_.tables.files[0].text = "{";
  EXPECT_FALSE(ask(*image)) << "not the answer of another text of the same file";
  options_.tables.files.clear();
  EXPECT_THAT(ask(*image)->failures, Contains(Id("driver-cuda")));
}

TEST_F(PreflightTest, WithoutGpusThatIsNobodysTrouble) {
  options_.devices = {"vendor.org/nic=0"};
  const auto verdict = ask(*cuda13());
  ASSERT_TRUE(verdict) << verdict.error().message;
  EXPECT_THAT(verdict->failures, IsEmpty());
  EXPECT_THAT(verdict->warnings, IsEmpty());
  EXPECT_THAT(verdict->notices, IsEmpty());
  EXPECT_TRUE(refuse(*verdict));
}

TEST_F(PreflightTest, AnotherMachineArchitectureFailsAlways) {
  options_.devices.clear();
  tree_.file("proc/sys/kernel/arch", "aarch64\n");
  const auto verdict = ask(*cuda13());
  ASSERT_TRUE(verdict);
  EXPECT_THAT(verdict->failures, ElementsAre(Id("platform")));
}

TEST_F(PreflightTest, LayersThatWereReadMeanwhileCount) {
  const auto image = cuda13();
  ASSERT_FALSE(ask(*image)->layers_known);
  options_.read_layers = true;
  const auto read = ask(*image);
  ASSERT_TRUE(read) << read.error().message;
  EXPECT_TRUE(read->layers_known);
  EXPECT_THAT(read->notices, IsEmpty());
  options_.read_layers = false;
  EXPECT_EQ(ask(*image).value(), *read);
}

TEST_F(PreflightTest, ANewDriverIsAskedAnew) {
  const auto image = cuda13();
  ASSERT_THAT(ask(*image)->failures, Contains(Id("driver-cuda")));
  machine_.nvidia_software("580.95.05");
  EXPECT_THAT(ask(*image)->failures, Not(Contains(Id("driver-cuda"))));
}

TEST_F(PreflightTest, OnlyTheGpusOfTheContainerAreAsked) {
  const auto image = cuda13();
  machine_.nvidia_software("580.95.05");
  // CUDA 13 no longer has code for Volta.
  machine_.gpu("0000:65:00.0", 1, "Tesla V100-SXM2-32GB");
  EXPECT_THAT(ask(*image)->failures, Contains(Id("arch-dropped")));
  options_.devices = {"nvidia.com/gpu=0"};
  EXPECT_THAT(ask(*image)->failures, Not(Contains(Id("arch-dropped"))));
  options_.devices = {"nvidia.com/gpu=GPU-00000001-1111-2222-3333-444444444444"};
  EXPECT_THAT(ask(*image)->failures, Contains(Id("arch-dropped")));
}

TEST_F(PreflightTest, ADamagedEntryIsMadeAgain) {
  const auto image = cuda13();
  const auto first = ask(*image).value();
  for (const auto& file : std::filesystem::recursive_directory_iterator(dir_ / "cache"))
    if (file.is_regular_file()) std::ofstream(file.path()) << "damaged";
  EXPECT_EQ(ask(*image).value(), first);
}

TEST_F(PreflightTest, WithoutACacheNothingIsJudged) {
  options_.cache = nullptr;
  const auto verdict = ask(*cuda13());
  ASSERT_TRUE(verdict);
  EXPECT_THAT(verdict->failures, IsEmpty());
  EXPECT_THAT(verdict->notices, ElementsAre(HasSubstr("was not checked")));
  options_.read_layers = true;
  EXPECT_THAT(ask(*cuda13())->failures, Contains(Id("driver-cuda")));
}

TEST(HostFingerprint, ChangesWithWhatAVerdictRestsOn) {
  host::testing::ScratchTree tree;
  const doctor::testing::TestMachine machine(tree);
  machine.nvidia_host();
  std::string last = host_fingerprint(tree.machine());
  EXPECT_EQ(last, host_fingerprint(tree.machine()));
  const auto changed = [&](const char* what) {
    const std::string now = host_fingerprint(tree.machine());
    EXPECT_NE(now, last) << what;
    last = now;
  };
  tree.file("proc/sys/kernel/random/boot_id", "5e1c\n");
  changed("boot");
  machine.module("555.42.06");
  changed("kernel module");
  machine.library(machine.kLib, "555.42.06");
  changed("libcuda");
  machine.gpu("0000:e3:00.0", 2, "NVIDIA H100 80GB HBM3");
  changed("GPU");
  tree.file("proc/driver/nvidia/capabilities/gpu0/mig/gi3/access", "DeviceFileMinor: 31\n");
  changed("MIG instance");
  tree.file("sys/module/amdgpu/version", "6.10.5\n");
  changed("amdgpu");
}

}  // namespace
}  // namespace flense::launch
