#include "text/yaml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <rapidcheck/gtest.h>

namespace flense::text {
namespace {

using ::testing::HasSubstr;

Json parsed(std::string_view text) {
  const Result<Json> json = parse_yaml(text, "file");
  EXPECT_TRUE(json) << text << (json ? "" : render(json.error()));
  return json.value_or(Json("unreadable"));
}

std::string as_json(std::string_view text) {
  return dump_json(parsed(text));
}

std::string problem(std::string_view text) {
  const Result<Json> json = parse_yaml(text, "file");
  EXPECT_FALSE(json) << text;
  return json ? "" : json.error().message;
}

TEST(Yaml, ScalarsByTheCoreSchema) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"", "null"},
      {"~", "null"},
      {"Null", "null"},
      {"nULL", R"("nULL")"},
      {"true", "true"},
      {"FALSE", "false"},
      {"yes", R"("yes")"},
      {"on", R"("on")"},
      {"12", "12"},
      {"-7", "-7"},
      {"+7", "7"},
      {"0o17", "15"},
      {"0x1F", "31"},
      {"0644", "420"},
      {"0", "0"},
      {"08", "8"},
      {"1.5", "1.5"},
      {".5", "0.5"},
      {"1e3", "1000.0"},
      {"1.", "1.0"},
      {"-1.5e-2", "-0.015"},
      {"1_000", R"("1_000")"},
      {"1.2.3", R"("1.2.3")"},
      {".", R"(".")"},
      {"-", R"([null])"},
      {"'12'", R"("12")"},
      {"\"a\\tb\"", R"("a\tb")"},
      {"18446744073709551615", "18446744073709551615"},
      {"-9223372036854775808", "-9223372036854775808"},
      {"!!str 12", R"("12")"},
      {"!!int \"3\"", "3"},
      {"! 5", R"("5")"},
      {"0.5.0", R"("0.5.0")"},
      {"0.3", "0.3"}};
  for (const auto& [text, expected] : cases) EXPECT_EQ(as_json(text), expected) << text;
}

TEST(Yaml, CollectionsKeepTheirOrder) {
  EXPECT_EQ(as_json("b: 1\na:\n  - x\n  - {c: [1, 2], d: }\n1: one\n"),
            R"({"b":1,"a":["x",{"c":[1,2],"d":null}],"1":"one"})");
  EXPECT_EQ(as_json("text: |\n  one\n  two\nfolded: >-\n  one\n  two\n"),
            R"({"text":"one\ntwo\n","folded":"one two"})");
}

TEST(Yaml, AliasesStandForTheirValue) {
  EXPECT_EQ(as_json("a: &x [1, 2]\nb: *x\nc: &x 5\nd: *x\n"),
            R"({"a":[1,2],"b":[1,2],"c":5,"d":5})");
  EXPECT_THAT(problem("a: &x [1, *x]\n"),
              HasSubstr("line 1, column 11: there is no anchor 'x' yet"));
  EXPECT_THAT(problem("a: *y\n"), HasSubstr("there is no anchor 'y'"));
  EXPECT_EQ(as_json("base: &b {x: 1, y: 2}\nc:\n  <<: *b\n  y: 3\n"),
            R"({"base":{"x":1,"y":2},"c":{"y":3,"x":1}})");
}

TEST(Yaml, LaughsAreFew) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    bomb += fmt::format("a{0}: &a{0} [", i);
    for (int k = 0; k < 10; ++k) bomb += fmt::format("{}*a{}", k == 0 ? "" : ", ", i - 1);
    bomb += "]\n";
  }
  EXPECT_THAT(problem(bomb), HasSubstr("expand to too much"));
  // Few values with a lot of text.
  std::string wide = "a: &a \"" + std::string(1 << 20, 'x') + "\"\nb: [";
  for (int i = 0; i < 100; ++i) wide += "*a, ";
  EXPECT_THAT(problem(wide + "]"), HasSubstr("expand to too much"));
}

TEST(Yaml, DepthIsCapped) {
  EXPECT_TRUE(parse_yaml(std::string(200, '[') + std::string(200, ']'), "file"));
  EXPECT_THAT(problem(std::string(201, '[') + std::string(201, ']')),
              HasSubstr("line 1, column 201: more than 200 levels"));
  std::string chain = "a0: &a0 [1]\n";
  for (int i = 1; i < 250; ++i) chain += fmt::format("a{0}: &a{0} [*a{1}]\n", i, i - 1);
  EXPECT_THAT(problem(chain), HasSubstr("more than 200 levels"));
}

