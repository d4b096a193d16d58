// The seeds of the fuzz targets `cache` and `facts` are bytes of our own formats: a change of a
// format must not leave them behind as noise that every reader refuses at the first byte.
#include <gtest/gtest.h>

#include <cstdlib>

#include "base/file.h"
#include "inventory/scan/entry_store.h"
#include "inventory/scan/scan_format.h"
#include "inventory/scan/testing_files.h"
#include "inventory/scan/testing_scan.h"
#include "needs/json.h"

namespace flense::needs {
namespace {

const std::filesystem::path kCorpus = std::filesystem::path(FLENSE_SOURCE_DIR) / "fuzz/corpus";

std::string needs_text() {
  Needs needs;
  needs.environment = {{"CUDA_VERSION", "12.4.1"}};
  needs.packages = {{{"pip", "torch", "2.6.0"}, "torch-2.6.0.dist-info/METADATA"}};
  needs.code = {{"a.so", 40, {{"nvidia", "ptx", "compute_90", 2, 30, "8.4", 1}}}};
  needs.cpu = CpuNeed{"x86-64-v2", "lib/ld.so"};
  return text::dump_json(needs_to_json(needs));
}

/// Equal to what this build writes. FLENSE_WRITE_SEEDS=1 writes them anew after a format changed.
void expect_seed(const std::string& name, const std::string& bytes) {
  const std::filesystem::path path = kCorpus / name;
  if (std::getenv("FLENSE_WRITE_SEEDS") != nullptr) image::fixture::write_file(path, bytes);
  const auto seed = read_file(path, 1 << 20);
  ASSERT_TRUE(seed) << seed.error().message;
  EXPECT_TRUE(*seed == bytes) << path
                              << " is of another format: run this with FLENSE_WRITE_SEEDS=1";
}

TEST(Seeds, OfTheCache) {
  const std::string scan = inventory::encode_scan(inventory::testing::full_scan());
  const inventory::EntryHead head{"layer", std::string(64, 'a'), "form", "label", 1'700'000'000};
  expect_seed("cache/scan", scan);
  expect_seed("cache/entry", inventory::encode_entry(head, scan));
  expect_seed("cache/needs", needs_text());
}

TEST(Seeds, OfFacts) {
  expect_seed("facts/library", inventory::testing::rich_library());
  expect_seed("facts/bundle",
              flense::testing::amd_bundle({{"hipv4-amdgcn-amd-amdhsa--gfx942:xnack+", "code"}}));
  expect_seed("facts/script", "/usr/bin/env -S python3 -u\n");
}

}  // namespace
}  // namespace flense::needs
