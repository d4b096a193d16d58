#include "report/html/report.h"

#include <algorithm>
#include <utility>

#include "base/printable.h"
#include "codec/sha256.h"
#include "report/html/embedded_web.h"

namespace flense::report {

namespace {

/// A policy in a meta element may not hold frame-ancestors, report-uri and sandbox; of the rest
/// this allows nothing but the file's own script and style.
std::string policy() {
  return fmt::format(
      "default-src 'none'; script-src {}; style-src {}; base-uri 'none'; form-action 'none'",
      hash_source(web_script()), hash_source(web_style()));
}

/// What is said also where scripts do not run: in mail, in previews.
std::string page_summary(const HtmlReport& report, const SizeTree& tree) {
  std::string out =
      fmt::format("{}: {} unpacked", printable(report.inventory.target), human_bytes(tree.bytes));
  if (tree.given_back > 0)
    out += fmt::format(", {} {}, {} {}", human_bytes(tree.given_back),
                       report.outcome == nullptr ? "can go" : "gone",
                       human_bytes(tree.bytes - tree.given_back),
                       report.outcome == nullptr ? "would remain" : "remain");
  return out;
}

using Filling = std::pair<std::string_view, std::string>;

/// Each mark once, in the order of the page; what is filled in is not looked at again.
std::string fill(std::string_view page, const std::vector<Filling>& fillings) {
  std::string out;
  for (std::size_t open = page.find("{{"); open != std::string_view::npos; open = page.find("{{")) {
    const std::size_t close = page.find("}}", open);
    if (close == std::string_view::npos) break;
    const std::string_view mark = page.substr(open + 2, close - open - 2);
    out += page.substr(0, open);
    const auto found = std::ranges::find(fillings, mark, &Filling::first);
    if (found != fillings.end()) out += found->second;
    page.remove_prefix(close + 2);
  }
  return out.append(page);
}

/// Headers and padding that went with what was dropped, layer by layer as written.
std::vector<std::uint64_t> archive_given_back(const HtmlReport& report, const MemberFates& fates) {
  std::vector<std::uint64_t> out;
  if (report.outcome == nullptr || report.outcome->layers.size() != fates.size()) return out;
  for (std::size_t i = 0; i < fates.size(); ++i) {
    const slim::LayerSizes& layer = report.outcome->layers[i];
    const std::uint64_t all =
        layer.unpacked_before - std::min(layer.unpacked_before, layer.unpacked_after);
    std::uint64_t content = 0;
    for (const auto& [index, fate] : fates[i]) content += fate.given_back;
    out.push_back(all - std::min(all, content));
  }
  return out;
}

}  // namespace

MemberFates report_fates(const HtmlReport& report) {
  return member_fates(
      report.contents, report.plan,
      report.outcome == nullptr ? std::vector<slim::LeftAlone>() : report.outcome->left_alone);
}

SizeTree report_tree(const HtmlReport& report, const MemberFates& fates) {
  SizeTreeOptions options;
  options.layers = report.inventory.layers.size() > 1 || !report.inventory.digest.empty() ||
                   !report.inventory.tags.empty();
  options.archive_given_back = archive_given_back(report, fates);
  return size_tree(report.contents, fates, options);
}

std::string hash_source(std::string_view text) {
  std::string out = codec::sha256_record(as_bytes(text));
  std::ranges::replace(out, '-', '+');
  std::ranges::replace(out, '_', '/');
  out.append((4 - out.size() % 4) % 4, '=');
  return "'sha256-" + out + "'";
}

std::string script_json(const text::Json& data) {
  std::string out;
  const std::string plain = text::dump_json(data);
  out.reserve(plain.size());
  // These occur only in strings, where JSON has another spelling for them.
  for (const char c : plain) {
    if (c == '<' || c == '>' || c == '&')
      out += fmt::format("\\u{:04x}", static_cast<unsigned char>(c));
    else
      out += c;
  }
  return out;
}

std::string html_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    switch (c) {
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '&':
        out += "&amp;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\'':
        out += "&#39;";
        break;
      default:
        out += c;
    }
  }
  return out;
}

std::string html_report(const HtmlReport& report) {
  const MemberFates fates = report_fates(report);
  const SizeTree tree = report_tree(report, fates);
  const std::string title = printable(
      report.inventory.tags.empty() ? report.inventory.target : report.inventory.tags.front());
  return fill(web_page(), {{"title", html_text(title)},
                           {"policy", policy()},
                           {"summary", html_text(page_summary(report, tree))},
                           {"style", std::string(web_style())},
                           {"data", script_json(html_data(report, fates, tree))},
                           {"script", std::string(web_script())}});
}

}  // namespace flense::report
