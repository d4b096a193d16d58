#include "base/glob.h"

#include <algorithm>
#include <optional>
#include <tuple>
#include <utility>
#include <vector>

#include "base/path.h"

namespace flense {

namespace {

bool match_class(std::string_view pattern, std::size_t& at, char c) {
  // On entry pattern[at] == '['; on return `at` is past ']'. An unclosed class matches nothing.
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

/// Walks a path or a pattern component by component; "" is one component, which is empty.
class Components {
 public:
  explicit Components(std::string_view text) : text_(text), end_(end_of(0)) {}
  bool done() const { return at_ > text_.size(); }
  std::string_view now() const { return text_.substr(at_, end_ - at_); }
  void next() {
    at_ = end_ + 1;
    if (!done()) end_ = end_of(at_);
  }

 private:
  std::size_t end_of(std::size_t at) const { return std::min(text_.find('/', at), text_.size()); }

  std::string_view text_;
  std::size_t at_ = 0;
  std::size_t end_;
};

/// Neither classes nor escapes, and "**" for whole components only, as nearly all patterns are.
bool goes_by_components(std::string_view pattern) {
  if (pattern.find_first_of("[\\") != std::string_view::npos) return false;
  for (std::size_t at = pattern.find("**"); at != std::string_view::npos;
       at = pattern.find("**", at + 2)) {
    const bool begins = at == 0 || pattern[at - 1] == '/';
    const bool ends = at + 2 == pattern.size() || pattern[at + 2] == '/';
    if (!begins || !ends) return false;
  }
  return true;
}

/// '*' and '?' only.
bool match_component(std::string_view pattern, std::string_view text) {
  std::size_t p = 0, t = 0, after_star = std::string_view::npos, star_took = 0;
  while (t < text.size()) {
    if (p < pattern.size() && pattern[p] == '*') {
      after_star = ++p;
      star_took = t;
    } else if (p < pattern.size() && (pattern[p] == '?' || pattern[p] == text[t])) {
      ++p;
      ++t;
    } else if (after_star != std::string_view::npos) {
      // Let the last star take one more; earlier ones need not be tried again.
      p = after_star;
      t = ++star_took;
    } else {
      return false;
    }
  }
  return pattern.find_first_not_of('*', p) == std::string_view::npos;
}

bool match_components(std::string_view pattern_text, std::string_view path_text) {
  Components pattern(pattern_text), path(path_text);
  std::optional<std::pair<Components, Components>> star;  // after "**", and where it matches
  while (true) {
    if (!pattern.done() && pattern.now() == "**") {
      pattern.next();
      if (pattern.done()) return !path.done();
      star.emplace(pattern, path);
    } else if (pattern.done() && path.done()) {
      return true;
    } else if (!pattern.done() && !path.done() && match_component(pattern.now(), path.now())) {
      pattern.next();
      path.next();
    } else {
      if (!star || star->second.done()) return false;
      star->second.next();
      std::tie(pattern, path) = *star;
    }
  }
}

/// Dynamic programming over (pattern, path), one row at a time: linear in the product, so a hostile
/// pattern cannot blow up.
bool match_any_pattern(std::string_view pattern, std::string_view path) {
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

std::string_view without_slash(std::string_view text) {
  return text.starts_with('/') ? text.substr(1) : text;
}

}  // namespace

// What stands before the first and after the last special character has to stand in the path, at
// its begin and its end. Most patterns fit few paths: this spares looking at the rest.
Glob::Glob(std::string_view pattern) : pattern_(without_slash(pattern)) {
  constexpr std::string_view kSpecial = "*?[]\\";
  head_ = pattern_.substr(0, pattern_.find_first_of(kSpecial));
  literal_ = head_.size() == pattern_.size();
  // "**/" also matches no component at all.
  if (!literal_) tail_ = without_slash(pattern_.substr(pattern_.find_last_of(kSpecial) + 1));
  by_components_ = goes_by_components(pattern_);
}

bool Glob::matches(std::string_view path) const {
  path = without_slash(path);
  if (literal_) return path == pattern_;
  if (!path.starts_with(head_) || !path.ends_with(tail_)) return false;
  return by_components_ ? match_components(pattern_, path) : match_any_pattern(pattern_, path);
}

bool glob_match(std::string_view pattern, std::string_view path) {
  return Glob(pattern).matches(path);
}

bool glob_covers(std::string_view pattern, std::string_view path) {
  while (pattern.size() > 1 && pattern.ends_with('/')) pattern.remove_suffix(1);
  for (; !path.empty(); path = parent_path(path))
    if (glob_match(pattern, path)) return true;
  return false;
}

}  // namespace flense
