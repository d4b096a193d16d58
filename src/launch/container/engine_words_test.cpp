// Words of other engines as values: mounts, limits, capabilities, files of the network, profiles.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "launch/container/capabilities.h"
#include "launch/container/network_files.h"
#include "launch/container/resource_limits.h"
#include "launch/container/run_options.h"
#include "launch/container/seccomp_filter.h"

namespace flense::launch {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;

TEST(EngineWords, MountsOfApptainerAndDocker) {
  const auto binds = parse_binds("/a:/b:ro,noexec,/c:/d,/e", "/here");
  ASSERT_TRUE(binds);
  ASSERT_EQ(binds->size(), 3U);
  EXPECT_TRUE((*binds)[0].read_only);
  EXPECT_THAT((*binds)[0].flags, ElementsAre("noexec"));
  EXPECT_EQ((*binds)[1].target, "/d");
  EXPECT_EQ((*binds)[2].target, "/e");
  const auto shared = parse_volume("/a:/b:z,rshared", "/here");
  ASSERT_TRUE(shared);
  EXPECT_THAT(shared->flags, ElementsAre("rslave"));
  const auto memory = parse_tmpfs("/t:size=64m,mode=700,ro");
  ASSERT_TRUE(memory);
  EXPECT_EQ(memory->size, std::uint64_t{64} << 20);
  EXPECT_THAT(memory->flags, ElementsAre("mode=700"));
  for (const char* bad : {"t", "/", "/t:mode=9", "/t:uid=0", "/t:size="})
    EXPECT_FALSE(parse_tmpfs(bad)) << bad;
  const auto named = parse_volume("data:/x", "/here");
  ASSERT_FALSE(named);
  EXPECT_THAT(named.error().message, HasSubstr("named volume flense has no 'data'"));
}

TEST(EngineWords, Limits) {
  EXPECT_EQ(parse_limit("nofile=5:9"), (ResourceLimit{"nofile", 5, 9}));
  EXPECT_EQ(parse_limit("memlock=-1"), (ResourceLimit{"memlock", UINT64_MAX, UINT64_MAX}));
  for (const char* bad : {"files=1", "nofile", "nofile=", "nofile=9:5", "nofile=1:2:3", "nofile=x"})
    EXPECT_FALSE(parse_limit(bad)) << bad;
  const ReachedLimits reached = reach_limits({{"core", 0, 0}, {"core", 1, 1}});
  EXPECT_EQ(reached.limits.size(), 1U);
}

TEST(EngineWords, Capabilities) {
  EXPECT_THAT(*plan_capabilities({false, {}, {"ALL"}}), ElementsAre());
  EXPECT_THAT(*plan_capabilities({false, {"sys_ptrace"}, {"ALL"}}), ElementsAre("CAP_SYS_PTRACE"));
  EXPECT_THAT(*plan_capabilities({true, {"CAP_CHOWN,KILL"}, {"all"}}),
              ElementsAre("CAP_CHOWN", "CAP_KILL"));
  EXPECT_EQ(plan_capabilities({true, {}, {}})->size(), 8U);
  for (const char* name :
       {"SYS_ADMIN", "ALL", "CAP_NET_ADMIN", "DAC_READ_SEARCH", "SYS_RAWIO", "NONSENSE", ""})
    EXPECT_FALSE(plan_capabilities({true, {name}, {}})) << name;
  EXPECT_FALSE(plan_capabilities({false, {"CHOWN"}, {}}));
  EXPECT_TRUE(leave_files_alone({"CAP_SYS_PTRACE"}));
  EXPECT_FALSE(leave_files_alone({"CAP_SYS_PTRACE", "CAP_DAC_OVERRIDE"}));
}

TEST(EngineWords, FilesOfTheNetwork) {
  NetworkWords words;
  words.hosts = {*parse_added_host("db:10.0.0.1"), *parse_added_host("gate:host-gateway"),
                 *parse_added_host("six=[::1]")};
  EXPECT_EQ(hosts_text("127.0.0.1 localhost", words, "me"),
            "127.0.0.1 localhost\n10.0.0.1 db\n127.0.0.1 gate\n::1 six\n127.0.0.1 me\n");
  for (const char* bad :
       {"db", "db:", ":1.2.3.4", "a b:1.2.3.4", "db:1.2.3", "x:1.2.3.4\n5.6.7.8 y"})
    EXPECT_FALSE(parse_added_host(bad)) << bad;
  words.nameservers = {"9.9.9.9"};
  EXPECT_EQ(resolver_text("nameserver 1.1.1.1\nsearch a.b\noptions ndots:2\n", words),
            "search a.b\noptions ndots:2\nnameserver 9.9.9.9\n");
  EXPECT_FALSE(parse_nameserver("9.9.9.9\noptions x"));
}

TEST(EngineWords, SettingsOfNamespaces) {
  RunOptions options;
  EXPECT_FALSE(check_sysctl(options, "net.ipv4.ip_forward"));
  EXPECT_FALSE(check_sysctl(options, "kernel.shmmax"));
  options.host_network = false;
  options.own_ipc = true;
  EXPECT_TRUE(check_sysctl(options, "net.ipv4.ip_forward"));
  EXPECT_TRUE(check_sysctl(options, "kernel.shmmax"));
  for (const char* name :
       {"kernel.core_pattern", "vm.overcommit_memory", "net/../kernel.x", "kernel.hostname"})
    EXPECT_FALSE(check_sysctl(options, name)) << name;
}

TEST(EngineWords, ProfilesOfDocker) {
  const auto profile =
      text::parse_json(R"({"defaultAction":"SCMP_ACT_ALLOW","listenerPath":"/x","syscalls":[
    {"names":["mkdir"],"action":"SCMP_ACT_ERRNO","errnoRet":13},
    {"name":"chdir","action":"SCMP_ACT_ERRNO"},
    {"names":["a"],"action":"SCMP_ACT_ALLOW","includes":{"caps":["CAP_SYS_ADMIN"]}},
    {"names":["b"],"action":"SCMP_ACT_ALLOW","includes":{"arches":["s390x"]}},
    {"names":["c"],"action":"SCMP_ACT_ALLOW","excludes":{"caps":["CAP_SYS_ADMIN"]}}]})",
                       "profile");
  const auto rules = rules_of_profile(*profile, "amd64", {});
  ASSERT_TRUE(rules);
  EXPECT_EQ((*rules)["syscalls"].items().size(), 3U);
  EXPECT_TRUE((*rules)["listenerPath"].is_null());
  EXPECT_EQ((*rules)["syscalls"].items()[1]["names"].items()[0].text(), "chdir");
  for (
      const char* bad :
      {"{}", "[]", R"({"defaultAction":"SCMP_ACT_NOTIFY","syscalls":[]})",
       R"({"defaultAction":"SCMP_ACT_ALLOW","syscalls":[{"names":["a"],"action":"SCMP_ACT_NOTIFY"}]})"})
    EXPECT_FALSE(rules_of_profile(*text::parse_json(bad, "profile"), "amd64", {})) << bad;
}

}  // namespace
}  // namespace flense::launch
