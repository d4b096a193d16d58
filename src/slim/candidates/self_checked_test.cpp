#include "slim/candidates/self_checked.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "image/layers/testing_image.h"

namespace flense::slim {
namespace {

using image::fixture::must;
using image::fixture::Tar;
using ::testing::HasSubstr;

TEST(SelfChecked, ModulesOfFips140) {
  image::fixture::Oci oci;
  oci.add_image({{Tar()
                      .file("usr/lib64/libgcrypt.so.20.4.1", "g")
                      .symlink("usr/lib64/libgcrypt.so.20", "libgcrypt.so.20.4.1")
                      .file("usr/lib64/.libgcrypt.so.20.hmac", "mac")
                      .file("usr/lib64/libsoftokn3.so", "n")
                      .file("usr/lib64/libsoftokn3.chk", "sum")
                      .file("usr/lib64/libnss3.so", "n")
                      .file("usr/local/lib64/ossl-modules/fips.so", "o")
                      .file("usr/local/lib64/ossl-modules/legacy.so", "o")
                      .file("usr/lib64/.hmac", "")
                      .bytes(),
                  codec::Compression::kNone, "RUN something"}});
  const std::string bytes = image::fixture::tar_of(oci.all());
  const auto image = must(image::open_archive_bytes(as_bytes(bytes), "test.tar", "", {}));
  inventory::ScanOptions scan;
  scan.scratch_directory = std::filesystem::temp_directory_path();
  scan.workers = 1;
  const inventory::Contents contents = must(inventory::Contents::read(*image, scan));
  const SelfChecked found = find_self_checked(contents);
  EXPECT_EQ(found.size(), 3U);
  ASSERT_TRUE(found.contains("usr/lib64/libgcrypt.so.20.4.1"));
  EXPECT_THAT(found.at("usr/lib64/libgcrypt.so.20.4.1"), HasSubstr(".libgcrypt.so.20.hmac"));
  EXPECT_TRUE(found.contains("usr/lib64/libsoftokn3.so"));
  EXPECT_TRUE(found.contains("usr/local/lib64/ossl-modules/fips.so"));
}

}  // namespace
}  // namespace flense::slim
