#include "lint/dockerfile/lex.h"

#include <algorithm>
#include <cstdint>
#include <vector>

namespace flense::lint {
namespace {

constexpr std::size_t kMostWork = 1U << 20;  // comparisons for one replacement

struct Token {
  char c = 0;
  char kind = 'c';  // 'c' this character, '?' any one, '*' any number
};

std::vector<Token> tokens_of(std::string_view pattern) {
  std::vector<Token> out;
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    const char c = pattern[at];
    if (c == '\\' && at + 1 < pattern.size())
      out.push_back({pattern[++at], 'c'});
    else if (c == '*' || c == '?')
      out.push_back({c, c});
    else
      out.push_back({c, 'c'});
  }
  return out;
}

/// Lengths of the prefixes of `text` that match, as bits.
std::vector<bool> matching_prefixes(std::string_view text, const std::vector<Token>& tokens) {
  std::vector<bool> reached(text.size() + 1);
  reached[0] = true;
  for (const Token& token : tokens) {
    if (token.kind == '*') {
      const auto first = std::ranges::find(reached, true);
      std::fill(first, reached.end(), true);
      continue;
    }
    for (std::size_t length = text.size(); length > 0; --length)
      reached[length] = reached[length - 1] && (token.kind == '?' || text[length - 1] == token.c);
    reached[0] = false;
  }
  return reached;
}

std::optional<std::size_t> match_length(std::string_view text, const std::vector<Token>& tokens,
                                        bool longest) {
  const std::vector<bool> reached = matching_prefixes(text, tokens);
  if (longest) {
    for (std::size_t length = text.size() + 1; length-- > 0;)
      if (reached[length]) return length;
    return std::nullopt;
  }
  for (std::size_t length = 0; length <= text.size(); ++length)
    if (reached[length]) return length;
  return std::nullopt;
}

std::string reversed(std::string_view text) {
  return {text.rbegin(), text.rend()};
}

}  // namespace

bool valid_pattern(std::string_view pattern) {
  for (std::size_t at = 0; at < pattern.size(); ++at) {
    if (pattern[at] != '\\') continue;
    ++at;
    if (at >= pattern.size()) return false;
    constexpr std::string_view kMayBeEscaped = "*?\\}/";
    if (!kMayBeEscaped.contains(pattern[at])) return false;
  }
  return true;
}

std::optional<std::string> strip_pattern(std::string_view value, std::string_view pattern,
                                         PatternEnd end, bool longest) {
  if (value.size() * (pattern.size() + 1) > kMostWork) return std::nullopt;
  std::vector<Token> tokens = tokens_of(pattern);
  if (end == PatternEnd::kPrefix) {
    const auto length = match_length(value, tokens, longest);
    return std::string(value.substr(length.value_or(0)));
  }
  std::ranges::reverse(tokens);
  const std::string turned = reversed(value);
  const auto length = match_length(turned, tokens, longest);
  return std::string(value.substr(0, value.size() - length.value_or(0)));
}

std::optional<std::string> replace_pattern(std::string_view value, std::string_view pattern,
                                           std::string_view text, bool all) {
  const std::size_t work = (value.size() + 1) * (value.size() + 1) * (pattern.size() + 1);
  if (value.size() > 4096 || pattern.size() > 4096 || work > kMostWork ||
      text.size() > kMostWork / (value.size() + 1))
    return std::nullopt;
  const std::vector<Token> tokens = tokens_of(pattern);
  std::string out;
  std::size_t at = 0;
  while (at <= value.size()) {
    const auto length = match_length(value.substr(at), tokens, true);
    if (length && (*length > 0 || !all || at < value.size())) {
      out += text;
      at += *length;
      if (!all) break;
      if (*length > 0) continue;
    }
    if (at < value.size()) out += value[at];
    ++at;
  }
  if (at < value.size()) out += value.substr(at);
  return out;
}

}  // namespace flense::lint
