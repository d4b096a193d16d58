#include "lint/dockerfile/dockerfile.h"

#include <gtest/gtest.h>

#include "base/format.h"

namespace flense::lint {
namespace {

/// A parsed text together with what it was parsed from.
struct Parsed {
  explicit Parsed(std::string text)
      : source("Dockerfile", std::move(text)), file(parse_dockerfile(source)) {}

  const Instruction& at(std::size_t stage, std::size_t index) const {
    return file.stages.at(stage).instructions.at(index);
  }
  std::string_view slice(Span span) const { return source.slice(span); }
  std::string problems() const {
    std::string out;
    for (const ParseProblem& problem : file.problems)
      out += fmt::format("{}: {}\n", source.position(problem.span.begin).line, problem.message);
    return out;
  }
  /// "a b|c": the commands of an instruction.
  std::string commands(std::size_t stage, std::size_t index) const {
    std::string out;
    for (const ShellCommand& command : at(stage, index).commands) {
      if (!out.empty()) out += '|';
      std::string words;
      for (const ShellWord& word : command.words) words += (words.empty() ? "" : " ") + word.text;
      out += words;
    }
    return out;
  }
  std::optional<std::string> value(std::size_t stage, std::size_t index,
                                   std::string_view name) const {
    const auto& values = *at(stage, index).environment;
    const auto found = values.find(name);
    return found == values.end() ? std::optional<std::string>("absent") : found->second;
  }

