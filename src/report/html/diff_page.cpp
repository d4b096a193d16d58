#include "report/html/diff_page.h"

#include <algorithm>

#include "base/format.h"
#include "base/printable.h"
#include "report/html/embedded_web.h"
#include "report/html/report.h"

namespace flense::report {

namespace {

constexpr std::size_t kMostRows = 500;

/// Whatever others have written, in an element; its direction ends with it.
std::string said(std::string_view text) {
  return "<bdi>" + html_text(printable(text)) + "</bdi>";
}

std::string_view class_of(const Column& column) {
  if (column.align == Align::kRight) return "number";
  if (column.flex == Column::Flex::kPath) return "path";
  return column.flex == Column::Flex::kNone ? "" : "code";
}

std::string cell(const char* tag, const Column& column, const std::string& content) {
  const std::string_view name = class_of(column);
  return fmt::format("<{0}{1}>{2}</{3}>", tag,
                     name.empty() ? std::string() : fmt::format(" class=\"{}\"", name), content,
                     std::string_view(tag).substr(0, 2));
}

/// "Files: 3 added" as "Files".
std::string_view name_of(const DiffSection& section) {
  return std::string_view(section.title).substr(0, section.title.find(':'));
}

/// Sizes before all else: what changed in large letters, and from what to what.
std::string facts(const DiffSection& sizes) {
  std::string out = "<dl class=\"facts\">";
  for (const DiffSection::Row& row : sizes.rows) {
    // "-300 MB (-25.0 %)": the share is for the small line.
    const std::string_view change = row.cells[3];
    const std::size_t share = std::min(change.find(" ("), change.size());
    out += fmt::format(
        "<div class=\"fact\"><dt>{}</dt><dd><span class=\"big\">{}</span>{} → {}{}</dd></div>",
        html_text(row.cells[0]), html_text(change.substr(0, share)), html_text(row.cells[1]),
        html_text(row.cells[2]), html_text(change.substr(share)));
  }
  return out + "</dl>\n";
}

std::string table(const DiffSection& section, std::size_t shown) {
  std::string out = "<table><thead><tr>";
  for (const Column& column : section.columns)
    out += cell("th scope=\"col\"", column, html_text(column.title));
  out += "</tr></thead><tbody>\n";
  for (std::size_t i = 0; i < shown; ++i) {
    const DiffSection::Row& row = section.rows[i];
    out += row.ink == Ink::kRed ? "<tr class=\"bad\">" : "<tr>";
    for (std::size_t k = 0; k < section.columns.size(); ++k)
      out += cell("td", section.columns[k], k < row.cells.size() ? said(row.cells[k]) : "");
    out += "</tr>\n";
  }
  return out + "</tbody></table>";
}

std::string section_text(const DiffSection& section, std::size_t number, bool all) {
  const std::size_t shown = all ? section.rows.size() : std::min(section.rows.size(), kMostRows);
  std::string out = fmt::format(
      "<section id=\"part-{}\"><h2>{}</h2>\n<div class=\"scroll\" tabindex=\"0\" role=\"region\" "
      "aria-label=\"{}\">{}</div>\n",
      number, html_text(section.title), html_text(name_of(section)), table(section, shown));
  if (shown < section.rows.size())
    out += fmt::format("<p class=\"quiet\">and {} more (--all lists them)</p>\n",
                       grouped(section.rows.size() - shown));
  return out + "</section>\n";
}

std::string contents(const ImageDiff& diff, bool all) {
  if (const std::string nothing = no_difference(diff); !nothing.empty())
    return "<main><p>" + html_text(nothing) + "</p>\n";
  // The sizes come first.
  const std::vector<DiffSection> sections = diff_sections(diff, true);
  std::string links, tables;
  for (std::size_t i = 1; i < sections.size(); ++i) {
    links += fmt::format("<a href=\"#part-{}\">{}</a>", i, html_text(name_of(sections[i])));
    tables += section_text(sections[i], i, all);
  }
  return fmt::format(
      "<header><nav class=\"sections\" aria-label=\"Parts\">{}</nav></header>\n"
      "<main class=\"difference\">{}{}",
      links, facts(sections.front()), tables);
}

}  // namespace

std::string diff_page(const ImageDiff& diff, bool all) {
  const std::string before = html_text(printable(diff.changes.before.target)),
                    after = html_text(printable(diff.changes.after.target));
  std::string notices;
  for (const std::string& notice : diff.notices) notices += "<li>" + said(notice) + "</li>";
  if (!notices.empty())
    notices = "<section><h2>Notices</h2><ul class=\"notices\">" + notices + "</ul></section>\n";
  return fmt::format(
      "<!doctype html>\n<html lang=\"en\" data-ready>\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src {}; "
      "base-uri 'none'; form-action 'none'\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      "<meta name=\"color-scheme\" content=\"light dark\">\n"
      "<meta name=\"referrer\" content=\"no-referrer\">\n"
      "<title>{} → {} · flense</title>\n<style>{}</style>\n</head>\n<body>\n"
      "<header><div class=\"title\"><h1><bdi>{}</bdi> → <bdi>{}</bdi></h1></div></header>\n"
      "{}{}</main>\n<footer class=\"quiet\"></footer>\n</body>\n</html>\n",
      hash_source(web_style()), before, after, web_style(), before, after, contents(diff, all),
      notices);
}

}  // namespace flense::report
