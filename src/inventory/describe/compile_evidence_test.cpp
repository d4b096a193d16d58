#include "inventory/describe/compile_evidence.h"

#include <gtest/gtest.h>

#include "image/layers/testing_image.h"
#include "inventory/scan/testing_files.h"

namespace flense::inventory {
namespace {

/// A library (with a SONAME) or program with this text in its data.
std::string elf_with(const std::string& text, const std::string& soname = "libx.so") {
  elf::testing::Builder builder = testing::elf_builder({.soname = soname});
  builder.add({.name = ".rodata",
               .flags = SHF_ALLOC,
               .address = 0x3000,
               .bytes = text + std::string(700, '\0'),
               .alignment = 8});
  return builder.build();
}

CompileEvidence evidence_of(const std::string& path, const std::string& bytes) {
  using image::fixture::must;
  image::fixture::Oci oci;
  oci.add_image({{image::fixture::Tar().file(path, bytes).bytes(), codec::Compression::kNone,
                  "RUN something"}});
  const std::string archive = image::fixture::tar_of(oci.all());
  const auto image = must(image::open_archive_bytes(as_bytes(archive), "test.tar", "", {}));
  ScanOptions scan;
  scan.workers = 1;
  return find_compile_evidence(must(Contents::read(*image, scan)));
}

const std::string kSite = "usr/lib/python3/dist-packages/";
const std::string kFrontEnd = "expected \"FILENAME\" or <FILENAME>";

TEST(CompileEvidence, WhoHandsSourcesToNvrtc) {
  const std::string caller = elf_with("nvrtcCompileProgram");
  for (const std::string& path : {kSite + "cumm/core_cc.so", std::string("usr/local/bin/server"),
                                  std::string("usr/lib/x86_64-linux-gnu/libjit.so.1")})
    EXPECT_EQ(evidence_of(path, caller).nvrtc, path);
  for (const std::string& path :
       {kSite + "torch/lib/libcaffe2_nvrtc.so", kSite + "cuda/bindings/cynvrtc.so",
        kSite + "nvidia/cudnn/lib/libcudnn_graph.so.9", kSite + "a.libs/libnvrtc-1a2b.so.12",
        std::string("usr/lib/x86_64-linux-gnu/libcublasLt.so.12"),
        std::string("usr/local/cuda-12.4/bin/tool")})
    EXPECT_EQ(evidence_of(path, caller).nvrtc, "") << path;
  EXPECT_EQ(evidence_of(kSite + "x/a.so", elf_with("hiprtcCompileProgram")).hiprtc,
            kSite + "x/a.so");
  EXPECT_EQ(evidence_of("opt/rocm/lib/libx.so", elf_with("hiprtcCompileProgram")).hiprtc, "");
}

TEST(CompileEvidence, CompilersThatCameToBeUsed) {
  const std::string library = elf_with(kFrontEnd), program = elf_with(kFrontEnd, "");
  EXPECT_EQ(evidence_of(kSite + "ziglang/zig", program).front_end, kSite + "ziglang/zig");
  EXPECT_EQ(evidence_of("opt/conda/lib/libCling.so", library).front_end,
            "opt/conda/lib/libCling.so");
  // It came with a compiler, and counts with whoever starts that.
  EXPECT_EQ(evidence_of("usr/lib/llvm-19/lib/libclang-cpp.so.19.1", library).front_end, "");
  EXPECT_EQ(evidence_of(kSite + "clang/native/libclang.so", library).front_end, "");
  EXPECT_EQ(evidence_of("opt/rocm/lib/libamd_comgr.so.2", library).front_end, "");
  EXPECT_EQ(
      evidence_of("usr/lib/x86_64-linux-gnu/nvidia/current/libnvidia-nvvm.so.535.261.03", library)
          .front_end,
      "");
  EXPECT_EQ(evidence_of("opt/tcc/bin/tcc", program).program, "opt/tcc/bin/tcc");
  EXPECT_EQ(evidence_of("usr/lib/gcc/x86_64-linux-gnu/12/cc1", program).program, "");
  EXPECT_EQ(evidence_of("usr/bin/clangd-19", program).program, "");
}

TEST(CompileEvidence, ModulesThatStartCompilers) {
  const std::string gcc = "call(['gcc', '-shared', source])",
                    nvcc = "call(['nvcc', '-I', include])";
  for (const std::string& path : {kSite + "x/jit.py", std::string("app/jit.py")}) {
    EXPECT_EQ(evidence_of(path, gcc).starts_host, path);
    EXPECT_EQ(evidence_of(path, nvcc).starts_nvcc, path);
  }
  const std::string extension = elf_with("/bin/nvcc");
  EXPECT_EQ(evidence_of(kSite + "x/gemm.so", extension).starts_nvcc, kSite + "x/gemm.so");
  EXPECT_EQ(evidence_of("usr/lib/nvidia-cuda-toolkit/bin/nvcc", extension).starts_nvcc, "");
  for (const std::string& path :
       {std::string("usr/lib/python3.11/distutils/cc.py"), kSite + "setuptools/build.py",
        kSite + "x/tests/jit.py", kSite + "x/setup.py", kSite + "torch/utils/cpp_extension.py"})
    EXPECT_EQ(evidence_of(path, gcc).starts_host, "") << path;
}

}  // namespace
}  // namespace flense::inventory
