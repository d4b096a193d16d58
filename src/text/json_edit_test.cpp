#include "text/json_edit.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flense::text {
namespace {

using ::testing::HasSubstr;

std::string set(std::string_view text, const JsonPlace& place, const std::string& key,
                const Json& value = Json(true)) {
  const Result<std::string> out = set_member(text, place, key, value, "file");
  EXPECT_TRUE(out) << text << (out ? "" : render(out.error()));
  return out.value_or("");
}

std::string erase(std::string_view text, const JsonPlace& place, const std::string& key) {
  const Result<std::string> out = erase_member(text, place, key, "file");
  EXPECT_TRUE(out) << text << (out ? "" : render(out.error()));
  return out.value_or("");
}

TEST(JsonEdit, AMemberIsAddedAsTheOthersAreSpaced) {
  EXPECT_EQ(set("{}", {}, "a"), "{\n  \"a\": true\n}");
  EXPECT_EQ(set(R"({"a":1})", {}, "b"), R"({"a":1, "b": true})");
  EXPECT_EQ(set("{\n\t\"a\" : 1.10 ,\n\t\"f\": {\"x\": [1, {\"}\": \"]\\\"\"}]}\n}\n", {"f"}, "b"),
            "{\n\t\"a\" : 1.10 ,\n\t\"f\": {\"x\": [1, {\"}\": \"]\\\"\"}], \"b\": true}\n}\n");
  EXPECT_EQ(
      set("{\n    \"a\": 1\n}\n", {"f", "g"}, "b"),
      "{\n    \"a\": 1,\n    \"f\": {\n      \"g\": {\n        \"b\": true\n      }\n    }\n}\n");
  EXPECT_EQ(set(R"({"f": { }})", {"f"}, "b"), R"({"f": {"b": true}})");
}

TEST(JsonEdit, AValueIsReplacedWhereItStands) {
  EXPECT_EQ(set(R"({ "a" : [1,2] , "b":1e3})", {}, "a", Json(5)), R"({ "a" : 5 , "b":1e3})");
  EXPECT_EQ(set(R"({"f":{"\u0061":null}})", {"f"}, "a"), R"({"f":{"\u0061":true}})");
}

TEST(JsonEdit, AMemberIsTakenOut) {
  EXPECT_EQ(erase(R"({"a": 1, "b": 2, "c": 3})", {}, "a"), R"({"b": 2, "c": 3})");
  EXPECT_EQ(erase(R"({"a": 1, "b": 2, "c": 3})", {}, "b"), R"({"a": 1, "c": 3})");
  EXPECT_EQ(erase(R"({"a": 1, "b": 2 })", {}, "b"), R"({"a": 1 })");
  EXPECT_EQ(erase(R"({"f": { "a": 1 }})", {"f"}, "a"), R"({"f": {}})");
  EXPECT_EQ(erase(R"({"a": 1})", {"f"}, "b"), R"({"a": 1})");
  for (const std::string text : {"{\"a\":1}", "{\n  \"a\": 1,\n  \"f\": {\"x\": 2}\n}\n"})
    EXPECT_EQ(erase(set(text, {"f"}, "new"), {"f"}, "new").find("new"), std::string::npos);
}

TEST(JsonEdit, WhatIsNoObjectIsRefused) {
  EXPECT_THAT(set_member("[1]", {}, "a", Json(1), "file").error().message,
              HasSubstr("the document is no object"));
  EXPECT_THAT(set_member(R"({"f":1})", {"f"}, "a", Json(1), "file").error().message,
              HasSubstr("\"f\" is no object"));
  EXPECT_FALSE(set_member("{", {}, "a", Json(1), "file"));
}

}  // namespace
}  // namespace flense::text
