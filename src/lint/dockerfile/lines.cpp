#include "lint/dockerfile/lines.h"

#include <algorithm>

#include "base/format.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr std::size_t kLongestLine = 64U << 10;  // of Go's line scanner, including the newline

bool is_comment(std::string_view line) {
  return trim_space_left(line).starts_with('#');
}

/// name = value, as directives are written after '#'.
bool split_directive(std::string_view text, std::string& name, std::string_view& value) {
  std::size_t end = 0;
  while (end < text.size() && (is_letter(text[end]) || (end > 0 && is_digit(text[end])))) ++end;
  name = to_lower(text.substr(0, end));
  text.remove_prefix(end);
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  if (name.empty() || !text.starts_with('=')) return false;
  text.remove_prefix(1);
  while (!text.empty() && is_blank(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_blank(text.back())) text.remove_suffix(1);
  value = text;
  return !value.empty();
}

bool is_true_or_false(std::string_view text) {
  constexpr std::string_view kWords[] = {"1", "t", "T", "true",  "TRUE",  "True",
                                         "0", "f", "F", "false", "FALSE", "False"};
  return std::ranges::find(kWords, text) != std::end(kWords);
}

/// What BuildKit says of the options of `# check=`; empty: nothing.
std::string check_options_problem(std::string_view text) {
  for (int part = 0; part < 3 && !text.empty(); ++part) {
    const std::size_t end = part == 2 ? text.size() : std::min(text.find(';'), text.size());
    const std::string_view option = text.substr(0, end);
    text.remove_prefix(std::min(text.size(), end + 1));
    const std::size_t equals = option.find('=');
    if (equals == option.npos) return fmt::format("invalid check option \"{}\"", option);
    const std::string_view name = trim_space(option.substr(0, equals));
    if (name == "error") {
      const std::string_view value = trim_space(option.substr(equals + 1));
      if (!is_true_or_false(value)) return fmt::format("error={} is neither true nor false", value);
    } else if (name != "skip" && name != "experimental") {
      return fmt::format("invalid check option \"{}\": skip, error and experimental exist", name);
    }
  }
  return {};
}

}  // namespace

std::size_t LogicalLine::source_of(std::size_t at) const {
  if (pieces.empty()) return span.begin;
  auto after = std::ranges::upper_bound(pieces, at, {}, &Piece::begin);
  if (after == pieces.begin()) return pieces.front().source;
  --after;
  return after->source + (at - after->begin);
}

Span LogicalLine::source_of(std::size_t begin, std::size_t end) const {
  if (begin >= end) {
    const std::size_t at = begin == 0 ? source_of(0) : source_of(begin - 1) + 1;
    return {at, at};
  }
  return {source_of(begin), source_of(end - 1) + 1};
}

bool LineReader::physical(Physical& line) {
  if (stopped_ || at_ >= text_.size()) return false;
  const std::size_t newline = text_.find('\n', at_);
  const std::size_t after = newline == text_.npos ? text_.size() : newline + 1;
  if (after - at_ > kLongestLine - (newline == text_.npos ? 1 : 0)) {
    out_.problems.push_back({{at_, at_ + 1},
                             fmt::format("this line has {} bytes; BuildKit reads at most {}",
                                         after - at_, kLongestLine - 1)});
    stopped_ = true;
    return false;
  }
  line.begin = at_;
  line.text = text_.substr(at_, after - at_);
  while (line.text.ends_with('\n') || line.text.ends_with('\r')) line.text.remove_suffix(1);
  at_ = after;
  end_ = line.begin + line.text.size();
  return true;
}

bool LineReader::continued(std::string_view& line) const {
  const std::size_t last = line.find_last_not_of(" \t");
  if (last == line.npos || line[last] != out_.escape) return false;
  if (last > 0 && line[last - 1] == out_.escape) return false;
  line = line.substr(0, last);
  return true;
}

void LineReader::directive(std::string_view line, std::size_t begin) {
  if (directives_done_) return;
  std::string name;
  std::string_view value;
  const bool found =
      line.starts_with('#') && split_directive(trim_space_left(line.substr(1)), name, value);
  if (!found || (name != "syntax" && name != "escape" && name != "check")) {
    directives_done_ = true;
    return;
  }
  const Span span{begin, begin + line.size()};
  if (std::ranges::find(seen_, name) != seen_.end()) {
    out_.problems.push_back({span, fmt::format("only one {} directive can be used", name)});
    return;
  }
  seen_.push_back(name);
  if (name == "syntax") {
    out_.syntax = value.substr(0, value.find(' '));
  } else if (name == "check") {
    if (std::string why = check_options_problem(value); !why.empty())
      out_.problems.push_back({span, std::move(why)});
  } else if (value == "`" || value == "\\") {
    out_.escape = value.front();
  } else {
    out_.problems.push_back(
        {span, fmt::format("the escape character {} is neither ` nor \\", value)});
  }
}

bool LineReader::next(LogicalLine& line) {
  Physical physical_line;
  if (at_ == 0 && text_.starts_with("\xEF\xBB\xBF")) at_ = 3;
  while (physical(physical_line)) {
    std::string_view text = trim_space_left(physical_line.text);
    std::size_t begin = physical_line.begin + (physical_line.text.size() - text.size());
    directive(text, begin);
    if (is_comment(text)) continue;
    bool more = continued(text);
    if (!more && text.empty()) continue;
    line.text.assign(text);
    line.pieces.assign(1, {0, begin});
    line.span = {begin, end_};
    while (more && physical(physical_line)) {
      text = physical_line.text;
      if (is_comment(text) || trim_space_left(text).empty()) continue;
      more = continued(text);
      line.pieces.push_back({line.text.size(), physical_line.begin});
      line.text += text;
      line.span.end = end_;
    }
    return true;
  }
  return false;
}

bool LineReader::here_document(Heredoc& document) {
  document.body = {at_, at_};
  Physical line;
  while (physical(line)) {
    std::string_view text = line.text;
    if (document.strip_tabs)
      while (text.starts_with('\t')) text.remove_prefix(1);
    if (text == document.name) {
      document.body.end = line.begin;
      return true;
    }
    document.body.end = end_;
  }
  // What is missing is reported at the end of the last line, not on the line after it.
  document.body.begin = std::min(document.body.begin, end_);
  document.body.end = std::min(document.body.end, end_);
  return false;
}

}  // namespace flense::lint
