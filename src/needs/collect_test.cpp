// From images built here to their needs: device code, driver libraries, libc and processor,
// weights, marks of flense slim, and what the configuration alone tells.
#include "needs/collect.h"

#include <gmock/gmock.h>

#include "elf/testing_library.h"
#include "needs/testing_needs.h"
#include "support/amd_builder.h"

namespace flense::needs {
namespace {

using elf::testing::pack;
using inventory::testing::Container;
using inventory::testing::elf_builder;
using inventory::testing::elf_file;
using inventory::testing::must;
using inventory::testing::note_section;
using inventory::testing::Tar;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NeedsTest;
using ::testing::SizeIs;
using text::Json;

Container with_environment(const std::vector<std::string>& variables) {
  Json list = Json::array();
  for (const std::string& variable : variables) list.push(variable);
  return Json::object().set("Env", list);
}

/// One region with PTX of two ISA versions and a cubin that is a zstd frame.
std::string cuda_library() {
  flense::testing::EntrySpec old_ptx = flense::testing::entry_spec("ptx90:64");
  flense::testing::EntrySpec cubin = flense::testing::entry_spec("sm90a:64");
  cubin.flags |= 0x8000;
  std::string new_ptx = flense::testing::entry_bytes(old_ptx);
  flense::testing::put(new_ptx, 24, std::uint16_t{10});  // 8.10 is newer than 8.1
  elf::testing::Builder builder = elf_builder({.soname = "libk.so"});
  builder.add({.name = ".nv_fatbin",
               .flags = SHF_ALLOC,
               .address = 0x3000,
               .bytes = flense::testing::region_of(flense::testing::entry_bytes(old_ptx) + new_ptx +
                                                   flense::testing::entry_bytes(cubin)),
               .alignment = 8});
  return builder.build();
}

class NeedsCollect : public NeedsTest {};

TEST_F(NeedsCollect, DeviceCodeWithPtxVersionAndCompression) {
  Tar tar;
  tar.file("opt/libk.so", cuda_library());
  const Needs needs = needs_of(tar);
  ASSERT_THAT(needs.code, SizeIs(1));
  EXPECT_EQ(needs.code[0].path, "opt/libk.so");
  EXPECT_THAT(
      needs.code[0].entries,
      ElementsAre(inventory::ArchCount{"nvidia", "ptx", "compute_90", 2, 2 * 128, "8.10", 0},
                  inventory::ArchCount{"nvidia", "cubin", "sm_90a", 1, 128, "", 1}));
}

// conda-forge's cuda-compat is forward compatibility, and no driver that somebody baked in.
TEST_F(NeedsCollect, CondasCompatLibraries) {
  Tar tar;
  tar.file("opt/conda/cuda-compat/libcuda.so.570.86.15", elf_file({.soname = "libcuda.so.1"}));
  const Needs needs = needs_of(tar);
  ASSERT_THAT(needs.compat, SizeIs(1));
  EXPECT_EQ(needs.compat[0].version, "570.86.15");
  EXPECT_TRUE(needs.compat[0].aside);
  EXPECT_TRUE(needs.driver_files.empty());
}

// The entry point of NGC's images links compat/lib to it where it helps.
TEST_F(NeedsCollect, CompatLibrariesOfNgc) {
  Tar tar;
  tar.file("usr/local/cuda-12.4/compat/lib.real/libcuda.so.550.163.01",
           elf_file({.soname = "libcuda.so.1"}));
  const Needs needs = needs_of(tar);
  ASSERT_THAT(needs.compat, SizeIs(1));
  EXPECT_EQ(needs.compat[0].version, "550.163.01");
  EXPECT_TRUE(needs.driver_files.empty());
}

TEST_F(NeedsCollect, StandAloneCubinsCountTogether) {
  using inventory::testing::stand_alone_cubin;
  const auto add_cubins = [](Tar& tar) {
    tar.file("opt/app/kernels/a_sm90.cubin", stand_alone_cubin(90));
    tar.file("opt/app/kernels/b_sm90.cubin", stand_alone_cubin(90));
    tar.file("opt/app/more/a_sm100.cubin", stand_alone_cubin(100));
  };
  Tar cubins;
  add_cubins(cubins);
  const Needs alone = needs_of(cubins);
  ASSERT_THAT(alone.code, SizeIs(1));
  EXPECT_EQ(alone.code[0].path, "opt/app/3 stand-alone cubins");
  EXPECT_EQ(alone.code[0].device_bytes, 3 * 64);
  EXPECT_THAT(alone.code[0].entries,
              ElementsAre(inventory::ArchCount{"nvidia", "cubin", "sm_100", 1, 64, "", 0},
                          inventory::ArchCount{"nvidia", "cubin", "sm_90", 2, 128, "", 0}));
  Tar one;
  one.file("opt/a.cubin", stand_alone_cubin(90));
  EXPECT_EQ(needs_of(one).code.at(0).path, "opt/a.cubin");
  // Beside code that the driver chooses from they are somebody's choice of kernels.
  Tar both;
  add_cubins(both);
  both.file("opt/libk.so", cuda_library());
  const Needs beside = needs_of(both);
  ASSERT_THAT(beside.code, SizeIs(1));
  EXPECT_EQ(beside.code[0].path, "opt/libk.so");
}

TEST_F(NeedsCollect, AmdCodeInLibrariesAndInFilesOfItsOwn) {
  const std::string bundle =
      flense::testing::amd_bundle({{"host-x86_64-unknown-linux--", ""},
                                   {"hipv4-amdgcn-amd-amdhsa--gfx942", "12345678"},
                                   {"hipv4-amdgcn-amd-amdhsa--gfx90a:xnack-:sramecc+", "1234"}});
  elf::testing::Builder builder = elf_builder({.soname = "librocblas.so.4"});
  builder.add({.name = ".hip_fatbin", .flags = SHF_ALLOC, .address = 0x3000, .bytes = bundle});
  std::string object = elf::testing::Builder(ET_DYN, 224).build();
  object[8] = 2;
  flense::testing::put(object, 48, std::uint32_t{0x41});
  std::string unread = flense::testing::compressed_bundle(2, bundle);
  flense::testing::put(unread, 6, std::uint16_t{0});
  Tar tar;
  tar.file("opt/librocblas.so.4", builder.build());
  tar.file("opt/library/a.hsaco", bundle).file("opt/library/b.co", object);
  tar.file("opt/library/c.co", unread).file("opt/library/d.co", "CCOB and nothing more");
  tar.file("opt/library/e.co", flense::testing::compressed_bundle(3, bundle));
  const Needs needs = needs_of(tar);
  std::map<std::string, std::vector<inventory::ArchCount>> code;
  for (const CodeFile& file : needs.code) code[file.path] = file.entries;
  const inventory::ArchCount mi200{"amd", "code-object", "gfx90a:sramecc+:xnack-", 1, 4, "", 0};
  const inventory::ArchCount mi300{"amd", "code-object", "gfx942", 1, 8, "", 0};
  EXPECT_THAT(code["opt/librocblas.so.4"], ElementsAre(mi200, mi300));
  EXPECT_THAT(code["opt/library/a.hsaco"], ElementsAre(mi200, mi300));
  EXPECT_THAT(
      code["opt/library/b.co"],
      ElementsAre(inventory::ArchCount{"amd", "code-object", "gfx1100", 1, object.size(), "", 0}));
  EXPECT_THAT(code["opt/library/c.co"], ElementsAre(inventory::ArchCount{
                                            "amd", "unknown", "unknown", 1, unread.size(), "", 0}));
  EXPECT_FALSE(code.contains("opt/library/d.co"));
  // Of a compressed bundle each entry has its share of what is stored.
  ASSERT_THAT(code["opt/library/e.co"], SizeIs(2));
  EXPECT_EQ(code["opt/library/e.co"][0].arch, mi200.arch);
  EXPECT_NEAR(static_cast<double>(code["opt/library/e.co"][1].bytes),
              2.0 * static_cast<double>(code["opt/library/e.co"][0].bytes), 2.0);
}

TEST_F(NeedsCollect, CompatPackageWithItsNote) {
  elf::testing::Builder with = elf_builder({.soname = "libcuda.so.1"});
  with.add(note_section(".note.cuda.fwd_compatibility", "NVIDIA Corporation", 1,
                        R"({"format": 1, "CUDA version": "12.9", "driver": [535, 550],)"
                        R"( "device": [1, 2, 7]})",
                        0x1c00));
  elf::testing::Builder damaged = elf_builder({.soname = "libcuda.so.1"});
  damaged.add(note_section(".note.cuda.fwd_compatibility", "NVIDIA Corporation", 1,
                           R"({"driver": [)", 0x1c00));
  Tar tar;
  tar.file("usr/local/cuda-12.9/compat/libcuda.so.575.57.08", with.build());
  tar.symlink("usr/local/cuda-12.9/compat/libcuda.so.1", "libcuda.so.575.57.08");
  tar.symlink("usr/local/cuda", "cuda-12.9");
  tar.file("opt/a/compat/libcuda.so.550.54.15", elf_file({.soname = "libcuda.so.1"}));
  tar.file("opt/b/compat/libcuda.so.560.35.03", damaged.build());
  const Needs needs = needs_of(tar);
  EXPECT_THAT(
      needs.compat,
      ElementsAre(
          CompatPackage{"opt/a/compat/libcuda.so.550.54.15", "550.54.15", false, "", {}, {}, true},
          CompatPackage{"opt/b/compat/libcuda.so.560.35.03", "560.35.03", false, "", {}, {}, true},
          CompatPackage{"usr/local/cuda-12.9/compat/libcuda.so.575.57.08",
                        "575.57.08",
                        true,
                        "12.9",
                        {535, 550},
                        {1, 2, 7}}));
  EXPECT_THAT(needs.driver_files, IsEmpty());
}

TEST_F(NeedsCollect, DriverLibrariesThatWereBakedIn) {
  Tar tar;
  tar.file("usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15", elf_file({.soname = "libcuda.so.1"}));
  tar.file("usr/lib/x86_64-linux-gnu/libnvidia-ml.so.550.54.15", "");
  tar.file("usr/lib/x86_64-linux-gnu/libnvidia-container.so.1.17.0", elf_file({}));
  tar.file("usr/lib/x86_64-linux-gnu/libcudart.so.12.4.127", elf_file({}));
  tar.file("usr/lib/x86_64-linux-gnu/libcuda.so", "GROUP ( libcuda.so.1 )");
  const Needs needs = needs_of(tar);
  ASSERT_THAT(needs.driver_files, SizeIs(2));
  EXPECT_EQ(needs.driver_files[0].path, "usr/lib/x86_64-linux-gnu/libcuda.so.550.54.15");
  EXPECT_EQ(needs.driver_files[0].what, "driver library of version 550.54.15");
  EXPECT_EQ(needs.driver_files[1].what, "empty file with the name of a driver library");
}

TEST_F(NeedsCollect, StubsCountOnlyWhereTheLoaderLooks) {
  const std::string stub = elf_file({.soname = "libcuda.so.1"});
  const auto fill = [&](Tar& tar) { tar.file("usr/local/cuda/lib64/stubs/libcuda.so", stub); };
  {
    Tar tar;
    fill(tar);
    EXPECT_THAT(needs_of(tar).stubs_in_path, IsEmpty());
  }
  {
    Tar tar;
    fill(tar);
    const Needs needs =
        needs_of(tar, with_environment({"LD_LIBRARY_PATH=/usr/lib:/usr/local/cuda/lib64/stubs"}));
    ASSERT_THAT(needs.stubs_in_path, SizeIs(1));
    EXPECT_EQ(needs.stubs_in_path[0].path, "usr/local/cuda/lib64/stubs/libcuda.so");
    EXPECT_EQ(needs.stubs_in_path[0].what,
              "libcuda.so is found in /usr/local/cuda/lib64/stubs by LD_LIBRARY_PATH");
  }
  {
    Tar tar;
    fill(tar);
    tar.file("etc/ld.so.conf", "include /etc/ld.so.conf.d/*.conf\n");
    tar.file("etc/ld.so.conf.d/cuda.conf", "# stubs\n/usr/local/cuda/lib64/stubs  # here\n");
    EXPECT_THAT(needs_of(tar).stubs_in_path, SizeIs(1));
  }
  {
    Tar tar;
    fill(tar);
    tar.symlink("usr/lib/x86_64-linux-gnu/libcuda.so.1", "/usr/local/cuda/lib64/stubs/libcuda.so");
    const Needs needs = needs_of(tar);
    ASSERT_THAT(needs.stubs_in_path, SizeIs(1));
    EXPECT_EQ(needs.stubs_in_path[0].what,
              "libcuda.so.1 is found in /usr/lib/x86_64-linux-gnu by the loader");
  }
  {
    Tar tar;
    fill(tar);
    tar.symlink("usr/local/cuda/lib64/stubs/libcuda.so.1", "libcuda.so");
    tar.file("opt/app", elf_file({.needed = {"libcuda.so.1"},
                                  .runpath = "$ORIGIN/../usr/local/cuda/lib64/stubs"}));
    const Needs needs = needs_of(tar);
    ASSERT_THAT(needs.stubs_in_path, SizeIs(1));
    EXPECT_EQ(needs.stubs_in_path[0].what,
              "libcuda.so.1 is found in /usr/local/cuda/lib64/stubs by the RPATH of opt/app");
    EXPECT_EQ(needs.stubs_in_path[0].path, "usr/local/cuda/lib64/stubs/libcuda.so.1");
  }
}

TEST_F(NeedsCollect, LibcAndTheProcessorOfWhatStarts) {
  const auto with_level = [](inventory::testing::ElfText text, std::uint32_t isa) {
    elf::testing::Builder builder = elf_builder(text);
    builder.add(note_section(".note.gnu.property", "GNU", 5,
                             pack(std::uint32_t{0xc0008002}, std::uint32_t{4}, isa, 0U), 0x1c00));
    return builder;
  };
  elf::testing::Builder libc = with_level({.soname = "libc.so.6"}, 3);
  libc.add({.name = ".rodata",
            .flags = SHF_ALLOC,
            .address = 0x3000,
            .bytes = "GNU C Library stable release version 2.34.\n"});
  const auto fill = [&](Tar& tar) {
    tar.file("usr/lib64/ld-linux-x86-64.so.2", with_level({}, 1).build());
    tar.file("usr/lib64/libc.so.6", libc.build()).symlink("lib64", "usr/lib64");
    tar.file("usr/bin/app", with_level({.interpreter = "/lib64/ld-linux-x86-64.so.2"}, 7).build(),
             0755);
    tar.file("usr/bin/start", "#!/usr/bin/env app\n", 0755);
    // Another copy, that nothing loads.
    tar.file("opt/sysroot/libc.so.6", elf_file({.soname = "libc.so.6"}));
  };
  Tar tar;
  fill(tar);
  const Needs idle = needs_of(tar);
  EXPECT_EQ(idle.libc, "glibc");
  EXPECT_EQ(idle.libc_version, "2.34");
  EXPECT_EQ(idle.cpu, (CpuNeed{"x86-64-v2", "usr/lib64/libc.so.6"}));
  Tar again;
  fill(again);
  const Needs started =
      needs_of(again, Json::object().set("Entrypoint", Json::array().push("start")));
  EXPECT_EQ(started.cpu, (CpuNeed{"x86-64-v3", "usr/bin/app"})) << "through the script";
}

TEST_F(NeedsCollect, MuslAndNoLibcAtAll) {
  Tar tar;
  tar.file("lib/ld-musl-x86_64.so.1", elf_file({.soname = "libc.musl-x86_64.so.1"}));
  tar.file("lib/apk/db/installed", "P:musl\nV:1.2.4-r2\n\n");
  tar.file("app/hello", elf_file({.needed = {"libc.so"}}), 0755);
  const Needs musl = needs_of(tar);
  EXPECT_THAT(musl.missing_libraries, IsEmpty());
  EXPECT_EQ(musl.libc, "musl");
  EXPECT_EQ(musl.libc_version, "1.2.4-r2");
  EXPECT_FALSE(musl.cpu);
  Tar bare;
  bare.file("app", elf_file({}));
  EXPECT_EQ(needs_of(bare).libc, "");
}

TEST_F(NeedsCollect, TheMarkOfSlim) {
  Tar tar;
  const std::string text =
      R"({"schema":"flense/marker/v1","flense":"0.1.0","targets":{"cuda":["sm_80","sm_90"],)"
      R"("amd":[]},"level":"standard","ptx_kept":false,"note":""})";
  tar.file("usr/share/flense/slim.json", text);
  EXPECT_EQ(needs_of(tar).slim,
            (inventory::SlimMark{
                {"sm_80", "sm_90"}, "", "standard", "0.1.0", "usr/share/flense/slim.json"}));
  Tar labelled;
  labelled.file("usr/share/flense/slim.json", text);
  const Json labels = Json::object()
                          .set("dev.flense.targets", "sm_90")
                          .set("dev.flense.driver-floor", "550.54.14")
                          .set("dev.flense.level", "safe")
                          .set("dev.flense.version", "0.2.0");
  EXPECT_EQ(
      needs_of(labelled, Json::object().set("Labels", labels)).slim,
      (inventory::SlimMark{{"sm_90"}, "550.54.14", "safe", "0.2.0", "label dev.flense.targets"}))
      << "the configuration describes the whole image";
  Tar other;
  other.file("usr/share/flense/slim.json", R"({"schema":"another/v1"})");
  EXPECT_FALSE(needs_of(other).slim);
}

TEST_F(NeedsCollect, WeightsByNameAndSizeLargestFirst) {
  Tar tar;
  const std::string hub = "root/.cache/huggingface/hub/models--a--b/";
  tar.file("models/small.safetensors", std::string(1000, 's'));
  tar.file("models/model.safetensors", std::string(65u << 20, 's'));
  tar.file(hub + "blobs/0123abcd", std::string(66u << 20, 's'));
  tar.symlink(hub + "snapshots/1/model.gguf", "../../blobs/0123abcd");
  tar.file("models/other.dat", std::string(67u << 20, 's'));
  const Needs needs = needs_of(tar);
  ASSERT_THAT(needs.weights, SizeIs(2));
  EXPECT_EQ(needs.weights[0], (Sighting{hub + "blobs/0123abcd", "model weights", 66u << 20}));
  EXPECT_EQ(needs.weights[1].path, "models/model.safetensors");
}

TEST_F(NeedsCollect, PackagesOfPythonAndOfTheGpuStack) {
  Tar tar;
  tar.file("var/lib/dpkg/status",
           "Package: cuda-cudart-12-4\nStatus: install ok installed\nVersion: 12.4.127-1\n\n"
           "Package: bash\nStatus: install ok installed\nVersion: 5.2\n\n");
  tar.file("usr/lib/python3/dist-packages/torch-2.6.0.dist-info/METADATA",
           "Name: torch\nVersion: 2.6.0\n\n");
  std::vector<std::string> names;
  for (const inventory::InstalledPackage& one : needs_of(tar).packages)
    names.push_back(one.package.name);
  EXPECT_THAT(names, ::testing::UnorderedElementsAre("cuda-cudart-12-4", "torch"));
}

TEST_F(NeedsCollect, ConfigurationAlone) {
  Tar tar;
  const Json labels = Json::object()
                          .set("org.opencontainers.image.ref.name", "ubuntu")
                          .set("org.opencontainers.image.version", "22.04");
  Container container = with_environment(
      {"CUDA_VERSION=12.4.1", "NV_CUDA_CUDART_VERSION=12.4.127-1", "NVIDIA_VISIBLE_DEVICES=all"});
  container.set("Labels", labels);
  const auto image = open(tar.bytes(), container);
  const Needs needs = config_needs(*image);
  EXPECT_FALSE(needs.contents);
  EXPECT_EQ(needs.unread, "only the configuration was read");
  EXPECT_EQ(needs.platform, "linux/amd64");
  EXPECT_EQ(needs.environment.at("NVIDIA_VISIBLE_DEVICES"), "all");
  EXPECT_EQ(needs.labels.at("org.opencontainers.image.version"), "22.04");
  EXPECT_THAT(needs.runtimes,
              ElementsAre(inventory::Runtime{"CUDA toolkit", "12.4.1", "environment CUDA_VERSION"},
                          inventory::Runtime{"distribution", "ubuntu 22.04",
                                             "label org.opencontainers.image.version"},
                          inventory::Runtime{"CUDA runtime", "12.4.127",
                                             "environment NV_CUDA_CUDART_VERSION"}));
  EXPECT_EQ(needs.libc, "");
  EXPECT_THAT(needs.code, IsEmpty());

  const auto alpine = open(tar.bytes(), container, "ADD alpine-minirootfs-3.20.3-x86_64.tar.gz /");
  EXPECT_EQ(config_needs(*alpine).libc, "musl");
}

TEST_F(NeedsCollect, TheCudaOfTritonsAssembler) {
  const auto ptxas = [](const std::string& release) {
    elf::testing::Builder builder = elf_builder({});
    builder.add({.name = ".rodata",
                 .flags = SHF_ALLOC,
                 .address = 0x3000,
                 .bytes = "Cuda compilation tools, release " + release + ", V" + release + ".99"});
    return builder.build();
  };
  const std::string site = "usr/lib/python3/site-packages/";
  const auto fill = [&](Tar& tar) {
    tar.file(site + "triton-3.2.0.dist-info/METADATA", "Name: triton\nVersion: 3.2.0\n");
    tar.file(site + "triton/backends/nvidia/bin/ptxas", ptxas("12.4"), 0755);
    tar.file("usr/local/cuda/bin/ptxas", ptxas("12.8"), 0755);
  };
  Tar tar, named;
  fill(tar);
  const Needs needs = needs_of(tar);
  ASSERT_THAT(needs.compilers, SizeIs(1));
  EXPECT_EQ(needs.compilers[0].cuda, "12.4");
  fill(named);
  const Needs other = needs_of(
      named,
      Json::object().set("Env", Json::array().push("TRITON_PTXAS_PATH=/usr/local/cuda/bin/ptxas")));
  ASSERT_THAT(other.compilers, SizeIs(1));
  EXPECT_EQ(other.compilers[0].cuda, "12.8");
}

// CuPy is a package; a program that links NVRTC is none.
TEST_F(NeedsCollect, AProgramThatLinksNvrtc) {
  Tar tar;
  tar.file("app/app", elf_file({.needed = {"libnvrtc.so.12"}}), 0755);
  const Needs needs = needs_of(tar, Json::object().set("Cmd", Json::array().push("/app/app")));
  ASSERT_THAT(needs.compilers, SizeIs(1));
  EXPECT_EQ(needs.compilers[0].name, "NVRTC");
}

}  // namespace
}  // namespace flense::needs
