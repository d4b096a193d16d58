#include "slim/sandbox/trace_file.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flense::slim {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

TEST(TraceFile, AnyOrderCommentsAndBlankLines) {
  const auto paths = parse_trace("# one\n\n/usr/bin/b\r\nusr//bin/./a\n/usr/bin/b\n/\n/x y#z", "t");
  ASSERT_TRUE(paths);
  EXPECT_THAT(*paths, ElementsAre("usr/bin/a", "usr/bin/b", "x y#z"));
}

TEST(TraceFile, WhatIsNoImagePathIsRefusedWithItsLine) {
  for (const std::string& text : {std::string("/ok\n/usr/../../etc"), std::string("/ok\n/a\0b", 9),
                                  "/ok\n/" + std::string(kMostPathBytes, 'x')}) {
    const auto paths = parse_trace(text, "gpu.trace");
    ASSERT_FALSE(paths);
    EXPECT_EQ(paths.error().code, Code::kBadInput);
    const std::string told = render(paths.error());
    EXPECT_THAT(told, HasSubstr("line 2"));
    EXPECT_THAT(told, HasSubstr("gpu.trace"));
  }
}

TEST(TraceFile, SoManyPathsAndNoMore) {
  EXPECT_TRUE(parse_trace("/a\n/b\n/c\n#d", "t", 3));
  EXPECT_FALSE(parse_trace("/a\n/b\n/c\n/d", "t", 3));
}

TEST(TraceFile, WrittenAndReadAgain) {
  const MetPaths met{{"#odd", "usr/bin/a", "with\nbreak"}, {"usr/lib"}};
  const std::string text = trace_text("sh -c 'a\nb'", met);
  EXPECT_THAT(text, HasSubstr("# flense trace of: sh -c 'a b'\n"));
  EXPECT_THAT(text, HasSubstr("with a line break in the name: 1\n"));
  const auto paths = parse_trace(text, "t");
  ASSERT_TRUE(paths);
  EXPECT_THAT(*paths, ElementsAre("#odd", "usr/bin/a", "usr/lib"));
}

}  // namespace
}  // namespace flense::slim
