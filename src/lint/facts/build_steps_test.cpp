#include "lint/facts/build_steps.h"
#include "lint/facts/written_paths.h"

#include <gtest/gtest.h>

#include "lint/lint.h"

namespace flense::lint {

namespace {

class BuildSteps : public ::testing::Test {
 protected:
  void read(std::string text) {
    project_ = read_project({{"Dockerfile", std::move(text)}}, {}, {}, known_);
    views_ = views_of(project_);
    ASSERT_EQ(views_.size(), 1U);
    steps_ = StageSteps(views_[0], views_[0].stages.size() - 1);
  }
  const Step& last() const { return steps_.all().back(); }
  std::vector<std::string> written() const {
    std::vector<std::string> out;
    for (const Written& one : written_paths(steps_)) out.push_back(one.path);
    return out;
  }

  knowledge::Knowledge known_ = *knowledge::Knowledge::load();
  Project project_;
  std::vector<FileView> views_;
  StageSteps steps_;
};

TEST_F(BuildSteps, UserHomeAndDirectory) {
  read(
      "FROM ubuntu:24.04 AS base\nUSER app:users\nWORKDIR /srv\nFROM base\nWORKDIR a/../b\nRUN "
      "x\n");
  EXPECT_EQ(last().user, "app");
  EXPECT_EQ(last().home, "/home/app");
  EXPECT_EQ(last().directory, "/srv/b");
  read("FROM ubuntu:24.04\nRUN x\n");
  EXPECT_EQ(last().user, "root");
  EXPECT_EQ(last().home, "/root");
  EXPECT_EQ(last().directory, "");
  read("FROM ubuntu:24.04\nUSER 1000\nRUN x\n");
  EXPECT_EQ(last().home, "");
  read("FROM ubuntu:24.04\nARG WHO\nUSER $WHO\nENV HOME=/h\nRUN x\n");
  EXPECT_EQ(last().user, "");
  EXPECT_EQ(last().home, "/h");
}

TEST_F(BuildSteps, WhatVariablesMakeOfWordsHasAnEnd) {
  std::string text = "FROM ubuntu:24.04\nENV X=" + std::string(4000, 'x') + "\n";
  for (int at = 0; at < 3000; ++at) text += "RUN echo $X $X $X $X $X $X $X $X $X $X\n";
  read(text);
  std::size_t bytes = 0;
  for (const Step& step : steps_.all())
    for (const StepCommand& command : commands_of(*step.instruction))
      for (const Argument& argument : command.arguments) bytes += argument.text.size();
  EXPECT_GT(bytes, 60U << 20);
  EXPECT_LT(bytes, 70U << 20);
  EXPECT_EQ(commands_of(*last().instruction)[0].arguments[0].text, "$X");
}

TEST_F(BuildSteps, VariablesAtACommand) {
  read("FROM ubuntu:24.04\nENV A=1 B=0\nARG C\nRUN export D=yes; A=off one && E=2 two\n");
  const Instruction& run = *last().instruction;
  const auto commands = commands_of(run);
  ASSERT_EQ(commands.size(), 3U);
  const ShellCommand *one = commands[1].shell, *two = commands[2].shell;
  EXPECT_FALSE(variable_at(run, one, "A").on());
  EXPECT_TRUE(variable_at(run, two, "A").on());
  EXPECT_FALSE(variable_at(run, two, "B").on());
  EXPECT_TRUE(variable_at(run, two, "D").on());
  EXPECT_FALSE(variable_at(run, one, "E").set);
  EXPECT_TRUE(variable_at(run, two, "E").on());
  EXPECT_FALSE(variable_at(run, two, "F").set);
}

TEST_F(BuildSteps, CacheDirectories) {
  const auto& pip = *known_.build.cache("pip");
  const auto directory = [&] {
    const auto commands = commands_of(*last().instruction);
    return cache_directory(last(), commands.front().shell, pip);
  };
  read("FROM ubuntu:24.04\nRUN pip install torch\n");
  EXPECT_EQ(directory(), "/root/.cache/pip");
  read("FROM ubuntu:24.04\nENV XDG_CACHE_HOME=/x\nRUN pip install torch\n");
  EXPECT_EQ(directory(), "/x/pip");
  read("FROM ubuntu:24.04\nENV XDG_CACHE_HOME=/x PIP_CACHE_DIR=/p/\nRUN pip install torch\n");
  EXPECT_EQ(directory(), "/p");
  read("FROM ubuntu:24.04\nRUN pip install --cache-dir /c torch\n");
  EXPECT_EQ(directory(), "/c");
  read("FROM ubuntu:24.04\nARG P\nENV PIP_CACHE_DIR=$P\nRUN pip install torch\n");
  EXPECT_EQ(directory(), "");
  read("FROM ubuntu:24.04\nUSER 1000\nRUN pip install torch\n");
  EXPECT_EQ(directory(), "");
}

TEST_F(BuildSteps, WrittenPaths) {
  read(
      "FROM ubuntu:24.04\nWORKDIR /w\nCOPY a.txt b /d/\nCOPY . .\nRUN wget -qO f https://h/x && cd "
      "/c && curl -LO https://h/y?z=1 && wget -P p https://h/q && curl https://h/out | sh\n");
  EXPECT_EQ(written(),
            (std::vector<std::string>{"/d/a.txt", "/d", "/w", "/w/f", "/c/y", "/c/p/q"}));
  read(
      "FROM ubuntu:24.04\nWORKDIR /w\nRUN git clone --depth 1 https://h/o/r.git && git clone "
      "https://h/o/s /s && hf download o/m --local-dir=/m && hf download o/n\n");
  EXPECT_EQ(written(), (std::vector<std::string>{"/w/r", "/s", "/m", "/root/.cache/huggingface"}));
  read("FROM ubuntu:24.04\nRUN --mount=type=cache,target=/m hf download o/m --local-dir /m/x\n");
  EXPECT_TRUE(written().empty());
}

TEST_F(BuildSteps, EnvironmentsOfPython) {
  const auto of = [&](const std::string& command) {
    read("FROM ubuntu:24.04\nWORKDIR /w\nRUN " + command + "\n");
    return written();
  };
  using Paths = std::vector<std::string>;
  EXPECT_EQ(of("virtualenv --app-data /tmp/data --system-site-packages /opt/a"), Paths{"/opt/a"});
  EXPECT_EQ(of("virtualenv /opt/a --app-data /tmp/data --pip=24.0"), Paths{"/opt/a"});
  EXPECT_EQ(of("python3 -m virtualenv -p python3.11 env"), Paths{"/w/env"});
  EXPECT_EQ(of("python3 -m venv --upgrade-deps --prompt p /opt/a"), Paths{"/opt/a"});
  EXPECT_EQ(of("uv venv --seed --python 3.12 /opt/a"), Paths{"/opt/a"});
  EXPECT_EQ(of("python3 -m build venv /opt/a"), Paths{});
  EXPECT_EQ(of("uv venv"), Paths{"/w/.venv"});
  EXPECT_EQ(of("uv sync --frozen"), Paths{"/w/.venv"});
  EXPECT_EQ(of("UV_PROJECT_ENVIRONMENT=/opt/v uv sync"), Paths{"/opt/v"});
  EXPECT_EQ(of("uv sync --active"), Paths{});
}

TEST_F(BuildSteps, LiesIn) {
  EXPECT_TRUE(lies_in("/a/b", "/a"));
  EXPECT_TRUE(lies_in("/a", "/a"));
  EXPECT_TRUE(lies_in("/a", "/"));
  EXPECT_FALSE(lies_in("/ab", "/a"));
  EXPECT_FALSE(lies_in("/a", "/a/b"));
  EXPECT_FALSE(lies_in("", "/a"));
}

}  // namespace

}  // namespace flense::lint
