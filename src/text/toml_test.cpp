#include "text/toml.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace flense::text {
namespace {

using ::testing::HasSubstr;

std::string as_json(std::string_view text) {
  const Result<Json> json = parse_toml(text, "file");
  EXPECT_TRUE(json) << (json ? "" : render(json.error()));
  return json ? dump_json(*json) : "";
}

constexpr std::string_view kCommented = R"(# Managed by hand.
version = 2   # the form
imports = ["/etc/containerd/conf.d/*.toml"]

[plugins]
  # Kubernetes' side.
  [plugins."io.containerd.grpc.v1.cri"]
    sandbox_image = "pause:3.9" # größer
    enable_cdi = false # not yet
    [plugins."io.containerd.grpc.v1.cri".containerd]
      default_runtime_name = 'runc'
)";
const TomlTable kCri = {"plugins", "io.containerd.grpc.v1.cri"};

TEST(Toml, AsJson) {
  EXPECT_EQ(as_json("b = 1\na = [1.5, 'x']\n[t.\"u v\"]\nd = 1979-05-27\nf = true\n"),
            R"({"a":[1.5,"x"],"b":1,"t":{"u v":{"d":"1979-05-27","f":true}}})");
  EXPECT_THAT(parse_toml("a = \n", "f").error().message, HasSubstr("f is not valid TOML: line 1"));
  EXPECT_THAT(parse_toml("a = 1\na = 2\n", "f").error().message, HasSubstr("line 2"));
}

TEST(Toml, DepthIsCapped) {
  std::string deep = "a";
  for (int i = 0; i < 60; ++i) deep += ".a";
  EXPECT_THAT(parse_toml(deep + " = 1\n", "f").error().message,
              HasSubstr("line 1: a name with too many parts"));
  // Headers of 40 parts, and inline tables in one another.
  std::string nested = "x = ";
  for (int i = 0; i < 120; ++i) nested += "[";
  EXPECT_FALSE(parse_toml(nested + std::string(120, ']'), "f"));
  EXPECT_FALSE(parse_toml("x = " + std::string(5000, '[') + std::string(5000, ']'), "f"));
}

TEST(Toml, BeyondAsciiOnlyInStringsAndComments) {
  const std::string fine =
      "# ö\na = 'ö' # ü\n\"ö\" = \"\\\"ö\"\nb = \"\"\"ö\n\"\" ö\"\"\"\"\"\nc = \'\'\'\nö\\\'\'\'\n"
      "d = \"\"\nl = [ # é\n 1,\n]\n";
  EXPECT_EQ(as_json(fine), R"({"a":"ö","b":"ö\n\"\" ö\"\"","c":"ö\\","d":"","l":[1],"ö":"\"ö"})");
  for (const std::string bare :
       {"ö = 1", "a = ö", "a = 1 ö", "[ö]", "a.ö = 1", "a = \"\"\"x\"\"\"\" ö"})
    EXPECT_THAT(parse_toml("x = 'y'\n" + bare + "\n", "f").error().message, HasSubstr("line 2"))
        << bare;
}

TEST(TomlSet, AValueIsReplacedWhereItStands) {
  const auto out = set_toml(kCommented, kCri, "enable_cdi", Json(true), "f");
  ASSERT_TRUE(out);
  std::string expected(kCommented);
  expected.replace(expected.find("= false"), 7, "= true");
  EXPECT_EQ(*out, expected);
  // After multi-byte characters.
  const auto unicode = set_toml("a = { \"é\" = \"ü\", b = 1 } # ö\n", {"a"}, "b", Json(2), "f");
  ASSERT_TRUE(unicode);
  EXPECT_EQ(*unicode, "a = { \"é\" = \"ü\", b = 2 } # ö\n");
  const auto list = set_toml("a = [\n  1,\n  2, # two\n]\nb = 3\n", {}, "a",
                             parse_json("[\"x\"]", "j").value(), "f");
  ASSERT_TRUE(list);
  EXPECT_EQ(*list, "a = [\"x\"]\nb = 3\n");
}

