// Here-documents as BuildKit finds them in a line: whole words of the form "<<NAME". It reads the
// line with its own lexer, whose escape character here is always a backslash.
#include <algorithm>

#include "lint/dockerfile/lex.h"
#include "lint/dockerfile/lines.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

/// [0-9]* "<<" "-"? blanks rest-without-'<'
bool split_heredoc(std::string_view word, bool& strip_tabs, std::string_view& rest) {
  while (!word.empty() && is_digit(word.front())) word.remove_prefix(1);
  if (!word.starts_with("<<")) return false;
  word.remove_prefix(2);
  strip_tabs = word.starts_with('-');
  if (strip_tabs) word.remove_prefix(1);
  while (!word.empty() && is_blank(word.front())) word.remove_prefix(1);
  rest = word;
  return !rest.empty() && !rest.contains('<');
}

std::ptrdiff_t quotes(std::string_view text) {
  return std::ranges::count(text, '\'') + std::ranges::count(text, '"');
}

std::optional<Heredoc> read_heredoc(std::string_view word, std::string& why) {
  Heredoc out;
  std::string_view rest;
  if (!split_heredoc(word, out.strip_tabs, rest)) return std::nullopt;
  LexOptions options;
  options.keep_unset = true;
  const Lexed plain = lex_word(rest, Scope{}, options);
  if (!plain.error.empty()) {
    why = plain.error;
    return std::nullopt;
  }
  if (plain.words.size() != 1) return std::nullopt;
  options.raw_quotes = true;
  const Lexed raw = lex_word(rest, Scope{}, options);
  if (raw.words.size() != 1) return std::nullopt;
  out.name = plain.words.front();
  out.expand = quotes(out.name) == quotes(raw.words.front());
  return out;
}

}  // namespace

std::optional<Heredoc> heredoc_of(std::string_view word) {
  std::string why;
  return read_heredoc(word, why);
}

std::optional<std::vector<Heredoc>> heredocs_of(std::string_view line, std::string& why) {
  std::vector<Heredoc> out;
  if (!line.contains("<<")) return out;
  LexOptions options;
  options.raw_quotes = options.raw_escapes = options.keep_unset = true;
  const Lexed lexed = lex_word(line, Scope{}, options);
  for (const std::string& word : lexed.words) {
    auto document = read_heredoc(word, why);
    if (!why.empty()) return std::nullopt;
    if (document) out.push_back(std::move(*document));
  }
  return out;
}

}  // namespace flense::lint
