#include "lint/facts/purpose.h"

#include <gtest/gtest.h>

#include "lint/lint.h"

namespace flense::lint {

namespace {

TEST(Purpose, ARobotsArmIsNoProcessor) {
  for (const std::string_view path : {"docker/arm/Dockerfile", "Dockerfile.arm", "Dockerfile-arm",
                                      "app-arm64/Dockerfile", "jetson-nano/Dockerfile"})
    EXPECT_TRUE(names_arm(path)) << path;
  for (const std::string_view path :
       {"robot-arm/Dockerfile", "robot-arm.Dockerfile", "alarm/Dockerfile", "apple-detector/a"})
    EXPECT_FALSE(names_arm(path)) << path;
}

TEST(Purpose, ADockerfileThatOnlyCommentsOfComposeNameIsOutOfUse) {
  const auto knowledge = *knowledge::Knowledge::load();
  const std::string from = "FROM python:3.12-slim\n",
                    head = "services:\n  a:\n    image: a\n    build:\n";
  const Project project = read_project(
      {{"Dockerfile", from},
       {"Dockerfile.called", from},
       {"Dockerfile.gone",
        from + "# docker build -f Dockerfile.gone\nLABEL file=Dockerfile.gone\n"},
       {"Dockerfile.new", from},
       {"compose.yaml",
        head + "      # dockerfile: Dockerfile\n      # dockerfile: Dockerfile.called\n"
               "      # dockerfile: docker/Dockerfile.gone\n      context: .\n"},
       {"other/compose.yaml", head + "      dockerfile: Dockerfile.gone-too\n"},
       {"build.sh", "docker build -f Dockerfile.called .\n"}},
      {}, {}, knowledge);
  std::vector<std::string> out;
  for (const ProjectFile* file : commented_out(project)) out.push_back(file->source.path());
  EXPECT_EQ(out, (std::vector<std::string>{"Dockerfile.gone"}));
}

TEST(Purpose, WhereAProjectLiesSaysNothing) {
  const auto knowledge = *knowledge::Knowledge::load();
  const auto rules = *knowledge::LintRules::load();
  const auto shown = [&](const std::string& path) {
    const Project project =
        read_project({{"/home/tests/legacy/template/corpus/" + path,
                       "FROM nvidia/cuda:12.4.0-runtime-ubuntu22.04\nRUNN make\n", path}},
                     {}, {}, knowledge);
    Policy policy;
    std::string out;
    for (const Finding& finding : lint(project, rules, policy).findings)
      out += (out.empty() ? "" : " ") + finding.rule;
    return out;
  };
  EXPECT_EQ(shown("Dockerfile"), "cuda-tag-unsupported syntax");
  EXPECT_EQ(shown("contemplated/Dockerfile"), "cuda-tag-unsupported syntax");
  EXPECT_EQ(shown("templates/Dockerfile"), "cuda-tag-unsupported");
  EXPECT_EQ(shown("tests/Dockerfile"), "syntax");
  EXPECT_EQ(shown("legacy/Dockerfile"), "");
  EXPECT_EQ(shown("corpus/Dockerfile"), "cuda-tag-unsupported");
}

}  // namespace

}  // namespace flense::lint
