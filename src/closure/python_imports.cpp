#include "closure/python_imports.h"

#include <algorithm>
#include <array>
#include <string>
#include <vector>

#include "base/ascii.h"

namespace flense::closure {

namespace {

bool begins_identifier(char c) {
  return is_letter(c) || c == '_' || static_cast<unsigned char>(c) >= 0x80;
}
bool in_identifier(char c) {
  return begins_identifier(c) || (c >= '0' && c <= '9');
}

enum class PythonToken : std::uint8_t { kEnd, kNewline, kName, kString, kFormatted, kOther };

struct PythonLexeme {
  PythonToken kind = PythonToken::kEnd;
  std::string_view
      text;  ///< kName: itself; strings: what stands between the quotes; kOther: a char
  std::uint32_t line = 1;
};

/// Logical lines: newlines between brackets and after a backslash are none.
class PythonLexer {
 public:
  explicit PythonLexer(std::string_view text) : text_(text) {}

  PythonLexeme next() {
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\n') {
        ++at_;
        const std::uint32_t line = line_++;
        if (depth_ == 0) return {PythonToken::kNewline, {}, line};
      } else if (c == ' ' || c == '\t' || c == '\r' || c == '\f') {
        ++at_;
      } else if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '\\') {
        skip_continuation();
      } else if (c == '"' || c == '\'') {
        return string(false);
      } else if (begins_identifier(c)) {
        return name_or_string();
      } else {
        return other(c);
      }
    }
    return {PythonToken::kEnd, {}, line_};
  }

 private:
  void skip_continuation() {
    ++at_;
    if (at_ < text_.size() && text_[at_] == '\r') ++at_;
    if (at_ < text_.size() && text_[at_] == '\n') {
      ++at_;
      ++line_;
    }
  }

  PythonLexeme other(char c) {
    if (c == '(' || c == '[' || c == '{') ++depth_;
    if ((c == ')' || c == ']' || c == '}') && depth_ > 0) --depth_;
    return {PythonToken::kOther, text_.substr(at_++, 1), line_};
  }

  PythonLexeme name_or_string() {
    const std::size_t begin = at_;
    while (at_ < text_.size() && in_identifier(text_[at_])) ++at_;
    const std::string_view name = text_.substr(begin, at_ - begin);
    const bool quote = at_ < text_.size() && (text_[at_] == '"' || text_[at_] == '\'');
    if (quote && name.size() <= 2 && name.find_first_not_of("rRbBuUfFtT") == name.npos)
      return string(name.find_first_of("fFtT") != name.npos);
    // A statement that begins at the margin ends whatever bracket a broken line left open.
    if (depth_ > 0 && (name == "import" || name == "from" || name == "def" || name == "class") &&
        (begin == 0 || text_[begin - 1] == '\n')) {
      depth_ = 0;
      at_ = begin;
      return {PythonToken::kNewline, {}, line_};
    }
    return {PythonToken::kName, name, line_};
  }

  PythonLexeme string(bool formatted) {
    const char quote = text_[at_];
    const bool triple = text_.substr(at_, 3) == std::string(3, quote);
    at_ += triple ? 3 : 1;
    const std::size_t begin = at_;
    const std::uint32_t line = line_;
    std::size_t end = text_.size();
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (c == '\\' && at_ + 1 < text_.size()) {
        if (text_[at_ + 1] == '\n') ++line_;
        at_ += 2;
        continue;
      }
      if (c == '\n') {
        if (!triple) {
          end = at_;
          break;
        }
        ++line_;
      } else if (c == quote && (!triple || text_.substr(at_, 3) == std::string(3, quote))) {
        end = at_;
        at_ += triple ? 3 : 1;
        break;
      }
      ++at_;
    }
    at_ = std::min(at_, text_.size());
    return {formatted ? PythonToken::kFormatted : PythonToken::kString,
            text_.substr(begin, std::min(end, text_.size()) - begin), line};
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  int depth_ = 0;
};

constexpr std::size_t kLongestPythonName = 256;

/// A module, a distribution, a program, a path: no blanks, nothing that only prose has.
bool names_something(std::string_view text) {
  constexpr std::string_view kMarks = "._-/:+@";
  return !text.empty() && text.size() <= kLongestPythonName &&
         std::ranges::all_of(text, [&](char c) {
           return in_identifier(c) || kMarks.find(c) != std::string_view::npos;
         });
}

class PythonScanner {
 public:
  PythonScanner(std::string_view text, const TakePythonName& take) : lexer_(text), take_(take) {}

  void run() {
    bool statement = true;  // the next token begins one
    int depth = 0;
    step();
    while (now_.kind != PythonToken::kEnd) {
      if (statement && now_.kind == PythonToken::kName &&
          (now_.text == "import" || now_.text == "from")) {
        const bool from = now_.text == "from";
        step();
        from ? from_statement() : import_statement();
        statement = false;
        continue;
      }
      if (now_.kind == PythonToken::kOther) {
        const char c = now_.text.front();
        if (c == '(' || c == '[' || c == '{') ++depth;
        if ((c == ')' || c == ']' || c == '}') && depth > 0) --depth;
        statement = c == ';' || (c == ':' && depth == 0);
        step();
        continue;
      }
      if (now_.kind == PythonToken::kNewline) {
        statement = true;
        depth = 0;
        step();
        continue;
      }
      statement = false;
      if (now_.kind == PythonToken::kString) literal();
      step();
    }
  }

