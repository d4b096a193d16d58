// Quotes, escapes and variables in a Dockerfile's words, as BuildKit's own lexer reads them (it is
// not a shell: Dockerfile reference, "Environment replacement").
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lint/shell/shell.h"

namespace flense::lint {

struct LexOptions {
  char escape = '\\';
  bool raw_quotes = false;    ///< quotes stay in the result
  bool raw_escapes = false;   ///< escape characters stay
  bool keep_unset = false;    ///< a variable without value stays as it is written
  bool plain_quotes = false;  ///< quotes are ordinary characters
};

struct Lexed {
  std::string text;
  std::vector<std::string> words;  ///< split at blanks outside quotes, after replacement
  bool known = true;               ///< false: a value was not known, so the text is not either
  std::string error;               ///< why BuildKit refuses the word; empty: it does not
};

struct Scope {
  const Environment* values = nullptr;
  /// What no table names is unset; else it may come from the base image, and is unknown. A default
  /// (${NAME:-word}) counts as the value in both cases.
  bool closed = false;
  /// Steps that patterns may still take, over all words; null: each may take its most.
  std::size_t* work = nullptr;
};

/// At most 8 KiB more than twice the word, and 64 levels; beyond them the text is unknown.
Lexed lex_word(std::string_view word, const Scope& scope, const LexOptions& options = {});

/// Quotes and escapes removed, variables left as written; the word itself where it does not read.
std::string unquote(std::string_view word, char escape);

// Patterns of ${NAME#pattern}, ${NAME%pattern} and ${NAME/pattern/text}: '*' and '?', no brackets.

enum class PatternEnd { kPrefix, kSuffix };

/// False for an escape before a character that needs none: BuildKit refuses it.
bool valid_pattern(std::string_view pattern);

// nullopt: too much work to find out.
std::optional<std::string> strip_pattern(std::string_view value, std::string_view pattern,
                                         PatternEnd end, bool longest);
std::optional<std::string> replace_pattern(std::string_view value, std::string_view pattern,
                                           std::string_view text, bool all);

}  // namespace flense::lint