TEST(TomlSet, ANewKeyGoesBelowTheHeader) {
  const auto out =
      set_toml(kCommented, kCri, "cdi_spec_dirs", parse_json(R"(["/etc/cdi"])", "j").value(), "f");
  ASSERT_TRUE(out);
  std::string expected(kCommented);
  expected.insert(expected.find("    sandbox_image"), "    cdi_spec_dirs = [\"/etc/cdi\"]\n");
  EXPECT_EQ(*out, expected);
}

TEST(TomlSet, AMissingTableComesLast) {
  for (const std::string text : {"", "version = 2", "version = 2\n",
                                 "[plugins.\"io.containerd.grpc.v1.cri\".containerd]\nx = 1\n"}) {
    const auto out = set_toml(text, kCri, "enable_cdi", Json(true), "f");
    ASSERT_TRUE(out) << text;
    EXPECT_TRUE(out->starts_with(text));
    EXPECT_TRUE(out->ends_with("[plugins.\"io.containerd.grpc.v1.cri\"]\n  enable_cdi = true\n"))
        << *out;
  }
}

TEST(TomlSet, WhatCannotBeDoneIsLeftAlone) {
  const auto out = set_toml("plugins = { cri = 5 }\n", {"plugins", "x"}, "y", Json(true), "f");
  ASSERT_FALSE(out);
  EXPECT_THAT(out.error().hint, HasSubstr("y = true"));
}

/// The text with the table, which is the old one without what was put into it.
std::string with_table(const std::string& text, const TomlTable& table) {
  const auto made = add_toml_table(text, table, {{"a", 1}, {"b c", "x"}}, "ours", "f");
  EXPECT_TRUE(made) << (made ? "" : render(made.error()));
  if (!made) return "";
  std::string back = made->text;
  back.erase(back.find(made->block), made->block.size());
  EXPECT_EQ(back, text);
  return made->text;
}

TEST(TomlAdd, ATableComesBeforeThoseBesideIt) {
  const TomlTable ours = {"host", "https://ours"};
  const std::string block = "# ours\n[host.\"https://ours\"]\n  a = 1\n  \"b c\" = \"x\"\n";
  EXPECT_EQ(with_table("", ours), block);
  EXPECT_EQ(with_table("server = 1", ours), "server = 1\n\n" + block);
  EXPECT_EQ(with_table("server = 1\n[header]\nx = 1\n", ours),
            "server = 1\n[header]\nx = 1\n\n" + block);
  EXPECT_EQ(with_table("server = 1\n\n# near\n  # too\n[host.b]\n[host.a]\n", ours),
            "server = 1\n\n" + block + "\n# near\n  # too\n[host.b]\n[host.a]\n");
  // No header of its own, a header for all, names with dots.
  EXPECT_EQ(with_table("[host.b.header]\nx = 1\n", ours), block + "\n[host.b.header]\nx = 1\n");
  EXPECT_EQ(with_table("[host]\n  [host.b]\n", ours), "[host]\n" + block + "\n  [host.b]\n");
  with_table("x = \"\"\"\n# not ours\n[host.x]\n\"\"\"\n[host.b]\n", ours);
}

TEST(TomlAdd, ATableComesBeforeAnyThatIsNamedFurtherIn) {
  const TomlTable ours = {"host", "https://ours"};
  const std::string block = "# ours\n[host.\"https://ours\"]\n  a = 1\n  \"b c\" = \"x\"\n";
  const std::string theirs = "[host.b.header]\nx = 1\n[host.b]\ny = 1\n";
  EXPECT_EQ(with_table(theirs, ours), block + "\n" + theirs);
  // Before these nothing can come.
  for (const char* text : {"[host]\nb.c = 1\n", "[host]\nb = { c = 1 }\n", "host.b.c = 1\n"})
    EXPECT_FALSE(add_toml_table(text, ours, {{"k", 1}}, "ours", "f")) << text;
}

