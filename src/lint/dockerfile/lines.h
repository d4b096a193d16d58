// The lines of a Dockerfile as BuildKit joins them: continuations, comments and empty lines inside
// them, parser directives, the bodies of here-documents.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lint/dockerfile/dockerfile.h"

namespace flense::lint {

/// The text of one instruction, and where each part of it stands in the file.
struct LogicalLine {
  struct Piece {
    std::size_t begin = 0;   ///< in `text`
    std::size_t source = 0;  ///< in the file
  };
  std::string text;
  std::vector<Piece> pieces;
  Span span;  ///< without the end of the last line

  std::size_t source_of(std::size_t at) const;
  /// Of text[begin, end).
  Span source_of(std::size_t begin, std::size_t end) const;
};

class LineReader {
 public:
  /// `out` gets the directives and the problems of reading lines.
  LineReader(std::string_view text, Dockerfile& out) : text_(text), out_(out) {}

  /// The next instruction; false at the end. Comments and empty lines are skipped.
  bool next(LogicalLine& line);
  /// The lines up to the terminator, which is read too; false where there is none.
  bool here_document(Heredoc& document);
  /// End of the last line that was read, without its newline.
  std::size_t end() const { return end_; }

 private:
  struct Physical {
    std::string_view text;  ///< without its end of line
    std::size_t begin = 0;
  };
  bool physical(Physical& line);
  bool continued(std::string_view& line) const;
  void directive(std::string_view line, std::size_t begin);

  std::string_view text_;
  Dockerfile& out_;
  std::size_t at_ = 0, end_ = 0;
  bool directives_done_ = false, stopped_ = false;
  std::vector<std::string> seen_;
};

/// The documents that the line asks for, in order, without their bodies; nullopt and a reason where
/// BuildKit refuses one.
std::optional<std::vector<Heredoc>> heredocs_of(std::string_view line, std::string& why);
/// A word that is a here-document and nothing else: "<<EOF", "3<<-'END'".
std::optional<Heredoc> heredoc_of(std::string_view word);

}  // namespace flense::lint
