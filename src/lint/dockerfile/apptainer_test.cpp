#include "lint/project/apptainer.h"

#include <gtest/gtest.h>

namespace flense::lint {
namespace {

constexpr const char* kDefinition = R"(# an image in two stages
Bootstrap: docker
From: nvidia/cuda:12.8.1-devel-ubuntu24.04
Stage: build

%files
    src/main.cu /src/
    "with blank"  /other
%post
    apt-get update && apt-get install -y cmake
    cd /src && nvcc main.cu

Bootstrap: docker
From: nvidia/cuda:12.8.1-base-ubuntu24.04

%files from build
    /src/a.out /usr/bin/app
%environment
    export LD_LIBRARY_PATH=/opt/lib A=b
    C=$A-c
%runscript
    exec /usr/bin/app "$@"
%labels
    Author someone
)";

TEST(Apptainer, StagesAndSections) {
  const SourceText source("image.def", kDefinition);
  std::vector<ParseProblem> problems;
  const ApptainerDefinition read = parse_apptainer(source, problems);
  EXPECT_TRUE(problems.empty());
  ASSERT_EQ(read.stages.size(), 2U);
  const ApptainerStage& build = read.stages[0];
  EXPECT_EQ(build.bootstrap, "docker");
  EXPECT_EQ(build.name, "build");
  EXPECT_EQ(build.image->tag, "12.8.1-devel-ubuntu24.04");
  EXPECT_EQ(source.slice(build.from.span), "nvidia/cuda:12.8.1-devel-ubuntu24.04");
  ASSERT_EQ(build.sections.size(), 2U);
  ASSERT_EQ(build.sections[0].files.size(), 2U);
  EXPECT_EQ(build.sections[0].files[1].source.text, "with blank");
  EXPECT_EQ(build.sections[1].commands.commands.size(), 4U);
  const ApptainerSection& files = *read.sections("files").at(0);
  EXPECT_EQ(files.from_stage, "build");
  EXPECT_EQ(files.files.at(0).target.text, "/usr/bin/app");
  const ApptainerStage& final = read.stages[1];
  EXPECT_EQ(final.environment.at("LD_LIBRARY_PATH"), "/opt/lib");
  EXPECT_EQ(final.environment.at("C"), "b-c");
  EXPECT_EQ(read.sections("runscript").at(0)->commands.commands.at(0).words.at(1).text,
            "/usr/bin/app");
}

std::string first_problem(std::string text) {
  const SourceText source("image.def", std::move(text));
  std::vector<ParseProblem> problems;
  (void)parse_apptainer(source, problems);
  EXPECT_LE(problems.size(), 1U) << source.text();
  return problems.empty() ? "" : problems.front().message;
}

TEST(Apptainer, Problems) {
  EXPECT_EQ(first_problem(""), "the file has no header: Bootstrap and From");
  EXPECT_EQ(first_problem("From: a\n"), "the header has no Bootstrap");
  EXPECT_EQ(first_problem("From: a\n%post\n  x\n"), "the header has no Bootstrap");
  EXPECT_EQ(first_problem("From: a.sif\nBootstrap: localimage\n%post\n  x\n"),
            "Bootstrap must come first");
  EXPECT_EQ(first_problem("%post\n  x\n"), "a header with Bootstrap must come before the sections");
  EXPECT_EQ(first_problem("%post\n  x\nBootstrap: docker\nFrom: a\n"),
            "a header with Bootstrap must come before the sections");
  EXPECT_EQ(first_problem("Bootstrap: dokcer\nFrom: a\n"), "dokcer is not a bootstrap agent");
  EXPECT_EQ(first_problem("Bootstrap: docker\nFrom: A:b:c\n"), "A:b:c is not an image name");
  EXPECT_EQ(first_problem("Bootstrap: docker\nFrom: a\n%psot\n  x\n"), "%psot is not a section");
  EXPECT_EQ(first_problem("Bootstrap: docker\nFrom: a\n%files from x\n  a b\n"),
            "there is no stage x above");
  EXPECT_EQ(first_problem("Bootstrap: docker\nnonsense\n"),
            "a header line has the form Key: value");
  EXPECT_EQ(first_problem("Bootstrap: docker\nFrom: {{ base }}\n%post\n  x\n"), "");
  EXPECT_EQ(first_problem("Bootstrap: localimage\nFrom: base.sif\n%post\n  a: b\n"), "");
}

}  // namespace
}  // namespace flense::lint
