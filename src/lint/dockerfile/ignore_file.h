// .dockerignore as BuildKit matches it (moby/patternmatcher): the last matching pattern decides, a
// pattern that matches a directory matches everything below it, "**" spans directories, '!'
// negates.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "lint/dockerfile/dockerfile.h"
#include "lint/source/source.h"

namespace flense::lint {

class IgnorePattern {
 public:
  /// `text` without blanks at its ends and without '!'. "." and ".." are folded, one leading '/'
  /// is ignored.
  IgnorePattern(std::string_view text, bool exception, Span span);

  const std::string& text() const { return text_; }  ///< cleaned
  bool exception() const { return exception_; }      ///< written with '!'
  Span span() const { return span_; }
  /// Brackets are closed, and no escape stands at the end.
  bool valid() const { return valid_; }
  /// This path alone, without its parents.
  bool matches(std::string_view path) const;

 private:
  enum class Kind : std::uint8_t { kExact, kPrefix, kSuffix, kPattern };
  struct Token {
    enum class Kind : std::uint8_t { kCharacter, kAny, kStar, kDirectories, kRest, kClass } kind;
    char32_t character = 0;
    bool negated = false;
    std::vector<std::pair<char32_t, char32_t>> ranges = {};
  };
  bool read_class(std::string_view text, std::size_t& at);
  void compile();
  bool matches_tokens(std::string_view path) const;

  std::string text_;
  bool exception_ = false, valid_ = true;
  Span span_;
  Kind kind_ = Kind::kExact;
  std::vector<Token> tokens_;
  std::string ending_;  ///< literal text after the last wildcard
};

struct IgnoreFile {
  std::vector<IgnorePattern> patterns;  ///< valid ones, in order
  std::vector<ParseProblem> problems;

  /// Whether the build context leaves it out. `path` is relative to the context, '/' between its
  /// parts; for a directory, whether the pattern fits it (with exceptions, files below may stay).
  bool ignores(std::string_view path) const;
  bool has_exceptions() const;
};

/// At most 10,000 patterns.
IgnoreFile read_ignore_file(const SourceText& source);

}  // namespace flense::lint