 private:
  void step() {
    before_[1] = before_[0];
    before_[0] = now_;
    now_ = lexer_.next();
  }
  bool is_mark(char c) const { return now_.kind == PythonToken::kOther && now_.text.front() == c; }
  bool is_word(std::string_view word) const {
    return now_.kind == PythonToken::kName && now_.text == word;
  }

  /// a.b.c; empty when there is none. The caller's position is behind it.
  std::string dotted_name() {
    std::string out;
    while (now_.kind == PythonToken::kName && out.size() <= kLongestPythonName) {
      out += now_.text;
      step();
      if (!is_mark('.')) break;
      out += '.';
      step();
    }
    while (out.ends_with('.')) out.pop_back();
    return out;
  }
  void skip_alias() {
    if (!is_word("as")) return;
    step();
    if (now_.kind == PythonToken::kName) step();
  }

  void import_statement() {
    while (true) {
      const std::uint32_t line = now_.line;
      const std::string name = dotted_name();
      if (name.empty()) return;
      take_(name, PythonMention::kImport, line);
      skip_alias();
      if (!is_mark(',')) return;
      step();
    }
  }

  void from_statement() {
    const bool relative = is_mark('.');
    while (is_mark('.')) step();
    const std::uint32_t line = now_.line;
    const std::string module = is_word("import") ? std::string() : dotted_name();
    if (!is_word("import")) return;
    step();
    if (relative || module.empty()) return;
    const bool bracket = is_mark('(');
    if (bracket) step();
    if (is_mark('*')) {
      take_(module, PythonMention::kImport, line);
      return;
    }
    while (now_.kind == PythonToken::kName) {
      take_(module + "." + std::string(now_.text), PythonMention::kImport, now_.line);
      step();
      skip_alias();
      if (!is_mark(',')) return;
      step();
    }
  }

  /// The name before the bracket that the literal stands right behind; empty where there is none.
  std::string_view callee() const {
    const bool first = before_[0].kind == PythonToken::kOther && before_[0].text == "(" &&
                       before_[1].kind == PythonToken::kName;
    return first ? before_[1].text : std::string_view();
  }

  bool begins_list() const {
    static constexpr auto kBefore = std::to_array<std::string_view>({"(", "="});
    const bool list = before_[0].kind == PythonToken::kOther && before_[0].text == "[" &&
                      before_[1].kind == PythonToken::kOther;
    const bool asked = callee() == "which" || callee() == "find_executable";
    return asked || (list && std::ranges::find(kBefore, before_[1].text) != kBefore.end());
  }

  void literal() {
    static constexpr auto kImporters =
        std::to_array<std::string_view>({"import_module", "__import__", "find_spec"});
    static constexpr auto kStarters = std::to_array<std::string_view>(
        {"system", "popen", "run", "Popen", "call", "check_call", "check_output", "getoutput",
         "getstatusoutput", "create_subprocess_shell"});
    constexpr std::size_t kLongestCommand = 4096;
    const std::string_view called = callee();
    if (std::ranges::find(kStarters, called) != kStarters.end()) {
      if (now_.text.size() <= kLongestCommand) take_(now_.text, PythonMention::kCommand, now_.line);
      return;
    }
    if (!names_something(now_.text)) return;
    const bool import = std::ranges::find(kImporters, called) != kImporters.end();
    // "." before it is a relative name.
    if (import && now_.text.front() == '.') return;
    const PythonMention how = import          ? PythonMention::kCall
                              : begins_list() ? PythonMention::kStart
                                              : PythonMention::kText;
    take_(now_.text, how, now_.line);
  }

  PythonLexer lexer_;
  const TakePythonName& take_;
  PythonLexeme now_;
  std::array<PythonLexeme, 2> before_;
};

}  // namespace

void scan_python(std::string_view text, const TakePythonName& take) {
  PythonScanner(text, take).run();
}

void scan_python_path_file(std::string_view text, const TakePythonName& take) {
  std::uint32_t line = 0;
  while (!text.empty()) {
    ++line;
    const std::size_t end = std::min(text.find('\n'), text.size());
    std::string_view one = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    while (one.ends_with('\r') || one.ends_with(' ')) one.remove_suffix(1);
    if (one.empty() || one.front() == '#') continue;
    // site.addpackage(): only these two beginnings make a line one of code.
    if (one.starts_with("import ") || one.starts_with("import\t"))
      scan_python(one, [&](std::string_view name, PythonMention how, std::uint32_t) {
        take(name, how, line);
      });
    else
      take(one, PythonMention::kText, line);
  }
}

}  // namespace flense::closure
