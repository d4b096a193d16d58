#include "inventory/compare/budget.h"

#include <gtest/gtest.h>

#include "inventory/describe/inventory.h"

namespace flense::inventory {
namespace {

TEST(Budget, ReadsSizes) {
  EXPECT_EQ(parse_size("0").value(), 0U);
  EXPECT_EQ(parse_size("1048576").value(), 1048576U);
  EXPECT_EQ(parse_size("10GiB").value(), 10ULL << 30);
  EXPECT_EQ(parse_size("10 gib").value(), 10ULL << 30);
  EXPECT_EQ(parse_size("10Gi").value(), 10ULL << 30);
  EXPECT_EQ(parse_size("500MB").value(), 500'000'000U);
  EXPECT_EQ(parse_size("500M").value(), 500'000'000U);
  EXPECT_EQ(parse_size("1.5kB").value(), 1500U);
  EXPECT_EQ(parse_size("0.1GiB").value(), (1ULL << 30) / 10);
  EXPECT_EQ(parse_size("2TiB").value(), 2ULL << 40);
}

TEST(Budget, RefusesWhatIsNoSize) {
  for (const char* text : {"", "many", "-1", "10 parsecs", "1.", ".5", "1e9",
                           "99999999999999999999", "99999999999TB", "1.2.3"}) {
    const auto result = parse_size(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().code, Code::kUsage) << text;
    EXPECT_FALSE(result.error().hint.empty());
  }
}

TEST(Budget, JudgesPlatforms) {
  const auto known = knowledge::platform_budgets();
  ASSERT_TRUE(known);
  ASSERT_EQ(known->size(), 3U);
  Budgets budgets;
  budgets.platforms = *known;
  Inventory inventory;
  inventory.target = "app";
  inventory.unpacked_bytes = (10ULL << 30) + 1;
  const std::vector<BudgetResult> results = check_budgets(inventory, budgets);
  ASSERT_EQ(results.size(), 3U);
  EXPECT_EQ(results[1].name, "lambda");
  EXPECT_TRUE(results[0].exceeded && results[1].exceeded && !results[2].exceeded);
  EXPECT_EQ(results[1].finding.rule, "budget-lambda");
  EXPECT_NE(results[1].finding.why.find("over by 1 B"), std::string::npos)
      << results[1].finding.why;
  EXPECT_NE(results[1].finding.why.find("Lambda quotas"), std::string::npos);
}

TEST(Budget, JudgesEachLimit) {
  Inventory inventory;
  inventory.target = "app";
  inventory.size_bytes = 300;
  inventory.unpacked_bytes = 900;
  inventory.waste_bytes = 10;
  inventory.layers.resize(2);
  inventory.layers[0].size_bytes = 100;
  inventory.layers[1].size_bytes = 200;
  inventory.layers[1].digest = "sha256:b";
  const auto all = check_budgets(inventory, {300, 899, 199, 10});
  ASSERT_EQ(all.size(), 4U);
  EXPECT_FALSE(all[0].exceeded);  // the limit itself is allowed
  EXPECT_TRUE(all[1].exceeded);
  EXPECT_TRUE(all[2].exceeded);
  EXPECT_EQ(all[2].actual_bytes, 200U);
  EXPECT_EQ(all[2].finding.rule, "budget-layer");
  EXPECT_EQ(all[2].finding.place, "layer 2 (sha256:b)");
  EXPECT_FALSE(all[3].exceeded);
  EXPECT_TRUE(check_budgets(inventory, {}).empty());
  EXPECT_TRUE(check_budgets({}, {0, {}, 0, 0}).size() == 3);
}

}  // namespace
}  // namespace flense::inventory
