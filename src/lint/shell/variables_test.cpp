#include "lint/shell/variables.h"

#include <gtest/gtest.h>

#include "lint/shell/command_words.h"

namespace flense::lint {
namespace {

/// What the last command of a text sees as $X; "?": nobody knows.
std::string seen(std::string_view text) {
  const ShellText shell = split_shell(text, {0, text.size()});
  const Environment outer = {{"X", "outer"}};
  ShellVariables variables(outer);
  for (const ShellCommand& command : shell.commands) {
    if (&command == &shell.commands.back()) break;
    variables.take(command);
  }
  return expand("$X", variables.values()).value_or("?");
}

TEST(ShellVariables, FollowAssignments) {
  EXPECT_EQ(seen("echo"), "outer");
  EXPECT_EQ(seen("X=1 && echo"), "1");
  EXPECT_EQ(seen("Y=2; X=a$Y; echo"), "a2");
  EXPECT_EQ(seen("export X=1\necho"), "1");
  EXPECT_EQ(seen("make && X=1 && echo"), "1");
  EXPECT_EQ(seen("X=1 make; echo"), "outer");
}

TEST(ShellVariables, WhatMayNotRunIsUnknown) {
  EXPECT_EQ(seen("test -f a && X=1; echo"), "?");
  EXPECT_EQ(seen("test -f a || X=1; echo"), "?");
  EXPECT_EQ(seen("if test -f a; then X=1; fi; echo"), "?");
  EXPECT_EQ(seen("for X in a b; do echo; done; echo"), "?");
  EXPECT_EQ(seen("read X; echo"), "?");
  EXPECT_EQ(seen("X=1 | cat; echo"), "?");
  EXPECT_EQ(seen("X=$(date); echo"), "?");
  EXPECT_EQ(seen("X=1; test \"$(uname -m)\" = aarch64 && X=2; echo"), "?");
  EXPECT_EQ(seen("test \"$(uname -m)\" = x86_64 || X=2; echo"), "?");
  EXPECT_EQ(seen("X=1; . ./versions.sh; echo"), "?");
  EXPECT_EQ(seen("X=1; eval \"$(./v.sh)\"; echo"), "?");
  EXPECT_EQ(seen("X=1; printf -v X 2; echo"), "?");
}

TEST(ShellVariables, DoNotGrowWithoutEnd) {
  std::string text = "X=aaaaaaaaaaaaaaaa";
  for (int at = 0; at < 100; ++at) text += "; X=$X$X";
  EXPECT_EQ(seen(text + "; echo"), "?");
}

TEST(StepCommand, AVariableStandsForTheProgram) {
  const std::string_view text =
      "PIP='python3 -m pip install' && SUDO= && $SUDO $PIP numpy; $UNKNOWN numpy";
  const ShellText shell = split_shell(text, {0, text.size()});
  std::size_t budget = 1000;
  const std::vector<StepCommand> steps = step_commands_of(shell.commands, {}, budget);
  ASSERT_EQ(steps.size(), 2U);
  EXPECT_EQ(steps[0].program, "python3");
  ASSERT_EQ(steps[0].arguments.size(), 4U);
  EXPECT_EQ(steps[0].arguments[3].text, "numpy");
  EXPECT_EQ(steps[1].program, "$UNKNOWN");
}

}  // namespace
}  // namespace flense::lint
