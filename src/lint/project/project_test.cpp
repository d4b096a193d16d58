#include "lint/project/project.h"

#include <gtest/gtest.h>

#include <map>

#include "lint/lint.h"

namespace flense::lint {
namespace {

TEST(ProjectPaths, AreNormal) {
  const std::map<std::string, std::string> cases = {
      {"a/b", "a/b"},   {"./a", "a"},   {"a//b", "a/b"}, {"a/../b", "b"}, {"a/", "a"},
      {".", "."},       {"/", "/"},     {"/a", "/a"},    {"//a", "/a"},   {"../a", "../a"},
      {"a/./b", "a/b"}, {"..a", "..a"}, {"a..", "a.."}};
  for (const auto& [path, normal] : cases) EXPECT_EQ(normal_path(path), normal) << path;
  EXPECT_EQ(path_below("k8s/app", "../Dockerfile"), "k8s/Dockerfile");
  EXPECT_EQ(path_below(".", "app"), "app");
  EXPECT_EQ(path_below("app", "/etc"), "/etc");
}

TEST(ProjectFiles, AreFoundHoweverTheyAreNamed) {
  const knowledge::Knowledge knowledge = *knowledge::Knowledge::load();
  const Project project =
      read_project({{"./docker/Dockerfile", "FROM a:1\n"}, {"x/../requirements.txt", "torch\n"}},
                   {}, {}, knowledge);
  ASSERT_NE(project.find("docker/Dockerfile"), nullptr);
  EXPECT_EQ(project.find("docker/./Dockerfile"), project.find("docker/Dockerfile"));
  EXPECT_NE(project.find("requirements.txt"), nullptr);
  EXPECT_EQ(project.find("Dockerfile"), nullptr);
}

TEST(ProjectContexts, AreWhereMostOfTheCopiedFilesLie) {
  const knowledge::Knowledge knowledge = *knowledge::Knowledge::load();
  const std::string copy = "FROM a:1\nCOPY requirements.txt ";
  Project project = read_project({{"docker/gpu/Dockerfile", copy + ".\n"},
                                  {"requirements.txt", "torch\n"},
                                  {"train/Dockerfile", copy + ".\n"},
                                  {"train/requirements.txt", "torch\n"},
                                  {"slash/Dockerfile", "FROM a:1\nCOPY /requirements.txt .\n"},
                                  {"slash/requirements.txt", "torch\n"},
                                  {"none/Dockerfile", "FROM a:1\nCOPY other.txt .\n"},
                                  // Beside it is another list of the same name.
                                  {"doc/Dockerfile", copy + "doc/start.sh /tmp/\n"},
                                  {"doc/requirements.txt", "sphinx\n"},
                                  {"doc/start.sh", "#!/bin/sh\n"},
                                  // Its list is made before the build.
                                  {"asr/Dockerfile", copy + "/tmp/\nCOPY app /app\n"}},
                                 {}, {}, knowledge);
  project.contexts = {{"asr", {{"app/main.py", 1}}, true}};
  project.guess_contexts();
  const auto of = [&](std::string_view path) {
    return project.context_directory(*project.find(path));
  };
  EXPECT_EQ(of("docker/gpu/Dockerfile"), ".");
  EXPECT_EQ(of("train/Dockerfile"), "train");
  EXPECT_EQ(of("slash/Dockerfile"), "slash");
  EXPECT_EQ(of("none/Dockerfile"), "none");
  EXPECT_EQ(of("doc/Dockerfile"), ".");
  EXPECT_EQ(of("asr/Dockerfile"), "asr");
}

TEST(ProjectContexts, AreThoseOfWhatBuildsTheDockerfile) {
  const knowledge::Knowledge knowledge = *knowledge::Knowledge::load();
  Project project = read_project(
      {{"alone/Dockerfile", "FROM a:1\n"},
       {"compose.yaml",
        "services:\n  a:\n    build: {context: app, dockerfile: docker/Dockerfile}\n"},
       {"app/docker/Dockerfile", "FROM a:1\n"},
       {"bake/docker-bake.hcl",
        "target \"b\" {\n  context = \"..\"\n  dockerfile = \"bake/b.Dockerfile\"\n}\n"},
       {"bake/b.Dockerfile", "FROM a:1\n"}},
      {}, {}, knowledge);
  EXPECT_EQ(context_directories(project), (std::vector<std::string>{".", "alone", "app"}));
  project.contexts = {{".", {{"one", 1}}, true}, {"app", {{"two", 2}}, true}};
  const auto listed = [&](std::string_view path) {
    const Context* context = project.context_of(*project.find(path));
    return context == nullptr ? std::string("none") : context->files[0].path;
  };
  EXPECT_EQ(listed("app/docker/Dockerfile"), "two");
  EXPECT_EQ(listed("bake/b.Dockerfile"), "one");
  EXPECT_EQ(listed("alone/Dockerfile"), "none");
}

}  // namespace
}  // namespace flense::lint
