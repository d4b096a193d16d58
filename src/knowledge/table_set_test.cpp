#include "knowledge/table_set.h"

#include <gtest/gtest.h>

#include <array>
#include <fstream>

#include "support/temp_dir.h"

namespace flense::knowledge {
namespace {

void write(const std::filesystem::path& path, std::string_view text) {
  std::ofstream(path) << text;
}

TEST(TableSet, OwnRowsComeFirstAndOtherMembersReplace) {
  const testing::TempDir directory;
  write(directory / "cuda_driver.json",
        R"({"date": "2027-01", "branches": {"rows": [{"branch": 700}]}})");
  const auto plain = TableSet::load();
  const auto own = TableSet::load(directory.string());
  ASSERT_TRUE(plain.has_value());
  ASSERT_TRUE(own.has_value()) << own.error().message;
  const auto& before = plain->table("cuda_driver")["branches"]["rows"].items();
  const auto& after = own->table("cuda_driver")["branches"]["rows"].items();
  ASSERT_FALSE(before.empty());
  ASSERT_EQ(after.size(), before.size() + 1);
  EXPECT_EQ(after[0]["branch"].unsigned_or(0), 700u);
  EXPECT_EQ(after[1], before[0]);
  EXPECT_EQ(own->state("cuda_driver"), "2027-01 and " + (directory / "cuda_driver.json").string());
}

TEST(TableSet, OnlyTheTablesNamedAreReadAndOwnFilesOfOthersPass) {
  const testing::TempDir directory;
  write(directory / "gpu_arch.json", R"({"products": {"rows": [{"name": "z900"}]}})");
  write(directory / "rocm.json", "no JSON");
  constexpr auto kNames = std::to_array<std::string_view>({"gpu_arch"});
  const auto own = TableSet::load(directory.string(), kNames);
  ASSERT_TRUE(own.has_value()) << own.error().message;
  EXPECT_EQ(own->table("gpu_arch")["products"]["rows"].items()[0]["name"].text(), "z900");
  EXPECT_TRUE(own->table("rocm").is_null());
  write(directory / "gpus.json", "{}");
  EXPECT_FALSE(TableSet::load(directory.string(), kNames).has_value());
}

TEST(TableSet, RefusesWhatIsNoTable) {
  const testing::TempDir directory;
  write(directory / "gpus.json", "{}");
  const auto own = TableSet::load(directory.string());
  ASSERT_FALSE(own.has_value());
  EXPECT_NE(own.error().hint.find("cuda_driver"), std::string::npos);
  EXPECT_FALSE(TableSet::load(directory / "nowhere").has_value());
}

}  // namespace
}  // namespace flense::knowledge
