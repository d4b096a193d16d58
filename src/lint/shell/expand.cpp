#include "lint/shell/shell.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr std::size_t kMostResult = 64U << 10;
constexpr unsigned kMostNestedValues = 16;

bool is_name_byte(char c) {
  return is_letter(c) || is_digit(c) || c == '_';
}

/// The end of the name that begins at `at`.
std::size_t name_end(std::string_view text, std::size_t at) {
  if (at >= text.size() || is_digit(text[at])) return at;
  while (at < text.size() && is_name_byte(text[at])) ++at;
  return at;
}

/// The '}' that matches the "${" in front of `at`.
std::size_t closing(std::string_view text, std::size_t at) {
  unsigned open = 1;
  for (; at < text.size(); ++at) {
    if (text[at] == '$' && text.substr(at + 1).starts_with('{')) ++open;
    if (text[at] == '}' && --open == 0) return at;
  }
  return text.npos;
}

std::optional<std::string> expand_at(std::string_view text, const Environment& environment,
                                     unsigned depth);

/// The inside of ${…}.
std::optional<std::string> braces(std::string_view inside, const Environment& environment,
                                  unsigned depth) {
  const std::size_t end = name_end(inside, 0);
  if (end == 0) return std::nullopt;
  const auto found = environment.find(inside.substr(0, end));
  const bool set = found != environment.end();
  std::string_view rest = inside.substr(end);
  if (rest.empty()) return set ? found->second : std::nullopt;
  const bool colon = rest.starts_with(':');
  if (colon) rest.remove_prefix(1);
  if (!rest.starts_with('-') && !rest.starts_with('+')) return std::nullopt;
  const bool alternative = rest.front() == '+';
  if (set && !found->second && (colon || !alternative)) return std::nullopt;
  const bool missing = !set || (colon && found->second->empty());
  if (missing && alternative) return std::string();
  if (!missing && !alternative) return found->second;
  return expand_at(rest.substr(1), environment, depth + 1);
}

std::optional<std::string> expand_at(std::string_view text, const Environment& environment,
                                     unsigned depth) {
  if (depth > kMostNestedValues) return std::nullopt;
  std::string out;
  for (std::size_t at = 0; at < text.size();) {
    if (out.size() > kMostResult || text[at] == '`') return std::nullopt;
    const char next = at + 1 < text.size() ? text[at + 1] : '\0';
    if (text[at] != '$' || (next != '{' && next != '(' && !is_name_byte(next))) {
      out += text[at++];
      continue;
    }
    std::optional<std::string> value;
    if (next == '{') {
      const std::size_t end = closing(text, at + 2);
      if (end == text.npos) return std::nullopt;
      value = braces(text.substr(at + 2, end - at - 2), environment, depth);
      at = end + 1;
    } else {
      const std::size_t end = name_end(text, at + 1);
      if (end == at + 1) return std::nullopt;  // $( … ) or $1
      const auto found = environment.find(text.substr(at + 1, end - at - 1));
      if (found != environment.end()) value = found->second;
      at = end;
    }
    if (!value) return std::nullopt;
    out += *value;
  }
  return out;
}

}  // namespace

std::optional<std::string> expand(std::string_view text, const Environment& environment) {
  return expand_at(text, environment, 0);
}

bool uses_variable(std::string_view text, std::string_view name) {
  for (std::size_t at = text.find('$'); at != text.npos; at = text.find('$', at + 1)) {
    const std::size_t begin = at + 1 + (text.substr(at + 1).starts_with('{') ? 1 : 0);
    if (!name.empty() && text.substr(begin, name_end(text, begin) - begin) == name) return true;
  }
  return false;
}

}  // namespace flense::lint
