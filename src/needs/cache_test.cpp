#include "needs/cache.h"

#include <gtest/gtest.h>

#include "inventory/scan/testing_cache.h"

namespace flense::needs {
namespace {

using image::fixture::TestLayer;
using NeedsCache = inventory::testing::CacheTest;

TEST_F(NeedsCache, NoneOfDirectories) {
  image::fixture::write_file(dir_ / "tree/usr/a", "x");
  store_needs(cache_, *open("tree"), "", {});
  EXPECT_TRUE(cache_.store().list().empty());
}

TEST_F(NeedsCache, ByConfigurationLayersAndBasis) {
  write_archive("one.tar", layers());
  const auto image = open("one.tar");
  EXPECT_FALSE(load_needs(cache_, *image, "", inventory::CacheTrust::kDigest));
  Needs needs;
  needs.name = "another name";
  needs.libc = "glibc";
  needs.code = {{"usr/lib/liba.so", 5, {{"nvidia", "ptx", "compute_90", 1, 2, "8.4", 1}}}};
  needs.cpu = CpuNeed{"x86-64-v2", "usr/bin/x"};
  store_needs(cache_, *image, "rows 1", needs);
  EXPECT_FALSE(load_needs(cache_, *image, "", inventory::CacheTrust::kDigest));
  // The files have not been hashed yet.
  EXPECT_FALSE(load_needs(cache_, *image, "rows 1", inventory::CacheTrust::kFile));
  const auto known = load_needs(cache_, *image, "rows 1", inventory::CacheTrust::kDigest);
  ASSERT_TRUE(known);
  needs.name = image->name;
  EXPECT_EQ(known->value, needs);
  EXPECT_GT(known->since, 1'700'000'000);
  scan("one.tar", options());
  EXPECT_TRUE(load_needs(cache_, *image, "rows 1", inventory::CacheTrust::kFile));
  for (const inventory::ListedEntry& entry : cache_.store().list())
    EXPECT_TRUE(is_sound(*cache_.store().peek(entry))) << entry.name;
  // Another configuration over the same layers.
  std::vector<TestLayer> other = layers();
  other[1].instruction = "RUN something else";
  write_layout("one", layers());
  write_layout("two", other);
  store_needs(cache_, *open("one"), "rows 1", needs);
  EXPECT_TRUE(load_needs(cache_, *open("one"), "rows 1", inventory::CacheTrust::kDigest));
  EXPECT_FALSE(load_needs(cache_, *open("two"), "rows 1", inventory::CacheTrust::kDigest));
}

}  // namespace
}  // namespace flense::needs