  SourceText source;
  Dockerfile file;
};

TEST(Dockerfile, SpansAreThoseOfTheFile) {
  const Parsed p(
      "FROM debian:12 AS base\nRUN --mount=type=cache,target=/c \\\n  # why\n\n  pip install x\n");
  ASSERT_EQ(p.problems(), "");
  const Instruction& run = p.at(0, 1);
  EXPECT_EQ(p.slice(run.keyword_span), "RUN");
  EXPECT_EQ(p.slice(run.flags.at(0).span), "--mount=type=cache,target=/c");
  ASSERT_EQ(run.words.size(), 3U);
  EXPECT_EQ(p.slice(run.words[2].span), "x");
  EXPECT_EQ(p.slice(run.arguments), "pip install x");
  EXPECT_EQ(p.source.position(run.span.begin).line, 2U);
  EXPECT_EQ(p.source.position(run.span.end).line, 5U);
  EXPECT_EQ(p.slice(p.at(0, 0).words[0].span), "debian:12");
}

TEST(Dockerfile, ALoneEscapeCharacterBelongsToTheInstructionBelow) {
  const Parsed p("FROM scratch\n  \\\n  RUN x\nONBUILD RUN y\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_EQ(p.source.position(p.at(0, 1).span.begin).line, 2U);
  EXPECT_EQ(p.source.position(p.at(0, 1).keyword_span.begin).line, 3U);
}

TEST(Dockerfile, DirectivesStandInFrontOfEverything) {
  EXPECT_EQ(Parsed("# syntax=docker/dockerfile:1 x\n# escape=`\nFROM a\n").file.syntax,
            "docker/dockerfile:1");
  EXPECT_EQ(Parsed("# escape=`\nFROM a\n").file.escape, '`');
  EXPECT_EQ(Parsed("# a comment\n# escape=`\nFROM a\n").file.escape, '\\');
  EXPECT_EQ(Parsed("FROM a\n# escape=`\n").file.escape, '\\');
  EXPECT_EQ(Parsed("# escape=x\nFROM a\n").problems(),
            "1: the escape character x is neither ` nor \\\n");
  EXPECT_EQ(Parsed("# escape=`\n# escape=`\nFROM a\n").problems(),
            "2: only one escape directive can be used\n");
  EXPECT_EQ(Parsed("# check=foo=1\nFROM a\n").file.problems.size(), 1U);
}

TEST(Dockerfile, EscapeDirectiveChangesContinuations) {
  const Parsed p("# escape=`\nFROM a\nRUN x `\n  y\nCOPY c:\\a c:\\b\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_EQ(p.commands(0, 1), "x y");
  EXPECT_EQ(p.at(0, 2).words[0].text, "c:\\a");
}

TEST(Dockerfile, ByteOrderMarkAndCarriageReturns) {
  const Parsed p(
      "\xEF\xBB\xBF"
      "FROM a\r\nRUN x \\\r\n  y\r\nENV A=b\r\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_EQ(p.at(0, 0).keyword_span.begin, 3U);
  EXPECT_EQ(p.commands(0, 1), "x y");
  EXPECT_EQ(p.at(0, 2).pairs.at(0).value->text, "b");
}

TEST(Dockerfile, CommentsAndEmptyLinesInsideContinuations) {
  const Parsed p(
      "FROM a\nRUN apt-get update && \\\n    # it's a comment\n\n    apt-get install -y b\n"
      "RUN x # all of \\\n  this && is comment\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_EQ(p.commands(0, 1), "apt-get update|apt-get install -y b");
  EXPECT_EQ(p.commands(0, 2), "x");
}

TEST(Dockerfile, HereDocumentIsAScript) {
  const Parsed p("FROM a\nRUN <<EOF\napt-get update\npip install b\nEOF\nUSER x\n");
  ASSERT_EQ(p.problems(), "");
  const Instruction& run = p.at(0, 1);
  ASSERT_EQ(run.heredocs.size(), 1U);
  EXPECT_EQ(p.slice(run.heredocs[0].body), "apt-get update\npip install b\n");
  EXPECT_EQ(p.commands(0, 1), "apt-get update|pip install b");
  EXPECT_EQ(run.interpreter, "/bin/sh");
  EXPECT_EQ(p.source.position(run.span.end).line, 5U);
  EXPECT_EQ(p.at(0, 2).keyword, Keyword::kUser);
}

TEST(Dockerfile, HereDocumentWithTabsAndQuotes) {
  const Parsed p("FROM a\nRUN <<-'E F'\n\tx\n\tE F\nRUN <<\"E\"\ny\nE\nRUN <<E\nz\nE\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_TRUE(p.at(0, 1).heredocs[0].strip_tabs);
  EXPECT_FALSE(p.at(0, 1).heredocs[0].expand);
  EXPECT_EQ(p.at(0, 1).heredocs[0].name, "E F");
  EXPECT_FALSE(p.at(0, 2).heredocs[0].expand);
  EXPECT_TRUE(p.at(0, 3).heredocs[0].expand);
  EXPECT_EQ(p.commands(0, 3), "z");
}

// hadolint#806: a shebang names the interpreter of the script.
TEST(Dockerfile, HereDocumentWithShebang) {
  const Parsed p("FROM a\nRUN <<EOF\n#!/usr/bin/env python3\nimport torch | os\nEOF\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_EQ(p.at(0, 1).interpreter, "python3");
  EXPECT_EQ(p.at(0, 1).heredocs[0].shebang, "/usr/bin/env python3");
  EXPECT_TRUE(p.at(0, 1).commands.empty());
  EXPECT_EQ(Parsed("FROM a\nRUN <<EOF\n#!/bin/bash -e\nx\nEOF\n").commands(0, 1), "x");
}

// hadolint#1137: the shell that reads the here-document is named after it.
TEST(Dockerfile, HereDocumentIntoAShell) {
  const Parsed p(
      "FROM a\nRUN <<EOF bash\nset -o pipefail\na | b\nEOF\nRUN python3 <<EOF\nimport x\nEOF\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_EQ(p.commands(0, 1), "bash|set -o pipefail|a|b");
  EXPECT_EQ(p.commands(0, 2), "python3");
}

// hadolint#1019, #923: a here-document after a continuation.
TEST(Dockerfile, HereDocumentBehindAContinuation) {
  const Parsed p(
      "FROM a\nRUN --mount=type=cache,target=/c \\\n  set -e && \\\n  cat <<EOF > /x && \\\n  "
      "chmod a /x\n"
      "pip install nothing\nEOF\nRUN \\\n  <<EOF\nb\nEOF\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_EQ(p.commands(0, 1), "set -e|cat|chmod a /x");
  EXPECT_EQ(p.slice(p.at(0, 1).heredocs.at(0).body), "pip install nothing\n");
  EXPECT_EQ(p.commands(0, 2), "b");
}

// hadolint#1051.
TEST(Dockerfile, HereDocumentWithEscapedName) {
  const Parsed p("FROM a\nRUN <<\\EOF\nx $Y\nEOF\nUSER b\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_EQ(p.at(0, 1).heredocs[0].name, "EOF");
  EXPECT_EQ(p.commands(0, 1), "x $Y");
  EXPECT_EQ(p.at(0, 2).keyword, Keyword::kUser);
}

TEST(Dockerfile, SeveralHereDocuments) {
  const Parsed p(
      "FROM a\nCOPY <<A <<-B /x/\none\nA\n\ttwo\n\tB\nRUN cat <<A && cat <<B\n1\nA\n2\nB\n");
  ASSERT_EQ(p.problems(), "");
  ASSERT_EQ(p.at(0, 1).heredocs.size(), 2U);
  EXPECT_EQ(p.slice(p.at(0, 1).heredocs[1].body), "\ttwo\n");
  EXPECT_EQ(p.commands(0, 2), "cat|cat");
}

TEST(Dockerfile, WhatLooksLikeAHereDocument) {
  const Parsed p(
      "FROM a\nRUN cat<<EOF\nRUN echo $((1<<2)) <<<x\nRUN [\"cat\", \"<<EOF\"]\nCMD x <<EOF\n");
  EXPECT_EQ(p.problems(), "");
  EXPECT_EQ(p.file.stages[0].instructions.size(), 5U);
  EXPECT_EQ(Parsed("FROM a\nRUN <<EOF\nx\n").problems(),
            "2: the here-document has no line EOF that ends it\n");
  EXPECT_EQ(Parsed("FROM a\nCOPY a <<EOF\nx\nEOF\n").file.problems.size(), 1U);
}

TEST(Dockerfile, MountsOfBuildahHaveFieldsOfTheirOwn) {
  EXPECT_EQ(
      Parsed("FROM a\nRUN --mount=type=bind,target=/t,relabel=shared,bind-propagation=rshared x\n")
          .problems(),
      "");
  EXPECT_NE(Parsed("FROM a\nRUN --mount=type=bind,target=/t,relable=shared x\n").problems(), "");
}

TEST(Dockerfile, Flags) {
  const Parsed p(
      "FROM --platform=$BUILDPLATFORM a AS b\n"
      "RUN --mount=type=cache,\"target=/a b\",ro --network=none --security=insecure -- x --y\n"
      "COPY --link --chown=1:2 --chmod=755 --parents --exclude=*.md --exclude=*.txt --from=c /a "
      "/b\n"
      "ADD --checksum=sha256:0000000000000000000000000000000000000000000000000000000000000000 "
      "--keep-git-dir=false https://e.org/a /b\n"
      "HEALTHCHECK --interval=30s --start-period=1m30s --retries=3 CMD x\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_EQ(p.file.stages[0].platform, "$BUILDPLATFORM");
  EXPECT_EQ(p.commands(0, 1), "x --y");
  const auto pairs = p.at(0, 1).flags[0].pairs();
  ASSERT_EQ(pairs.size(), 3U);
  EXPECT_EQ(pairs[1].second, "/a b");
  EXPECT_EQ(p.at(0, 2).flags_of("exclude").size(), 2U);
  EXPECT_FALSE(p.at(0, 2).flag("link")->has_value);
  EXPECT_EQ(p.commands(0, 4), "x");
}

TEST(Dockerfile, MountFieldsAreCsv) {
  const Parsed p("FROM a\nRUN --mount='type=cache,\"target=/a,b\",ro' x\n");
  ASSERT_EQ(p.problems(), "");
  const auto pairs = p.at(0, 1).flags[0].pairs();
  ASSERT_EQ(pairs.size(), 3U);
  EXPECT_EQ(pairs[1].second, "/a,b");
  EXPECT_EQ(pairs[2].first, "ro");
}

struct Refused {
  const char* line;
  const char* why;
};

TEST(Dockerfile, ProblemsSayWhatIsWrong) {
  const Refused cases[] = {
      {"RNU x", "RNU is not an instruction; RUN is"},
      {"RUN --mont=x y", "RUN has no flag --mont; it has --device, --mount, --network, --security"},
      {"CMD --x y", "CMD takes no flags; --x is one"},
      {"RUN --network=foo x", "--network=foo is none of default, none and host"},
      {"RUN --mount=type=cahce,target=/x y",
       "mounts of type cahce do not exist: bind, cache, tmpfs, secret and ssh do"},
      {"COPY --link=maybe a b", "--link is true or false, not maybe"},
      {"COPY a", "COPY needs at least one source and a destination"},
      {"COPY https://e.org/a /b", "COPY takes no remote source; ADD https://e.org/a does"},
      {"RUN [\"a\", 1]", "the array may hold strings only"},
      {"SHELL bash -c", "SHELL needs a JSON array: SHELL [\"/bin/bash\", \"-c\"]"},
      {"ENV A", "ENV needs a name and a value: A=value"},
      {"ENV A=b C",
       "C has no '='; here everything is name=value, and blanks in a value need quotes"},
      {"ENV A=\"b", "a double quote is not closed"},
      {"EXPOSE 80/http", "80/http: the protocol is tcp, udp or sctp"},
      {"EXPOSE 80 # the web", "a comment has a line of its own; # is not a port"},
      {"HEALTHCHECK --interval=10 CMD x", "--interval=10 is not a duration such as 30s or 1m30s"},
      {"STOPSIGNAL SIGFOO", "SIGFOO is not a signal"},
      {"ONBUILD FROM x", "FROM cannot be an ONBUILD trigger"},
      {"FROM UPPER", "UPPER is not an image: names are lower case"},
      {"FROM a AS 1b", "1b cannot name a stage: a letter, then letters, digits, '-', '_', '.'"},
      {"COPY --from=$X a b", "--from takes no variable: name a stage with FROM … AS and use that"},
  };
  for (const Refused& refused : cases)
    EXPECT_EQ(Parsed(fmt::format("FROM scratch\n{}\n", refused.line)).problems(),
              fmt::format("2: {}\n", refused.why))
        << refused.line;
}

TEST(Dockerfile, WholeFileProblems) {
  EXPECT_EQ(Parsed("").problems(), "1: the file holds no instruction\n");
  EXPECT_EQ(Parsed("ARG A\n").problems(), "1: the file has no FROM\n");
  EXPECT_EQ(Parsed("ENV A=b\nFROM a\n").problems(), "1: ENV stands before the first FROM\n");
  EXPECT_EQ(Parsed("FROM a\nCOPY --from=0 a b\n").problems(), "2: COPY takes from its own stage\n");
  EXPECT_EQ(Parsed("FROM a AS x\nCOPY --from=y a b\nFROM b AS y\n").problems(),
            "2: stage y comes later in the file; it must come first\n");
}

TEST(Dockerfile, ExecForm) {
  const Parsed p(
      "FROM a\nCMD [\"python\", \"-m\", \"a b\"]\nENTRYPOINT [\"bash\", \"-c\", \"x && y\"]\nCMD "
      "[python, x]\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_TRUE(p.at(0, 1).exec_form);
  EXPECT_EQ(p.commands(0, 1), "python -m a b");
  EXPECT_EQ(p.slice(p.at(0, 1).words[2].span), "\"a b\"");
  EXPECT_EQ(p.commands(0, 2), "bash -c x && y|x|y");
  EXPECT_FALSE(p.at(0, 3).exec_form);
}

TEST(Dockerfile, EnvOfBothForms) {
  const Parsed p(
      "FROM a\nENV A b  c\nENV B='x y' C=\"p\\\"q\" D=e\\ f\nLABEL a=b \"c d\"=e\nUSER $A\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_EQ(p.at(0, 1).pairs[0].value->text, "b  c");
  EXPECT_EQ(p.at(0, 2).pairs[0].value->text, "x y");
  EXPECT_EQ(p.slice(p.at(0, 2).pairs[0].value->span), "'x y'");
  EXPECT_EQ(p.at(0, 2).pairs[1].value->text, "p\"q");
  EXPECT_EQ(p.at(0, 2).pairs[2].value->text, "e f");
  EXPECT_EQ(p.at(0, 3).pairs[1].key.text, "c d");
  EXPECT_EQ(p.value(0, 4, "A"), "b  c");
}

// hadolint#339: the default of an ARG is the base.
TEST(Dockerfile, ArgInFrom) {
  const Parsed p(
      "ARG TAG=12.8.1-devel\nARG IMAGE=nvidia/cuda:${TAG}\nFROM ${IMAGE}-ubuntu24.04\nRUN echo "
      "$TAG\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_EQ(p.file.stages[0].base_resolved, "nvidia/cuda:12.8.1-devel-ubuntu24.04");
  EXPECT_EQ(p.file.stages[0].image->tag, "12.8.1-devel-ubuntu24.04");
  EXPECT_EQ(p.file.globals.size(), 2U);
  // It is not known inside the stage.
  EXPECT_EQ(p.value(0, 1, "TAG"), "absent");
}

TEST(Dockerfile, ArgWithoutDefaultIsUnknown) {
  const Parsed p(
      "ARG TAG\nFROM nvidia/cuda:${TAG}\nFROM nvidia/cuda:${TAG:-12.8.1-base-ubuntu24.04}\n");
  EXPECT_EQ(p.problems(), "");
  EXPECT_EQ(p.file.stages[0].base_resolved, "");
  EXPECT_FALSE(p.file.stages[0].image);
  EXPECT_EQ(p.file.stages[1].base_resolved, "");
  EXPECT_EQ(Parsed("FROM $NOTHING\n").problems(),
            "1: $NOTHING has no value here: a base is missing\n");
  EXPECT_EQ(Parsed("FROM ${NOTHING:-a}\n").file.stages[0].base_resolved, "a");
}

TEST(Dockerfile, ArgsOfStages) {
  const Parsed p(
      "ARG A=1\nARG B=2\nFROM a AS x\nARG A\nARG B=3 C=$A\nARG TARGETARCH D\nENV C=env\nRUN y\n"
      "FROM x\nRUN z\nFROM b\nRUN z\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_EQ(p.value(0, 5, "A"), "1");
  EXPECT_EQ(p.value(0, 5, "B"), "3");
  EXPECT_EQ(p.value(0, 4, "C"), "1");
  EXPECT_EQ(p.value(0, 5, "C"), "env");
  EXPECT_EQ(p.value(0, 5, "TARGETARCH"), std::nullopt);
  EXPECT_EQ(p.value(0, 5, "D"), std::nullopt);
  EXPECT_EQ(p.value(1, 1, "C"), "env");
  EXPECT_EQ(p.value(2, 1, "C"), "absent");
  EXPECT_EQ(p.file.stages[1].environment.size(), 1U);
}

TEST(Dockerfile, VariableForms) {
  const Parsed p(
      "FROM scratch\nENV V=foo-1.2.tar.gz E=\n"
      "ENV A=${V#*-} B=${V%.*} C=${V##*.} D=${V%%.*} F=${V/foo/bar} G=${V//./_}\n"
      "ENV H=${E:-x} I=${E-x} J=${N:-y} K=${V:+z} L=${E:+z} M='$V' O=\\$V P=\"${V}x\"\nRUN x\n");
  ASSERT_EQ(p.problems(), "");
  const auto value = [&](std::string_view name) { return p.value(0, 4, name).value_or("unknown"); };
  EXPECT_EQ(value("A"), "1.2.tar.gz");
  EXPECT_EQ(value("B"), "foo-1.2.tar");
  EXPECT_EQ(value("C"), "gz");
  EXPECT_EQ(value("D"), "foo-1");
  EXPECT_EQ(value("F"), "bar-1.2.tar.gz");
  EXPECT_EQ(value("G"), "foo-1_2_tar_gz");
  EXPECT_EQ(value("H"), "x");
  EXPECT_EQ(value("I"), "");
  EXPECT_EQ(value("J"), "y");
  EXPECT_EQ(value("K"), "z");
  EXPECT_EQ(value("L"), "");
  EXPECT_EQ(value("M"), "$V");
  EXPECT_EQ(value("O"), "$V");
  EXPECT_EQ(value("P"), "foo-1.2.tar.gzx");
}

TEST(Dockerfile, ValuesOfTheBaseAreUnknown) {
  const Parsed p(
      "FROM a\nENV PATH=/x:$PATH A=$PATH\nRUN y\nFROM scratch\nENV B=x$NOTHING\nRUN y\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_EQ(p.value(0, 2, "PATH"), std::nullopt);
  EXPECT_EQ(p.value(1, 2, "B"), "x");
}

TEST(Dockerfile, StageGraph) {
  const Parsed p(
      "FROM a AS Base\nFROM base AS build\nFROM c AS unused\nFROM d AS tools\nFROM e\n"
      "COPY --from=BUILD /a /b\nRUN --mount=type=bind,from=tools,target=/t x\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_EQ(p.file.stages[1].parent, 0U);
  EXPECT_EQ(p.file.find_stage("BASE"), 0U);
  EXPECT_EQ(p.file.find_stage("3"), 3U);
  EXPECT_FALSE(p.file.find_stage("9"));
  EXPECT_EQ(p.file.lineage(1), (std::vector<std::size_t>{1, 0}));
  EXPECT_EQ(p.file.reachable(), (std::vector<bool>{true, true, false, true, true}));
  EXPECT_EQ(p.file.final_stage()->image->repository, "library/e");
}

TEST(Dockerfile, AStageFurtherDownIsAnImage) {
  const Parsed p("FROM b\nFROM a AS b\nFROM b\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_FALSE(p.file.stages[0].parent);
  EXPECT_EQ(p.file.stages[0].image->repository, "library/b");
  EXPECT_EQ(p.file.stages[2].parent, 1U);
}

TEST(Dockerfile, ShellAndTriggers) {
  const Parsed p(
      "FROM a AS x\nSHELL [\"/bin/bash\", \"-o\", \"pipefail\", \"-c\"]\nRUN a | b\n"
      "ONBUILD RUN pip install x\nSHELL [\"conda\", \"run\", \"-n\", \"e\", \"bash\", \"-c\"]\nRUN "
      "c\n"
      "SHELL [\"powershell\"]\nRUN Get-Item | x\nFROM x\nRUN d\n");
  ASSERT_EQ(p.problems(), "");
  EXPECT_EQ(p.at(0, 2).interpreter, "/bin/bash");
  ASSERT_NE(p.at(0, 3).trigger, nullptr);
  EXPECT_EQ(p.at(0, 3).trigger->keyword, Keyword::kRun);
  EXPECT_EQ(p.at(0, 3).trigger->commands.size(), 1U);
  EXPECT_EQ(p.at(0, 5).interpreter, "bash");
  EXPECT_TRUE(p.at(0, 7).commands.empty());
  EXPECT_EQ(p.at(1, 1).interpreter, "powershell");
}

TEST(Dockerfile, ATriggerIsRefusedWhereItRuns) {
  EXPECT_EQ(Parsed("FROM a AS x\nONBUILD FOO\n").problems(), "");
  EXPECT_EQ(Parsed("FROM a AS x\nONBUILD FOO\nFROM x\n").problems(),
            "2: FOO is not an instruction\n");
}

TEST(Dockerfile, ATemplateIsOneProblem) {
  std::string text = "FROM {{ base }}\n{% for x in y %}\nRUN a\n";
  for (int at = 0; at < 100; ++at) text += "{% if z %}\nRUN b\n{% endif %}\n";
  const Parsed p(text);
  EXPECT_EQ(p.file.problems.size(), 1U);
  EXPECT_EQ(Parsed("FROM a\nRUN docker inspect --format '{{.Id}}' x\n").problems(), "");
}

TEST(Dockerfile, HostileInput) {
  EXPECT_EQ(Parsed("FROM a\nENV A=" + std::string(70'000, 'x') + "\n").file.problems.size(), 1U);
  std::string text = "FROM scratch\nENV A=xxxxxxxxxxxxxxxx\n";
  for (int at = 0; at < 60; ++at) text += "ENV A=$A$A$A$A\n";
  EXPECT_EQ(Parsed(text + "RUN x\n").value(0, 62, "A"), std::nullopt);
  EXPECT_FALSE(Parsed("FROM a\nENV A=" + std::string(5001, '$') + "{" + "\n").problems().empty());
  std::string nested = "FROM a\nENV A=";
  for (int at = 0; at < 300; ++at) nested += "${A:-";
  EXPECT_EQ(Parsed(nested + "\n").file.problems.size(), 1U);
  EXPECT_EQ(Parsed(std::string("FROM a\nRUN \0x\n", 15)).file.stages.size(), 1U);
}

}  // namespace
}  // namespace flense::lint
