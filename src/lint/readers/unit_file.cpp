#include "lint/readers/unit_file.h"

#include "base/format.h"

namespace flense::lint {

namespace {

constexpr std::size_t kMaxEntries = 100000, kMaxProblems = 20;

bool is_tab_or_space(char c) {
  return c == ' ' || c == '\t';
}

Span trimmed(std::string_view text, Span span) {
  while (!span.empty() && is_tab_or_space(text[span.begin])) ++span.begin;
  while (!span.empty() && is_tab_or_space(text[span.end - 1])) --span.end;
  return span;
}

bool is_comment(std::string_view text, Span span) {
  return !span.empty() && (text[span.begin] == '#' || text[span.begin] == ';');
}

}  // namespace

const UnitEntry* UnitFile::find(std::string_view section, std::string_view key) const {
  const UnitEntry* found = nullptr;
  for (const UnitEntry& entry : entries)
    if (entry.section == section && entry.key.text == key) found = &entry;
  return found;
}

UnitFile parse_unit(const SourceText& source) {
  UnitFile out;
  const std::string_view text = source.text();
  std::string section;
  const auto problem = [&](Span at, std::string message) {
    if (out.problems.size() < kMaxProblems) out.problems.push_back({at, std::move(message)});
  };
  for (std::size_t number = 1; number <= source.line_count(); ++number) {
    const Span line = trimmed(text, source.line_span(number));
    if (line.empty() || is_comment(text, line)) continue;
    if (text[line.begin] == '[') {
      if (text[line.end - 1] != ']')
        problem(line, "the name of a section ends with ']'");
      else
        section = text.substr(line.begin + 1, line.end - line.begin - 2);
      continue;
    }
    const std::size_t equals = text.substr(line.begin, line.end - line.begin).find('=');
    // The value goes on while lines end with a backslash.
    Span whole{line.begin, source.line_span(number).end};
    std::string joined(source.slice(whole));
    while (joined.ends_with('\\') && number < source.line_count()) {
      ++number;
      const Span next = source.line_span(number);
      joined.back() = ' ';
      joined.append(next.begin - whole.end, ' ');
      if (is_comment(text, trimmed(text, next))) {
        joined.append(next.end - next.begin, ' ');
        // A comment does not end the value.
        joined.back() = '\\';
      } else {
        joined += source.slice(next);
      }
      whole.end = next.end;
    }
    if (joined.ends_with('\\')) joined.back() = ' ';
    if (equals == std::string_view::npos || section.empty()) {
      problem(line, section.empty() ? "a key stands before the first [section]"
                                    : "a line is KEY=VALUE, a [section] or a comment");
      continue;
    }
    if (out.entries.size() == kMaxEntries) {
      problem(line, fmt::format("more than {} entries", kMaxEntries));
      break;
    }
    const Span key = trimmed(text, {line.begin, line.begin + equals});
    const Span value = trimmed(joined, {equals + 1, joined.size()});
    out.entries.push_back({section,
                           {std::string(source.slice(key)), key},
                           {joined.substr(value.begin, value.end - value.begin),
                            {whole.begin + value.begin, whole.begin + value.end}}});
  }
  return out;
}

}  // namespace flense::lint