TEST(TomlNames, StandInTheOrderOfTheText) {
  using Names = std::vector<std::string>;
  EXPECT_EQ(toml_names("[h.z.x]\n[h.b]\n[a]\n[h.z]\n[h.a]\n", {"h"}, "f").value_or(Names{}),
            (Names{"z", "b", "a"}));
  EXPECT_EQ(toml_names("b = {y = 1, x = 2}\n", {"b"}, "f").value_or(Names{}), (Names{"y", "x"}));
  EXPECT_EQ(toml_names("", {"b"}, "f").value_or(Names{"?"}), Names{});
}

TEST(TomlItem, OneMoreComesFirstAndGoesAgain) {
  const TomlTable table = {"registry", "h"};
  const std::string header = "[registry.h]\n";
  for (const std::string list :
       {"mirrors = []\n", "mirrors = ['a']\n", "mirrors = [ # near\n  'a', # first\n  \"b\",\n]\n",
        "mirrors = [\n  # none\n]\n", "mirrors=[\"é\",'b'] # end\nhttp = true\n"}) {
    const auto made = insert_toml_item(header + list, table, "mirrors", Json("ours"), "f");
    ASSERT_TRUE(made) << list;
    EXPECT_EQ(toml_table(parse_toml(made->text, "f").value(), table)["mirrors"].items().front(),
              Json("ours"));
    std::string back = made->text;
    back.erase(back.find(made->block), made->block.size());
    EXPECT_EQ(back, header + list);
    EXPECT_EQ(erase_toml_item(made->text, table, "mirrors", Json("ours"), "f").value_or(""),
              header + list);
  }
  const auto erased = [&](const std::string& list) {
    return erase_toml_item(header + list, table, "mirrors", Json("ours"), "f").value_or("");
  };
  EXPECT_EQ(erased("mirrors = ['a', # first\n  'ours', # second\n  'b']\n"),
            header + "mirrors = ['a', # first\n  # second\n  'b']\n");
  EXPECT_EQ(erased("mirrors = ['a', 'ours']\n"), header + "mirrors = ['a']\n");
  EXPECT_EQ(erased("mirrors = ['a']\n"), header + "mirrors = ['a']\n");
  EXPECT_EQ(erased("mirrors = 1\n"), header + "mirrors = 1\n");
  for (const char* text : {"", "[registry.h]\n", "[registry.h]\nmirrors = 1\n"})
    EXPECT_FALSE(insert_toml_item(text, table, "mirrors", Json("ours"), "f")) << text;
}

TEST(TomlAdd, WhatCannotBeDoneIsLeftAlone) {
  const TomlTable ours = {"host", "a"};
  for (const char* text : {"[host.a]\n", "host = {b = {}}\n", "host = 1\n", "host.a.b = 1\n",
                           "[[host]]\na = 1\n", "[host\n"})
    EXPECT_FALSE(add_toml_table(text, ours, {{"k", 1}}, "ours", "f")) << text;
}

TEST(TomlErase, TakesTheLineOut) {
  for (const TomlTable& table : {TomlTable(), kCri, TomlTable{"plugins", "new"}}) {
    const auto set = set_toml(kCommented, table, "key", Json("v"), "f");
    ASSERT_TRUE(set);
    const auto out = erase_toml(*set, table, "key", "f");
    ASSERT_TRUE(out);
    EXPECT_THAT(*out, HasSubstr(kCommented.substr(0, 40)));
    EXPECT_EQ(out->find("key ="), std::string::npos);
  }
  EXPECT_EQ(*erase_toml("a = [\n1,\n]\nb = 1\n", {}, "a", "f"), "b = 1\n");
  EXPECT_EQ(*erase_toml("b = 1\n", {}, "a", "f"), "b = 1\n");
  EXPECT_FALSE(erase_toml("t = { a = 1, b = 2 }\n", {"t"}, "a", "f"));
}

}  // namespace
}  // namespace flense::text
