#include "base/accounts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flense {
namespace {

using testing::ElementsAre;

TEST(Accounts, FoundCompletedResolved) {
  const std::string passwd = "root:x:0:0:root:/root:/bin/sh\nbroken\napp:x:33:44::/srv:/bin/ash";
  const std::string group = "root:x:0:\nweb:x:44:app\n";
  EXPECT_EQ(find_account(passwd, 33U)->home, "/srv");
  EXPECT_EQ(find_account(passwd, "app")->gid, 44U);
  EXPECT_FALSE(find_account(passwd, 1U));
  EXPECT_EQ(find_account("bare:x:5:6::/bare", 5U), (Account{"bare", 5, 6, "/bare", ""}));
  EXPECT_FALSE(find_account("short:x:5:6:/short", 5U));
  EXPECT_FALSE(find_account("much:x:4294967295:6::/:\nmore:x:4294967296:6::/:", "much"));
  EXPECT_FALSE(passwd_with(passwd, {"me", 33, 44, "/h", "/bin/sh"}));
  EXPECT_EQ(passwd_with(passwd, {"me", 1001, 1001, "/h", "/bin/sh"}),
            passwd + "\nme:x:1001:1001::/h:/bin/sh\n");
  // A user who picks a malicious name gets no line of his own.
  EXPECT_THAT(*passwd_with("", {"me\nroot:x:0", 7, 7, "/h:", ""}), "u7:x:7:7:::\n");
  EXPECT_EQ(group_with(group, "staff", 50), group + "staff:x:50:\n");
  EXPECT_FALSE(group_with(group, "other", 44));
  EXPECT_EQ(resolve_user("app", passwd, group)->gid, 44U);
  EXPECT_EQ(resolve_user("7:web", passwd, group)->gid, 44U);
  EXPECT_EQ(resolve_user("7", passwd, group)->gid, 0U);
  const std::string groups = "web:x:44:you,app\nvideo:x:45:app\nown:x:44:app\nmine:x:46:apple\n";
  EXPECT_THAT(further_groups("app", passwd, groups), ElementsAre(45U));
  EXPECT_THAT(further_groups("33", passwd, groups), ElementsAre(45U));
  EXPECT_THAT(further_groups("app:web", passwd, groups), testing::IsEmpty());
  EXPECT_THAT(further_groups("7", passwd, groups), testing::IsEmpty());
  for (const char* bad : {"nobody", "app:staff", "4294967295", ""})
    EXPECT_FALSE(resolve_user(bad, passwd, group)) << bad;
}

}  // namespace
}  // namespace flense
