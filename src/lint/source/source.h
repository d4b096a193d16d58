// A file being examined, and positions in it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flense::lint {

/// Bytes [begin, end) of a file's text.
struct Span {
  std::size_t begin = 0, end = 0;

  bool empty() const { return begin >= end; }
  bool operator==(const Span&) const = default;
};

/// A piece of a file as written, quotes removed.
struct Word {
  std::string text;
  Span span;
};

/// What a format does not allow.
struct ParseProblem {
  Span span;
  std::string message;
};

/// Both from 1; the column counts bytes.
struct Position {
  std::uint32_t line = 1, column = 1;

  bool operator==(const Position&) const = default;
};

class SourceText {
 public:
  SourceText() = default;
  /// Without a path in the project it is the same.
  SourceText(std::string path, std::string text, std::string project_path = {});

  const std::string& path() const { return path_; }  ///< as the user named it
  /// Below the directory that the user named; of a file named by itself, in its repository. What
  /// directories say of a file these say: where a project lies says nothing.
  const std::string& project_path() const { return project_path_; }
  std::string_view text() const { return text_; }
  /// Spans beyond the end are cut.
  std::string_view slice(Span span) const;
  Position position(std::size_t offset) const;
  std::size_t line_count() const { return starts_.size(); }
  /// From 1, without its end of line; empty beyond the last.
  std::string_view line(std::size_t number) const;
  /// The span of line(number).
  Span line_span(std::size_t number) const;

 private:
  std::string path_, text_, project_path_;
  std::vector<std::size_t> starts_{0};
};

}  // namespace flense::lint
