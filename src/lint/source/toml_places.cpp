#include "lint/source/toml_places.h"

#include <algorithm>
#include <charconv>
#include <string>

#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// "[ a . b ]" -> "a.b", quotes kept out; empty for a line that is no header.
std::string header_name(std::string_view line) {
  line = trim_space(line);
  if (!line.starts_with('[')) return {};
  const bool twice = line.starts_with("[[");
  line.remove_prefix(twice ? 2 : 1);
  const std::size_t close = line.find(']');
  if (close == std::string_view::npos) return {};
  std::string out(line.substr(0, close));
  std::erase_if(out, [](char c) { return c == ' ' || c == '\t' || c == '"' || c == '\''; });
  return out;
}

}  // namespace

std::size_t TomlPlaces::find_header(std::string_view table, std::size_t from) const {
  while (from < text_.size()) {
    const std::size_t end = std::min(text_.find('\n', from), text_.size());
    const std::string_view line = text_.substr(from, end - from);
    const std::size_t first = line.find_first_not_of(" \t");
    if (first != std::string_view::npos && line[first] == '[' && header_name(line) == table)
      return from;
    from = end + 1;
  }
  return std::string_view::npos;
}

bool TomlPlaces::enter(std::string_view table) {
  const std::size_t found = find_header(table, 0);
  at_ = found == std::string_view::npos ? 0 : found;
  return found != std::string_view::npos;
}

bool TomlPlaces::enter_next(std::string_view table) {
  if (misses_ > kMostMisses) return false;
  const std::size_t line_end = at_ == 0 ? 0 : std::min(text_.find('\n', at_), text_.size());
  const std::size_t found = find_header(table, line_end == 0 ? 0 : line_end + 1);
  if (found == std::string_view::npos) {
    ++misses_;
    return false;
  }
  at_ = found;
  return true;
}

Span TomlPlaces::value(std::string_view value) {
  if (value.empty() || misses_ > kMostMisses) return {};
  std::size_t from = at_;
  while (true) {
    const std::size_t found = text_.find(value, from);
    if (found == std::string_view::npos) {
      ++misses_;
      return {};
    }
    const std::size_t end = found + value.size();
    const char before = found == 0 ? '\0' : text_[found - 1];
    if ((before == '"' || before == '\'') && end < text_.size() && text_[end] == before) {
      at_ = end;
      return {found, end};
    }
    from = found + 1;
  }
}

std::size_t TomlPlaces::table_end() const {
  std::size_t line = std::min(text_.find('\n', at_), text_.size());
  while (line < text_.size()) {
    const std::size_t begin = line + 1;
    const std::size_t first = text_.find_first_not_of(" \t", begin);
    if (first != std::string_view::npos && text_[first] == '[') return begin;
    line = std::min(text_.find('\n', begin), text_.size());
  }
  return text_.size();
}

void TomlPlaces::move_to(Span place) {
  if (!place.empty()) at_ = place.begin;
}

Span TomlPlaces::key(std::string_view key) {
  if (misses_ > kMostMisses) return {};
  const std::size_t end = table_end();
  for (std::size_t line = at_; line < end;) {
    const std::size_t stop = std::min(text_.find('\n', line), end);
    std::size_t first = text_.find_first_not_of(" \t", line);
    if (first != std::string_view::npos && first < stop) {
      const bool quoted = text_[first] == '"' || text_[first] == '\'';
      const std::size_t name = first + (quoted ? 1 : 0);
      if (text_.substr(name, key.size()) == key) {
        const std::size_t behind =
            text_.find_first_not_of(" \t", name + key.size() + (quoted ? 1 : 0));
        if (behind < stop && (text_[behind] == '=' || text_[behind] == '.')) {
          const std::string_view whole = trim_space(text_.substr(first, stop - first));
          return {first, first + whole.size()};
        }
      }
    }
    line = stop + 1;
  }
  ++misses_;
  return {};
}

Span line_of_error(const SourceText& source, std::string_view message) {
  const std::size_t at = message.find("line ");
  if (at == std::string_view::npos) return {};
  std::size_t number = 0;
  const std::string_view digits = message.substr(at + 5);
  std::from_chars(digits.data(), digits.data() + digits.size(), number);
  return number == 0 ? Span{} : source.line_span(number);
}

}  // namespace flense::lint
