#include <gtest/gtest.h>

#include "base/format.h"
#include "lint/readers/readers.h"

namespace flense::lint {
namespace {

/// "LINE: WORDS" for each command; '?' behind a word that is unknown.
std::string commands(std::string text) {
  const SourceText source("Makefile", std::move(text));
  std::string out;
  for (const auto& recipe : recipes_of(source))
    for (const ShellCommand& command : recipe) {
      if (command.words.empty()) continue;
      out += fmt::format("{}:", source.position(command.span.begin).line);
      for (const ShellWord& word : command.words)
        out += fmt::format(" {}{}", word.text, word.dynamic ? "?" : "");
      out += "\n";
    }
  return out;
}

TEST(Makefile, RecipesAndPrefixes) {
  EXPECT_EQ(commands("# a\nall: b c ; a 1 # x\n\t@-a 2\n\n# c\n\t+ a 3\nX = 1\n\ta 4\n"),
            "2: a 1\n3: a 2\n6: a 3\n");
  EXPECT_EQ(commands(".RECIPEPREFIX := >\na:\n>a 1\n\ta 2\n"), "3: a 1\n");
  EXPECT_EQ(commands("a b&: c\n\ta 1; b 2 && c 3\n%.o:: %.c\r\n\ta 4\r\n"),
            "2: a 1\n2: b 2\n2: c 3\n4: a 4\n");
  EXPECT_EQ(commands("\ta 1\nall:\n    a 2\n"), "");
}

TEST(Makefile, ContinuedLines) {
  EXPECT_EQ(commands("a:\n\ta 1 \\\n\t  b=\\\n\tc\n\ta 2 \\\\\n\ta 3\n"),
            "2: a 1 b=c\n5: a 2 \\\n6: a 3\n");
  EXPECT_EQ(commands("X = 1 \\\n   2 # \\\n 3\na: \\\n  b\n\ta $(X)\n"), "6: a 1 2\n");
}

TEST(Makefile, Definitions) {
  for (const auto& [text, value] : std::vector<std::pair<std::string, std::string>>{
           {"X = 1", "1"},
           {"X := 1 # c", "1"},
           {"X ::= 1", "1"},
           {"X=b\\#1", "b#1"},
           {"export X ?= 1", "1"},
           {"override X = 1", "1"},
           {"X = 1\nX ?= 2", "1"},
           {"X = 1\nX = 2", "2"},
           {"X = 1\nX += 2", "1 2"},
           {"X = $(Y)\nY = 3", "3"},
           {"Y = 1\nX := $Y\nY = 3", "1"},
           {"Y := 1\nX := 2\nX += $(Y)\nY := 3", "2 1"},
           {"X = 1$$Z", "1$Z?"},
           {"X = b/$(Y)", "b/$(Y)?"},
           {"X = $(shell pwd)/b", "$(pwd)/b?"},
           {"X = $(Y:.c=.o)", "$(Y)?"},
           {"X = $($(Y))", "$()?"},
           {"", "$(X)?"},
           {"X != date", "$(X)?"},
           {"X += 1", "$(X)?"},
           {"X = $(X)", "$(X)?"},
           {"X = 1\nundefine X", "$(X)?"},
           {"X = 1\nifdef Y\n  X = 2\nelse ifdef Z\nX = 3\nendif", "$(X)?"},
           {"ifneq ($(Y),)\nX ?= 1\nendif", "$(X)?"},
           {"ifdef Y\nX = 2\nendif\nX = 3", "3"},
           {"X = 1\nb: X = 2", "$(X)?"},
           {"X = 1\nb: private X := 2", "$(X)?"},
           {"define X\nb:\n\tdocker\nendef\n", "$(X)?"},
           {"define Y =\nX = 2\nendef\nX = 1", "1"}})
    EXPECT_TRUE(commands(text + "\na:\n\ta $(X)\n").contains(": a " + value + "\n")) << text;
}

TEST(Makefile, QuotesHideNothingFromMake) {
  EXPECT_EQ(commands("X = 1 2\na:\n\ta '$(X)' \"$(Y)\" '$(Y)' $$Z '$$Z' $$(b)\n"),
            "3: a 1 2 $(Y)? $(Y)? $Z? $Z $(b)?\n3: Y\n3: b\n");
  EXPECT_EQ(commands("a:\n\ta $(X\n\tb $@ $(@D) $<\n"), "3: b $(@)? $(@D)? $(<)?\n3: @\n3: @D\n");
}

TEST(Makefile, ValuesDoNotGrow) {
  std::string chain = "X0 = docker docker docker docker\n", lines;
  for (int at = 1; at < 60; ++at)
    chain += fmt::format("X{0} = $(X{1})$(X{1})$(X{1})$(X{1})\n", at, at - 1);
  const std::string grown = commands(chain + "a:\n\ta $(X59)\n");
  EXPECT_LT(grown.size(), std::size_t{16} << 10);
  EXPECT_FALSE(grown.contains("docker"));
  for (int at = 0; at < 2'000; ++at) lines += "\ta $(Y)\n";
  const std::string big = "Y = " + std::string(4000, 'y') + "\na:\n" + lines;
  EXPECT_LT(commands(big).size(), std::size_t{2} << 20);
  EXPECT_EQ(commands("a:\n\ta " + std::string(300'000, 'x') + "\n\tb\n"), "3: b\n");
}

ProjectFile read(std::string text) {
  ProjectFile out;
  out.source = SourceText("Makefile", std::move(text));
  static_cast<FileContent&>(out) = read_makefile(out.source);
  return out;
}

TEST(Makefile, WorkloadsAndBuilds) {
  const ProjectFile file = read(
      "IMAGE ?= nvidia/cuda:12.8.1-base-ubuntu24.04\nRUN = docker run --gpus all -v $(shell "
      "pwd):/w\n"
      "a:\n\t@$(RUN) \\\n\t  $(IMAGE) nvidia-smi\n\t$(RUN) $(TAG)\n"
      "\tdocker build --build-arg BASE=$(IMAGE) -f a.Dockerfile .\n"
      "\tcd b && docker build --build-arg BASE=$(IMAGE) .\n");
  ASSERT_EQ(file.workloads.size(), 2U);
  const Workload& first = file.workloads[0];
  EXPECT_EQ(first.image_name->tag, "12.8.1-base-ubuntu24.04");
  EXPECT_EQ(file.source.slice(first.image.span), "$(IMAGE)");
  EXPECT_EQ(file.source.position(first.image.span.begin), (Position{5, 4}));
  EXPECT_EQ(file.source.position(first.span.begin), (Position{4, 3}));
  EXPECT_EQ(file.source.slice(first.gpus.at(0).span), "$(RUN)");
  EXPECT_FALSE(file.workloads[1].image_name);
  ASSERT_EQ(file.names.builds.size(), 1U);
  EXPECT_EQ(file.names.builds[0].dockerfile.text, "a.Dockerfile");
  EXPECT_EQ(file.names.builds[0].args.at(0).second.text, "nvidia/cuda:12.8.1-base-ubuntu24.04");
}

}  // namespace
}  // namespace flense::lint
