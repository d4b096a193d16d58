// A position in shell text that skips line continuations, and the words it reads.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "lint/shell/shell.h"

namespace flense::lint {

class ShellCursor {
 public:
  ShellCursor(std::string_view file, Span span, const ShellDialect& dialect)
      : text_(file.substr(0, span.end)), at_(span.begin), dialect_(dialect) {}

  std::size_t at() const { return at_; }
  void move_to(std::size_t at) { at_ = at; }
  std::string_view text() const { return text_; }
  bool done() const { return at_ >= text_.size(); }
  char peek(std::size_t ahead = 0) const {
    return at_ + ahead < text_.size() ? text_[at_ + ahead] : '\0';
  }
  bool sees(std::string_view what) const { return text_.substr(at_).starts_with(what); }
  void skip(std::size_t count = 1) { at_ += count; }
  /// Whether lines are joined even inside single quotes.
  bool joins_quoted() const { return dialect_.dockerfile_lines; }

  /// Skips an escaped end of line, and in a Dockerfile the comments after it.
  bool skip_continuation();
  void skip_blanks();
  /// From '#' up to the end of the line, which stays.
  void skip_comment();
  /// From behind an opening $(, ${, ` or ( to behind `closer`; false where there is none.
  bool skip_to(char closer);

 private:
  std::string_view text_;
  std::size_t at_ = 0;
  ShellDialect dialect_;
};

/// From where the cursor stands, which may be at no word: the word is empty then. The texts of its
/// substitutions go to `inner`. nullopt: a quote or a substitution has no end.
std::optional<ShellWord> read_word(ShellCursor& cursor, std::vector<Span>& inner);

/// The text of `sh -c '…'`, quotes excluded; nullopt where it is another command, or its text is
/// not in one piece in the file.
std::optional<Span> shell_argument(std::string_view file, const ShellCommand& command);

}  // namespace flense::lint
