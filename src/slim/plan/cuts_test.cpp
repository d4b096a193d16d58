#include "slim/plan/cuts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "elf/testing_library.h"
#include "slim/apply/testing_image.h"
#include "support/fatbin_builder.h"

namespace flense::slim {
namespace {

using testing::Tar;
using testing::TestImage;

/// A library with eight registered regions, each sm_80, sm_90 and PTX 9.0.
std::string cuda_library() {
  const elf::testing::Library library = elf::testing::make_library();
  std::string bytes = library.builder.build();
  const std::string region = flense::testing::region("sm80:10000 sm90:12560 ptx90:10000");
  for (std::uint64_t i = 0; i < elf::testing::kRegions; ++i)
    bytes.replace(library.region(i), region.size(), region);
  return bytes;
}

/// As inspect reads it: without targets no device code is planned for.
Plan planned(TestImage& image, const SlimOptions& options) {
  inventory::ScanOptions scan;
  scan.scratch_directory = std::filesystem::temp_directory_path();
  scan.workers = 1;
  if (!options.cuts.targets.cuda.empty()) scan.prune = rewrite_rules(options.cuts);
  image.contents = testing::must(inventory::Contents::read(*image.image, scan));
  const inventory::Inventory inventory =
      testing::must(inventory::describe(*image.image, *image.contents, {}));
  return testing::must(make_plan(*image.image, *image.contents, inventory, options));
}

const Cut* row(const std::vector<Cut>& cuts, Pass pass) {
  const auto found = std::ranges::find(cuts, pass, &Cut::pass);
  return found == cuts.end() ? nullptr : &*found;
}

TEST(Cuts, APassesRowIsItsTotal) {
  const std::string hub = "root/.cache/huggingface/hub/models--a--b/";
  const std::string content(100'000, 'x'), model(90'000, 'm');
  TestImage image({Tar()
                       .file("usr/lib/one", content)
                       .file("opt/two", content)
                       .file(hub + "blobs/d", model)
                       .file(hub + "snapshots/r/m.bin", model)
                       .file("var/log/x.log", "text")
                       .file("usr/share/doc/x/guide", "text")
                       .file("usr/share/doc/x/empty", "")
                       .file("usr/lib/libx.so", testing::library_with_debug())
                       .file("opt/gone", "1")
                       .bytes(),
                   Tar().file("opt/.wh.gone", "").bytes()});
  const Plan plan = planned(image, testing::options_for_tests());
  const std::vector<Cut> cuts = cuts_of(plan);
  ASSERT_EQ(cuts.size(), plan.passes.size());
  EXPECT_GE(cuts.size(), 6U);
  for (std::size_t i = 0; i < cuts.size(); ++i) {
    EXPECT_EQ(cuts[i].pass, plan.passes[i].pass);
    EXPECT_EQ(cuts[i].files, plan.passes[i].files) << cuts[i].pass.id();
    EXPECT_EQ(cuts[i].bytes, plan.passes[i].bytes) << cuts[i].pass.id();
  }
  EXPECT_EQ(row(cuts, testing::pass_of("documentation"))->files, 2U);
}

TEST(Cuts, DeviceCodeByLevel) {
  const std::string library = cuda_library();
  TestImage image({Tar().file("usr/lib/libfake.so", library).bytes()});
  SlimOptions options = testing::options_for_tests();
  const Plan plan = planned(image, options);
  const std::vector<Cut> cuts = cuts_of(plan);
  ASSERT_NE(row(cuts, kDeviceCode), nullptr);
  ASSERT_NE(row(cuts, kDevicePtx), nullptr);
  EXPECT_EQ(row(cuts, kDeviceCode)->bytes + row(cuts, kDevicePtx)->bytes, plan.bytes_given_back());
  EXPECT_EQ(row(cuts, kDeviceCode)->largest.at(0).path, "usr/lib/libfake.so");

  options.cuts.level = device::Level::kSafe;
  const std::vector<Cut> safe = cuts_of(planned(image, options));
  EXPECT_EQ(row(safe, kDevicePtx), nullptr);
  EXPECT_NE(row(safe, kDeviceCode), nullptr);
}

TEST(Cuts, WithoutTargetsWhatGoesWhateverTheyAre) {
  TestImage image({Tar()
                       .file("usr/lib/libfake.so", cuda_library())
                       .file("usr/lib/libx.so", testing::library_with_debug())
                       .bytes()});
  SlimOptions options = testing::options_for_tests();
  options.cuts.targets = {};
  const std::vector<Cut> cuts = cuts_of(planned(image, options));
  EXPECT_EQ(row(cuts, kDeviceCode), nullptr);
  ASSERT_NE(row(cuts, kDebugSections), nullptr);
  EXPECT_EQ(row(cuts, kDebugSections)->bytes, 5000U);
}

TEST(Cuts, CompilersHoldBackHeaders) {
  const std::string compiler =
      Tar().file("usr/include/stdio.h", std::string(100, 'h')).file("usr/bin/gcc", "elf").bytes();
  TestImage plain({compiler});
  const std::vector<Cut> goes = cuts_of(planned(plain, testing::options_for_tests()));
  ASSERT_NE(row(goes, testing::pass_of("headers")), nullptr);
  EXPECT_EQ(row(goes, testing::pass_of("headers"))->held_back, "");

  TestImage with_triton(
      {compiler, Tar()
                     .file("usr/lib/python3/site-packages/triton-3.0.dist-info/METADATA",
                           "Name: triton\nVersion: 3.0\n")
                     .bytes()});
  const std::vector<Cut> held = cuts_of(planned(with_triton, testing::options_for_tests()));
  ASSERT_NE(row(held, testing::pass_of("headers")), nullptr);
  EXPECT_NE(row(held, testing::pass_of("headers"))->held_back.find("triton"), std::string::npos);
  EXPECT_EQ(row(held, testing::pass_of("headers"))->bytes, 100U);
}

}  // namespace
}  // namespace flense::slim
