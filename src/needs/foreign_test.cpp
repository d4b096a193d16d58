// Packages of another Python, processor or system in site-packages.
#include <gmock/gmock.h>

#include "needs/testing_needs.h"

namespace flense::needs {
namespace {

using inventory::testing::elf_file;
using inventory::testing::Tar;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using testing::NeedsTest;
using ::testing::SizeIs;
using text::Json;

class NeedsForeign : public NeedsTest {};

std::string site(const std::string& path) {
  return "usr/local/lib/python3.11/site-packages/" + path;
}

// PEP 3149: Python 3.11 imports .cpython-311-….so, .abi3.so and .so, nothing else.
TEST_F(NeedsForeign, APackageOfAnotherPython) {
  Tar tar;
  const std::string module = site("torch/_C.cpython-312-x86_64-linux-gnu.so");
  tar.file(module, elf_file({.needed = {"libcudart.so.12"}}));
  tar.file(site("torch/lib/libtorch.so"), elf_file({}));
  tar.file(site("regex/_regex.cpython-310-x86_64-linux-gnu.so"), elf_file({}));
  EXPECT_THAT(
      needs_of(tar).foreign,
      ElementsAre(ForeignPackage{"regex", site("regex/_regex.cpython-310-x86_64-linux-gnu.so"),
                                 "Python 3.10", "Python 3.11", false},
                  ForeignPackage{"torch", module, "Python 3.12", "Python 3.11", true}));
}

TEST_F(NeedsForeign, WhatThisPythonImportsIsNot) {
  Tar tar;
  tar.file(site("a/_C.cpython-311-x86_64-linux-gnu.so"), elf_file({}));
  tar.file(site("b/_C.abi3.so"), elf_file({}));
  tar.file(site("c/_C.so"), elf_file({}));
  // One for each Python; the loader takes its own.
  for (const char* python : {"310", "311", "312"})
    tar.file(site("d/_C.cpython-" + std::string(python) + "-x86_64-linux-gnu.so"), elf_file({}));
  tar.file(site("_cffi_backend.cpython-311-x86_64-linux-gnu.so"), elf_file({}));
  // Debian's folder for every Python 3 does not tell which one.
  tar.file("usr/lib/python3/dist-packages/e/_C.cpython-312-x86_64-linux-gnu.so", elf_file({}));
  // Free threads have an interpreter and a folder of their own.
  tar.file("usr/lib/python3.13t/site-packages/f/_C.cpython-313t-x86_64-linux-gnu.so", elf_file({}));
  tar.file(site("g/data.bin"), "x");
  EXPECT_THAT(needs_of(tar).foreign, IsEmpty());
}

TEST_F(NeedsForeign, APackageOfAnotherProcessorOrSystem) {
  Tar tar;
  tar.file("usr/bin/app", elf_file({}));
  tar.file(site("xgboost/lib/libxgboost.so"), elf_file({.machine = EM_AARCH64}));
  tar.file(site("lightgbm/_C.cp311-win_amd64.pyd"), "MZ");
  // One of several.
  tar.file(site("debugpy/arm.so"), elf_file({.machine = EM_AARCH64}));
  tar.file(site("debugpy/amd.so"), elf_file({}));
  // Code for GPUs is no file for a processor.
  tar.file(site("kernels/one.so"), elf_file({.machine = EM_AMDGPU}));
  EXPECT_THAT(needs_of(tar).foreign,
              ElementsAre(ForeignPackage{"lightgbm", site("lightgbm/_C.cp311-win_amd64.pyd"),
                                         "Windows", "x86_64", false},
                          ForeignPackage{"xgboost", site("xgboost/lib/libxgboost.so"), "aarch64",
                                         "x86_64", false}));
}

// ld.so(8): a file for another machine is passed over, as if it were not there.
TEST_F(NeedsForeign, ALibraryOfAnotherProcessorIsMissing) {
  Tar tar;
  tar.file(site("torch/lib/libtorch_cuda.so"), elf_file({.needed = {"libcudnn.so.9"}}));
  tar.file(site("nvidia/cudnn/lib/libcudnn.so.9"),
           elf_file({.soname = "libcudnn.so.9", .machine = EM_AARCH64}));
  EXPECT_THAT(needs_of(tar).missing_libraries, SizeIs(1));
}

// Without a folder that tells a version, the image's only Python decides.
TEST_F(NeedsForeign, ModulesForAPythonThatTheImageDoesNotHave) {
  const std::string debian =
      "usr/lib/python3/dist-packages/ctranslate2/_ext.cpython-311-x86_64-linux-gnu.so";
  const std::string own = "app/gpuext.cpython-311-x86_64-linux-gnu.so";
  Tar tar, two, fits;
  for (Tar* one : {&tar, &two, &fits})
    one->file(debian, elf_file({})).file(own, elf_file({.needed = {"libcudart.so.12"}}));
  tar.file("usr/bin/python3.9", elf_file({}), 0755);
  EXPECT_THAT(
      needs_of(tar).foreign,
      ElementsAre(ForeignPackage{"gpuext", own, "Python 3.11", "Python 3.9", true},
                  ForeignPackage{"ctranslate2", debian, "Python 3.11", "Python 3.9", false}));
  two.file("usr/bin/python3.9", elf_file({}), 0755).file("opt/bin/python3.11", elf_file({}), 0755);
  EXPECT_THAT(needs_of(two).foreign, IsEmpty());
  fits.file("usr/lib/libpython3.11.so.1.0", elf_file({}));
  EXPECT_THAT(needs_of(fits).foreign, IsEmpty());
}

}  // namespace
}  // namespace flense::needs
