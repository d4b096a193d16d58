#include "report/images/diff_text.h"

#include "base/format.h"
#include "base/printable.h"
#include "report/format/markdown.h"

namespace flense::report {

std::string diff_text(const ImageDiff& diff, const Style& style, bool all) {
  std::string out =
      fmt::format("{} -> {}\n", style.paint(Ink::kBold, printable(diff.changes.before.target)),
                  style.paint(Ink::kBold, printable(diff.changes.after.target)));
  if (const std::string nothing = no_difference(diff); !nothing.empty()) {
    out += nothing + "\n";
  } else {
    for (const DiffSection& section : diff_sections(diff, all)) {
      Table table(section.columns);
      for (const DiffSection::Row& row : section.rows) table.add(row.cells, row.ink);
      out += "\n" + style.paint(Ink::kBold, section.title) + "\n" + table.text(style);
      if (section.more > 0)
        out += fmt::format("  and {} more (--all lists them)\n", grouped(section.more));
    }
  }
  if (!diff.notices.empty()) out += "\n";
  for (const std::string& notice : diff.notices) out += "notice: " + printable(notice) + "\n";
  return out;
}

std::string diff_markdown(const ImageDiff& diff, bool all) {
  std::string out = fmt::format("### {} → {}\n\n", markdown_cell(diff.changes.before.target),
                                markdown_cell(diff.changes.after.target));
  if (const std::string nothing = no_difference(diff); !nothing.empty()) {
    out += markdown_cell(nothing) + "\n";
  } else {
    for (const DiffSection& section : diff_sections(diff, all)) {
      out += fmt::format("#### {}\n\n|", markdown_cell(section.title));
      for (const Column& column : section.columns)
        out += fmt::format(" {} |", markdown_cell(column.title));
      out += "\n|";
      for (const Column& column : section.columns)
        out += column.align == Align::kRight ? "---:|" : "---|";
      out += "\n";
      for (const DiffSection::Row& row : section.rows) {
        out += "|";
        for (const std::string& text : row.cells) out += fmt::format(" {} |", markdown_cell(text));
        out += "\n";
      }
      if (section.more > 0) out += fmt::format("\nand {} more\n", grouped(section.more));
      out += "\n";
    }
  }
  for (const std::string& notice : diff.notices)
    out += fmt::format("\n> {}\n", markdown_cell(notice));
  return out;
}

}  // namespace flense::report
