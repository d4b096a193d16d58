// Properties that hold for every question, checked on generated ones.
#include <gtest/gtest.h>
#include <rapidcheck.h>

#include <functional>

#include "base/format.h"
#include "base/version_numbers.h"
#include "compat/testing_scenarios.h"
#include "host/host_argument.h"
#include "host/profile_json.h"

namespace flense::compat::testing {
namespace {

using text::Json;

const knowledge::Knowledge& tables() {
  static const knowledge::Knowledge kTables =
      *knowledge::Knowledge::load({}, knowledge::kVerdictTables);
  return kTables;
}

template <class T>
T one_of(const std::vector<T>& choices) {
  return *rc::gen::elementOf(choices);
}

bool chance(int of_ten) {
  return *rc::gen::inRange(0, 10) < of_ten;
}

inventory::ArchCount entry() {
  static const std::vector<std::string> kCubins = {"sm_60",  "sm_70",   "sm_75", "sm_80",
                                                   "sm_86",  "sm_89",   "sm_90", "sm_90a",
                                                   "sm_100", "sm_100f", "sm_87", "sm_120"};
  static const std::vector<std::string> kPtx = {"compute_60", "compute_80", "compute_90",
                                                "compute_90a"};
  static const std::vector<std::string> kVersions = {"", "7.0", "8.0", "8.4", "8.8", "9.0", "9.9"};
  const bool ptx = chance(4);
  inventory::ArchCount out{"nvidia",
                           ptx ? "ptx" : "cubin",
                           one_of(ptx ? kPtx : kCubins),
                           1,
                           static_cast<std::uint64_t>(*rc::gen::inRange(1, 1000)),
                           "",
                           0};
  if (ptx) out.version = one_of(kVersions);
  if (chance(2)) out.zstd = 1;
  return out;
}

needs::Needs generated_image(bool with_compat) {
  static const std::vector<std::string> kCuda = {"10.2", "11.0",    "11.8", "12.0", "12.4.127",
                                                 "12.9", "13.0.48", "13.4", "14.0"};
  static const std::vector<std::string> kPaths = {"usr/lib/libcublas.so.12",
                                                  "torch/lib/libtorch_cuda.so", "opt/app.so"};
  needs::Needs image;
  // On a matching platform, so that nothing else keeps the verdict from being ok.
  image.platform = "linux/amd64";
  image.libc = "glibc";
  image.libc_version = "2.35";
  if (chance(9)) image.runtimes.push_back({"CUDA runtime", one_of(kCuda), "libcudart"});
  if (chance(3)) image.environment["CUDA_VERSION"] = one_of(kCuda);
  if (chance(4)) image.environment["NVIDIA_REQUIRE_CUDA"] = "cuda>=" + one_of(kCuda);
  if (chance(7)) {
    image.environment["NVIDIA_VISIBLE_DEVICES"] = "all";
    image.environment["NVIDIA_DRIVER_CAPABILITIES"] = chance(8) ? "all" : "utility";
  }
  if (chance(1)) image.compilers.push_back({"NVRTC", "libnvrtc.so.12", {}});
  if (chance(1)) image.capabilities.push_back({"video", "libnvcuvid.so.1", "usr/bin/ffmpeg"});
  for (int files = *rc::gen::inRange(0, 4); files > 0; --files) {
    needs::CodeFile file{one_of(kPaths), 0, {}};
    for (int entries = *rc::gen::inRange(1, 5); entries > 0; --entries)
      file.entries.push_back(entry());
    image.code.push_back(std::move(file));
  }
  if (with_compat && chance(5)) {
    const bool note = chance(5);
    image.compat.push_back({"usr/local/cuda-13.0/compat/libcuda.so.580.65.06",
                            "580.65.06",
                            note,
                            note ? "13.0" : "",
                            {535, 570, 580},
                            {1, 2, 12, 13, 14}});
    if (!note) image.compat.back().drivers = image.compat.back().brands = {};
  }
  return image;
}

std::string driver_of(std::uint64_t branch) {
  return fmt::format("{}.{}.0{}", branch, *rc::gen::inRange(10, 250), *rc::gen::inRange(1, 10));
}

std::string generated_gpu() {
  static const std::vector<std::string> kGpus = {"h100", "a100",     "t4",  "v100",     "rtx4090",
                                                 "b200", "p100",     "l4",  "rtxa6000", "rtx5090",
                                                 "b300", "titanrtx", "orin"};
  return one_of(kGpus);
}

Launcher generated_launcher() {
  static const std::vector<std::string_view> kWords = launcher_words();
  return *parse_launcher(one_of(kWords));
}

std::uint64_t generated_branch() {
  std::vector<std::uint64_t> branches;
  for (const knowledge::BranchRow& row : tables().drivers.branches) branches.push_back(row.branch);
  branches.push_back(585);
  branches.push_back(700);
  return one_of(branches);
}

HostVerdict judged(const needs::Needs& image, const host::Profile& host, Launcher launcher) {
  return judge({.image = image, .host = host, .tables = tables(), .launcher = launcher});
}

/// The branches between which the table says that the GPU is driven.
bool in_range(const knowledge::ArchitectureRow& row, const std::string& driver) {
  const auto branch = first_number(driver).value_or(0);
  return version_at_least(driver, row.least_driver) &&
         (row.last_driver_branch == 0 || branch <= row.last_driver_branch) &&
         branch <= tables().drivers.newest_branch()->branch;
}

// Compat libraries are left out: their notes and the guide list branches individually, so that a
// newer feature branch between two listed ones really does lose support.
TEST(Properties, ANewerDriverWithinTheRangeOfTheGpuNeverFails) {
  std::size_t compared = 0;
  EXPECT_TRUE(rc::check([&] {
    const needs::Needs image = generated_image(false);
    const std::string gpu = generated_gpu();
    const Launcher launcher = generated_launcher();
    std::string older = driver_of(generated_branch()), newer = driver_of(generated_branch());
    if (compare_versions(older, newer) > 0) std::swap(older, newer);
    const host::Profile before = *host::described_profile(gpu + "@" + older, tables());
    const host::Profile after = *host::described_profile(gpu + "@" + newer, tables());
    const auto* row = tables().architectures.find(*before.gpus.front().architecture.value);
    if (row == nullptr || !in_range(*row, older) || !in_range(*row, newer)) return;
    const HostVerdict first = judged(image, before, launcher);
    const HostVerdict second = judged(image, after, launcher);
    if (first.verdict >= Verdict::kUnknown) return;
    ++compared;
    if (second.verdict == Verdict::kFail)
      RC_FAIL(fmt::format("{} {} -> {}\n{}\n{}", gpu, older, newer, described(first),
                          described(second)));
  }));
  EXPECT_GT(compared, 0u);
}

/// Every fact of a profile, one after another, made unknown.
void without_each_fact(const Json& json, const std::function<Json(Json)>& whole,
                       const std::function<void(const Json&)>& see) {
  if (json.is_array()) {
    for (std::size_t i = 0; i < json.items().size(); ++i)
      without_each_fact(
          json.items()[i],
          [&](Json part) {
            Json::Array items = json.items();
            items[i] = std::move(part);
            return whole(Json(std::move(items)));
          },
          see);
  }
  for (const auto& [name, value] : json.members()) {
    const auto put = [&, &key = name](Json part) {
      Json copy = json;
      copy.set(key, std::move(part));
      return whole(std::move(copy));
    };
    if (value.find("value") != nullptr)
      see(put(Json::object().set("unknown", "nobody can tell")));
    else
      without_each_fact(value, put, see);
  }
}

host::Profile generated_host() {
  std::string words = generated_gpu();
  if (chance(3)) words += "," + generated_gpu();
  if (chance(9)) words += "@" + driver_of(generated_branch());
  host::Profile out = *host::described_profile(words, tables());
  out.system.architecture = host::Text::known("x86_64", "/proc");
  if (chance(4)) out.system.kernel = host::Text::known("6.8.0-45-generic", "/proc");
  if (chance(2)) out.system.wsl2 = host::Flag::known(chance(5), "/proc/version");
  if (chance(5))
    out.nvidia.toolkit_version = host::Text::known(chance(5) ? "1.18.0" : "1.16.2", "dpkg");
  if (chance(4))
    out.nvidia.module_kind = host::Text::known(chance(5) ? "open" : "proprietary", "/proc");
  // WSL2 has no module of NVIDIA's whose version could be another one.
  if (chance(1) && out.system.wsl2.value != true)
    out.nvidia.library_version = host::Text::known("550.54.15", "libcuda.so.1");
  if (chance(2)) out.nvidia.module_version = host::Text::unknown("not read");
  if (chance(2)) out.nvidia.library_version = host::Text::unknown("not read");
  if (chance(3)) out.nvidia.cuda = host::Text::known(chance(5) ? "12.4" : "13.1", "label");
  return out;
}

needs::Needs generated_rocm_image() {
  needs::Needs image;
  image.platform = "linux/amd64";
  image.libc = "glibc";
  image.libc_version = "2.35";
  image.runtimes.push_back(
      {"ROCm", one_of<std::string>({"6.0.2", "6.2.0", "7.0.1", "7.2.0", "11.0"}), ".info/version"});
  if (chance(2)) image.environment["HSA_XNACK"] = "1";
  if (chance(1)) image.environment["HSA_OVERRIDE_GFX_VERSION"] = chance(5) ? "9.4.2" : "10.3.0";
  for (int files = *rc::gen::inRange(0, 3); files > 0; --files) {
    needs::CodeFile file{"opt/app.so", 0, {}};
    for (int entries = *rc::gen::inRange(1, 4); entries > 0; --entries)
      file.entries.push_back({"amd", "code-object",
                              one_of<std::string>({"gfx90a", "gfx90a:xnack+", "gfx942", "gfx1100",
                                                   "gfx9-4-generic", "unknown"}),
                              1, 100, "", 0});
    image.code.push_back(std::move(file));
  }
  return image;
}

host::Profile generated_amd_host() {
  std::string words = one_of<std::string>({"mi300x", "mi250x", "mi300x,mi250x"});
  if (chance(8))
    words += "@" + one_of<std::string>({"5.7.1", "6.8.5", "6.12.12", "30.10.1", "99.1"});
  host::Profile out = *host::described_profile(words, tables());
  out.system.architecture = host::Text::known("x86_64", "/proc");
  for (host::Gpu& gpu : out.gpus) {
    if (!chance(7)) continue;
    const bool bound = chance(8);
    gpu.kernel_driver = host::Text::known(bound ? "amdgpu" : "vfio-pci", "/sys");
    // Only amdgpu makes a render node.
    if (bound && chance(8)) gpu.minor = host::Number::known(128, "KFD");
  }
  return out;
}

/// True when some fact could be removed.
bool removing_a_fact_is_never_ok(const needs::Needs& image, const host::Profile& host,
                                 Launcher launcher) {
  const HostVerdict before = judged(image, host, launcher);
  if (before.verdict == Verdict::kOk) return false;
  bool compared = false;
  without_each_fact(
      host::to_json(host), [](Json json) { return json; },
      [&](const Json& json) {
        const auto profile = host::from_json(json, "generated");
        RC_ASSERT(profile.has_value());
        const HostVerdict after = judged(image, *profile, launcher);
        compared = true;
        if (after.verdict == Verdict::kOk)
          RC_FAIL(fmt::format("{} with {}\n{}\nafter\n{}", host.source, to_string(launcher),
                              described(before), described(after)));
      });
  return compared;
}

TEST(Properties, RemovingAFactOfTheHostNeverGivesOk) {
  std::size_t compared = 0;
  EXPECT_TRUE(rc::check([&] {
    compared +=
        removing_a_fact_is_never_ok(generated_image(true), generated_host(), generated_launcher());
  }));
  EXPECT_GT(compared, 50u);
}

TEST(Properties, RemovingAFactOfAnAmdHostNeverGivesOk) {
  std::size_t compared = 0;
  EXPECT_TRUE(rc::check([&] {
    compared += removing_a_fact_is_never_ok(generated_rocm_image(), generated_amd_host(),
                                            generated_launcher());
  }));
  EXPECT_GT(compared, 30u);
}

TEST(Properties, AnImageThatWasNotReadIsNeverOk) {
  EXPECT_TRUE(rc::check([] {
    needs::Needs image = generated_image(true);
    const host::Profile host = generated_host();
    image.contents = false;
    image.unread = "--config-only";
    if (chance(5)) image.runtimes.clear();
    if (chance(5)) image.code.clear();
    if (chance(5)) image.compat.clear();
    const HostVerdict after = judged(image, host, generated_launcher());
    if (after.verdict == Verdict::kOk)
      RC_FAIL(fmt::format("{}\n{}", host.source, described(after)));
  }));
}

TEST(Properties, AGoodPairIsOk) {
  // So that the properties above do not hold merely because rules never say ok.
  needs::Needs image;
  image.platform = "linux/amd64";
  image.libc = "glibc";
  image.libc_version = "2.35";
  image.runtimes.push_back({"CUDA runtime", "13.0.48", "libcudart.so.13"});
  image.code.push_back({"opt/app.so", 100, {{"nvidia", "cubin", "sm_90", 1, 100, "", 0}}});
  host::Profile host = *host::described_profile("h100@580.65.06", tables());
  host.system.architecture = host::Text::known("x86_64", "as described");
  const HostVerdict verdict = judged(image, host, Launcher::kPodman);
  EXPECT_EQ(verdict.verdict, Verdict::kOk);
  for (const Check& check : verdict.checks)
    EXPECT_EQ(check.verdict, Verdict::kOk) << check.id << ": " << check.message;
}

}  // namespace
}  // namespace flense::compat::testing
