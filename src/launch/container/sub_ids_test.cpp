#include "launch/container/sub_ids.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flense::launch {
namespace {

using testing::HasSubstr;
using testing::Optional;

TEST(SubIds, TheLongestRangeByNameOrNumber) {
  Account account;
  account.name = "ada";
  account.uid = 1000;
  EXPECT_THAT(find_id_range("bob:1:9\nada:100000:65536\n1000:300000:70000\nada:5:2", account),
              Optional(IdRange{300000, 70000}));
  EXPECT_THAT(find_id_range("ada:100000:65536", account), Optional(IdRange{100000, 65536}));
  // Nobody gets root's id, the invalid id, or more ids than there are.
  EXPECT_EQ(
      find_id_range("ada:0:65536\nada:1:0\nada:4294967290:100\nada:x:1\nada:1\n\n:1:2\n", account),
      std::nullopt);
  account.name.clear();
  EXPECT_EQ(find_id_range(":1:2\nada:1:2\n", account), std::nullopt);
}

TEST(SubIds, UsersOfTheRange) {
  SubIds ids;
  ids.uids = {100000, 1000};
  ids.gids = {100000, 500};
  EXPECT_TRUE(check_in_range(ids, {1000, 500}));
  EXPECT_TRUE(check_in_range(ids, {0, 0}));
  EXPECT_THAT(check_in_range(ids, {1001, 0}).error().message, HasSubstr("user 1001"));
  EXPECT_THAT(check_in_range(ids, {1000, 501}).error().message, HasSubstr("group 501"));
}

}  // namespace
}  // namespace flense::launch
