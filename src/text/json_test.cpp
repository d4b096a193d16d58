#include "text/json.h"

#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

#include <limits>

namespace flense::text {
namespace {

Json parse(std::string_view text) {
  Result<Json> value = parse_json(text, "test");
  EXPECT_TRUE(value) << (value ? "" : value.error().message);
  return value ? *value : Json();
}

std::string refusal(std::string_view text) {
  Result<Json> value = parse_json(text, "test");
  EXPECT_FALSE(value) << text;
  if (value) return {};
  EXPECT_EQ(value.error().code, Code::kBadInput);
  return value.error().message;
}

TEST(Json, ReadsEveryKindOfValue) {
  const Json value = parse(R"({"n":null,"t":true,"i":-5,"u":7,"d":1.5,"s":"x","a":[1,[]],"o":{}})");
  EXPECT_TRUE(value["n"].is_null());
  EXPECT_TRUE(value["t"].bool_or(false));
  EXPECT_EQ(value["i"].integer_or(0), -5);
  EXPECT_EQ(value["u"].unsigned_or(0), 7U);
  EXPECT_EQ(value["d"].number_or(0), 1.5);
  EXPECT_EQ(value["s"].text(), "x");
  EXPECT_EQ(value["a"].items().size(), 2U);
  EXPECT_TRUE(value["o"].is_object());
  EXPECT_TRUE(value["absent"]["deeper"].is_null());
}

TEST(Json, FallbacksWhenTheTypeIsAnother) {
  const Json value("text");
  EXPECT_EQ(value.unsigned_or(3), 3U);
  EXPECT_EQ(value.integer_or(-3), -3);
  EXPECT_EQ(value.number_or(0.5), 0.5);
  EXPECT_TRUE(value.bool_or(true));
  EXPECT_TRUE(value.items().empty());
  EXPECT_TRUE(value.members().empty());
  EXPECT_EQ(Json(-1).unsigned_or(9), 9U);
  EXPECT_EQ(Json(std::numeric_limits<std::uint64_t>::max()).integer_or(4), 4);
}

TEST(Json, IntegersAreExactOverTheWhole64BitRange) {
  EXPECT_EQ(parse("18446744073709551615").unsigned_or(0), 18446744073709551615U);
  EXPECT_EQ(parse("-9223372036854775808").integer_or(0), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(parse("9007199254740993").unsigned_or(0), 9007199254740993U);
  EXPECT_EQ(dump_json(parse("18446744073709551615")), "18446744073709551615");
  EXPECT_EQ(parse("5"), Json(5));
  EXPECT_EQ(parse("5"), Json(std::uint64_t{5}));
  EXPECT_EQ(parse("5"), Json(5U));
}

TEST(Json, KeepsTheOrderOfMembers) {
  EXPECT_EQ(dump_json(parse(R"({"z":1,"a":2,"m":3})")), R"({"z":1,"a":2,"m":3})");
}

TEST(Json, RefusesDuplicateKeysWithTheirPlace) {
  EXPECT_EQ(refusal("{\"a\":1,\n \"b\":2, \"a\":3}"),
            "test is not valid JSON: line 2, column 12: the key \"a\" occurs twice in one object");
  std::string many = "{";
  for (int i = 0; i < 100; ++i) many += fmt::format("\"k{}\":{},", i, i);
  EXPECT_NE(refusal(many + "\"k7\":0}").find("\"k7\" occurs twice"), std::string::npos);
  EXPECT_NE(refusal(many + "\"k99\":0}").find("\"k99\" occurs twice"), std::string::npos);
  EXPECT_EQ(parse(many + "\"last\":0}").members().size(), 101U);
  EXPECT_EQ(parse(R"([{"a":1},{"a":2}])").items().size(), 2U);
}

TEST(Json, RefusesDeepNestingAndSurvivesVeryDeepNesting) {
  const std::string deep(200, '[');
  EXPECT_TRUE(parse_json(deep + std::string(200, ']'), "test"));
  EXPECT_NE(refusal("[" + deep + std::string(201, ']')).find("200 levels"), std::string::npos);
  EXPECT_NE(refusal(std::string(1'000'000, '[')).find("200 levels"), std::string::npos);
}

TEST(Json, ErrorsSayLineAndColumn) {
  const std::string message = refusal("{\n  \"a\": tru\n}");
  EXPECT_NE(message.find("test is not valid JSON: line 2, column "), std::string::npos) << message;
  EXPECT_EQ(message.find("json.exception"), std::string::npos) << message;
  EXPECT_EQ(refusal(""), "test is empty, JSON was expected");
  for (const char* broken : {"{", "[1,]", "{\"a\"}", "nul", "01", "1 2", "\"\xff\"", "\"\\ud800\"",
                             "1e999", "[1", "{\"a\":1,}", "// c\n1", "\"a\nb\"", "\x01"})
    EXPECT_FALSE(refusal(broken).empty()) << broken;
}

TEST(Json, BuildersReplaceAppendAndErase) {
  Json value;
  value.set("a", 1).set("b", "x").set("a", true);
  value.set("list", Json().push(1).push(2));
  EXPECT_EQ(dump_json(value), R"({"a":true,"b":"x","list":[1,2]})");
  value.erase("b");
  *value.find_mutable("a") = Json(nullptr);
  EXPECT_EQ(value.find_mutable("b"), nullptr);
  EXPECT_EQ(dump_json(value), R"({"a":null,"list":[1,2]})");
}

TEST(Json, DumpEscapesAndIndents) {
  EXPECT_EQ(dump_json(Json(std::string("\"\\\b\f\n\r\t\x01\x7f/\xc3\xa9"))),
            "\"\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u007f/\xc3\xa9\"");
  EXPECT_EQ(dump_json(parse(R"({"a":[1,{}],"b":[]})"), 2),
            "{\n  \"a\": [\n    1,\n    {}\n  ],\n  \"b\": []\n}");
  EXPECT_EQ(dump_json(Json(1.0)), "1.0");
  EXPECT_EQ(dump_json(Json(0.1)), "0.1");
  EXPECT_EQ(dump_json(Json(1e300)), "1e+300");
  EXPECT_EQ(dump_json(Json(std::numeric_limits<double>::infinity())), "null");
}

TEST(Json, DumpReplacesInvalidUtf8) {
  const std::string bad =
      "a\xff"
      "b\xc3"
      "c\xed\xa0\x80"
      "d\xf4\x90\x80\x80"
      "e\xe2\x82";
  const std::string text = dump_json(Json(bad));
  EXPECT_TRUE(parse_json(text, "dump"));
  EXPECT_NE(text.find("a\xEF\xBF\xBD"
                      "b\xEF\xBF\xBD"
                      "c"),
            std::string::npos);
}

Json arbitrary(int depth) {
  const int kind = *rc::gen::inRange(0, depth > 0 ? 8 : 6);
  switch (kind) {
    case 0:
      return {};
    case 1:
      return Json(*rc::gen::arbitrary<bool>());
    case 2:
      return Json(*rc::gen::arbitrary<std::int64_t>());
    case 3:
      return Json(*rc::gen::arbitrary<std::uint64_t>());
    case 4: {
      const double value = *rc::gen::arbitrary<double>();
      return Json(value == value ? value : 0.0);
    }
    case 5:
      return Json(*rc::gen::string<std::string>());
    case 6: {
      Json array = Json::array();
      for (int i = *rc::gen::inRange(0, 4); i > 0; --i) array.push(arbitrary(depth - 1));
      return array;
    }
    default: {
      Json object = Json::object();
      for (int i = *rc::gen::inRange(0, 4); i > 0; --i)
        object.set(*rc::gen::string<std::string>(), arbitrary(depth - 1));
      return object;
    }
  }
}

RC_GTEST_PROP(Json, DumpIsReadBackTheSame, ()) {
  const Json value = arbitrary(4);
  const std::string compact = dump_json(value);
  const Result<Json> again = parse_json(compact, "dump");
  // Strings with broken UTF-8 come back repaired, and then two keys may be equal.
  if (!again) RC_DISCARD("keys fell together");
  RC_ASSERT(dump_json(*again) == compact);
  RC_ASSERT(*parse_json(dump_json(value, 2), "dump") == *again);
}

}  // namespace
}  // namespace flense::text
