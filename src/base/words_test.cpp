#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "base/ascii.h"
#include "base/numbers.h"
#include "base/progress.h"
#include "base/severity.h"
#include "base/version_numbers.h"

namespace flense {
namespace {

using ::testing::ElementsAre;

TEST(Ascii, KnowsNoOtherLetters) {
  for (int c = 0; c < 256; ++c) {
    const char byte = static_cast<char>(c);
    const bool letter = c < 128 && ((c | 32) >= 'a' && (c | 32) <= 'z');
    EXPECT_EQ(is_letter(byte), letter) << c;
    EXPECT_EQ(lower(byte) != byte, letter && (c & 32) == 0) << c;
    EXPECT_EQ(upper(byte) != byte, letter && (c & 32) != 0) << c;
  }
  EXPECT_EQ(to_lower("H100-\xc3\x84"), "h100-\xc3\x84");
  EXPECT_EQ(to_upper("kB"), "KB");
  EXPECT_TRUE(same_text("AppArmor", "apparmor"));
  EXPECT_FALSE(same_text("on", "one"));
}

TEST(Ascii, TrimsBlanksAndEndsOfLines) {
  EXPECT_EQ(trim(" \t a b\r\n"), "a b");
  EXPECT_EQ(trim(" \n"), "");
  EXPECT_EQ(trim(""), "");
  EXPECT_EQ(trim("\va\f"), "\va\f");
}

TEST(Ascii, DigitsAloneAreANumber) {
  EXPECT_TRUE(all_digits("0042"));
  EXPECT_FALSE(all_digits(""));
  EXPECT_FALSE(all_digits("4 2"));
  EXPECT_FALSE(all_digits("-1"));
}

TEST(Ascii, TakesLinesOfAnySystem) {
  std::string_view text = "a\r\n\nb\rc";
  EXPECT_EQ(take_line(text), "a");
  EXPECT_EQ(take_line(text), "");
  EXPECT_EQ(take_line(text), "b\rc");
  EXPECT_EQ(text, "");
  EXPECT_EQ(take_line(text), "");
}

TEST(Ascii, PartsMayBeEmpty) {
  EXPECT_THAT(split("a::b:", ':'), ElementsAre("a", "", "b", ""));
  EXPECT_THAT(split("", ':'), ElementsAre(""));
  EXPECT_TRUE(is_one_of("b", {"a", "b"}));
  EXPECT_FALSE(starts_with_any("abc", {"b", "abcd"}));
  EXPECT_TRUE(ends_with_any("abc", {"b", "bc"}));
}

TEST(Severity, IsWrittenAsItIsRead) {
  for (const Severity one : {Severity::kError, Severity::kWarning, Severity::kInfo})
    EXPECT_EQ(severity_of(to_string(one)), one);
}

TEST(Numbers, AreDigitsWithBlanksAround) {
  EXPECT_EQ(parse_number(" 42\n"), 42U);
  EXPECT_EQ(parse_number("18446744073709551615"), UINT64_MAX);
  for (const char* text : {"", " ", "4 2", "-1", "+1", "0x10", "18446744073709551616"})
    EXPECT_EQ(parse_number(text), std::nullopt) << text;
}

TEST(Numbers, ReadsSizes) {
  EXPECT_EQ(parse_size("0").value(), 0U);
  EXPECT_EQ(parse_size("1048576").value(), 1048576U);
  EXPECT_EQ(parse_size("10GiB").value(), 10ULL << 30);
  EXPECT_EQ(parse_size("10 gib").value(), 10ULL << 30);
  EXPECT_EQ(parse_size("10Gi").value(), 10ULL << 30);
  EXPECT_EQ(parse_size("500MB").value(), 500'000'000U);
  EXPECT_EQ(parse_size("500M").value(), 500'000'000U);
  EXPECT_EQ(parse_size("1.5kB").value(), 1500U);
  EXPECT_EQ(parse_size("0.1GiB").value(), (1ULL << 30) / 10);
  EXPECT_EQ(parse_size("2TiB").value(), 2ULL << 40);
}

TEST(Numbers, RefusesWhatIsNoSize) {
  for (const char* text : {"", "many", "-1", "10 parsecs", "1.", ".5", "1e9",
                           "99999999999999999999", "99999999999TB", "1.2.3"}) {
    const auto result = parse_size(text);
    ASSERT_FALSE(result) << text;
    EXPECT_EQ(result.error().code, Code::kUsage) << text;
    EXPECT_FALSE(result.error().hint.empty());
  }
}

TEST(Version, ComparesNumberByNumber) {
  EXPECT_EQ(compare_versions("550.54.15", "550.54.15"), 0);
  EXPECT_LT(compare_versions("550.54.9", "550.54.15"), 0);
  EXPECT_GT(compare_versions("12.10", "12.9.9"), 0);
  EXPECT_EQ(compare_versions("12.4", "12.4.0"), 0);
  EXPECT_EQ(compare_versions("12.4-rc1", "12.4"), 0);
  EXPECT_GT(compare_versions("99999999999999999999999", "1"), 0);
  EXPECT_EQ(compare_versions("", ""), 0);
  EXPECT_LT(compare_versions("", "1"), 0);
  EXPECT_TRUE(version_at_least("28.2.0", "28.2"));
  EXPECT_TRUE(version_at_least("28.10.1", "28.2.0"));
  EXPECT_FALSE(version_at_least("27.5.1", "28.2.0"));
  EXPECT_EQ(major_minor("12.4.127"), "12.4");
  EXPECT_EQ(major_minor("12"), "12");
  EXPECT_EQ(first_number("550.54.15"), 550u);
  EXPECT_EQ(first_number("x"), std::nullopt);
  EXPECT_EQ(first_number(""), std::nullopt);
  EXPECT_TRUE(is_version("12.4") && is_version("580"));
  EXPECT_FALSE(is_version("") || is_version(".5") || is_version("12.4-rc1"));
  EXPECT_FALSE(is_version(std::string(33, '1')));
}

TEST(Progress, LeavesOutWhatSaysLeast) {
  const ProgressFigures figures{"   40 %", "  4 MB of 10 MB", "  2 MB/s", "  0:03 left"};
  EXPECT_EQ(fitting_line("reading layers", figures, 80),
            "reading layers   40 %  4 MB of 10 MB  2 MB/s  0:03 left");
  EXPECT_EQ(fitting_line("reading layers", figures, 50),
            "reading layers   40 %  4 MB of 10 MB  0:03 left");
  EXPECT_EQ(fitting_line("reading layers", figures, 40), "reading layers   40 %  0:03 left");
  EXPECT_EQ(fitting_line("reading layers", figures, 24), "reading layers   40 %");
  EXPECT_EQ(fitting_line("pulling registry/app", {"", "  4 MB", "", ""}, 20), "pulling …  4 MB");
}

}  // namespace
}  // namespace flense
