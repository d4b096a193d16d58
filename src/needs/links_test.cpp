// Missing libraries, RDMA, capabilities of the driver, and run-time compilers.
#include <gmock/gmock.h>

#include "needs/testing_needs.h"

namespace flense::needs {
namespace {

using inventory::testing::elf_builder;
using inventory::testing::elf_file;
using inventory::testing::ElfText;
using inventory::testing::Tar;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NeedsTest;
using ::testing::SizeIs;
using text::Json;

class NeedsLinks : public NeedsTest {};

constexpr const char* kSite = "opt/venv/lib/python3.11/site-packages/";

std::string site(const std::string& path) {
  return kSite + path;
}

Tar& package(Tar& tar, const std::string& name, const std::string& version) {
  return tar.file(site(name + "-" + version + ".dist-info/METADATA"),
                  "Name: " + name + "\nVersion: " + version + "\n\n");
}

std::vector<std::string> missing(const Needs& needs, const std::string& compiler) {
  for (const RunTimeCompiler& one : needs.compilers)
    if (one.name == compiler) return one.missing;
  return {"no such compiler"};
}

TEST_F(NeedsLinks, ALibraryThatIsNowhere) {
  Tar tar;
  tar.file("usr/lib/liba.so.1.2", elf_file({.soname = "liba.so.1"}));
  tar.symlink("usr/lib/liba.so.1", "liba.so.1.2").symlink("usr/lib/libgone.so.3", "nowhere");
  tar.file(site("cv2/cv2.abi3.so"), elf_file({.needed = {"liba.so.1", "libGL.so.1", "libgone.so.3",
                                                         "libcuda.so.1", "libnvidia-ml.so.1"}}));
  tar.file("usr/bin/other", elf_file({.needed = {"libGL.so.1"}}));
  const std::string user = site("cv2/cv2.abi3.so");
  EXPECT_THAT(needs_of(tar).missing_libraries,
              ElementsAre(MissingLibrary{"libGL.so.1", user, "DT_NEEDED", {}},
                          MissingLibrary{"libgone.so.3", user, "DT_NEEDED", {}},
                          MissingLibrary{"libGL.so.1", "usr/bin/other", "DT_NEEDED", {}}))
      << "driver libraries come from the host";
}

TEST_F(NeedsLinks, WhoFailsWithTheOneThatAsks) {
  Tar tar;
  const std::string torch = site("torch/lib/libtorch_cuda.so"), python = site("torch/_C.so"),
                    sparse = site("nvidia/cusparse/lib/libcusparse.so.12");
  tar.file(python, elf_file({.needed = {"libtorch_cuda.so"}}));
  tar.file(torch, elf_file({.soname = "libtorch_cuda.so", .needed = {"libcusparse.so.12"}}));
  tar.file(sparse, elf_file({.soname = "libcusparse.so.12", .needed = {"libnvJitLink.so.12"}}));
  EXPECT_THAT(
      needs_of(tar).missing_libraries,
      ElementsAre(MissingLibrary{"libnvJitLink.so.12", sparse, "DT_NEEDED", {}, {torch, python}}));
}

// A file of another name has the SONAME: the loader takes it once it is loaded, and does not find
// it.
TEST_F(NeedsLinks, ALibraryThatLiesUnderAnotherName) {
  Tar tar;
  const std::string vision = site("torchvision/_C.so"), image = site("torchvision/image.so"),
                    through = site("torchvision/through.so");
  tar.file(site("torchvision.libs/libcudart.e8e8b82a.so.12"),
           elf_file({.soname = "libcudart.so.12"}));
  tar.file(vision, elf_file({.needed = {"libcudart.so.12"}}));
  tar.file(image, elf_file({.needed = {"libcudart.e8e8b82a.so.12"}}));
  tar.file(site("torchvision.libs/libone.so"),
           elf_file({.soname = "libone.so", .needed = {"libcudart.e8e8b82a.so.12"}}));
  tar.file(through, elf_file({.needed = {"libone.so", "libcudart.so.12"}}));
  EXPECT_THAT(needs_of(tar).missing_libraries,
              ElementsAre(MissingLibrary{
                  "libcudart.so.12",
                  vision,
                  "DT_NEEDED; libcudart.e8e8b82a.so.12 has this SONAME, but not this name",
                  {}}));
}

TEST_F(NeedsLinks, WhatALibraryOfAWheelOpensByName) {
  Tar tar;
  const std::string user = site("ctranslate2.libs/libctranslate2-bc15bf3f.so.4.5.0");
  tar.file(user, elf_file({.soname = "libctranslate2-bc15bf3f.so.4.5.0"}));
  EXPECT_THAT(needs_of(tar).missing_libraries,
              ElementsAre(MissingLibrary{"libcublas.so.12", user, "dlopen", {}}));
  Tar whole;
  whole.file(user, elf_file({.soname = "libctranslate2-bc15bf3f.so.4.5.0"}));
  whole.file(site("nvidia/cublas/lib/libcublas.so.12"), elf_file({.soname = "libcublas.so.12"}));
  whole.file(site("nvidia/cublas/lib/libcublasLt.so.12"),
             elf_file({.soname = "libcublasLt.so.12"}));
  EXPECT_THAT(needs_of(whole).missing_libraries,
              ElementsAre(MissingLibrary{"libcublas.so.12", user, "dlopen",
                                         site("nvidia/cublas/lib/libcublas.so.12")}))
      << "it has no RPATH that leads there";
}

// The provider of ONNX Runtime has no RPATH: NVIDIA's wheels are on no path of the loader.
TEST_F(NeedsLinks, AProviderThatDoesNotFindNvidiasWheels) {
  const std::string provider = site("onnxruntime/capi/libonnxruntime_providers_cuda.so"),
                    library = site("nvidia/cublas/lib/libcublasLt.so.12");
  const auto missing_of = [&](const std::string& environment, const std::string& runpath) {
    Tar tar;
    tar.file(provider, elf_file({.needed = {"libcublasLt.so.12"}, .runpath = runpath}));
    tar.file(library, elf_file({.soname = "libcublasLt.so.12"}));
    return needs_of(tar, Json::object().set("Env", Json::array().push(environment)))
        .missing_libraries;
  };
  EXPECT_THAT(missing_of("A=b", ""),
              ElementsAre(MissingLibrary{"libcublasLt.so.12", provider, "DT_NEEDED", library}));
  EXPECT_THAT(missing_of("LD_LIBRARY_PATH=/" + site("nvidia/cublas/lib"), ""), IsEmpty());
  EXPECT_THAT(missing_of("A=b", "$ORIGIN/../../nvidia/cublas/lib"), IsEmpty());
}

// ld.so(8): "version `GLIBC_2.34' not found"; a version that only weak references ask for is none.
TEST_F(NeedsLinks, FilesThatAskForMoreThanTheImagesOwnLibrariesHave) {
  Tar tar;
  elf::testing::Builder libc = elf_builder({.soname = "libc.so.6"});
  libc.add({.name = ".rodata",
            .flags = SHF_ALLOC,
            .address = 0x3000,
            .bytes = "GNU C Library stable release version 2.31.\n"});
  tar.file("usr/lib/x86_64-linux-gnu/libc.so.6", libc.build());
  tar.file("usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30",
           elf_file({.soname = "libstdc++.so.6",
                     .own_versions = {"GLIBCXX_3.4.9", "GLIBCXX_3.4.30", "CXXABI_FLOAT128",
                                      "CXXABI_1.3.13"}}));
  tar.file("usr/bin/app", elf_file({.needed = {"liba.so"}, .versions = {"GLIBC_2.31"}}));
  tar.file("usr/lib/liba.so",
           elf_file({.soname = "liba.so", .versions = {"GLIBC_2.2.5", "GLIBC_2.34"}}));
  tar.file("usr/lib/libb.so", elf_file({.soname = "libb.so", .versions = {"GLIBCXX_3.4.32"}}));
  tar.file("usr/lib/libc2.so", elf_file({.soname = "libc2.so", .versions = {"CXXABI_1.3.13"}}));
  tar.file("usr/lib/libd.so", elf_file({.soname = "libd.so", .weak_versions = {"GLIBC_2.38"}}));
  const std::string c = "usr/lib/x86_64-linux-gnu/libc.so.6",
                    cxx = "usr/lib/x86_64-linux-gnu/libstdc++.so.6.0.30";
  EXPECT_THAT(
      needs_of(tar).too_new,
      ElementsAre(TooNewFile{"usr/lib/liba.so", "GLIBC_2.34", "GLIBC_2.31", c, true},
                  TooNewFile{"usr/lib/libb.so", "GLIBCXX_3.4.32", "GLIBCXX_3.4.30", cxx, false}));
  // A newer library beside the old one may be the one that is loaded.
  Tar both;
  both.file("usr/lib/libstdc++.so.6",
            elf_file({.soname = "libstdc++.so.6", .own_versions = {"GLIBCXX_3.4.30"}}));
  both.file("opt/venv/lib/libstdc++.so.6",
            elf_file({.soname = "libstdc++.so.6", .own_versions = {"GLIBCXX_3.4.33"}}));
  both.file("usr/lib/libb.so", elf_file({.soname = "libb.so", .versions = {"GLIBCXX_3.4.32"}}));
  EXPECT_THAT(needs_of(both).too_new, IsEmpty());
}

// libcudnn.so.9 opens its parts by name; nobody names an extension module of Python.
TEST_F(NeedsLinks, WhoAsksForALibraryWithDeviceCode) {
  Tar tar;
  const auto with_code = [](const ElfText& text) {
    elf::testing::Builder builder = elf_builder(text);
    builder.add({.name = ".nv_fatbin",
                 .flags = SHF_ALLOC,
                 .address = 0x3000,
                 .bytes = flense::testing::region_of(
                     flense::testing::entry_bytes(flense::testing::entry_spec("sm90:64"))),
                 .alignment = 8});
    return builder.build();
  };
  tar.file(site("nvidia/cudnn/lib/libcudnn.so.9"), elf_file({.soname = "libcudnn.so.9"}));
  tar.file(site("nvidia/cudnn/lib/libcudnn_ops.so.9"), with_code({.soname = "libcudnn_ops.so.9"}));
  tar.file(site("fast/_C.abi3.so"), with_code({.needed = {"libfast.so"}}));
  tar.file(site("fast/libfast.so"), with_code({.soname = "libfast.so"}));
  std::map<std::string, std::string> users;
  for (const CodeFile& file : needs_of(tar).code) users[file.path] = file.user;
  EXPECT_EQ(
      users,
      (std::map<std::string, std::string>{
          {site("nvidia/cudnn/lib/libcudnn_ops.so.9"), site("nvidia/cudnn/lib/libcudnn.so.9")},
          {site("fast/_C.abi3.so"), ""},
          {site("fast/libfast.so"), site("fast/_C.abi3.so")}}));
}

TEST_F(NeedsLinks, WhatTorchLoadsFromItsWheelsIsThere) {
  Tar tar;
  package(tar, "torch", "2.6.0");
  tar.file(site("torch/lib/libtorch_cuda.so"),
           elf_file({.soname = "libtorch_cuda.so", .needed = {"libcudnn.so.9"}}));
  tar.file(site("nvidia/cudnn/lib/libcudnn.so.9"), elf_file({.soname = "libcudnn.so.9"}));
  tar.file(site("nvidia/cudnn/lib/libcudnn_graph.so.9"),
           elf_file({.soname = "libcudnn_graph.so.9"}));
  tar.file(site("torchvision/_C.so"), elf_file({.needed = {"libtorch_cuda.so"}}));
  const Needs needs = needs_of(tar);
  std::vector<std::string> names;
  for (const MissingLibrary& one : needs.missing_libraries)
    names.push_back(one.library + " " + one.how);
  EXPECT_THAT(names, ElementsAre("libcudnn_ops.so.9 dlopen", "libcudnn_cnn.so.9 dlopen",
                                 "libcudnn_adv.so.9 dlopen"))
      << "only the parts of cuDNN that are not there";
}

TEST_F(NeedsLinks, AStubIsNoLibrary) {
  Tar tar;
  tar.file("usr/local/cuda/lib64/stubs/libcublas.so.12", elf_file({.soname = "libcublas.so.12"}));
  tar.file("usr/bin/app", elf_file({.needed = {"libcublas.so.12"}}));
  EXPECT_THAT(needs_of(tar).missing_libraries, SizeIs(1));
}

TEST_F(NeedsLinks, WhatIsOptionalIsNotMissing) {
  Tar tar;
  // One for each CUDA version; the package chooses.
  for (const char* version : {"118", "121", "124"})
    tar.file(site("bitsandbytes/libbitsandbytes_cuda" + std::string(version) + ".so"),
             elf_file({.needed = {"libcudart.so.11.0"}}));
  for (const char* version : {"4", "5"})
    tar.file(site("torio/lib/_torio_ffmpeg" + std::string(version) + ".so"),
             elf_file({.needed = {"libavutil.so.5" + std::string(version)}}));
  tar.file("usr/lib/lib-dynload/_tkinter.cpython-311-x86_64-linux-gnu.so",
           elf_file({.needed = {"libtk8.6.so"}}));
  tar.file("opt/nvidia/nsight-compute/2024.1.0/host/ncu-ui", elf_file({.needed = {"libQt6.so"}}));
  // For another machine: an image for cross-compilation.
  tar.file("usr/aarch64-linux-gnu/lib/libx.so",
           elf_file({.needed = {"libarm.so.1"}, .machine = EM_AARCH64}));
  EXPECT_THAT(needs_of(tar).missing_libraries, IsEmpty());
}

TEST_F(NeedsLinks, RdmaUserSpace) {
  Tar tar;
  tar.file("usr/lib/libibverbs.so.1.14.39.0", elf_file({.soname = "libibverbs.so.1"}));
  tar.file("usr/lib/libibverbs/libmlx5-rdmav34.so", elf_file({}));
  tar.file("opt/amazon/efa/lib/libfabric.so.1.25", elf_file({.soname = "libfabric.so.1"}));
  std::vector<std::string> seen;
  for (const Sighting& one : needs_of(tar).rdma) seen.push_back(one.what);
  EXPECT_THAT(seen, ElementsAre("libfabric", "verbs provider mlx5", "verbs library"));
}

TEST_F(NeedsLinks, CapabilitiesByLinkAndByName) {
  Tar tar;
  tar.file("usr/lib/libavcodec.so.59.37.100", elf_file({.soname = "libavcodec.so.59"}));
  tar.file("opt/render", elf_file({.needed = {"libEGL_nvidia.so.0"}}));
  tar.file("opt/lib/libnccl.so.2", elf_file({.soname = "libnccl.so.2"}));
  // The driver's own library asks for others of its own.
  tar.file("opt/driver/libnvidia-encode.so.550.54.15", elf_file({.needed = {"libnvoptix.so.1"}}));
  EXPECT_THAT(
      needs_of(tar).capabilities,
      ElementsAre(
          CapabilityNeed{"utility", "libnvidia-ml.so.1", "opt/lib/libnccl.so.2"},
          CapabilityNeed{"graphics", "libEGL_nvidia.so.0", "opt/render"},
          CapabilityNeed{"video", "libnvcuvid.so.1", "usr/lib/libavcodec.so.59.37.100"},
          CapabilityNeed{"video", "libnvidia-encode.so.1", "usr/lib/libavcodec.so.59.37.100"}));
}

TEST_F(NeedsLinks, TritonWithoutCompilerAndWithOne) {
  Tar bare;
  package(package(bare, "triton", "3.6.0"), "torch", "2.10.0");
  const Needs needs = needs_of(bare);
  EXPECT_THAT(missing(needs, "Triton"), ElementsAre("C compiler", "Python headers", "ptxas"));
  EXPECT_EQ(needs.compilers[0].evidence, "pip package torch 2.10.0");
  EXPECT_THAT(missing(needs, "torch.compile"), ElementsAre("C compiler"));

  Tar full;
  package(full, "triton", "3.6.0");
  full.file("usr/bin/x86_64-linux-gnu-gcc-12", elf_file({}), 0755);
  full.file("usr/include/python3.11/Python.h", "")
      .file(site("triton/backends/nvidia/bin/ptxas"), "x");
  EXPECT_THAT(missing(needs_of(full), "Triton"), IsEmpty());
}

TEST_F(NeedsLinks, CachesOfAUserWithoutAHome) {
  const auto lacks_cache = [&](const Json& container, const char* compiler = "Triton") {
    Tar tar;
    tar.file("etc/passwd", "root:x:0:0::/root:/bin/sh\napp:x:1000:1000::/home/app:/bin/sh\n");
    package(package(tar, "triton", "3.6.0"), "torch", "2.10.0");
    tar.dir("tmp", 01777).dir("root").dir("cache", 0777);
    const std::vector<std::string> list = missing(needs_of(tar, container), compiler);
    return std::ranges::find(list, "writable cache") != list.end();
  };
  const auto user = [](const char* name) { return Json::object().set("User", name); };
  const auto variable = [](const char* text) { return Json::array().push(text); };
  EXPECT_FALSE(lacks_cache(Json::object())) << "root";
  EXPECT_TRUE(lacks_cache(user("app"))) << "/home/app is not there";
  EXPECT_TRUE(lacks_cache(user("1234:5"))) << "no account: home is the root directory";
  EXPECT_FALSE(lacks_cache(user("app"), "torch.compile")) << "/tmp is for everybody";
  EXPECT_FALSE(lacks_cache(user("app").set("Env", variable("TRITON_CACHE_DIR=/cache/triton"))));
  EXPECT_TRUE(lacks_cache(user("app").set("Env", variable("HOME=/root"))));
}

TEST_F(NeedsLinks, NvrtcUsersNeedHeaders) {
  Tar tar;
  package(tar, "cupy-cuda12x", "14.2.0");
  EXPECT_THAT(missing(needs_of(tar), "CuPy"), ElementsAre("CUDA headers", "NVRTC"));
  Tar full;
  package(full, "cupy-cuda12x", "14.2.0");
  full.file(site("nvidia/cuda_runtime/include/cuda_runtime.h"), "");
  full.file(site("nvidia/cuda_nvrtc/lib/libnvrtc.so.12"), elf_file({.soname = "libnvrtc.so.12"}));
  EXPECT_THAT(missing(needs_of(full), "CuPy"), IsEmpty());
}

// The entry points of nvJitLink carry the minor that brought them; its SONAME is the major's.
TEST_F(NeedsLinks, AnOlderLinkerOnTheLibraryPathComesFirst) {
  const auto linker = [](const char* entry) {
    return elf_file({.soname = "libnvJitLink.so.12", .own_versions = {entry}});
  };
  const auto fill = [&](Tar& tar, const std::string& runpath, const std::string& rpath) {
    tar.file("opt/cuda-12.1/libnvJitLink.so.12", linker("__nvJitLinkComplete_12_1"));
    tar.file("opt/wheel/libnvJitLink.so.12", linker("__nvJitLinkComplete_12_4"));
    tar.file("opt/wheel/libcusparse.so.12", elf_file({.soname = "libcusparse.so.12",
                                                      .needed = {"libnvJitLink.so.12"},
                                                      .runpath = runpath,
                                                      .versions = {"__nvJitLinkComplete_12_4"},
                                                      .rpath = rpath}));
    tar.file("opt/wheel/libtorch.so", elf_file({.needed = {"libcusparse.so.12"}}));
  };
  const Json path = Json::object().set("Env", Json::array().push("LD_LIBRARY_PATH=/opt/cuda-12.1"));
  Tar first, own, whole;
  fill(first, "$ORIGIN", "");
  EXPECT_THAT(
      needs_of(first, path).too_new,
      ElementsAre(TooNewFile{"opt/wheel/libcusparse.so.12", "nvJitLink 12.4", "nvJitLink 12.1",
                             "opt/cuda-12.1/libnvJitLink.so.12", true, true}));
  fill(own, "", "$ORIGIN");
  EXPECT_THAT(needs_of(own, path).too_new, IsEmpty()) << "RPATH comes before LD_LIBRARY_PATH";
  fill(whole, "$ORIGIN", "");
  EXPECT_THAT(needs_of(whole).too_new, IsEmpty());
}

// pytorch/pytorch#119932: all of NCCL 2 has one SONAME, and torch asks for functions of its own.
// flash-attn built for a torch of the other ABI of std::string: "undefined symbol" at its import.
TEST_F(NeedsLinks, ATorchWithoutTheFunctionsAskedFor) {
  const std::string old = "_ZN3c105ErrorC2ENS_14SourceLocationESs",
                    young = "_ZN3c105ErrorC2ENS_14SourceLocationENSt7__cxx1112basic_stringIcEE";
  const std::string extension = site("flash_attn_2_cuda.abi3.so"),
                    library = site("torch/lib/libc10.so");
  const auto too_new = [&](const std::string& call, bool second = false) {
    Tar tar;
    tar.file(library, elf_file({.soname = "libc10.so", .functions = {young, "_ZN3c106other"}}));
    if (second) tar.file("opt/torch/lib/libc10.so", elf_file({.soname = "libc10.so"}));
    tar.file(extension, elf_file({.needed = {"libc10.so"}, .calls = {call, "_ZN3c107unknown"}}));
    return needs_of(tar).too_new;
  };
  EXPECT_THAT(too_new(old), ElementsAre(TooNewFile{extension, "a torch with " + old,
                                                   "a torch without it", library, false, true}));
  EXPECT_THAT(too_new(young), IsEmpty());
  EXPECT_THAT(too_new(old, true), IsEmpty()) << "nobody tells which of two is imported";
}

TEST_F(NeedsLinks, AnNcclWithoutTheFunctionsAskedFor) {
  const auto too_new = [&](const ElfText& user) {
    Tar tar;
    tar.file("opt/nccl/libnccl.so.2",
             elf_file({.soname = "libnccl.so.2", .functions = {"ncclRecv", "ncclSend"}}));
    tar.file("opt/torch/libtorch_cuda.so", elf_file(user));
    tar.file("opt/torch/libtorch.so", elf_file({.needed = {"libtorch_cuda.so"}}));
    return needs_of(tar).too_new;
  };
  const std::string runpath = "/opt/nccl";
  EXPECT_THAT(
      too_new({.needed = {"libnccl.so.2"},
               .runpath = runpath,
               .calls = {"ncclSend", "ncclCommRegister"}}),
      ElementsAre(TooNewFile{"opt/torch/libtorch_cuda.so", "NCCL with ncclCommRegister",
                             "an older NCCL without it", "opt/nccl/libnccl.so.2", true, true}));
  EXPECT_THAT(too_new({.needed = {"libnccl.so.2"}, .runpath = runpath, .calls = {"ncclSend"}}),
              IsEmpty());
  EXPECT_THAT(
      too_new({.needed = {"libnccl.so.2"}, .runpath = runpath, .weak_calls = {"ncclCommRegister"}}),
      IsEmpty())
      << "the loader goes on without what is asked for weakly";
  EXPECT_THAT(too_new({.runpath = runpath, .calls = {"ncclCommRegister"}}), IsEmpty());
}

// cuDNN's error handling: CUDNN_STATUS_SUBLIBRARY_VERSION_MISMATCH. The wheel's files have the
// major alone in their names, and its RUNPATH comes after LD_LIBRARY_PATH.
TEST_F(NeedsLinks, PartsOfAnotherCudnnOnTheLibraryPath) {
  const std::string own = site("nvidia/cudnn/lib/libcudnn.so.9");
  const auto too_new = [&](const std::string& system, const std::string& environment) {
    Tar tar;
    package(tar, "nvidia-cudnn-cu12", "9.1.0.70");
    tar.file(site("torch/lib/libtorch_cuda.so"),
             elf_file({.needed = {"libcudnn.so.9"}, .rpath = "$ORIGIN/../../nvidia/cudnn/lib"}));
    tar.file(own, elf_file({.soname = "libcudnn.so.9", .runpath = "$ORIGIN"}));
    for (const std::string part : {"ops", "cnn", "adv", "graph"}) {
      const std::string name = "libcudnn_" + part + ".so.9";
      tar.file(site("nvidia/cudnn/lib/" + name), elf_file({.soname = name, .runpath = "$ORIGIN"}));
      tar.file("opt/cudnn/" + name + system, elf_file({.soname = name}));
      tar.symlink("opt/cudnn/" + name, name + system);
    }
    return needs_of(tar, Json::object().set("Env", Json::array().push(environment))).too_new;
  };
  EXPECT_THAT(too_new(".5.1", "LD_LIBRARY_PATH=/opt/cudnn"),
              ElementsAre(TooNewFile{own, "cuDNN 9.1.0", "cuDNN 9.5.1",
                                     "opt/cudnn/libcudnn_ops.so.9.5.1", true, true}));
  EXPECT_THAT(too_new(".1.0", "LD_LIBRARY_PATH=/opt/cudnn"), IsEmpty());
  EXPECT_THAT(too_new(".5.1", "A=b"), IsEmpty());
}

}  // namespace
}  // namespace flense::needs
