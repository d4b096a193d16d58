#include "text/yaml_nodes.h"

#include <gtest/gtest.h>

namespace flense::text {
namespace {

std::string_view cut(std::string_view text, YamlRange at) {
  return text.substr(at.begin, at.end - at.begin);
}

TEST(YamlNodes, KeepTheLastOfDuplicateKeysIfAsked) {
  const YamlTree tree = parse_yaml_nodes("a: 1\nb: {c: 1, c: 2}\na: 3\n", true);
  ASSERT_FALSE(tree.problem);
  ASSERT_EQ(tree.duplicates.size(), 2U);
  EXPECT_EQ(tree.duplicates[0].at, 15U);
  EXPECT_EQ(tree.duplicates[1].at, 21U);
  const YamlNode& root = *tree.documents.at(0);
  EXPECT_EQ(root.members.size(), 2U);
  EXPECT_EQ(root["a"].text, "3");
  EXPECT_EQ(root["b"]["c"].text, "2");
}

TEST(YamlNodes, KeysAndValuesKnowTheirBytes) {
  const std::string_view text =
      "# comment\n"
      "größe: \"a\\tb\"   # behind\n"
      "list:\n"
      "  - one\n"
      "  - {k: v, \"q\": [1, 2]}\n"
      "block: |\n"
      "  line\n"
      "  two\n"
      "\n"
      "empty:\n"
      "last: 'x y'\n";
  const YamlTree tree = parse_yaml_nodes(text);
  ASSERT_FALSE(tree.problem);
  ASSERT_EQ(tree.documents.size(), 1u);
  const YamlNode& root = *tree.documents[0];
  ASSERT_EQ(root.members.size(), 5u);
  EXPECT_EQ(cut(text, root.members[0].at), "größe");
  EXPECT_EQ(root["größe"].text, "a\tb");
  EXPECT_EQ(cut(text, root["größe"].at), "\"a\\tb\"");
  EXPECT_EQ(cut(text, root["list"].at), "- one\n  - {k: v, \"q\": [1, 2]}");
  EXPECT_EQ(cut(text, root["list"].items[1]->at), "{k: v, \"q\": [1, 2]}");
  EXPECT_EQ(cut(text, root["list"].items[1]->member("q")->at), "\"q\"");
  EXPECT_EQ(cut(text, (*root["list"].items[1])["q"].at), "[1, 2]");
  EXPECT_EQ(cut(text, root["block"].at), "|\n  line\n  two");
  EXPECT_TRUE(root["empty"].is_null());
  EXPECT_EQ(root["empty"].at.begin, root["empty"].at.end);
  EXPECT_EQ(cut(text, root["last"].at), "'x y'");
  EXPECT_EQ(cut(text, root.at), text.substr(10, text.size() - 11));
  EXPECT_EQ(root.find("absent"), nullptr);
  EXPECT_TRUE(root["absent"]["further"].is_null());
}

TEST(YamlNodes, ByteOrderMarkAndCarriageReturns) {
  const std::string_view text =
      "\xEF\xBB\xBF"
      "a: b\r\nc: dé\r\n---\r\ne: f\r\n";
  const YamlTree tree = parse_yaml_nodes(text);
  ASSERT_EQ(tree.documents.size(), 2u);
  EXPECT_EQ(cut(text, (*tree.documents[0])["a"].at), "b");
  EXPECT_EQ(cut(text, (*tree.documents[0])["c"].at), "dé");
  EXPECT_EQ(cut(text, (*tree.documents[1])["e"].at), "f");
}

TEST(YamlNodes, ScalarsByKind) {
  const YamlTree tree = parse_yaml_nodes(
      "{i: 12, n: -3, f: 1.5, t: true, y: Yes, q: \"12\", s: word, z: ~, h: 0x10, s2: !!str 5, "
      "big: 99999999999999999999999}");
  ASSERT_EQ(tree.documents.size(), 1u);
  const YamlNode& root = *tree.documents[0];
  EXPECT_EQ(root["i"].integer(), 12);
  EXPECT_EQ(root["n"].integer(), -3);
  EXPECT_EQ(root["f"].integer(), std::nullopt);
  EXPECT_EQ(root["f"].number(), 1.5);
  EXPECT_EQ(root["t"].boolean(), true);
  EXPECT_EQ(root["y"].boolean(), true);
  EXPECT_EQ(root["q"].integer(), std::nullopt);
  EXPECT_TRUE(root["q"].is_text());
  EXPECT_FALSE(root["i"].is_text());
  EXPECT_TRUE(root["s"].is_text());
  EXPECT_TRUE(root["z"].is_null());
  EXPECT_EQ(root["h"].integer(), 16);
  EXPECT_TRUE(root["s2"].is_text());
  EXPECT_EQ(root["big"].integer(), std::nullopt);
}

TEST(YamlNodes, AliasesAreSharedAndMergeKeysResolved) {
  const std::string_view text =
      "x-base: &base\n"
      "  image: one\n"
      "  shm_size: 1gb\n"
      "x-more: &more {user: me, image: two}\n"
      "a:\n"
      "  <<: *base\n"
      "  image: mine\n"
      "b:\n"
      "  <<: [*more, *base]\n"
      "c: *base\n";
  const YamlTree tree = parse_yaml_nodes(text);
  ASSERT_FALSE(tree.problem) << tree.problem->message;
  const YamlNode& root = *tree.documents[0];
  EXPECT_EQ(root["a"]["image"].text, "mine");
  EXPECT_EQ(root["a"]["shm_size"].text, "1gb");
  EXPECT_TRUE(root["a"].member("shm_size")->merged);
  EXPECT_FALSE(root["a"].member("image")->merged);
  EXPECT_EQ(root["b"]["image"].text, "two");
  EXPECT_EQ(root["b"]["shm_size"].text, "1gb");
  EXPECT_EQ(root.find("c"), root.find("x-base"));
  EXPECT_EQ(root["a"].find("<<"), nullptr);
}

TEST(YamlNodes, TagsOfOtherToolsAreKept) {
  const YamlTree tree = parse_yaml_nodes("a: !reset null\nb: !override [x]\nc: !Ref name\n");
  ASSERT_FALSE(tree.problem);
  const YamlNode& root = *tree.documents[0];
  EXPECT_EQ(root["a"].tag, "!reset");
  EXPECT_EQ(root["b"].tag, "!override");
  EXPECT_EQ(root["b"].items.size(), 1u);
  EXPECT_EQ(root["c"].text, "name");
}

TEST(YamlNodes, JsonIsYaml) {
  const std::string_view text =
      "{\n  \"kind\": \"Pod\",\n  \"spec\": {\"containers\": [{\"name\":\"a\",\"tty\":true}]}\n}\n";
  const YamlTree tree = parse_yaml_nodes(text);
  ASSERT_FALSE(tree.problem);
  const YamlNode& one = *(*tree.documents[0])["spec"]["containers"].items[0];
  EXPECT_EQ(cut(text, one["name"].at), "\"a\"");
  EXPECT_EQ(one["tty"].boolean(), true);
}

struct Refused {
  std::string text;
  std::string message;
  std::size_t at;
};

TEST(YamlNodes, WhatIsRefusedHasItsPlace) {
  const std::vector<Refused> cases = {
      {"a: 1\na: 2\n", "the key \"a\" occurs twice", 5},
      {"a: [1, 2\nb: 3\n", "did not find expected ',' or ']'", 10},
      {"a: *missing\n", "there is no anchor 'missing' yet", 3},
      {"a: &a [*a]\n", "there is no anchor 'a' yet", 7},
      {"? [x]\n: y\n", "a key that is a list or a mapping", 2},
      {"a: \xFF\n", "invalid leading UTF-8 octet", 3},
      {"<<: 5\n", "a merge key takes a mapping", 6},
      {std::string(201, '['), "more than 200 levels", 200},
  };
  for (const Refused& one : cases) {
    const YamlTree tree = parse_yaml_nodes(one.text);
    ASSERT_TRUE(tree.problem) << one.text;
    EXPECT_NE(tree.problem->message.find(one.message), std::string::npos) << tree.problem->message;
    EXPECT_EQ(tree.problem->at, one.at) << one.text;
  }
}

TEST(YamlNodes, DocumentsBeforeTheProblemStay) {
  const YamlTree tree = parse_yaml_nodes("a: 1\n---\nb: 2\n---\nc: [\n");
  EXPECT_TRUE(tree.problem);
  EXPECT_EQ(tree.documents.size(), 2u);
}

TEST(YamlNodes, BombsAndMasses) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 10; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 10; ++k) bomb += "*a" + std::to_string(i - 1) + (k < 9 ? ", " : "]\n");
  }
  const YamlTree tree = parse_yaml_nodes(bomb);
  ASSERT_TRUE(tree.problem);
  EXPECT_NE(tree.problem->message.find("expand to too much"), std::string::npos);

  std::string fat = "a: &a " + std::string(1u << 20, 'x') + "\nb: [";
  for (int i = 0; i < 5; ++i) fat += "*a, ";
  const YamlTree heavy = parse_yaml_nodes(fat + "]\n");
  ASSERT_TRUE(heavy.problem);
  EXPECT_NE(heavy.problem->message.find("expand to too much"), std::string::npos);

  std::string deep = "a0: &a0 {k: v}\n";
  for (int i = 1; i < 300; ++i)
    deep += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) +
            "]\n";
  const YamlTree nested = parse_yaml_nodes(deep);
  ASSERT_TRUE(nested.problem);
  EXPECT_NE(nested.problem->message.find("200 levels"), std::string::npos);

  EXPECT_TRUE(parse_yaml_nodes(std::string((16u << 20) + 1, ' ')).problem);
  EXPECT_FALSE(parse_yaml_nodes(std::string(1u << 20, ' ')).problem);

  // Many distinct keys: no quadratic time.
  std::string wide;
  for (int i = 0; i < 20000; ++i) wide += "key" + std::to_string(i) + ": " + "é\n";
  const YamlTree keys = parse_yaml_nodes(wide);
  ASSERT_FALSE(keys.problem);
  EXPECT_EQ(keys.documents[0]->members.size(), 20000u);
  const YamlMember& last = keys.documents[0]->members.back();
  EXPECT_EQ(cut(wide, last.at), "key19999");
  EXPECT_EQ(cut(wide, last.value->at), "é");
}

}  // namespace
}  // namespace flense::text
