// What is decided from files that no test machine has: Docker's, and hostile ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/path.h"
#include "mirror/engine.h"

namespace flense::mirror {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using Files = std::map<std::string, std::string>;

Result<cdi::EnginePlan> planned(const std::string& engine, const Files& files,
                                const std::optional<std::string>& version = std::nullopt) {
  Scene scene;
  scene.engine = engine;
  scene.version = version;
  scene.mirror = image::parse_mirror("reg.example", "--registry").value();
  scene.gpu = "sm_90";
  scene.upstream = {"docker.io", "nvcr.io"};
  scene.read = [&](const std::string& path) -> Result<std::optional<std::string>> {
    const auto at = files.find(path);
    return at == files.end() ? std::nullopt : std::optional(at->second);
  };
  scene.list = [&](const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& [path, text] : files)
      if (path.starts_with(folder + "/"))
        names.push_back(
            path.substr(folder.size() + 1).substr(0, path.substr(folder.size() + 1).find('/')));
    return names;
  };
  for (const Engine& one : engines())
    if (one.name == engine) return one.plan(scene);
  return fail(Code::kUsage, "no engine");
}

TEST(MirrorOfDocker, ThroughTheContainerdStoreAlone) {
  constexpr const char* kDaemon = "/etc/docker/daemon.json";
  const std::string on = R"({"features":{"containerd-snapshotter":true}})";
  const auto plan = planned("docker", {{kDaemon, on}}, "29.1.0");
  ASSERT_TRUE(plan);
  ASSERT_EQ(plan->edits.size(), 2U);
  EXPECT_EQ(plan->edits[1].file, "/etc/docker/certs.d/nvcr.io/hosts.toml");
  for (const auto& [version, text] :
       std::vector<std::pair<std::optional<std::string>, std::string>>{
           {"27.5.1", on}, {std::nullopt, on}, {"29.1.0", "{}"}, {"20.10.24", "{}"}})
    EXPECT_THAT(planned("docker", {{kDaemon, text}}, version).error().message,
                HasSubstr("not possible"));
  EXPECT_THAT(planned("docker",
                      {{kDaemon, R"({"features":{"containerd-snapshotter":true},)"
                                 R"("registry-mirrors":["https://cache.example"]})"}},
                      "29.1.0")
                  .error()
                  .message,
              HasSubstr("switches off"));
}

TEST(MirrorOfContainerd, WhatTheUserNamedAlreadyIsTold) {
  const std::string config =
      "version = 3\n[plugins.'io.containerd.cri.v1.images'.registry]\nconfig_path = '/c'\n";
  const std::string ours = "[host.'https://reg.example/v2/sm_90/nvcr.io']\n";
  const auto with = [&](const std::string& hosts) {
    return planned("containerd",
                   {{"/etc/containerd/config.toml", config}, {"/c/nvcr.io/hosts.toml", hosts}});
  };
  for (const char* can : {"", "capabilities = ['resolve', 'push', 'pull']\n"}) {
    const auto plan = with(ours + can + "override_path = true\n[host.'https://x']\n");
    ASSERT_TRUE(plan) << can;
    EXPECT_EQ(plan->edits.size(), 1U);
    EXPECT_THAT(plan->notices, Contains(HasSubstr("already")));
  }
  // So it would not be asked for tags, or after another.
  for (const std::string& hosts :
       {ours, ours + "override_path = true\ncapabilities = ['pull']\n",
        ours + "capabilities = ['pull', 'resolve']\n",
        "[host.'https://x'.header]\n" + ours + "override_path = true\n"}) {
    const auto plan = with(hosts);
    ASSERT_FALSE(plan) << hosts;
    EXPECT_THAT(plan.error().message, HasSubstr("not so that it is asked for tags first"));
  }
}

TEST(MirrorOfContainerd, NothingIsWrittenThatWouldComeSecond) {
  const std::string config = "[plugins.cri.registry]\nconfig_path = '/c'\n";
  for (const char* hosts : {"[host]\n'https://x'.capabilities = ['pull']\n",
                            "host.'https://x'.capabilities = ['pull']\n"}) {
    const auto plan = planned(
        "containerd", {{"/etc/containerd/config.toml", config}, {"/c/nvcr.io/hosts.toml", hosts}});
    ASSERT_TRUE(plan);
    cdi::ConfigEdit edit = plan->edits.back();
    ASSERT_EQ(edit.file, "/c/nvcr.io/hosts.toml");
    EXPECT_FALSE(cdi::make_edit(edit, hosts)) << hosts;
  }
}

TEST(MirrorOfContainerd, AnImportedSectionReplacesTheOneBefore) {
  const std::string cri = "[plugins.'io.containerd.grpc.v1.cri'";
  const std::string main =
      "version = 2\nimports = ['conf.d/*.toml']\n" + cri + ".registry]\nconfig_path = '/c'\n";
  const auto with = [&](const std::string& imported) {
    return planned("containerd", {{"/etc/containerd/config.toml", main},
                                  {"/etc/containerd/conf.d/x.toml", "version = 2\n" + imported}});
  };
  EXPECT_TRUE(with("[plugins.'io.containerd.other']\nx = 1\n"));
  const auto refused = with(cri + "]\nsandbox_image = 'x'\n");
  ASSERT_FALSE(refused);
  EXPECT_THAT(refused.error().message, HasSubstr("conf.d/x.toml has a section"));
  EXPECT_TRUE(with(cri + ".registry]\nconfig_path = '/d'\n"));
}

TEST(MirrorOfPodman, ABlockedRegistryStaysBlockedHoweverItIsWritten) {
  for (const char* name : {"location = 'nvcr.io/'", "prefix = 'nvcr.io///'\nlocation = 'x'",
                           "location = 'NVCR.io'", "prefix = '*.io/'\nlocation = 'x'"}) {
    const auto plan =
        planned("podman", {{"/etc/containers/registries.conf",
                            fmt::format("[[registry]]\n{}\nblocked = true\n", name)}});
    ASSERT_FALSE(plan) << name;
    EXPECT_THAT(plan.error().message, HasSubstr("already"));
  }
}

TEST(MirrorOfCrio, ItsOwnPoliciesCount) {
  const std::string reject = R"({"default":[{"type":"reject"}]})";
  const std::string anything = R"({"default":[{"type":"insecureAcceptAnything"}]})";
  const std::string named = "[crio.image]\nsignature_policy = '/p.json'\n";
  for (const Files& files :
       {Files{{"/etc/crio/crio.conf", named}, {"/p.json", reject}},
        Files{{"/etc/crio/crio.conf", "[crio.image]\nsignature_policy = '/q.json'\n"},
              {"/q.json", anything},
              {"/etc/crio/crio.conf.d/10-x", named},
              {"/p.json", reject}},
        Files{{"/etc/crio/policies/team.json", reject}},
        Files{{"/etc/crio/crio.conf", "[crio.image]\nsignature_policy_dir = '/d'\n"},
              {"/d/team.json", reject}}}) {
    const auto plan = planned("cri-o", files);
    ASSERT_TRUE(plan);
    EXPECT_TRUE(plan->files.empty());
    EXPECT_THAT(plan->notices, Contains(HasSubstr("demands signatures of nvcr.io")));
  }
  // It is no policy of Podman's; and CRI-O's counts instead of the node's.
  const Files lenient = {{"/etc/crio/crio.conf", named},
                         {"/p.json", anything},
                         {"/etc/containers/policy.json", reject}};
  EXPECT_FALSE(planned("cri-o", lenient)->files.empty());
  EXPECT_TRUE(planned("podman", lenient)->files.empty());
  EXPECT_FALSE(planned("cri-o", {{"/etc/crio/crio.conf", named}}));
}

TEST(MirrorOfBuildkit, AMirrorBehindOthersIsTold) {
  const auto plan =
      planned("buildkit",
              {{"/etc/buildkit/buildkitd.toml",
                "[registry.'nvcr.io']\nmirrors = ['x.example', 'reg.example/sm_90/nvcr.io']\n"}});
  ASSERT_FALSE(plan);
  EXPECT_THAT(plan.error().message, HasSubstr("after other mirrors"));
}

TEST(Mirrors, FilesOfAnotherShapeAreErrors) {
  const std::string path = "[plugins.cri.registry]\nconfig_path = '/c'\n";
  for (const auto& [engine, files] : std::vector<std::pair<std::string, Files>>{
           {"containerd", {{"/etc/containerd/config.toml", "plugins = 1\n"}}},
           {"containerd", {{"/etc/containerd/config.toml", "[plugins.cri]\nregistry = []\n"}}},
           {"containerd",
            {{"/etc/containerd/config.toml",
              "[plugins.cri.registry]\nconfig_path = 'relative'\n"}}},
           {"containerd", {{"/etc/containerd/config.toml", path}, {"/c/nvcr.io/hosts.toml", "["}}},
           {"podman", {{"/etc/containers/registries.conf", "[[registry"}}},
           {"podman", {{"/etc/containers/policy.json", "[]x"}}},
           {"buildkit", {{"/etc/buildkit/buildkitd.toml", "= 1"}}},
           {"docker", {{"/etc/docker/daemon.json", "{"}}}})
    EXPECT_FALSE(planned(engine, files)) << engine << " " << files.begin()->second;
  // A policy that says nothing is no permission.
  for (const char* policy : {"[]", "{}", R"({"default":{}})", R"({"default":[{"type":1}]})"}) {
    const auto plan = planned("podman", {{"/etc/containers/policy.json", policy}});
    ASSERT_TRUE(plan) << policy;
    EXPECT_TRUE(plan->files.empty()) << policy;
  }
}

}  // namespace
}  // namespace flense::mirror