TEST(Yaml, WhatIsRefusedSaysWhere) {
  EXPECT_THAT(
      problem("a: 1\nb: 2\na: 3\n"),
      HasSubstr("file cannot be read as YAML: line 3, column 1: the key \"a\" occurs twice"));
  EXPECT_THAT(problem("a: [1\nb: 2"), HasSubstr("line 2"));
  EXPECT_THAT(problem("{a: 1}: 2\n"), HasSubstr("a key that is a list or a mapping"));
  EXPECT_THAT(problem("!!binary aGk=\n"), HasSubstr("is not of the type tag:yaml.org,2002:binary"));
  EXPECT_THAT(problem("!!int x\n"), HasSubstr("'x' is not of the type tag:yaml.org,2002:int"));
  EXPECT_THAT(problem("!thing {a: 1}\n"), HasSubstr("the tag !thing"));
  EXPECT_THAT(problem("a: .inf\n"), HasSubstr("cannot be held"));
  EXPECT_THAT(problem("--- 1\n--- 2\n"), HasSubstr("holds 2 YAML documents"));
  EXPECT_THAT(problem("a: \xff\n"), HasSubstr("byte 3"));
  std::string many;
  for (int i = 0; i < 40; ++i) many += fmt::format("k{}: 1\n", i);
  EXPECT_THAT(problem(many + "k39: 2\n"), HasSubstr("line 41, column 1"));
}

TEST(Yaml, Streams) {
  const auto documents =
      parse_yaml_documents("\xEF\xBB\xBF# c\na: 1\n---\n- 2\n...\n---\n", "file");
  ASSERT_TRUE(documents);
  ASSERT_EQ(documents->size(), 3U);
  EXPECT_EQ(dump_json((*documents)[1]), "[2]");
  EXPECT_TRUE((*documents)[2].is_null());
  EXPECT_TRUE(parse_yaml_documents("", "file")->empty());
  EXPECT_TRUE(parse_yaml("", "file")->is_null());
  // An anchor ends with its document.
  EXPECT_FALSE(parse_yaml_documents("a: &x 1\n---\nb: *x\n", "file"));
}

TEST(YamlDump, LooksAsPeopleWriteIt) {
  const Json json =
      parse_json(
          R"({"version":"0.5.0","kind":"nvidia.com/gpu","flags":["yes","~","a b","-x","",12],
          "empty":[],"none":{},"nested":[{"a":1,"b":[true,null]},[["x"]]],"on":"1e3","é":"é\u2028"})",
          "json")
          .value();
  EXPECT_EQ(dump_yaml(json), R"(version: "0.5.0"
kind: nvidia.com/gpu
flags:
  - "yes"
  - "~"
  - "a b"
  - "-x"
  - ""
  - 12
empty: []
none: {}
nested:
  - a: 1
    b:
      - true
      - null
  - - - x
"on": "1e3"
"é": "é\u2028"
)");
  EXPECT_EQ(parsed(dump_yaml(json)), json);
}

rc::Gen<std::string> any_text() {
  return rc::gen::oneOf(
      rc::gen::string<std::string>(),
      rc::gen::element<std::string>("yes", "0644", "1e3", "~", "", " a", "a ", "a: b", "# c", "- x",
                                    "\xC2\x85", "\xEF\xBB\xBF", "\xE2\x80\xA8", "\n", "'", "\"",
                                    "?", "---", "=", std::string(2000, 'k')));
}

Json any_json(int depth) {
  const int kind = *rc::gen::inRange(0, depth > 0 ? 7 : 5);
  if (kind == 0) return {};
  if (kind == 1) return *rc::gen::arbitrary<bool>();
  if (kind == 2) return *rc::gen::arbitrary<std::int64_t>();
  if (kind == 3) return *rc::gen::element(0.0, -1.5, 1e300, 5e-324, 123456789.125);
  // Invalid UTF-8 becomes a replacement character on the way out.
  const auto text = [] {
    return std::string(parse_json(dump_json(Json(*any_text())), "t")->text());
  };
  if (kind == 4) return Json(text());
  Json out = kind == 5 ? Json::array() : Json::object();
  for (int i = *rc::gen::inRange(0, 4); i > 0; --i) {
    if (kind == 5)
      out.push(any_json(depth - 1));
    else
      out.set(text(), any_json(depth - 1));
  }
  return out;
}

RC_GTEST_PROP(YamlDump, IsReadBackTheSame, ()) {
  const Json json = any_json(4);
  const std::string text = dump_yaml(json);
  const Result<Json> again = parse_yaml(text, "again");
  RC_ASSERT(again.has_value());
  RC_ASSERT(*again == json);
}

}  // namespace
}  // namespace flense::text
