#include "lint/readers/hcl.h"

#include <gtest/gtest.h>

namespace flense::lint {
namespace {

TEST(Hcl, BlocksAttributesAndPlaces) {
  const std::string text =
      "# comment\n"
      "variable \"TAG\" { default = \"1.0\" }\n"
      "group default { targets = [\"app\", \"db\",] }\n"
      "target \"app\" {\n"
      "  context = \".\" // here\n"
      "  args = {\n"
      "    CUDA = \"12.8\"\n"
      "    \"q-k\" : 3, B = true\n"
      "  }\n"
      "  tags = [\"x:${TAG}\", TAG, notequal(\"\", TAG) ? \"a\" : \"b\"]\n"
      "  /* long\n comment */ platforms = [for p in [\"a\"] : \"linux/${p}\"]\n"
      "  dockerfile-inline = <<EOT\n"
      "FROM a\n"
      "RUN b\n"
      "EOT\n"
      "}\n";
  const HclFile file = parse_hcl(text);
  ASSERT_TRUE(file.problems.empty()) << file.problems[0].message;
  ASSERT_EQ(file.body.blocks.size(), 3u);
  const HclBlock& app = file.body.blocks[2];
  EXPECT_EQ(app.type.text, "target");
  ASSERT_EQ(app.labels.size(), 1u);
  EXPECT_EQ(text.substr(app.labels[0].span.begin, 3), "app");
  EXPECT_EQ(text.substr(app.find("context")->span.begin, 3), "\".\"");
  const HclValue& args = *app.find("args");
  ASSERT_EQ(args.members.size(), 3u);
  EXPECT_EQ(args.members[0].key.text, "CUDA");
  EXPECT_EQ(args.members[0].value.text, "12.8");
  EXPECT_EQ(args.members[1].value.kind, HclValue::Kind::kNumber);
  EXPECT_EQ(args.members[2].value.kind, HclValue::Kind::kBool);
  const HclValue& tags = *app.find("tags");
  ASSERT_EQ(tags.items.size(), 3u);
  EXPECT_EQ(tags.items[0].text, "x:${TAG}");
  EXPECT_EQ(tags.items[1].kind, HclValue::Kind::kReference);
  EXPECT_EQ(tags.items[2].kind, HclValue::Kind::kUnknown);
  EXPECT_EQ(
      text.substr(tags.items[2].span.begin, tags.items[2].span.end - tags.items[2].span.begin),
      "notequal(\"\", TAG) ? \"a\" : \"b\"");
  EXPECT_EQ(app.find("platforms")->kind, HclValue::Kind::kUnknown);
  EXPECT_EQ(app.find("dockerfile-inline")->text, "FROM a\nRUN b\n");
  EXPECT_EQ(file.body.blocks[1].find("targets")->items.size(), 2u);
}

TEST(Hcl, EscapesAndInterpolation) {
  const HclFile file =
      parse_hcl("a = \"q\\\"n\\n$${x}\"\nb = \"${f(\"}\", {a = 1})}-${c}\"\nd = \"100%\"\n");
  ASSERT_TRUE(file.problems.empty()) << file.problems[0].message;
  EXPECT_EQ(file.body.find("a")->text, "q\"n\n$${x}");
  EXPECT_EQ(file.body.find("b")->text, "${f(\"}\", {a = 1})}-${c}");
  EXPECT_EQ(file.body.find("d")->text, "100%");
}

TEST(Hcl, WhatIsWrongHasItsPlace) {
  const std::vector<std::pair<std::string, std::size_t>> cases = {
      {"target \"a\" {\n", 0},
      {"a = [1, 2\n", 4},
      {"a = \"x\n", 4},
      {"a b\n", 3},
      {"}\n", 0},
      {"a = \n", 4},
      {"a = 1, b = 2\n", 5},
      {"/* x", 0},
      {"a = <<E\nx\n", 4},
      {"a = \"${x\"\n", 5},
      {"= 3", 0},
      {"a = (1\n", 7},
      {"a = " + std::string(200, '['), 104},
  };
  for (const auto& [text, at] : cases) {
    const HclFile file = parse_hcl(text);
    ASSERT_EQ(file.problems.size(), 1u) << text;
    EXPECT_EQ(file.problems[0].span.begin, at) << text << ": " << file.problems[0].message;
  }
}

TEST(Hcl, MassesAreCapped) {
  EXPECT_FALSE(parse_hcl(std::string((4u << 20) + 1, '\n')).problems.empty());
  std::string wide = "a = [";
  for (int i = 0; i < 50000; ++i) wide += "\"x\",";
  EXPECT_EQ(parse_hcl(wide + "]").body.find("a")->items.size(), 50000u);
  std::string nested;
  for (int i = 0; i < 150; ++i) nested += "b {\n";
  EXPECT_FALSE(parse_hcl(nested).problems.empty());
}

}  // namespace
}  // namespace flense::lint
