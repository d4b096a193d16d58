#include "scaffold/render.h"

#include <gtest/gtest.h>

namespace flense::scaffold {
namespace {

std::string rendered(std::string_view text, const Marks& marks) {
  const Result<std::string> out = render(text, marks, "test");
  return out ? *out : "error: " + out.error().message;
}

TEST(RenderTest, ValuesGoWhereTheirMarksStand) {
  EXPECT_EQ(rendered("a @@x@@ b @@y@@@@x@@\n", {{"x", "1"}, {"y", ""}}), "a 1 b 1\n");
  EXPECT_EQ(rendered("@@x@@", {{"x", "two\nlines"}}), "two\nlines");
}

TEST(RenderTest, ValuesAreNotSearchedAgain) {
  EXPECT_EQ(rendered("@@x@@\n", {{"x", "@@y@@"}, {"y", "no"}}), "@@y@@\n");
  EXPECT_EQ(rendered("@@x@@\n", {{"x", "@@if y@@\n@@end@@"}}), "@@if y@@\n@@end@@\n");
}

TEST(RenderTest, OtherLanguagesKeepTheirMarks) {
  constexpr std::string_view kText =
      "${{ matrix.host }} {{ .Values.x }} ${VAR:-1} <<EOF [[ -f x ]] %d @x@ a@b.c @\n";
  EXPECT_EQ(rendered(kText, {}), kText);
}

TEST(RenderTest, LinesOfAConditionStayOrGo) {
  constexpr std::string_view kText = "1\n@@if x@@\n2 @@x@@\n@@end@@\n3\n";
  EXPECT_EQ(rendered(kText, {{"x", "yes"}}), "1\n2 yes\n3\n");
  EXPECT_EQ(rendered(kText, {{"x", ""}}), "1\n3\n");
  EXPECT_EQ(rendered(kText, {}), "1\n3\n");
}

TEST(RenderTest, WhatIsWrongInATemplateIsTold) {
  for (const std::string_view text : {"@@unknown@@\n", "a @@x\n", "@@end@@\n", "@@if x@@\n",
                                      "@@if x@@\n@@if x@@\n@@end@@\n@@end@@\n"}) {
    const Result<std::string> out = render(text, {{"x", "1"}}, "file.txt");
    ASSERT_FALSE(out) << text;
    EXPECT_EQ(out.error().code, Code::kInternal);
    EXPECT_NE(out.error().message.find("file.txt"), std::string::npos);
  }
}

}  // namespace
}  // namespace flense::scaffold
