#include "closure/shell_words.h"

#include <gmock/gmock.h>

#include <string>
#include <vector>

#include "base/format.h"

namespace flense::closure {
namespace {

using ::testing::AllOf;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::Not;

struct Scanned {
  std::vector<std::string> words;
  std::string unclear;
};

Scanned shell(std::string_view text, const std::set<std::string, std::less<>>& known = {}) {
  Scanned out;
  const ShellUnclear unclear =
      scan_shell(text, known, [&](std::string_view word, std::uint32_t line) {
        out.words.push_back(fmt::format("{} {}", line, word));
      });
  if (!unclear.what.empty()) out.unclear = fmt::format("{} {}", unclear.line, unclear.what);
  return out;
}

TEST(ShellWords, CommandsArgumentsAndQuotes) {
  const Scanned seen = shell(
      "#!/bin/sh\nset -e # why\n/usr/sbin/nginx -c '/etc/my conf'\n"
      "cat \"a\"'b'c|sort>out\nexec \"$@\"\n");
  EXPECT_THAT(seen.words, ElementsAre("2 set", "2 -e", "3 /usr/sbin/nginx", "3 -c",
                                      "3 /etc/my conf", "3 /etc/my", "3 conf", "4 cat", "4 abc",
                                      "4 sort", "4 out", "5 exec", "5 $@", "5 @"));
  EXPECT_EQ(seen.unclear, "");
}

TEST(ShellWords, PiecesOfExpansionsAndSubstitutions) {
  const Scanned seen = shell(
      "PYTHON=${PYTHON:-/usr/bin/python3}\n\"$PYTHON\" -m app\n"
      "x=$(readlink -f /opt/app)\ny=`dirname /a/b`\n");
  EXPECT_THAT(seen.words,
              AllOf(Contains("1 /usr/bin/python3"), Contains("2 app"), Contains("3 readlink"),
                    Contains("3 /opt/app"), Contains("4 dirname")));
  EXPECT_EQ(seen.unclear, "");
}

TEST(ShellWords, PathsBelowAVariable) {
  EXPECT_THAT(shell("here=/x\n. \"$here/start.d/env.sh\"\nrun ${here}/bin/*.sh\n").words,
              AllOf(Contains("2 ./start.d/env.sh"), Contains("3 ./bin/*.sh")));
}

TEST(ShellWords, WhatTheTextDoesNotSay) {
  EXPECT_EQ(shell("eval \"$X\"\n").unclear, "1 eval");
  EXPECT_EQ(shell("true\nif x; then $TOOL run; fi\n").unclear, "2 $TOOL");
  EXPECT_EQ(shell("$TOOL run\n", {"TOOL"}).unclear, "");
  EXPECT_EQ(shell("TOOL=/bin/a\n${TOOL} run\n").unclear, "");
  EXPECT_EQ(shell(". $CONFIG\n").unclear, "1 $CONFIG");
  EXPECT_EQ(shell("for f in /etc/start.d/*.sh; do . \"$f\"; done\n").unclear, "");
  EXPECT_EQ(shell("echo $TOOL; a=$TOOL; X=1 \"$1\" >&2 $OUT\n").unclear, "");
  EXPECT_EQ(shell("case $1 in\n  run) exec app ;;\nesac\n").unclear, "");
}

TEST(ShellWords, HereDocumentsAreText) {
  const Scanned seen =
      shell("cat <<-'EOF' > /etc/x\n\t$UNKNOWN eval\n\tpath /srv/data\n\tEOF\nnext\n");
  EXPECT_THAT(seen.words,
              AllOf(Contains("3 /srv/data"), Contains("5 next"), Not(Contains("2 cat"))));
  EXPECT_EQ(seen.unclear, "");
}

TEST(ShellWords, DamagedTextEnds) {
  for (const char* text :
       {"'never", "\"never", "${never", "$(", "<<", "<<X", "\\", "a\\\n", "`", "}"})
    static_cast<void>(shell(text));
  EXPECT_THAT(shell("f() { tool; }\n").words, Contains("1 tool"));
}

}  // namespace
}  // namespace flense::closure
