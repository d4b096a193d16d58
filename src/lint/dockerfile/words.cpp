#include "lint/dockerfile/words.h"

#include "lint/source/blanks.h"
#include "text/json.h"

namespace flense::lint {
namespace {

constexpr std::size_t kMostElements = 10'000;  // of one array

bool ends_word(char c) {
  return c == ' ' || c == '\t' || c == '\v' || c == '\f' || c == '\r';
}

}  // namespace

Range trimmed(std::string_view text, Range range) {
  const std::string_view whole = text.substr(range.begin, range.end - range.begin);
  const std::string_view left = trim_space_left(whole);
  const std::size_t begin = range.begin + (whole.size() - left.size());
  return {begin, begin + trim_space(left).size()};
}

Range take_word(std::string_view text, Range& range) {
  std::size_t end = range.begin;
  while (end < range.end && !ends_word(text[end])) ++end;
  const Range word{range.begin, end};
  while (end < range.end && ends_word(text[end])) ++end;
  range.begin = end;
  return word;
}

std::vector<Flag> take_flags(const LogicalLine& line, Range& range, char escape) {
  std::vector<Flag> flags;
  const std::string_view text = line.text;
  std::size_t at = range.begin;
  for (;;) {
    while (at < range.end && is_blank(text[at])) ++at;
    range.begin = at;
    if (!text.substr(at, range.end - at).starts_with("--")) return flags;
    std::string word;
    char quote = 0;
    const std::size_t begin = at;
    for (; at < range.end; ++at) {
      char c = text[at];
      if (quote == 0 && is_blank(c)) break;
      if (quote == 0 && (c == '\'' || c == '"')) {
        quote = c;
        continue;
      }
      if (quote != 0 && c == quote) {
        quote = 0;
        continue;
      }
      if (c == escape) {
        if (at + 1 == range.end) continue;
        c = text[++at];
      }
      word += c;
    }
    range.begin = at;
    if (word == "--") return flags;
    Flag flag;
    const std::size_t equals = word.find('=');
    flag.has_value = equals != word.npos;
    flag.name = word.substr(2, flag.has_value ? equals - 2 : word.npos);
    if (flag.has_value) flag.value = word.substr(equals + 1);
    flag.span = line.source_of(begin, at);
    flags.push_back(std::move(flag));
  }
}

std::vector<Range> split_blank(std::string_view text, Range range) {
  std::vector<Range> words;
  while (!range.empty()) {
    const Range word = take_word(text, range);
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

std::vector<Range> split_quoted(std::string_view text, Range range, char escape) {
  std::vector<Range> words;
  std::size_t at = range.begin;
  while (at < range.end) {
    if (const std::size_t width = space_at(text.substr(0, range.end), at)) {
      at += width;
      continue;
    }
    Range word{at, range.end};
    char quote = 0;
    while (at < range.end) {
      const char c = text[at];
      if (quote == 0) {
        if (space_at(text.substr(0, range.end), at) != 0) break;
        if (c == '\'' || c == '"') quote = c;
      } else if (c == quote) {
        quote = 0;
      }
      if (c == escape && quote != '\'') {
        // An escape at the end of the line is dropped.
        if (at + 1 == range.end) {
          word.end = at;
          ++at;
          break;
        }
        ++at;
      }
      ++at;
    }
    word.end = std::min(word.end, at);
    if (!word.empty()) words.push_back(word);
  }
  return words;
}

std::optional<JsonArray> read_json_array(const LogicalLine& line, Range range) {
  const std::string_view text = line.text;
  range = trimmed(text, range);
  if (range.empty() || text[range.begin] != '[' || text[range.end - 1] != ']') return std::nullopt;
  const std::string_view document = text.substr(range.begin, range.end - range.begin);
  const auto parsed = text::parse_json(document, "array");
  if (!parsed || !parsed->is_array() || parsed->items().size() > kMostElements) return std::nullopt;
  JsonArray out;
  std::size_t at = range.begin + 1;
  for (const text::Json& item : parsed->items()) {
    if (!item.is_string()) {
      out.strings_only = false;
      return out;
    }
    const std::size_t begin = text.find('"', at);
    std::size_t end = begin + 1;
    while (text[end] != '"') end += text[end] == '\\' ? std::size_t{2} : std::size_t{1};
    at = end + 1;
    out.words.push_back({std::string(item.text()), line.source_of(begin, at)});
  }
  return out;
}

}  // namespace flense::lint
