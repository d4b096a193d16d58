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
  const auto plan = planned(
      "containerd", {{"/etc/containerd/config.toml", config},
                     {"/c/nvcr.io/hosts.toml", "[host.'https://reg.example/v2/sm_90/nvcr.io']\n"}});
  ASSERT_TRUE(plan);
  EXPECT_EQ(plan->edits.size(), 1U);
  EXPECT_THAT(plan->notices, Contains(HasSubstr("already")));
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
