#include "base/printable.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include "base/utf8.h"

namespace flense {
namespace {

TEST(Printable, LeavesHonestTextAlone) {
  for (const char* name :
       {"usr/lib/libone.so.1", "ünïcödé", "データ", "a b", "🐳", "\\x1b", "\u00a0", ""})
    EXPECT_EQ(printable(name), name);
  EXPECT_EQ(printable_lines("a\tb\nc\n"), "a\tb\nc\n");
}

TEST(Printable, ShowsWhatHidesOrIsNoText) {
  EXPECT_EQ(printable("a\x1b[31m"), "a\\x1b[31m");
  EXPECT_EQ(printable("a\nb\tc\x7f"), "a\\x0ab\\x09c\\x7f");
  EXPECT_EQ(printable(std::string_view("\0", 1)), "\\x00");
  EXPECT_EQ(printable_lines("a\r\nb\x1b]0;x\x07"), "a\\x0d\nb\\x1b]0;x\\x07");
  EXPECT_EQ(printable("\xff\xfe"), "\\xff\\xfe");
  EXPECT_EQ(printable("safe\u202egnp.exe"), "safe\\u202egnp.exe");
  EXPECT_EQ(printable("zero\u200bwidth\ufeff\u2066"), "zero\\u200bwidth\\ufeff\\u2066");
  EXPECT_EQ(printable("\u061c\u200e\u200f\u2069"), "\\u061c\\u200e\\u200f\\u2069");
  // Terminals take C1 controls in UTF-8, and many the bare bytes too: CSI, OSC.
  EXPECT_EQ(printable("\u0080\u0085\u009b\u009f\u2028\u2029"),
            "\\u0080\\u0085\\u009b\\u009f\\u2028\\u2029");
  EXPECT_EQ(printable("\x9b\x33\x31m\x9d"), "\\x9b31m\\x9d");
  EXPECT_EQ(printable("\U000e0041\U0001d173"), "\\udb40\\udc41\\ud834\\udd73");
  // Overlong '/', a surrogate, above U+10FFFF, cut short.
  EXPECT_EQ(printable("\xc0\xaf"), "\\xc0\\xaf");
  EXPECT_EQ(printable("\xed\xa0\x80"), "\\xed\\xa0\\x80");
  EXPECT_EQ(printable("\xf4\x90\x80\x80"), "\\xf4\\x90\\x80\\x80");
  EXPECT_EQ(printable("\xe2\x82"), "\\xe2\\x82");
}

bool harmless(std::string_view text, std::string_view kept) {
  if (!is_utf8(text)) return false;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const auto byte = static_cast<unsigned char>(text[i]);
    if ((byte < 0x20 && kept.find(text[i]) == std::string_view::npos) || byte == 0x7f) return false;
    // U+0080 to U+009F.
    if (byte == 0xc2 && static_cast<unsigned char>(text[i + 1]) < 0xa0) return false;
  }
  return text.find("\u202e") == std::string_view::npos &&
         text.find("\u2066") == std::string_view::npos;
}

/// Bytes and characters of all kinds in any order.
std::string anything() {
  const auto piece =
      rc::gen::oneOf(rc::gen::arbitrary<std::string>(),
                     rc::gen::element<std::string>("\x1b[31m", "\u202e", "\u2066", "\u009b", "\x9b",
                                                   "\xe2\x80", "\xae", "\xc2", "\n", "\t", "ä",
                                                   "データ", "\U000e0041", "\\x1b"));
  std::string out;
  for (const std::string& one : *rc::gen::container<std::vector<std::string>>(piece)) out += one;
  return out;
}

RC_GTEST_PROP(Printable, IsHarmlessForAllBytes, ()) {
  const std::string text = anything();
  RC_ASSERT(harmless(printable(text), ""));
  RC_ASSERT(harmless(printable_lines(text), "\n\t"));
}

RC_GTEST_PROP(Printable, ChangesNothingTheSecondTime, ()) {
  const std::string text = anything();
  RC_ASSERT(printable(printable(text)) == printable(text));
  RC_ASSERT(printable_lines(printable_lines(text)) == printable_lines(text));
}

TEST(Printable, ShortensByColumns) {
  EXPECT_EQ(shorten("abc", 3), "abc");
  EXPECT_EQ(shorten("abcd", 3), "ab…");
  EXPECT_EQ(shorten("äöüß", 3), "äö…");
  EXPECT_EQ(shorten_path("äöüß", 3), "ä…ß");
  EXPECT_EQ(shorten("abcd", 0), "");
  EXPECT_EQ(brief_command("python3 app.py"), "python3 app.py");
  EXPECT_EQ(brief_command("python3 - <<E\nimport x\nE"), "python3 - <<E…");
  EXPECT_EQ(display_width(brief_command(std::string(200, 'x') + "\ny")), 72U);
  EXPECT_EQ(shorten_path("abcd", 1), "…");
}

TEST(Printable, NamesKeepTheirBeginningAndDirectoriesGoWhole) {
  constexpr std::string_view kPath = "usr/lib/python3/torch/libtorch_cuda.so";
  EXPECT_EQ(shorten_path(kPath, 38), kPath);
  EXPECT_EQ(shorten_path(kPath, 37), "…/lib/python3/torch/libtorch_cuda.so");
  EXPECT_EQ(shorten_path(kPath, 24), "…/torch/libtorch_cuda.so");
  EXPECT_EQ(shorten_path(kPath, 23), "…/libtorch_cuda.so");
  EXPECT_EQ(shorten_path(kPath, 17), "…/libtorch_…da.so");
  EXPECT_EQ(shorten_path(kPath, 12), "libtorc…a.so");
  EXPECT_EQ(shorten_words("RUN apt-get install cuda", 20), "RUN apt-get …");
  EXPECT_EQ(shorten_words("RUN x", 5), "RUN x");
  EXPECT_EQ(shorten_words("abcdefghij", 5), "abcd…");
  for (std::size_t width = 0; width < 40; ++width)
    EXPECT_LE(display_width(shorten_path(kPath, width)), width) << width;
}

TEST(Printable, LongLinesBreakBetweenWords) {
  EXPECT_EQ(wrapped("  fix: take another image\nshort\n", 16),
            "  fix: take\n    another\n    image\nshort\n");
  EXPECT_EQ(wrapped("any length stays", 0), "any length stays");
  EXPECT_EQ(wrapped("a  b\n", 4), "a  b\n");
  EXPECT_EQ(wrapped("abcdefghij klm", 5), "abcdefghij\n  klm");
  // A colour takes no room.
  EXPECT_EQ(wrapped("#31mred#0m word", 8, "#"), "#31mred#0m word");
  EXPECT_EQ(wrapped("#31mred#0m word", 7, "#"), "#31mred#0m\n  word");
}

}  // namespace
}  // namespace flense
