#include "base/path.h"

#include <algorithm>
#include <vector>

namespace flense {

namespace {

template <class Fn>
void for_each_component(std::string_view path, Fn fn) {
  std::size_t begin = 0;
  while (begin <= path.size()) {
    std::size_t end = path.find('/', begin);
    if (end == std::string_view::npos) end = path.size();
    if (end > begin) fn(path.substr(begin, end - begin));
    begin = end + 1;
  }
}

void append_component(std::string& path, std::string_view component) {
  if (!path.empty()) path += '/';
  path += component;
}

bool match_class(std::string_view pattern, std::size_t& at, char c) {
  // pattern[at] == '['; on return `at` is past ']'. An unclosed class matches nothing.
  std::size_t i = at + 1;
  bool negate = i < pattern.size() && (pattern[i] == '!' || pattern[i] == '^');
  if (negate) ++i;
  bool hit = false;
  bool first = true;
  for (; i < pattern.size() && (first || pattern[i] != ']'); ++i, first = false) {
    if (i + 2 < pattern.size() && pattern[i + 1] == '-' && pattern[i + 2] != ']') {
      hit |= pattern[i] <= c && c <= pattern[i + 2];
      i += 2;
    } else {
      hit |= pattern[i] == c;
    }
  }
  if (i >= pattern.size()) {
    at = pattern.size();
    return false;
  }
  at = i + 1;
  return hit != negate;
}

/// Whether the literal parts of the pattern alone rule the path out: cheap, and most often so.
bool lacks_literals(std::string_view pattern, std::string_view path) {
  // What an escape or a class stands for is no literal part.
  if (pattern.find_first_of("[\\") != std::string_view::npos) return false;
  constexpr std::string_view kSpecial = "*?";
  const std::size_t begin = pattern.find_first_of(kSpecial);
  if (begin == std::string_view::npos) return pattern != path;
  if (!path.starts_with(pattern.substr(0, begin))) return true;
  path.remove_prefix(begin);
  pattern.remove_prefix(begin);
  while (true) {
    const std::size_t wild = std::min(pattern.find_first_not_of(kSpecial), pattern.size());
    // The slash of "**/" may stand for nothing.
    const bool optional =
        pattern.substr(0, wild).ends_with("**") && pattern.substr(wild).starts_with('/');
    pattern.remove_prefix(wild + (optional ? 1 : 0));
    const std::size_t end = pattern.find_first_of(kSpecial);
    if (end == std::string_view::npos) return !path.ends_with(pattern);
    const std::string_view literal = pattern.substr(0, end);
    const std::size_t at = path.find(literal);
    if (at == std::string_view::npos) return true;
    path.remove_prefix(at + literal.size());
    pattern.remove_prefix(end);
  }
}

}  // namespace

Result<std::string> normalise_member_path(std::string_view name) {
  if (name.find('\0') != std::string_view::npos) return bad_input("a member name holds a NUL byte");
  std::string out;
  bool escapes = false;
  for_each_component(name, [&](std::string_view component) {
    if (component == ".") return;
    if (component == "..") escapes = true;
    append_component(out, component);
  });
  if (escapes) return bad_input("the member name '{}' would leave the image root", name);
  return out;
}

std::string resolve_link_text(std::string_view dir, std::string_view target) {
  std::vector<std::string_view> stack;
  if (target.empty() || target.front() != '/')
    for_each_component(dir, [&](std::string_view component) { stack.push_back(component); });
  for_each_component(target, [&](std::string_view component) {
    if (component == ".") return;
    if (component == "..") {
      if (!stack.empty()) stack.pop_back();
    } else {
      stack.push_back(component);
    }
  });
  std::string out;
  for (std::string_view component : stack) append_component(out, component);
  return out;
}

std::string_view parent_path(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? std::string_view{} : path.substr(0, slash);
}

std::string_view base_name(std::string_view path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string_view::npos ? path : path.substr(slash + 1);
}

bool glob_match(std::string_view pattern, std::string_view path) {
  if (!pattern.empty() && pattern.front() == '/') pattern.remove_prefix(1);
  if (!path.empty() && path.front() == '/') path.remove_prefix(1);
  if (lacks_literals(pattern, path)) return false;
  // Dynamic programming over (pattern, path), one row at a time: linear in the product, so a
  // hostile pattern cannot blow up.
  const std::size_t n = path.size();
  std::vector<char> row(n + 1, 0), next(n + 1, 0);
  row[0] = 1;
  std::size_t p = 0;
  while (p < pattern.size()) {
    std::fill(next.begin(), next.end(), 0);
    if (pattern.substr(p, 2) == "**") {
      p += 2;
      // "**/" also matches no component at all.
      const bool slash = p < pattern.size() && pattern[p] == '/';
      if (slash) ++p;
      bool any = false;
      for (std::size_t i = 0; i <= n; ++i) {
        any |= row[i] != 0;
        if (!slash) {
          next[i] = any ? 1 : 0;
        } else {
          const bool boundary = row[i] != 0 || (i > 0 && path[i - 1] == '/' && any);
          next[i] = boundary ? 1 : 0;
        }
      }
    } else if (pattern[p] == '*') {
      ++p;
      bool any = false;
      for (std::size_t i = 0; i <= n; ++i) {
        any |= row[i] != 0;
        next[i] = any ? 1 : 0;
        if (i < n && path[i] == '/') any = false;
      }
    } else {
      std::size_t after = p + 1;
      for (std::size_t i = 0; i < n; ++i) {
        if (row[i] == 0) continue;
        std::size_t at = p;
        bool hit = false;
        if (pattern[p] == '?') {
          hit = path[i] != '/';
        } else if (pattern[p] == '[') {
          hit = match_class(pattern, at, path[i]) && path[i] != '/';
        } else if (pattern[p] == '\\' && p + 1 < pattern.size()) {
          hit = pattern[p + 1] == path[i];
        } else {
          hit = pattern[p] == path[i];
        }
        if (hit) next[i + 1] = 1;
      }
      if (pattern[p] == '[') {
        std::size_t at = p;
        match_class(pattern, at, '\0');
        after = at;
      } else if (pattern[p] == '\\' && p + 1 < pattern.size()) {
        after = p + 2;
      }
      p = after;
    }
    std::swap(row, next);
  }
  return row[n] != 0;
}

}  // namespace flense
