#include "lint/shell/cursor.h"

#include <algorithm>
#include <string>

#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr std::size_t kMostNested = 100;

}  // namespace

bool ShellCursor::skip_continuation() {
  if (peek() != dialect_.continuation || done()) return false;
  std::size_t end = at_ + 1;
  if (dialect_.dockerfile_lines)
    while (end < text_.size() && (text_[end] == ' ' || text_[end] == '\t')) ++end;
  if (end < text_.size() && text_[end] == '\r') ++end;
  if (end >= text_.size()) {
    if (!dialect_.dockerfile_lines) return false;
    at_ = text_.size();
    return true;
  }
  if (text_[end] != '\n') return false;
  at_ = end + 1;
  while (dialect_.dockerfile_lines && at_ < text_.size()) {
    const std::size_t newline = std::min(text_.find('\n', at_), text_.size());
    const std::string_view line = trim_space_left(text_.substr(at_, newline - at_));
    if (!line.empty() && line.front() != '#') break;
    at_ = std::min(newline + 1, text_.size());
  }
  return true;
}

void ShellCursor::skip_blanks() {
  while (!done()) {
    if (skip_continuation()) continue;
    const char c = peek();
    if (c != ' ' && c != '\t' && c != '\r' && c != '\v' && c != '\f') return;
    ++at_;
  }
}

void ShellCursor::skip_comment() {
  while (!done() && peek() != '\n') {
    // Dockerfile lines are joined before the shell sees them, comments included.
    if (dialect_.dockerfile_lines && skip_continuation()) continue;
    ++at_;
  }
}

bool ShellCursor::skip_to(char closer) {
  std::string open(1, closer);
  while (!done()) {
    if (skip_continuation()) continue;
    const char c = peek(), top = open.back();
    if (c == '\\') {
      at_ = std::min(at_ + 2, text_.size());
      continue;
    }
    if (c == top) {
      ++at_;
      open.pop_back();
      if (open.empty()) return true;
      continue;
    }
    if (open.size() > kMostNested) return false;
    if (c == '$' && (peek(1) == '(' || peek(1) == '{')) {
      open += peek(1) == '(' ? ')' : '}';
      ++at_;
    } else if (top != '"' && c == '\'') {
      const std::size_t end = text_.find('\'', at_ + 1);
      if (end == text_.npos) return false;
      at_ = end;
    } else if (top != '"' && c == '"') {
      open += '"';
    } else if (c == '`') {
      open += '`';
    } else if (top == ')' && c == '(') {
      open += ')';
    } else if (top == ')' && c == '#' && at_ > 0 && is_blank(text_[at_ - 1])) {
      skip_comment();
      continue;
    }
    ++at_;
  }
  return false;
}

}  // namespace flense::lint
