#include "knowledge/gpus.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "knowledge/spelling.h"
#include "knowledge/tables.h"
#include "knowledge/testing_tables.h"
#include "text/json.h"

namespace flense::knowledge {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

std::vector<std::string> resolve(std::string_view word) {
  auto result = test_tables().gpus.resolve(word);
  return result ? *result : std::vector<std::string>{"error: " + result.error().message};
}

TEST(Tables, ParseAndEveryRowHasWhatItNeeds) {
  for (const char* name : {"gpu_arch", "cuda_driver"}) {
    auto json = text::parse_json(embedded_table(name), name);
    ASSERT_TRUE(json) << name << ": " << json.error().message;
    EXPECT_FALSE((*json)["date"].text().empty()) << name;
    for (const auto& [section, value] : json->members()) {
      if (!value.is_object()) continue;
      EXPECT_FALSE(value["source"].text().empty()) << name << " " << section;
      EXPECT_FALSE(value["confidence"].text().empty()) << name << " " << section;
      EXPECT_FALSE(value["rows"].items().empty()) << name << " " << section;
    }
  }
  EXPECT_TRUE(embedded_table("nothing").empty());
}

TEST(Tables, ProductsAreUniqueSpelledPlainlyAndOfKnownArchitectures) {
  std::set<std::string> names;
  ASSERT_GT(test_tables().gpus.products.size(), 100U);
  for (const GpuProduct& product : test_tables().gpus.products) {
    std::vector<std::string> all = product.aliases;
    all.push_back(product.name);
    for (const std::string& name : all) {
      EXPECT_TRUE(names.insert(name).second) << name;
      EXPECT_EQ(plain_spelling(name), name);
      EXPECT_THAT(resolve(name), ElementsAre(product.architecture)) << name;
    }
    EXPECT_THAT(resolve(product.architecture), ElementsAre(product.architecture));
    EXPECT_THAT(resolve(product.display), ElementsAre(product.architecture));
    EXPECT_EQ(product.vendor == "amd", product.architecture.starts_with("gfx"));
  }
}

TEST(GpuWord, ResolvesProductsAsTyped) {
  const std::vector<std::pair<const char*, const char*>> cases = {
      {"h100", "9.0"},
      {"H100", "9.0"},
      {"h200", "9.0"},
      {"a100", "8.0"},
      {"a10", "8.6"},
      {"l4", "8.9"},
      {"l40s", "8.9"},
      {"t4", "7.5"},
      {"v100", "7.0"},
      {"b200", "10.0"},
      {"gb300", "10.3"},
      {"rtx4090", "8.9"},
      {"rtx-4090", "8.9"},
      {"RTX 4090", "8.9"},
      {"4090", "error"},
      {"mi300x", "gfx942"},
      {"MI-250X", "gfx90a"},
      {"NVIDIA A100-SXM4-80GB", "8.0"},
      {"NVIDIA H100 80GB HBM3", "9.0"},
      {"NVIDIA GeForce RTX 3090 Ti", "8.6"},
      {"Tesla V100-PCIE-16GB", "7.0"},
      {"AMD Instinct MI300X", "gfx942"},
      {"NVIDIA GeForce RTX 4070 SUPER", "8.9"},
      {"NVIDIA RTX 6000 Ada Generation", "8.9"},
      {"dgx-spark", "12.1"},
      {"thor", "11.0"},
      {"rtx-pro-6000", "12.0"},
      {"a40", "8.6"},
      {"Tesla K80", "3.7"},
      {"a1080gb", "8.6"}};
  for (const auto& [word, architecture] : cases) {
    if (std::string_view(architecture) == "error") {
      EXPECT_FALSE(test_tables().gpus.resolve(word)) << word;
    } else {
      EXPECT_THAT(resolve(word), ElementsAre(architecture)) << word;
    }
  }
}

TEST(GpuWord, ResolvesArchitectures) {
  for (const char* word : {"sm_90", "90", "9.0", "compute_90", "SM_90a", "sm90"})
    EXPECT_THAT(resolve(word), ElementsAre("9.0")) << word;
  EXPECT_THAT(resolve("sm_103"), ElementsAre("10.3"));
  EXPECT_THAT(resolve("sm_100f"), ElementsAre("10.0", "10.3", "10.7"));
  EXPECT_THAT(resolve("sm_107f"), ElementsAre("10.7"));
  EXPECT_THAT(resolve("sm_120f"), ElementsAre("12.0", "12.1"));
  EXPECT_THAT(resolve("gfx942"), ElementsAre("gfx942"));
  EXPECT_THAT(resolve("gfx90a:xnack+"), ElementsAre("gfx90a"));
  EXPECT_THAT(resolve("gfx94X"), ElementsAre("gfx940", "gfx941", "gfx942"));
  EXPECT_THAT(resolve("gfx120x"), ElementsAre("gfx1200", "gfx1201"));
  EXPECT_THAT(resolve("sm_130"), ElementsAre("13.0")) << "newer than the table";
  EXPECT_THAT(resolve("sm_108"), ElementsAre("10.8")) << "of a major that grows";
  EXPECT_FALSE(test_tables().gpus.knows("10.8"));
  EXPECT_TRUE(test_tables().gpus.knows("10.7"));
}

TEST(GpuWord, ResolvesPresets) {
  EXPECT_THAT(resolve("ampere"), ElementsAre("8.0", "8.6"));
  EXPECT_THAT(resolve("Hopper"), ElementsAre("9.0"));
  EXPECT_THAT(resolve("cdna3"), ElementsAre("gfx942"));
}

TEST(GpuWord, RejectsWithNearMatches) {
  const auto hint = [](std::string_view word) {
    auto result = test_tables().gpus.resolve(word);
    EXPECT_FALSE(result) << word;
    EXPECT_EQ(result.error().code, Code::kUsage);
    EXPECT_THAT(result.error().message, HasSubstr(std::string(word)));
    return result.error().hint;
  };
  EXPECT_THAT(hint("h101"), HasSubstr("h100"));
  EXPECT_THAT(hint("rtx409"), HasSubstr("rtx4090"));
  EXPECT_THAT(hint("rtx6000"), HasSubstr("rtx6000ada"));
  EXPECT_THAT(hint("gfx943"), HasSubstr("gfx942"));
  EXPECT_THAT(hint("sm_54"), HasSubstr("sm_53"));
  EXPECT_THAT(hint("hoper"), HasSubstr("hopper"));
  EXPECT_THAT(hint("zzzzzzzzz"), HasSubstr("name an architecture"));
  EXPECT_FALSE(test_tables().gpus.resolve(""));
  EXPECT_FALSE(test_tables().gpus.resolve("--"));
}

TEST(Spelling, NearMatchesAreOrderedAndLimited) {
  EXPECT_THAT(near_matches("h100", {"h200", "h100", "a100", "v100"}, 2),
              ElementsAre("h100", "h200"));
  EXPECT_THAT(near_matches("qqqq", {"h200", "h100"}, 2), IsEmpty());
}

TEST(Driver, FloorForCuda) {
  EXPECT_EQ(test_tables().drivers.floor_for_cuda("12.4"), "550.54.14");
  EXPECT_EQ(test_tables().drivers.floor_for_cuda("12.4.1"), "550.54.15");
  EXPECT_EQ(test_tables().drivers.floor_for_cuda("12.4.99"), "550.54.14");
  EXPECT_EQ(test_tables().drivers.floor_for_cuda("12.0"), "525.60.13");
  EXPECT_EQ(test_tables().drivers.floor_for_cuda("13.0"), "580.65.06");
  EXPECT_EQ(test_tables().drivers.floor_for_cuda("11.8"), "520.61.05");
  EXPECT_EQ(test_tables().drivers.floor_for_cuda("8.0"), "367.48");
  EXPECT_EQ(test_tables().drivers.floor_for_cuda("12.7"), "");
  EXPECT_EQ(test_tables().drivers.floor_for_cuda("12"), "");
  EXPECT_EQ(test_tables().drivers.floor_for_cuda(""), "");
  EXPECT_EQ(test_tables().drivers.floor_for_cuda("12.4.x"), "");
}

TEST(CudaOfDriver, ByBranch) {
  EXPECT_EQ(test_tables().drivers.cuda_of("535.129.03"), "12.2");
  EXPECT_EQ(test_tables().drivers.cuda_of("550"), "12.4");
  EXPECT_EQ(test_tables().drivers.cuda_of("580.65.06"), "13.0");
  for (const char* unknown : {"", "5", "536.1", "x.1", "99999999999.1"})
    EXPECT_EQ(test_tables().drivers.cuda_of(unknown), "") << unknown;
}

}  // namespace
}  // namespace flense::knowledge
