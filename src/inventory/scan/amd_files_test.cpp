#include "inventory/scan/amd_files.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flense::inventory {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(AmdFiles, KernelLibrariesOfTensile) {
  const std::string rocblas = "opt/rocm-6.4.0/lib/rocblas/library/";
  EXPECT_THAT(amd_targets_of_file(rocblas + "Kernels.so-000-gfx90a-xnack+.hsaco"),
              ElementsAre("gfx90a:xnack+"));
  EXPECT_THAT(amd_targets_of_file(rocblas + "TensileLibrary_gfx1030.co"), ElementsAre("gfx1030"));
  EXPECT_THAT(amd_targets_of_file(rocblas + "TensileLibrary_lazy_gfx942.dat"),
              ElementsAre("gfx942"));
  EXPECT_THAT(amd_targets_of_file(rocblas + "TensileLibrary_Type_ZZ_Contraction_l_AlikC_Bjlk_Cijk_"
                                            "Dijk_fallback_gfx900.hsaco"),
              ElementsAre("gfx900"));
  EXPECT_THAT(amd_targets_of_file(rocblas + "gfx942/TensileLibrary_Type_HH.co"),
              ElementsAre("gfx942"));
  const std::string site = "usr/lib/python3/dist-packages/torch/lib/";
  EXPECT_THAT(amd_targets_of_file(site + "hipblaslt/library/extop_gfx1100.co"),
              ElementsAre("gfx1100"));
  EXPECT_THAT(amd_targets_of_file(site + "hipblaslt/library/hipblasltTransform_gfx1201.hsaco"),
              ElementsAre("gfx1201"));
  EXPECT_THAT(
      amd_targets_of_file("opt/rocm/lib/hipsparselt/library/gfx1250/TensileLibrary_SPMM.dat.zlib"),
      ElementsAre("gfx1250"));
}

TEST(AmdFiles, WhatTheProcessorsShareHasNoTarget) {
  for (const char* path :
       {"opt/rocm/lib/rocblas/library/TensileLibrary.dat",
        "opt/rocm/lib/rocblas/library/TensileManifest.txt",
        "opt/rocm/lib/rocblas/library/TensileLibrary_Type_ZZ_fallback.dat",
        "opt/rocm/lib/hipblaslt/library/hipblasltExtOpLibrary.dat",
        "opt/rocm/lib/hipblaslt/library/hipblasltTransform.hsaco", "opt/rocm/lib/librocblas.so.4",
        "opt/rocm/share/miopen/db/miopen.db", "opt/rocm/lib/rocfft/rocfft_kernel_cache.db",
        "opt/rocm/.kpack/blas_lib.kpm", "opt/rocm/lib/aotriton.images/amd-gfx942",
        "home/me/TensileLibrary_gfx942.co", "srv/notes/gfx942.txt",
        "opt/rocm/lib/rocblas/library/notes_gfx942.txt"})
    EXPECT_THAT(amd_targets_of_file(path), IsEmpty()) << path;
}

TEST(AmdFiles, DatabasesOfMiopen) {
  const std::string db = "opt/rocm/share/miopen/db/";
  for (const auto& [name, target] :
       {std::pair("gfx1030_36.HIP.fdb.txt", "gfx1030"), std::pair("gfx1030_36.kdb", "gfx1030"),
        std::pair("gfx906_60.db.txt", "gfx906"), std::pair("gfx90a68.kdb", "gfx90a"),
        std::pair("gfx90a6e.ukdb", "gfx90a"), std::pair("gfx90878.HIP.fdb.txt", "gfx908"),
        std::pair("gfx942130.db.txt", "gfx942"), std::pair("gfx950100.db.txt", "gfx950"),
        std::pair("gfx908.tn.model", "gfx908"),
        std::pair("gfx90a_ConvHipIgemm_encoder.ktn.model", "gfx90a"),
        std::pair("gfx1201_32.db.txt", "gfx1201")})
    EXPECT_THAT(amd_targets_of_file(db + name), ElementsAre(target)) << name;
  EXPECT_THAT(amd_targets_of_file(db + "gfx7zz.kdb"), IsEmpty());
  EXPECT_THAT(amd_targets_of_file(db + "gfx90ahello.kdb"), IsEmpty());
}

TEST(AmdFiles, OtherLibraries) {
  const std::string aotriton = "opt/venv/lib/python3.12/site-packages/torch/lib/aotriton.images/";
  EXPECT_THAT(amd_targets_of_file(aotriton + "amd-gfx11xx/flash/attn_fwd/a.aks2"),
              ElementsAre("gfx11xx"));
  EXPECT_THAT(amd_targets_of_file(aotriton + "amd-gfx942_mod0/flash/a.aks2"),
              ElementsAre("gfx942"));
  EXPECT_THAT(amd_targets_of_file("opt/aiter/hsa/gfx950/fmha_v3_fwd/fwd_hd128.co"),
              ElementsAre("gfx950"));
  EXPECT_THAT(amd_targets_of_file("opt/aiter/hsa/gfx950/codegen.py"), IsEmpty());
  EXPECT_THAT(amd_targets_of_file("opt/rocm/lib/libMIOpenCKGroupedConv_gfx942.so"),
              ElementsAre("gfx942"));
  EXPECT_THAT(amd_targets_of_file("usr/lib/.kpack/blas_lib_gfx1151.kpack"), ElementsAre("gfx1151"));
  EXPECT_THAT(amd_targets_of_file("usr/lib/.kpack/fft_lib_gfx9-4-generic.kpack"),
              ElementsAre("gfx9-4-generic"));
  EXPECT_THAT(amd_targets_of_file("usr/share/pack/blas_lib_gfx1151.kpack"), IsEmpty());
}

TEST(AmdFiles, NamesServe) {
  EXPECT_TRUE(amd_name_serves("gfx942", "gfx942"));
  EXPECT_FALSE(amd_name_serves("gfx94", "gfx942"));
  EXPECT_FALSE(amd_name_serves("gfx90a", "gfx942"));
  EXPECT_TRUE(amd_name_serves("gfx90a:xnack+", "gfx90a"));
  EXPECT_FALSE(amd_name_serves("gfx90a:xnack+", "gfx90a:xnack-"));
  EXPECT_TRUE(amd_name_serves("gfx11xx", "gfx1151"));
  EXPECT_FALSE(amd_name_serves("gfx11xx", "gfx1201"));
  EXPECT_FALSE(amd_name_serves("gfx11xx", "gfx115"));
  EXPECT_TRUE(amd_name_serves("gfx94X", "gfx942"));
  EXPECT_FALSE(amd_name_serves("gfx94X", "gfx950"));
  EXPECT_TRUE(amd_name_serves("gfx1200", "gfx1201")) << "rocBLAS wants both";
  EXPECT_TRUE(amd_name_serves("gfx9-4-generic", "gfx950"));
  EXPECT_FALSE(amd_name_serves("gfx9-4-generic", "gfx90a"));
  EXPECT_TRUE(amd_name_serves("gfx13-generic", "gfx942")) << "not known to this version";
}

}  // namespace
}  // namespace flense::inventory
