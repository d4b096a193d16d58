// What each engine's configuration needs, by version and by its current content.
#include "cdi/install/engine.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "base/path.h"
#include "text/toml.h"

namespace flense::cdi {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Files = std::map<std::string, std::string>;

EngineScene scene(const std::string& name, const std::optional<std::string>& version,
                  const Files& files = {}) {
  EngineScene out;
  out.name = name;
  out.version = version;
  out.spec_directory = "/etc/cdi";
  out.read = [files](const std::string& path) -> Result<std::optional<std::string>> {
    const auto at = files.find(path);
    return at == files.end() ? std::nullopt : std::optional(at->second);
  };
  out.list = [files](const std::string& folder) {
    std::vector<std::string> names;
    for (const auto& [path, text] : files)
      if (parent_path(path) == folder) names.emplace_back(base_name(path));
    return names;
  };
  return out;
}

EnginePlan plan(const EngineScene& scene) {
  Result<EnginePlan> out = plan_engine(scene);
  EXPECT_TRUE(out) << (out ? "" : render(out.error()));
  return out.value_or(EnginePlan{});
}

/// The one configuration file that changes, as it is afterwards.
std::string changed(const EngineScene& scene) {
  const EnginePlan made = plan(scene);
  EXPECT_EQ(made.edits.size(), 1U);
  if (made.edits.empty()) return {};
  const auto done = make_edit(made.edits[0], scene.read(made.edits[0].file).value());
  EXPECT_TRUE(done) << (done ? "" : render(done.error()));
  return done ? done->after : "";
}

TEST(DockerPlan, ForeignKeysAndOtherFeaturesStay) {
  const std::string before =
      "{\n    \"runtimes\": {\"nvidia\": {\"path\": \"x\"}},\n    \"features\": "
      "{\"containerd-snapshotter\": true},\n    \"max\": 9007199254740993\n}\n";
  const std::string after =
      changed(scene("docker", "27.3.1", {{"/etc/docker/daemon.json", before}}));
  std::string expected = before;
  expected.insert(expected.find("true}") + 4, ", \"cdi\": true");
  EXPECT_EQ(after, expected);
}

TEST(DockerPlan, OnlyWhereTheVersionNeedsIt) {
  EXPECT_THAT(plan(scene("docker", "28.2.0")).edits, IsEmpty());
  EXPECT_THAT(plan(scene("docker", "29.0.1-1~debian.12~bookworm")).edits, IsEmpty());
  EXPECT_EQ(changed(scene("docker", std::nullopt)),
            "{\n  \"features\": {\n    \"cdi\": true\n  }\n}\n");
  EXPECT_EQ(changed(scene("docker", "28.1.1")), changed(scene("docker", std::nullopt)));
  EXPECT_EQ(changed(scene("docker", "28.3",
                          {{"/etc/docker/daemon.json", R"({"features":{"cdi":false}})"}})),
            R"({"features":{"cdi":true}})");
  const auto old = plan_engine(scene("docker", "20.10.24+dfsg1"));
  ASSERT_FALSE(old);
  EXPECT_EQ(old.error().code, Code::kEnvironment);
  EXPECT_THAT(old.error().message, HasSubstr("25.0 is the first"));
  EXPECT_EQ(plan_engine(scene("docker", "27.0", {{"/etc/docker/daemon.json", "{,}"}})).error().code,
            Code::kBadInput);
}

TEST(DockerPlan, AUsersDirectoryIsNamed) {
  EngineScene rootless = scene("docker", "28.3.0");
  rootless.user = true;
  rootless.config_home = "/home/u/.config";
  rootless.spec_directory = "/home/u/.config/cdi";
  EXPECT_EQ(plan(rootless).edits.at(0).file, "/home/u/.config/docker/daemon.json");
  EXPECT_EQ(text::dump_json(text::parse_json(changed(rootless), "j").value()),
            R"({"cdi-spec-dirs":["/etc/cdi","/var/run/cdi","/home/u/.config/cdi"]})");
  rootless.version = "29.2.0";
  EXPECT_THAT(plan(rootless).edits, IsEmpty());
}

TEST(ContainerdPlan, EachFormHasItsTable) {
  const auto table = [](const std::string& version, const std::string& text) {
    const EnginePlan made =
        plan(scene("containerd", version, {{"/etc/containerd/config.toml", text}}));
    return made.edits.empty() ? std::vector<std::string>() : made.edits[0].assignments.at(0).table;
  };
  EXPECT_THAT(table("1.7.2", "root = \"/x\"\n"), ElementsAre("plugins", "cri"));
  EXPECT_THAT(table("1.7.2", "version = 2\n"), ElementsAre("plugins", "io.containerd.grpc.v1.cri"));
  EXPECT_THAT(table("2.1.0", "version = 3\n"), IsEmpty());
  EXPECT_THAT(
      table("2.1.0", "version = 3\n[plugins.'io.containerd.cri.v1.runtime']\nenable_cdi = false\n"),
      ElementsAre("plugins", "io.containerd.cri.v1.runtime"));
  EXPECT_EQ(plan_engine(scene("containerd", "1.6.20")).error().code, Code::kEnvironment);
  EXPECT_EQ(changed(scene("containerd", "1.7.0")),
            "version = 2\n\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  enable_cdi = true\n");
}

TEST(ContainerdPlan, CommentsStay) {
  const std::string text =
      "# ours\nversion = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  # keep\n  cdi_spec_dirs = "
      "[\"/opt/cdi\"] # here\n";
  EXPECT_EQ(changed(scene("containerd", "1.7.2", {{"/etc/containerd/config.toml", text}})),
            "# ours\nversion = 2\n[plugins.\"io.containerd.grpc.v1.cri\"]\n  enable_cdi = true\n  "
            "# keep\n"
            "  cdi_spec_dirs = [\"/opt/cdi\", \"/etc/cdi\"] # here\n");
}

TEST(ContainerdPlan, AnImportThatHidesItIsNamed) {
  const std::string main = "version = 2\nimports = [\"conf.d/*.toml\"]\n";
  const auto hidden = plan_engine(scene(
      "containerd", "1.7.2",
      {{"/etc/containerd/config.toml", main},
       {"/etc/containerd/conf.d/x.toml", "[plugins.\"io.containerd.grpc.v1.cri\"]\na = 1\n"}}));
  ASSERT_FALSE(hidden);
  EXPECT_THAT(hidden.error().hint, HasSubstr("--config /etc/containerd/conf.d/x.toml"));
  EXPECT_TRUE(plan_engine(scene("containerd", "1.7.2",
                                {{"/etc/containerd/config.toml", main},
                                 {"/etc/containerd/conf.d/x.toml", "[plugins.other]\na = 1\n"}})));
}

TEST(ContainerdPlan, ADisabledPlugInIsTold) {
  EXPECT_THAT(plan(scene("containerd", "1.7.2",
                         {{"/etc/containerd/config.toml", "disabled_plugins = [\"cri\"]\n"}}))
                  .notices,
              ElementsAre(HasSubstr("disables the CRI plug-in")));
}

TEST(CrioPlan, OnlyWhereTheDirectoryIsNotRead) {
  EXPECT_THAT(plan(scene("crio", "1.30")).files, IsEmpty());
  const EnginePlan made = plan(
      scene("crio", "1.30",
            {{"/etc/crio/crio.conf.d/10-x.conf", "[crio.runtime]\ncdi_spec_dirs = [\"/opt\"]\n"}}));
  ASSERT_EQ(made.files.size(), 1U);
  EXPECT_EQ(made.files[0].first, "/etc/crio/crio.conf.d/99-flense-cdi.conf");
  EXPECT_EQ(text::dump_json(text::parse_toml(made.files[0].second, "f").value()),
            R"({"crio":{"runtime":{"cdi_spec_dirs":["/opt","/etc/cdi"]}}})");
}

TEST(PodmanPlan, ADropInForAUser) {
  EXPECT_THAT(plan(scene("podman", "4.3.1")).files, IsEmpty());
  EngineScene user =
      scene("podman", "5.2",
            {{"/h/.config/containers/containers.conf", "[engine]\ncdi_spec_dirs = [\"/opt\"]\n"}});
  user.user = true;
  user.config_home = "/h/.config";
  user.spec_directory = "/h/.config/cdi";
  const EnginePlan made = plan(user);
  ASSERT_EQ(made.files.size(), 1U);
  EXPECT_EQ(made.files[0].first, "/h/.config/containers/containers.conf.d/99-flense-cdi.conf");
  EXPECT_EQ(text::dump_json(text::parse_toml(made.files[0].second, "f").value()),
            R"({"engine":{"cdi_spec_dirs":["/opt","/h/.config/cdi"]}})");
  EXPECT_THAT(made.notices, IsEmpty());
}

TEST(EnginePlan, WhatAnEngineHasNoUseForIsRefused) {
  EngineScene podman = scene("podman", "5.2");
  podman.config = "/etc/containers/containers.conf";
  EXPECT_EQ(plan_engine(podman).error().code, Code::kUsage);
  for (const char* name : {"crio", "containerd"}) {
    EngineScene user = scene(name, std::nullopt);
    user.user = true;
    EXPECT_EQ(plan_engine(user).error().code, Code::kUsage) << name;
  }
}

TEST(EnginePlan, AnotherNameIsNone) {
  EXPECT_EQ(plan_engine(scene("lxd", std::nullopt)).error().code, Code::kUsage);
}

}  // namespace
}  // namespace flense::cdi
