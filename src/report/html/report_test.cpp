#include "report/html/report.h"

#include <gtest/gtest.h>

#include "codec/sha256.h"
#include "report/html/embedded_web.h"
#include "slim/apply/testing_image.h"

namespace flense::report {
namespace {

using slim::testing::must;
using slim::testing::Tar;
using slim::testing::TestImage;

struct Page {
  explicit Page(const TestImage& image, const slim::Plan& plan = {})
      : Page(image, must(inventory::describe(*image.image, *image.contents, {})), plan) {}
  Page(const TestImage& image, inventory::Inventory told, const slim::Plan& plan)
      : inventory(std::move(told)) {
    text = html_report({inventory, *image.contents, plan});
    const std::size_t at = text.find(kOpen);
    const std::size_t end = text.find("</script>", at);
    data = must(text::parse_json(
        std::string_view(text).substr(at + kOpen.size(), end - at - kOpen.size()), "data"));
  }
  static constexpr std::string_view kOpen = "id=\"data\">";
  inventory::Inventory inventory;
  std::string text;
  text::Json data;
};

std::size_t count(std::string_view text, std::string_view word) {
  std::size_t out = 0;
  for (std::size_t at = text.find(word); at != std::string_view::npos;
       at = text.find(word, at + word.size()))
    ++out;
  return out;
}

TEST(HtmlReport, HostileNamesStayText) {
  const std::string evil = "</script><script>alert(1)<!--";
  const TestImage image({Tar()
                             .file("opt/" + evil, std::string(100, 'x'))
                             .file("opt/]]>&amp;\"'", std::string(90, 'x'))
                             .file("opt/\xff\u202e{{data}}", std::string(80, 'x'))
                             .bytes()});
  inventory::Inventory told = must(inventory::describe(*image.image, *image.contents, {}));
  told.target = "<img src=x onerror=alert(2)>";
  told.layers[0].instruction = "RUN echo '</style><b>'";
  const Page page(image, std::move(told), {});
  EXPECT_EQ(count(page.text, "</script>"), 2U);
  EXPECT_EQ(count(page.text, "</style>"), 1U);
  EXPECT_EQ(count(page.text, "<img"), 0U);
  EXPECT_EQ(count(page.text, "alert(1)<"), 0U);
  EXPECT_EQ(count(page.text, "\xff"), 0U);
  EXPECT_EQ(count(page.text, "{{"), 1U) << "the file's own name, not looked at again";
  std::vector<std::string> names;
  for (const text::Json& name : page.data["tree"]["names"].items()) names.emplace_back(name.text());
  for (const char* name : {"]]>&amp;\"'", "\\xff\\u202e{{data}}"})
    EXPECT_NE(std::ranges::find(names, name), names.end()) << name;
  // A name with a slash is a directory and a file, as tar interprets it.
  EXPECT_NE(std::ranges::find(names, "script><script>alert(1)<!--"), names.end());
  EXPECT_EQ(page.data["target"].text(), "<img src=x onerror=alert(2)>");
}

TEST(HtmlReport, RunsItsOwnScriptAlone) {
  const TestImage image({Tar().file("a", "1").bytes()});
  const Page page(image);
  EXPECT_NE(page.text.find("default-src 'none'; script-src 'sha256-"), std::string::npos);
  EXPECT_EQ(page.text.find("unsafe"), std::string::npos);
  // The hash covers what is between the tags, as the browser sees it.
  const std::size_t at = page.text.rfind("<script>") + 8;
  const std::string script = page.text.substr(at, page.text.rfind("</script>") - at);
  EXPECT_EQ(script, web_script());
  std::string hash = codec::sha256_record(as_bytes(script));
  std::ranges::replace(hash, '-', '+');
  std::ranges::replace(hash, '_', '/');
  EXPECT_NE(page.text.find("script-src 'sha256-" + hash + "='"), std::string::npos);
  for (const char* mark : {"src=", "@import", "url(", "fetch(", "XMLHttpRequest"})
    EXPECT_EQ(page.text.find(mark), std::string::npos) << mark;
  EXPECT_LT(page.text.size(), 200'000U);
}

TEST(HtmlReport, TreeColumnsSumToTheImage) {
  const TestImage image({Tar().file("usr/a", std::string(5000, 'x')).file("b", "1").bytes(),
                         Tar().file("b", "22").bytes()});
  const slim::Plan plan = image.plan();
  const Page page(image, plan);
  const text::Json& tree = page.data["tree"];
  std::uint64_t bytes = 0, gone = 0;
  for (std::size_t i = 0; i < tree["bytes"].items().size(); ++i) {
    const std::uint64_t one = tree["bytes"].items()[i].unsigned_or(0);
    bytes += one;
    const text::Json& reason =
        page.data["reasons"].items().at(tree["reasons"].items().at(i).unsigned_or(0));
    if (one > 0 && reason["verdict"].text() == "goes") gone += one;
  }
  EXPECT_EQ(bytes, page.inventory.unpacked_bytes);
  EXPECT_EQ(gone, plan.bytes_given_back());
  EXPECT_EQ(tree["names"].items().size(), tree["kinds"].text().size());
  EXPECT_EQ(page.data["did"].text(), "plan");
  EXPECT_EQ(page.data["gpus"].text(), "sm_90");
}

}  // namespace
}  // namespace flense::report
