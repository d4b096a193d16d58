#include "lint/dockerfile/apptainer.h"

#include <gtest/gtest.h>

#include <chrono>

namespace flense::lint {
namespace {

constexpr const char* kDefinition = R"(# an image in two stages
Bootstrap: docker
From: nvidia/cuda:{{ CUDA }}-devel-ubuntu24.04
Stage: Build

%environment
    export LD_LIBRARY_PATH=/opt/lib A=b "Q=a b"
    export C=$A-c
    E=kept
    [ -d /x ] && export F=x
    if [ -d /x ]; then export D=x; fi
%arguments
    # the toolkit
    CUDA=12.8.1
%post
    apt-get update && apt-get install -y cmake \
      ninja-build   # tools
    pip install torch=={{TORCH}} cuda-{{ CUDA }}
%files
    src/main.cu /src/
    "with blank"

Bootstrap: docker
Registry: nvcr.io
Namespace: nvidia
from: pytorch:25.04-py3 # the month

%files from Build # of above
    /src/a.out /usr/bin/app
  %post -c /bin/bash
    pip install a
%runscript
    exec /usr/bin/app "$@"
%setup
    rm -rf /
)";

std::string words(const SourceText& source, const Instruction& one) {
  std::string out(to_string(one.keyword));
  for (const Word& word : one.words) out += " " + word.text;
  for (const KeyValue& pair : one.pairs)
    out += " " + std::string(source.slice(pair.key.span)) + "|" +
           std::string(source.slice(pair.value->span));
  for (const StepCommand& command : one.step_commands) {
    out += " " + command.program;
    for (const Argument& word : command.arguments) out += "," + word.text;
  }
  return out;
}

TEST(Apptainer, IsADockerfile) {
  const SourceText source("image.def", kDefinition);
  const Dockerfile read = parse_apptainer(source);
  for (const ParseProblem& problem : read.problems) ADD_FAILURE() << problem.message;
  ASSERT_EQ(read.stages.size(), 2U);
  const Stage& build = read.stages[0];
  EXPECT_EQ(build.name, "build");
  EXPECT_EQ(build.base_resolved, "nvidia/cuda:12.8.1-devel-ubuntu24.04");
  EXPECT_EQ(source.slice(build.base.span), "nvidia/cuda:{{ CUDA }}-devel-ubuntu24.04");
  std::vector<std::string> out;
  for (const Instruction& one : build.instructions) out.push_back(words(source, one));
  EXPECT_EQ(out, (std::vector<std::string>{
                     "FROM nvidia/cuda:{{ CUDA }}-devel-ubuntu24.04", "ARG CUDA|12.8.1",
                     "COPY src/main.cu /src/", "COPY with blank with blank",
                     "RUN apt-get,update apt-get,install,-y,cmake,ninja-build "
                     "pip,install,torch==${TORCH-},cuda-12.8.1",
                     "ENV LD_LIBRARY_PATH|/opt/lib A|b \"Q=a b\"|\"Q=a b\"", "ENV C|$A-c"}));
  EXPECT_EQ(build.environment.at("C"), "b-c");
  EXPECT_EQ(build.environment.at("Q"), "a b");
  EXPECT_EQ(build.environment.at("D"), std::nullopt);
  EXPECT_FALSE(build.environment.contains("E"));
  EXPECT_EQ(build.environment.at("F"), std::nullopt);
  EXPECT_TRUE(build.instructions[4].ends_at_failure);
  const Stage& final = read.stages[1];
  EXPECT_EQ(final.image->familiar(), "nvcr.io/nvidia/pytorch");
  EXPECT_EQ(final.base.text, "pytorch:25.04-py3");
  ASSERT_EQ(final.instructions.size(), 4U);
  EXPECT_EQ(read.copied_from(final.instructions[1]), 0U);
  EXPECT_EQ(final.instructions[2].interpreter, "/bin/bash");
  EXPECT_FALSE(final.instructions[2].ends_at_failure);
  EXPECT_EQ(final.instructions[3].keyword, Keyword::kEntrypoint);
  EXPECT_EQ(read.reachable(), (std::vector<bool>{true, true}));
}

TEST(Apptainer, BasesThatAreNotKnown) {
  for (const char* text :
       {"Bootstrap: localimage\nFrom: ubuntu.sif\n",
        "Bootstrap: docker-daemon\nFrom: nvidia/cuda:latest\n",
        "Bootstrap: oras\nFrom: ghcr.io/nvidia/cuda:latest\n",
        "Bootstrap: library\nFrom: nvidia/cuda\n", "Bootstrap: docker\nFrom: {{ BASE }}\n"}) {
    const SourceText source("image.def", text);
    const Dockerfile read = parse_apptainer(source);
    EXPECT_TRUE(read.problems.empty()) << text;
    EXPECT_FALSE(read.stages.at(0).image) << text;
  }
  const SourceText source("image.def", "Bootstrap: library\nFrom: ubuntu:22.04\n");
  EXPECT_EQ(parse_apptainer(source).stages.at(0).image->tag, "22.04");
}

std::string first_problem(std::string text) {
  const SourceText source("image.def", std::move(text));
  const Dockerfile read = parse_apptainer(source);
  EXPECT_LE(read.problems.size(), 1U) << source.text();
  return read.problems.empty() ? "" : read.problems.front().message;
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
  EXPECT_EQ(first_problem("Bootstrap: docker\nFrom: a\nStage: x\n%files from x\n  a b\n"),
            "there is no stage x above");
  EXPECT_EQ(first_problem("Bootstrap: docker\nFrom: a\nnonsense\n"),
            "a header line has the form Key: value");
  EXPECT_EQ(first_problem("Bootstrap: docker\n%post\n  x\n"), "the header has no From");
  EXPECT_EQ(first_problem("Bootstrap: docker\nFrom: {{ base }}\n%post\n  x\n"), "");
  EXPECT_EQ(first_problem("Bootstrap: localimage\nFrom: base.sif\n%post\n  a: b\n"), "");
}

/// Whatever the text, places lie in it, and it takes no longer than its size.
TEST(Apptainer, HostileTexts) {
  const std::string head = "Bootstrap: docker\nFrom: a\n";
  const auto many = [](std::string_view text, std::size_t count) {
    std::string out;
    for (std::size_t at = 0; at < count; ++at) out += text;
    return out;
  };
  const auto begin = std::chrono::steady_clock::now();
  for (const std::string& text :
       {head + "%post\n" + many("{{", 60'000) + "}}", head + "%post\n" + many("{{ A }}", 20'000),
        many(head + "%post\n {{ A }}\n", 5'000), many(head + "%files from b\n a\n", 5'000),
        head + "%environment\n" + many("export A=$A$A$A$A\n", 10'000),
        head + "%environment\n" + many("B=b\nexport C=$(D\n", 4'000),
        head + many("%post -c\n%files\n a b\n", 4'000), head + "%files\n" + many("a b\n", 120'000),
        many("Bootstrap:", 1'000), std::string("%"), std::string("\xEF\xBB\xBF%post"),
        head + "%post\n{{ A", head + "%arguments\n=\nA=\n%runscript\n#!", head + "%post -c \"\n"}) {
    const SourceText source("image.def", text);
    const Dockerfile read = parse_apptainer(source);
    std::size_t count = 0, outside = 0;
    const auto place = [&](Span span) {
      outside += span.begin > span.end || span.end > text.size() ? 1 : 0;
    };
    for (const Stage& stage : read.stages)
      for (const Instruction& one : stage.instructions) {
        ++count;
        place(one.span);
        for (const Word& word : one.words) place(word.span);
        for (const KeyValue& pair : one.pairs) {
          place(pair.key.span);
          place(pair.value->span);
        }
      }
    EXPECT_EQ(outside, 0U);
    EXPECT_LE(count, 102'000U);
  }
  EXPECT_LT(std::chrono::steady_clock::now() - begin, std::chrono::seconds(60));
}

}  // namespace
}  // namespace flense::lint
