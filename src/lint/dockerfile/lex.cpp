#include "lint/dockerfile/lex.h"

#include <algorithm>
#include <optional>

#include "base/format.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr std::size_t kMostGrowth = 8U << 10;  // of the result, beyond twice the word
constexpr unsigned kMostExpansionDepth = 64;
constexpr int kEnd = -1;

bool is_special(char c) {
  return std::string_view("@*#?-$!0").contains(c);
}

bool is_variable_byte(char c) {
  return is_letter(c) || is_digit(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}

class Lexer {
 public:
  Lexer(std::string_view text, const Scope& scope, const LexOptions& options)
      : text_(text),
        scope_(scope),
        options_(options),
        raw_escapes_(options.raw_escapes),
        most_(kMostGrowth + 2 * text.size()) {}

  Lexed run() {
    Lexed out;
    if (until(kEnd, raw_escapes_, false, out.text, &out.words)) {
      if (out.text.size() > most_) known_ = false;
    } else {
      out.words.clear();
      out.text.clear();
    }
    out.known = known_;
    out.error = std::move(error_);
    return out;
  }

 private:
  // The words are collected in one buffer, which a nested ${…} empties: so does BuildKit.
  struct Words {
    std::vector<std::string>* out = nullptr;
    bool inside = false;
  };

  struct Value {
    std::string text;
    bool set = false, known = true;
  };

  int peek() const { return at_ < text_.size() ? static_cast<unsigned char>(text_[at_]) : kEnd; }
  char next() { return at_ < text_.size() ? text_[at_++] : '\0'; }

  /// The rest is not looked at: what it would become is too long.
  void overflow() {
    known_ = false;
    overflown_ = true;
    at_ = text_.size();
  }

  /// Takes the steps off what is left; else the result is unknown.
  bool may_work(std::size_t steps) {
    if (scope_.work == nullptr) return true;
    if (steps > *scope_.work) {
      known_ = false;
      return false;
    }
    *scope_.work -= steps;
    return true;
  }

  bool refuse(std::string why) {
    if (error_.empty()) error_ = std::move(why);
    return false;
  }

  /// Letters, digits and what else is never special, from here on; at most `most` bytes.
  std::string_view plain_run(int stop, std::size_t most) const {
    std::size_t end = at_;
    while (end < text_.size() && end - at_ < most) {
      const char c = text_[end];
      const bool plain = is_letter(c) || is_digit(c) || c == '/' || c == '.' || c == '-' ||
                         c == '_' || c == '=' || c == ':' || c == ',';
      if (!plain || c == options_.escape || c == stop) break;
      ++end;
    }
    return text_.substr(at_, end - at_);
  }

  void add_raw(Words& words, std::string_view text) {
    if (buffer_.size() < most_) buffer_ += text;
    words.inside = true;
  }

  void add(Words& words, std::string_view text) {
    for (std::size_t at = 0; at < text.size();) {
      const std::size_t width = space_at(text, at);
      if (width == 0) {
        add_raw(words, text.substr(at, 1));
      } else if (words.inside && !buffer_.empty()) {
        if (words.out != nullptr) words.out->push_back(buffer_);
        buffer_.clear();
        words.inside = false;
      }
      at += width == 0 ? 1 : width;
    }
  }

  /// Reads until `stop` or the end.
  bool until(int stop, bool raw_escapes, bool pattern, std::string& result,
             std::vector<std::string>* out) {
    if (++depth_ > kMostExpansionDepth) return refuse("substitutions are nested too deeply");
    const bool before = raw_escapes_;
    raw_escapes_ = raw_escapes;
    const bool fine = read_until(stop, pattern, result, out);
    raw_escapes_ = before;
    --depth_;
    return fine;
  }

  bool read_until(int stop, bool pattern, std::string& result, std::vector<std::string>* out) {
    buffer_.clear();
    Words words{out, false};
    while (peek() != kEnd) {
      if (result.size() > most_) {
        overflow();
        break;
      }
      const int c = peek();
      if (stop != kEnd && c == stop) {
        ++at_;
        finish(words);
        return true;
      }
      const bool quote = (c == '\'' || c == '"') && !options_.plain_quotes;
      if (c == '$' || c == '<' || quote) {
        std::string part;
        if (!special(c, pattern, part)) return false;
        result += part;
        if (c == '$')
          add(words, part);
        else
          add_raw(words, part);
        continue;
      }
      if (c == static_cast<unsigned char>(options_.escape)) {
        ++at_;
        if (raw_escapes_) {
          add_raw(words, std::string_view(&options_.escape, 1));
          result += options_.escape;
        }
        if (peek() == kEnd) break;
        const std::string_view escaped = text_.substr(at_++, 1);
        add_raw(words, escaped);
        result += escaped;
        continue;
      }
      if (const std::string_view run = plain_run(stop, most_ + 1 - result.size()); !run.empty()) {
        add_raw(words, run);
        result += run;
        at_ += run.size();
        continue;
      }
      const std::size_t width = std::max<std::size_t>(1, space_at(text_, at_));
      add(words, text_.substr(at_, width));
      result += text_.substr(at_, width);
      at_ += width;
    }
    if (stop != kEnd && !overflown_)
      return refuse(fmt::format("the text ends before the matching {}", static_cast<char>(stop)));
    finish(words);
    return true;
  }

  void finish(Words& words) {
    if (!buffer_.empty() && words.out != nullptr) words.out->push_back(buffer_);
    buffer_.clear();
  }

  bool special(int c, bool pattern, std::string& part) {
    if (c == '$') return dollar(part);
    if (c == '<') return angle(part);
    return c == '\'' ? single_quotes(pattern, part) : double_quotes(pattern, part);
  }

  bool angle(std::string& part) {
    ++at_;
    part = "<";
    if (peek() != '<') return true;
    ++at_;
    part = "<<";
    while (peek() == ' ' || peek() == '\t' || peek() == '\r') part += next();
    return true;
  }

  bool single_quotes(bool pattern, std::string& part) {
    const char quote = next();
    if (options_.raw_quotes) part += quote;
    for (;;) {
      if (peek() == kEnd) return refuse("a single quote is not closed");
      const char c = next();
      if (c == '\'') {
        if (options_.raw_quotes) part += c;
        return true;
      }
      if (pattern && c == options_.escape) part += c;
      part += c;
    }
  }

  bool double_quotes(bool pattern, std::string& part) {
    const char quote = next();
    if (options_.raw_quotes) part += quote;
    for (;;) {
      if (peek() == kEnd) return refuse("a double quote is not closed");
      if (part.size() > most_) {
        overflow();
        return true;
      }
      if (peek() == '$') {
        std::string value;
        if (!dollar(value)) return false;
        part += value;
        continue;
      }
      char c = next();
      if (c == '"') {
        if (options_.raw_quotes) part += c;
        return true;
      }
      if (c == options_.escape) {
        if (peek() == kEnd) continue;
        const char following = static_cast<char>(peek());
        if (following == '"' || following == '$' || following == options_.escape) {
          if (raw_escapes_) part += c;
          c = next();
        } else if (raw_escapes_ && (!options_.raw_quotes || pattern)) {
          part += c;
        }
      }
      part += c;
    }
  }

  std::string_view name() {
    const std::size_t begin = at_;
    if (peek() == kEnd) return {};
    if (is_digit(text_[at_])) {
      while (at_ < text_.size() && is_digit(text_[at_])) ++at_;
    } else if (is_special(text_[at_])) {
      ++at_;
    } else {
      while (at_ < text_.size() && is_variable_byte(text_[at_])) ++at_;
    }
    return text_.substr(begin, at_ - begin);
  }

  Value value_of(std::string_view name) const {
    if (scope_.values != nullptr)
      if (const auto found = scope_.values->find(name); found != scope_.values->end())
        return {found->second.value_or(std::string()), true, found->second.has_value()};
    return {{}, false, scope_.closed};
  }

  bool plain(const Value& value, std::string written, std::string& part) {
    if (!value.set && options_.keep_unset) {
      part = std::move(written);
      return true;
    }
    if (!value.known) known_ = false;
    part = value.text;
    return true;
  }

  bool dollar(std::string& part) {
    ++at_;
    if (peek() != '{') {
      const std::string_view variable = name();
      if (variable.empty()) {
        part = "$";
        return true;
      }
      return plain(value_of(variable), fmt::format("${}", variable), part);
    }
    ++at_;
    if (peek() == kEnd) return refuse("a '}' is missing after ${");
    if (peek() == '{' || peek() == '}' || peek() == ':')
      return refuse(fmt::format("bad substitution: ${{{}", static_cast<char>(peek())));
    const std::string_view variable = name();
    if (peek() == kEnd) return refuse(fmt::format("a '}}' is missing after ${{{}", variable));
    char operation = next();
    if (operation == '}') return plain(value_of(variable), fmt::format("${{{}}}", variable), part);
    if (operation == '/') return substitute(variable, part);
    bool null_is_unset = false;
    if (operation == ':') {
      null_is_unset = true;
      operation = next();
    }
    if (!std::string_view("+-?#%").contains(operation) && !null_is_unset)
      return refuse(fmt::format("unsupported modifier {} in ${{{}…}}", operation, variable));
    return modify(variable, operation, null_is_unset, part);
  }

  bool modify(std::string_view variable, char operation, bool null_is_unset, std::string& part) {
    const bool pattern = operation == '#' || operation == '%';
    if (null_is_unset && pattern)
      return refuse(fmt::format("unsupported modifier :{} in ${{{}…}}", operation, variable));
    std::string word;
    const bool known_before = known_;
    if (!until('}', pattern, pattern, word, nullptr)) return false;
    const bool word_known = known_;
    const Value value = value_of(variable);
    if (options_.keep_unset && !value.set) {
      part = fmt::format("${{{}{}{}{}}}", variable, null_is_unset ? ":" : "", operation, word);
      return true;
    }
    const bool missing = !value.set || (null_is_unset && value.known && value.text.empty());
    known_ = known_before && !overflown_;
    switch (operation) {
      case '-':
        if (value.set && !value.known) known_ = false;
        if (missing) known_ = word_known;
        part = missing ? word : value.text;
        return true;
      case '+':
        if (value.set && !value.known && null_is_unset) known_ = false;
        if (!missing) known_ = known_ && word_known;
        part = missing ? std::string() : word;
        return true;
      case '?':
        if (missing && (value.set || scope_.closed))
          return refuse(fmt::format("{}: {}", variable, word.empty() ? "has no value" : word));
        if (!value.known) known_ = false;
        part = value.text;
        return true;
      case '#':
      case '%':
        known_ = known_before && word_known && value.known;
        return strip(value.text, operation, word, part);
      default:
        return refuse(fmt::format("unsupported modifier :{} in ${{{}…}}", operation, variable));
    }
  }

  bool strip(std::string_view value, char operation, std::string_view word, std::string& part) {
    const bool longest = word.starts_with(operation);
    if (longest) word.remove_prefix(1);
    if (!valid_pattern(word)) return refuse(fmt::format("invalid escape in the pattern {}", word));
    const auto end = operation == '#' ? PatternEnd::kPrefix : PatternEnd::kSuffix;
    if (!may_work(value.size() * (word.size() + 1))) return true;
    const auto stripped = strip_pattern(value, word, end, longest);
    if (!stripped) known_ = false;
    part = stripped.value_or(std::string());
    return true;
  }

  bool substitute(std::string_view variable, std::string& part) {
    const bool all = peek() == '/';
    if (all) ++at_;
    std::string pattern, text;
    if (!until('/', true, true, pattern, nullptr) || !until('}', true, false, text, nullptr))
      return false;
    const Value value = value_of(variable);
    if (options_.keep_unset && !value.set) {
      part = fmt::format("${{{}/{}/{}}}", variable, pattern, text);
      return true;
    }
    if (!valid_pattern(pattern))
      return refuse(fmt::format("invalid escape in the pattern {}", pattern));
    if (!value.known) known_ = false;
    if (!may_work(value.text.size() * value.text.size() * (pattern.size() + 1))) return true;
    const auto replaced = replace_pattern(value.text, pattern, text, all);
    if (!replaced) known_ = false;
    part = replaced.value_or(std::string());
    return true;
  }

  std::string_view text_;
  const Scope& scope_;
  const LexOptions& options_;
  bool raw_escapes_ = false;
  std::size_t most_ = 0;
  std::size_t at_ = 0;
  unsigned depth_ = 0;
  bool known_ = true, overflown_ = false;
  std::string error_, buffer_;
};

bool is_plain(std::string_view word, char escape) {
  return std::ranges::none_of(word, [escape](char c) {
    return c == '$' || c == '\'' || c == '"' || c == '<' || c == escape;
  });
}

}  // namespace

Lexed lex_word(std::string_view word, const Scope& scope, const LexOptions& options) {
  return Lexer(word, scope, options).run();
}

std::string unquote(std::string_view word, char escape) {
  if (is_plain(word, escape)) return std::string(word);
  LexOptions options;
  options.escape = escape;
  options.keep_unset = true;
  Lexed lexed = lex_word(word, Scope{}, options);
  return lexed.error.empty() ? std::move(lexed.text) : std::string(word);
}

}  // namespace flense::lint
