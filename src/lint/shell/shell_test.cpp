#include "lint/shell/shell.h"

#include <gtest/gtest.h>

#include "base/format.h"
#include "lint/source/image_name.h"

namespace flense::lint {
namespace {

/// "0 A=b pip install x >f &&" a line for each command.
std::string split(std::string_view text, const ShellDialect& dialect = {}) {
  const ShellText read = split_shell(text, {0, text.size()}, dialect);
  std::string out;
  for (const ShellCommand& command : read.commands) {
    out += fmt::format("{}", command.depth);
    for (const ShellAssignment& one : command.assignments)
      out += fmt::format(" {}={}", one.name, one.value.text);
    for (const ShellWord& word : command.words) out += fmt::format(" [{}]", word.text);
    for (const ShellRedirection& one : command.redirections)
      out += fmt::format(" {}{}", one.op, one.target.text);
    if (!command.joined_by.empty())
      out += command.joined_by == "\n" ? std::string(" nl") : " " + command.joined_by;
    out += '\n';
  }
  return out + (read.truncated ? "truncated" : "");
}

TEST(Shell, WordsAndWhatJoinsThem) {
  EXPECT_EQ(split("a b&&c || d;e | f & g\nh"),
            "0 [a] [b] &&\n0 [c] ||\n0 [d] ;\n0 [e] |\n0 [f] &\n0 [g] nl\n0 [h]\n");
  EXPECT_EQ(split("a 'b c' \"d \\\"e\\n\" f\\ g h'i'\"j\""),
            "0 [a] [b c] [d \"e\\n] [f g] [hij]\n");
  EXPECT_EQ(split("a \\\n  b # c && d\ne#f"), "0 [a] [b] nl\n0 [e#f]\n");
}

TEST(Shell, AssignmentsAndRedirections) {
  EXPECT_EQ(split("A=1 B='x y' cmd C=2 >out 2>>err <in &>all"),
            "0 A=1 B=x y [cmd] [C=2] >out 2>>err <in &>all\n");
  EXPECT_EQ(split("A=1; export B=2; C=(x y) D+=z"), "0 A=1 ;\n0 [export] [B=2] ;\n0 C=(x y) D=z\n");
  EXPECT_EQ(split("a 2>&1 | b >& f"), "0 [a] 2>&1 |\n0 [b] >&f\n");
}

TEST(Shell, SpansHoldTheQuotes) {
  const std::string_view text = "pip install \"torch==2.6\" 'x'";
  const ShellText read = split_shell(text, {0, text.size()});
  const ShellCommand& command = read.commands.at(0);
  EXPECT_EQ(text.substr(command.words[2].span.begin,
                        command.words[2].span.end - command.words[2].span.begin),
            "\"torch==2.6\"");
  EXPECT_TRUE(command.words[2].quoted);
  EXPECT_EQ(command.span, (Span{0, text.size()}));
}

TEST(Shell, ExpansionsStayAndAreMarked) {
  const std::string_view text = "a $B '${C}' \"${D:-x y}\" $(e f) `g`";
  const ShellText read = split_shell(text, {0, text.size()});
  const auto& words = read.commands.at(0).words;
  ASSERT_EQ(words.size(), 6U);
  EXPECT_TRUE(words[1].dynamic);
  EXPECT_FALSE(words[2].dynamic);
  EXPECT_EQ(words[3].text, "${D:-x y}");
  EXPECT_EQ(words[4].text, "$(e f)");
  ASSERT_EQ(read.commands.size(), 3U);
  EXPECT_EQ(read.commands[1].words[0].text, "e");
  EXPECT_EQ(read.commands[1].depth, 1U);
  EXPECT_EQ(read.commands[2].words[0].text, "g");
}

TEST(Shell, ControlWords) {
  EXPECT_EQ(split("if a; then b; elif c; then d; else e; fi && f"),
            "1 [a] ;\n1 [b] ;\n1 [c] ;\n1 [d] ;\n1 [e] &&\n0 [f]\n");
  EXPECT_EQ(split("while a; do b; done < f\nc"), "1 [a] ;\n1 [b] ;\n0 <f nl\n0 [c]\n");
  EXPECT_EQ(split("for i in a b; do c $i; done; d"),
            "0 [for] [i] [in] [a] [b] ;\n1 [c] [$i] ;\n0 [d]\n");
  EXPECT_EQ(split("case $x in a|b) c;; (d) e; f ;; *) g ;; esac\nh"),
            "0 [case] [$x] [in]\n1 [c] ;;\n1 [e] ;\n1 [f] ;;\n1 [g] ;;\n0 [h]\n");
  EXPECT_EQ(split("(a; b) | { c; }; ! d"), "1 [a] ;\n1 [b] |\n1 [c] ;\n0 [d]\n");
  EXPECT_EQ(split("f() { a; }; function g { b; }; f x"), "1 [a] ;\n1 [b] ;\n0 [f] [x]\n");
  EXPECT_EQ(split("[[ a && b < c ]] && d"), "0 [[[] [a] [&&] [b] [<] [c] []]] &&\n0 [d]\n");
  EXPECT_EQ(split("((i++)); a"), "0 [((i++))] ;\n0 [a]\n");
  EXPECT_EQ(split("echo if then"), "0 [echo] [if] [then]\n");
}

TEST(Shell, HereDocuments) {
  EXPECT_EQ(split("cat <<EOF > x && a\nb c\nEOF\nd"), "0 [cat] <<EOF >x &&\n0 [a] nl\n0 [d]\n");
  EXPECT_EQ(split("bash -e <<-'E'\n\ta | b\n\tE\nc"),
            "0 [bash] [-e] <<-E nl\n1 [a] |\n1 [b] nl\n0 [c]\n");
  EXPECT_EQ(split("a <<<x\nb"), "0 [a] <<<x nl\n0 [b]\n");
  EXPECT_EQ(split("a <<X\nb"), "0 [a] <<X nl\ntruncated");
}

TEST(Shell, TextsInsideTexts) {
  EXPECT_EQ(split("bash -lc 'a && b' x"), "0 [bash] [-lc] [a && b] [x]\n1 [a] &&\n1 [b]\n");
  EXPECT_EQ(split("sudo sh -ec \"a; b\""), "0 [sudo] [sh] [-ec] [a; b]\n1 [a] ;\n1 [b]\n");
  EXPECT_EQ(split("bash x.sh -c 'a'"), "0 [bash] [x.sh] [-c] [a]\n");
  EXPECT_EQ(split("diff <(a b) >(c)"), "0 [diff] [<(a b)] [>(c)]\n1 [a] [b]\n1 [c]\n");
}

TEST(Shell, LinesOfADockerfile) {
  const ShellDialect dialect{'\\', true};
  EXPECT_EQ(split("a && \\\n # it's\n\n b", dialect), "0 [a] &&\n0 [b]\n");
  EXPECT_EQ(split("a 'b \\\n c'", dialect), "0 [a] [b  c]\n");
  EXPECT_EQ(split("a `\n b", ShellDialect{'`', true}), "0 [a] [b]\n");
  EXPECT_EQ(split("a \\", dialect), "0 [a]\n");
}

TEST(Shell, WhatCannotBeRead) {
  EXPECT_EQ(split("a; b 'c"), "0 [a] ;\n0 [b]\ntruncated");
  EXPECT_EQ(split("a $(b"), "0 [a]\ntruncated");
  EXPECT_EQ(split("\"${a"), "truncated");
  EXPECT_EQ(split("a ) b ; } fi done"), "0 [a]\n0 [b] ;\n");
  const std::string deep = std::string(10'000, '(') + "a";
  EXPECT_TRUE(split_shell(deep, {0, deep.size()}).truncated);
  std::string nested;
  for (int at = 0; at < 5000; ++at) nested += "$(";
  EXPECT_TRUE(split_shell(nested, {0, nested.size()}).truncated);
}

TEST(Shell, Programs) {
  const auto program = [](std::string_view text) {
    const ShellText read = split_shell(text, {0, text.size()});
    const Program found = program_of(read.commands.at(0));
    return fmt::format("{} {}", found.name, found.first);
  };
  EXPECT_EQ(program("/usr/bin/pip install x"), "pip 0");
  EXPECT_EQ(program("sudo -E -u me apt-get update"), "apt-get 4");
  EXPECT_EQ(program("env -u A B=c nice -n 5 python x"), "python 7");
  EXPECT_EQ(program("exec python x"), "python 1");
  EXPECT_EQ(program("command -v nvcc"), "command 0");
  EXPECT_EQ(program("time -p make"), "make 2");
  EXPECT_EQ(program("env"), "env 0");
  EXPECT_TRUE(is_shell("/bin/bash"));
  EXPECT_FALSE(is_shell("bashful"));
}

TEST(Shell, Expand) {
  const Environment values{{"A", "x"}, {"E", ""}, {"U", std::nullopt}};
  const auto of = [&](std::string_view text) { return expand(text, values).value_or("unknown"); };
  EXPECT_EQ(of("a$A-${A}b"), "ax-xb");
  EXPECT_EQ(of("${N:-d}${E:-e}${E-f}${A:+g}${N:+h}${E+i}"), "degi");
  EXPECT_EQ(of("${N:-${A}y}"), "xy");
  EXPECT_EQ(of("100$"), "100$");
  EXPECT_EQ(of("$U"), "unknown");
  EXPECT_EQ(of("$N"), "unknown");
  EXPECT_EQ(of("$(date)"), "unknown");
  EXPECT_EQ(of("${A#x}"), "unknown");
  EXPECT_EQ(of("${A"), "unknown");
}

TEST(ImageName, Parts) {
  const auto of = [](std::string_view text) {
    const auto name = parse_image_name(text);
    return name ? fmt::format("{} {} {} {}", name->registry, name->repository, name->tag,
                              name->digest.substr(0, 9))
                : std::string("none");
  };
  const std::string digest = "@sha256:" + std::string(64, 'a');
  EXPECT_EQ(of("ubuntu"), "docker.io library/ubuntu  ");
  EXPECT_EQ(of("nvidia/cuda:12.8.1-base-ubuntu24.04"),
            "docker.io nvidia/cuda 12.8.1-base-ubuntu24.04 ");
  EXPECT_EQ(of("nvcr.io/nvidia/pytorch:25.01-py3" + digest),
            "nvcr.io nvidia/pytorch 25.01-py3 sha256:aa");
  EXPECT_EQ(of("localhost/a"), "localhost a  ");
  EXPECT_EQ(of("localhost:5000/a/b"), "localhost:5000 a/b  ");
  EXPECT_EQ(of("docker.io/ubuntu"), "docker.io library/ubuntu  ");
  EXPECT_EQ(of("a__b.c-d--e/f"), "docker.io a__b.c-d--e/f  ");
  for (const std::string bad : {"", "scratch", "A", "a/", "/a", "a:", "a:b:c", "a@b", "-a", "a//b",
                                "a..b", "a b", "a_", "http://a/b"})
    EXPECT_EQ(of(bad), "none") << bad;
  EXPECT_EQ(parse_image_name("docker.io/library/ubuntu")->familiar(), "ubuntu");
  EXPECT_EQ(parse_image_name("docker.io/nvidia/cuda")->familiar(), "nvidia/cuda");
  EXPECT_EQ(parse_image_name("nvcr.io/a/b")->familiar(), "nvcr.io/a/b");
}

}  // namespace
}  // namespace flense::lint
