#include "base/screen.h"

#include <gtest/gtest.h>

namespace flense {
namespace {

TEST(Screen, ShowsControlsInText) {
  StringSink to;
  Screen screen(to);
  ASSERT_TRUE(screen.text("a\x1b[2J\n\tb\u202e\x9b\n"));
  EXPECT_EQ(to.take(), "a\\x1b[2J\n\tb\\u202e\\x9b\n");
}

TEST(Screen, ALineIsOneLine) {
  StringSink to;
  Screen screen(to);
  ASSERT_TRUE(screen.line("notice: a\nerror: b"));
  EXPECT_EQ(to.text(), "notice: a\\x0aerror: b\n");
}

TEST(Screen, WhatAProgramTakesIsExactUnlessATerminalReads) {
  const std::string_view diff = "-a\r\x1b[2J\n";
  StringSink pipe, terminal;
  ASSERT_TRUE(Screen(pipe).exact(diff));
  EXPECT_EQ(pipe.text(), diff);
  ASSERT_TRUE(Screen(terminal, true).exact(diff));
  EXPECT_EQ(terminal.text(), "-a\\x0d\\x1b[2J\n");
}

TEST(Screen, ColoursComeByTheMarkAlone) {
  StringSink to;
  Screen screen(to, true);
  ASSERT_EQ(screen.mark().size(), 33U);
  ASSERT_TRUE(screen.text(screen.mark() + "31mred\x1b[0m" + screen.mark() + "0m\n"));
  EXPECT_EQ(to.take(), "\x1b[31mred\\x1b[0m\x1b[0m\n");
  // Part of the mark is plain text, and so is another screen's mark.
  ASSERT_TRUE(screen.text(screen.mark().substr(0, 32) + Screen(to, true).mark()));
  EXPECT_EQ(to.text().find('\x1b'), std::string::npos);
  EXPECT_TRUE(Screen(to).mark().empty());
}

}  // namespace
}  // namespace flense
