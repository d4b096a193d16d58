#include "lint/pragmas.h"

#include <algorithm>

#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

std::size_t comment_at(std::string_view line) {
  for (const std::string_view mark : {"#", "//"}) {
    for (std::size_t at = line.find(mark); at != std::string_view::npos;
         at = line.find(mark, at + 1)) {
      const std::string_view rest = trim_space(line.substr(at + mark.size()));
      const bool begins = at == 0 || line[at - 1] == ' ' || line[at - 1] == '\t';
      if (begins && (rest.starts_with("flense ") || rest.starts_with("hadolint "))) return at;
    }
  }
  return std::string_view::npos;
}

/// "global ignore=a,b" without the tool's name; false when it is something else.
bool read_words(std::string_view text, Pragma& out) {
  text = trim_space(text);
  if (text.starts_with("global ")) {
    out.global = true;
    text = trim_space(text.substr(7));
  }
  if (!text.starts_with("ignore")) return false;
  text = trim_space(text.substr(6));
  if (!text.starts_with('=')) return false;
  text.remove_prefix(1);
  while (!text.empty()) {
    const std::size_t comma = std::min(text.find(','), text.size());
    std::string_view word = trim_space(text.substr(0, comma));
    text.remove_prefix(std::min(comma + 1, text.size()));
    // A reason may follow the last rule.
    const std::size_t blank = word.find_first_of(" \t");
    if (blank != std::string_view::npos) {
      word = word.substr(0, blank);
      text = {};
    }
    if (!word.empty()) out.rules.emplace_back(word);
  }
  return !out.rules.empty();
}

/// The instruction around a line or beginning at it, but of a script the line with what continues
/// it; else the line alone.
Span covered(const ProjectFile& file, Span line) {
  if (file.kind == FileKind::kApptainer) {
    const std::string_view text = file.source.text();
    while (line.end > line.begin && line.end < text.size() && text[line.end - 1] == '\\')
      line.end = std::min(text.find('\n', line.end + 1), text.size());
  } else if (file.dockerfile)
    for (const Stage& stage : file.dockerfile->stages)
      for (const Instruction& one : stage.instructions)
        if (one.span.begin < line.end && line.begin < one.span.end)
          return {std::min(one.span.begin, line.begin), one.span.end};
  return line;
}

}  // namespace

std::vector<Pragma> pragmas_of(const ProjectFile& file) {
  std::vector<Pragma> out;
  const SourceText& source = file.source;
  if (source.text().find("ignore") == std::string_view::npos) return out;
  for (std::size_t number = 1; number <= source.line_count(); ++number) {
    const std::string_view line = source.line(number);
    const std::size_t at = comment_at(line);
    if (at == std::string_view::npos) continue;
    Pragma pragma;
    const std::size_t word = line.find_first_not_of("#/ \t", at);
    pragma.of_hadolint = line.substr(word).starts_with("hadolint");
    if (!read_words(line.substr(word + (pragma.of_hadolint ? 8 : 6)), pragma)) continue;
    const Span whole = source.line_span(number);
    pragma.comment = {whole.begin + at, whole.end};
    std::size_t target = number;
    if (trim_space(line.substr(0, at)).empty())
      for (++target; target <= source.line_count(); ++target) {
        const std::string_view below = trim_space(source.line(target));
        if (!below.empty() && !below.starts_with('#') && !below.starts_with("//")) break;
      }
    pragma.covers = covered(file, source.line_span(target));
    out.push_back(std::move(pragma));
  }
  return out;
}

}  // namespace flense::lint
