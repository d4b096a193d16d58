#include "base/utf8.h"

#include <gtest/gtest.h>

namespace flense {
namespace {

TEST(Utf8, WellFormedTextIs) {
  for (const char* text :
       {"", "plain", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x90\xb3", "\xf4\x8f\xbf\xbf"})
    EXPECT_TRUE(is_utf8(text)) << text;
}

TEST(Utf8, OverlongFormsSurrogatesAndHalvesAreNot) {
  for (const char* text :
       {"\xff", "a\x80", "\xc0\xaf", "\xe0\x9f\xbf", "\xed\xa0\x80", "\xf0\x8f\xbf\xbf",
        "\xf4\x90\x80\x80", "\xc3", "x\xe2\x82", "\xf5\x80\x80\x80"})
    EXPECT_FALSE(is_utf8(text)) << text;
}

TEST(Utf8, OfUtf16InBothOrders) {
  using std::string_view_literals::operator""sv;
  EXPECT_EQ(from_utf16("\xff\xfe"
                       "a\0\n\0"sv),
            "a\n");
  EXPECT_EQ(from_utf16("\xfe\xff\0a\x20\xac"sv), "a\xe2\x82\xac");
  EXPECT_EQ(from_utf16("\xff\xfe\x3d\xd8\x33\xdc"sv), "\xf0\x9f\x90\xb3");
  for (const std::string_view text : {"a\0"sv,
                                      "\xff\xfe"
                                      "a"sv,
                                      "\xff\xfe\x3d\xd8"
                                      "a\0"sv,
                                      ""sv})
    EXPECT_EQ(from_utf16(text), std::nullopt);
}

}  // namespace
}  // namespace flense
