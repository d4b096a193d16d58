#include "inventory/compare/budget.h"
#include "base/numbers.h"

#include <gtest/gtest.h>

#include "inventory/describe/inventory.h"
#include "knowledge/testing_tables.h"

namespace flense::inventory {
namespace {

TEST(Budget, JudgesPlatforms) {
  Budgets budgets;
  budgets.platforms = knowledge::test_tables().budgets;
  ASSERT_EQ(budgets.platforms.size(), 3U);
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
