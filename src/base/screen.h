// Output for people: the only way to standard output and standard error. Nothing that a terminal
// would obey gets through, whoever wrote it; colours take a path that text cannot imitate.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"
#include "base/stream.h"

namespace flense {

class Screen {
 public:
  /// `columns` of the terminal; 0: lines are never broken.
  explicit Screen(Sink& to, bool terminal = false, unsigned columns = 0);

  bool is_terminal() const { return terminal_; }
  /// What opens a colour in text(), drawn anew in each process: a name in an image would have to
  /// guess 128 bits. Empty: no terminal, no colours.
  const std::string& mark() const { return mark_; }

  /// Printable but for newlines, tabs and marked colours. JSON says the same afterwards.
  Result<void> text(std::string_view text);
  /// The same for what people read: lines that are too long are broken between words.
  Result<void> prose(std::string_view text);
  /// One line, broken like prose: a newline in it is shown, so that no name makes a line of its
  /// own.
  Result<void> line(std::string_view text);
  /// For output that a program takes: byte for byte, except on a terminal, where it is text.
  Result<void> exact(std::string_view text);

 private:
  Sink& to_;
  bool terminal_;
  unsigned columns_;
  std::string mark_;
};

}  // namespace flense
