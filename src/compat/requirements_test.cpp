#include "compat/requirements.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flense::compat {
namespace {

using inventory::ArchCount;
using needs::CodeFile;
using needs::Needs;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Optional;

const knowledge::Knowledge& tables() {
  static const knowledge::Knowledge known = knowledge::Knowledge::load().value();
  return known;
}

ArchCount cubin(std::string arch) {
  return {"nvidia", "cubin", std::move(arch), 1, 1000, {}, 0};
}
ArchCount ptx(std::string arch, std::string version) {
  return {"nvidia", "ptx", std::move(arch), 1, 500, std::move(version), 0};
}

Needs image() {
  Needs out;
  out.name = "image";
  out.platform = "linux/amd64";
  out.runtimes = {{"CUDA runtime", "12.4.127", "usr/lib/libcudart.so.12.4.127"}};
  out.code = {{"usr/lib/libtorch_cuda.so",
               9000,
               {cubin("sm_80"), cubin("sm_90"), ptx("compute_90", "8.4")}}};
  out.libc = "glibc";
  out.libc_version = "2.35";
  out.cpu = needs::CpuNeed{"x86-64-v2", "lib64/ld-linux-x86-64.so.2"};
  out.unpacked_bytes = 5'000'000'000;
  return out;
}

std::vector<std::string> architectures(const Requirements& needs, std::string_view service) {
  std::vector<std::string> out;
  for (const ServedGpu& gpu : needs.gpus)
    if (gpu.service == service) out.push_back(gpu.architecture);
  return out;
}

std::string text(std::string value) {
  return value;
}

TEST(Requirements, DriversOfAnImageWithCubinsAndPtx) {
  const Requirements needs = requirements_of(image(), tables());
  EXPECT_THAT(needs.cuda.value, Optional(text("12.4")));
  EXPECT_THAT(needs.cuda.evidence, HasSubstr("libcudart.so.12.4.127"));
  EXPECT_THAT(needs.driver_native.value, Optional(text("550.54.14")));
  EXPECT_THAT(needs.driver_native.evidence, HasSubstr("cuda_driver.json"));
  EXPECT_THAT(needs.driver_minor.value, Optional(text("525.60.13")));
  EXPECT_THAT(needs.driver_ptx.value, Optional(text("550.54.14")));
  EXPECT_THAT(needs.driver_ptx.evidence, HasSubstr("PTX ISA 8.4 of usr/lib/libtorch_cuda.so"));
  EXPECT_THAT(needs.platform.value, Optional(text("linux/amd64")));
  EXPECT_THAT(needs.libc.value, Optional(text("glibc 2.35")));
  EXPECT_EQ(needs.cpu_level.evidence, "lib64/ld-linux-x86-64.so.2");
  EXPECT_THAT(needs.disk_bytes.value, Optional(5'000'000'000u));
}

TEST(Requirements, GpusByMachineCodeAndByPtx) {
  const Requirements needs = requirements_of(image(), tables());
  // No Jetson (8.7) has an x86-64 processor.
  EXPECT_THAT(architectures(needs, "native"), ElementsAre("8.0", "8.6", "8.9", "9.0"));
  EXPECT_THAT(architectures(needs, "ptx"), ElementsAre("10.0", "10.3", "12.0", "12.1"));
  EXPECT_THAT(needs.ptx_onwards.value, Optional(text("9.0")));
  EXPECT_EQ(needs.gpus.back().ptx_bytes, 500u);
  EXPECT_THAT(needs.gpus.back().from_ptx, ElementsAre("usr/lib/libtorch_cuda.so"));
}

TEST(Requirements, ANarrowLibraryMakesServicePartial) {
  Needs wide = image();
  wide.code.push_back({"usr/lib/libnarrow.so", 100, {cubin("sm_90a")}});
  const Requirements needs = requirements_of(wide, tables());
  EXPECT_THAT(architectures(needs, "native"), ElementsAre("9.0"));
  EXPECT_THAT(architectures(needs, "partly"),
              ElementsAre("8.0", "8.6", "8.9", "10.0", "10.3", "12.0", "12.1"));
  EXPECT_THAT(needs.gpus[0].without, ElementsAre("usr/lib/libnarrow.so"));
  ASSERT_EQ(needs.narrowest.size(), 2u);
  EXPECT_EQ(needs.narrowest[0].path, "usr/lib/libnarrow.so");
  EXPECT_THAT(needs.narrowest[0].code, ElementsAre("sm_90a"));
}

TEST(Requirements, WithoutPtxNothingIsPromisedToNewGpus) {
  Needs closed = image();
  closed.code[0].entries.pop_back();
  const Requirements needs = requirements_of(closed, tables());
  EXPECT_THAT(architectures(needs, "ptx"), IsEmpty());
  EXPECT_FALSE(needs.ptx_onwards.value);
  EXPECT_TRUE(needs.driver_ptx.evidence.empty());
  // PTX of an architecture variant compiles only there.
  closed.code[0].entries.push_back(ptx("compute_90a", "8.4"));
  EXPECT_FALSE(requirements_of(closed, tables()).ptx_onwards.value);
}

TEST(Requirements, TheCompatLibraryTellsItsBranches) {
  Needs compat = image();
  compat.compat = {{"usr/local/cuda-12.9/compat/libcuda.so.575.57.08",
                    "575.57.08",
                    true,
                    "12.9",
                    {535, 550},
                    {1}}};
  Requirements needs = requirements_of(compat, tables());
  EXPECT_THAT(needs.compat.value, Optional(text("12.9")));
  EXPECT_THAT(*needs.compat_branches.value, ElementsAre("535", "550"));
  compat.compat[0].note = false;
  needs = requirements_of(compat, tables());
  EXPECT_FALSE(needs.compat_branches.value);
  EXPECT_THAT(needs.compat_branches.evidence, HasSubstr("no note"));
}

TEST(Requirements, NewerThanTheTablesIsUnknown) {
  Needs future = image();
  future.runtimes[0].version = "99.1.0";
  future.code[0].entries[2].version = "99.0";
  const Requirements needs = requirements_of(future, tables());
  EXPECT_FALSE(needs.driver_native.value);
  EXPECT_THAT(needs.driver_native.evidence, HasSubstr("newer than the table"));
  EXPECT_FALSE(needs.driver_minor.value);
  EXPECT_FALSE(needs.driver_ptx.value);
}

TEST(Requirements, ConfigurationAloneLeavesTheRestUnknown) {
  Needs config;
  config.name = "docker://x";
  config.contents = false;
  config.unread = "--config-only";
  config.environment["CUDA_VERSION"] = "12.4.1";
  const Requirements needs = requirements_of(config, tables());
  EXPECT_THAT(needs.driver_native.value, Optional(text("550.54.14")));
  EXPECT_FALSE(needs.disk_bytes.value);
  EXPECT_EQ(needs.libc.evidence, "--config-only");
  EXPECT_THAT(needs.gpus, IsEmpty());
  EXPECT_THAT(needs.notices, ElementsAre(HasSubstr("unknown")));
}

TEST(Requirements, AmdAndNoGpuCodeAtAll) {
  Needs rocm;
  rocm.name = "r";
  rocm.runtimes = {{"HIP runtime", "6.2.41133", "opt/rocm/lib/libamdhip64.so.6.2"}};
  const auto code = [](const char* arch) {
    return ArchCount{"amd", "code-object", arch, 1, 9, {}, 0};
  };
  rocm.code = {{"liba.so", 10, {code("gfx90a:xnack+"), code("gfx942")}},
               {"libb.so", 5, {code("gfx942")}}};
  const Requirements needs = requirements_of(rocm, tables());
  EXPECT_THAT(needs.rocm.value, Optional(text("6.2.41133")));
  Needs without = rocm;
  without.runtimes.clear();
  const Requirements unknown = requirements_of(without, tables());
  EXPECT_FALSE(unknown.rocm.value);
  EXPECT_THAT(unknown.rocm.evidence, HasSubstr("AMD device code"));
  without.missing_libraries = {{"libamdhip64.so.7", "opt/xla_rocm_plugin.so", "DT_NEEDED", {}}};
  EXPECT_THAT(requirements_of(without, tables()).rocm.value, Optional(text("7")));
  EXPECT_THAT(architectures(needs, "native"), ElementsAre("gfx942"));
  EXPECT_THAT(architectures(needs, "partly"), ElementsAre("gfx90a"));
  EXPECT_TRUE(needs.cuda.evidence.empty());
  Needs plain;
  plain.name = "p";
  EXPECT_TRUE(requirements_of(plain, tables()).cuda.evidence.empty());
  EXPECT_THAT(requirements_of(plain, tables()).gpus, IsEmpty());
}

}  // namespace
}  // namespace flense::compat
