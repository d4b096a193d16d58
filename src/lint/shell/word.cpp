#include "lint/shell/cursor.h"

#include "base/ascii.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

bool ends_shell_word(char c) {
  return is_blank(c) || std::string_view(";&|()<>").contains(c);
}

class WordReader {
 public:
  WordReader(ShellCursor& cursor, std::vector<Span>& inner) : cursor_(cursor), inner_(inner) {}

  std::optional<ShellWord> read() {
    word_.span.begin = word_.span.end = cursor_.at();
    while (!cursor_.done()) {
      if (cursor_.skip_continuation()) continue;
      const char c = cursor_.peek();
      if ((c == '<' || c == '>') && cursor_.peek(1) == '(') {
        take();
        if (!substitution(1, ')')) return std::nullopt;
        continue;
      }
      if (ends_shell_word(c)) break;
      if (!part(c)) return std::nullopt;
      word_.span.end = cursor_.at();
    }
    return std::move(word_);
  }

 private:
  bool part(char c) {
    switch (c) {
      case '\'':
        return single_quotes();
      case '"':
        return double_quotes();
      case '\\':
        cursor_.skip();
        word_.quoted = true;
        if (!cursor_.done()) take();
        return true;
      case '$':
      case '`':
        return dollar();
      default:
        take();
        return true;
    }
  }

  void take() {
    word_.text += cursor_.peek();
    cursor_.skip();
  }

  bool single_quotes() {
    word_.quoted = true;
    cursor_.skip();
    while (!cursor_.done() && cursor_.peek() != '\'') {
      if (cursor_.joins_quoted() && cursor_.skip_continuation()) continue;
      take();
    }
    if (cursor_.done()) return false;
    cursor_.skip();
    return true;
  }

  bool double_quotes() {
    word_.quoted = true;
    cursor_.skip();
    while (!cursor_.done() && cursor_.peek() != '"') {
      if (cursor_.skip_continuation()) continue;
      const char c = cursor_.peek();
      if (c == '$' || c == '`') {
        if (!dollar()) return false;
        continue;
      }
      if (c == '\\' && std::string_view("\"\\$`").contains(cursor_.peek(1)) &&
          cursor_.peek(1) != '\0')
        cursor_.skip();
      if (!cursor_.done()) take();
    }
    if (cursor_.done()) return false;
    cursor_.skip();
    return true;
  }

  bool dollar() {
    if (cursor_.peek() == '`') {
      word_.dynamic = true;
      return substitution(1, '`');
    }
    const char next = cursor_.peek(1);
    if (next == '\'' && !word_.text.ends_with('\\')) {
      // $'…': escapes are kept as written.
      word_.quoted = true;
      cursor_.skip(2);
      while (!cursor_.done() && cursor_.peek() != '\'') {
        if (cursor_.peek() == '\\') take();
        if (!cursor_.done()) take();
      }
      if (cursor_.done()) return false;
      cursor_.skip();
      return true;
    }
    if (next == '(' || next == '{') {
      word_.dynamic = true;
      return substitution(2, next == '(' ? ')' : '}');
    }
    if (is_letter(next) || is_digit(next) || next == '_' ||
        (next != '\0' && std::string_view("@*#?-$!").contains(next)))
      word_.dynamic = true;
    take();
    return true;
  }

  bool substitution(std::size_t opener, char closer) {
    const std::size_t begin = cursor_.at();
    const bool arithmetic = cursor_.sees("$((");
    cursor_.skip(opener);
    if (!cursor_.skip_to(closer)) return false;
    word_.dynamic = true;
    word_.text += cursor_.text().substr(begin, cursor_.at() - begin);
    word_.span.end = cursor_.at();
    if (closer != '}' && !arithmetic) inner_.push_back({begin + opener, cursor_.at() - 1});
    return true;
  }

  ShellCursor& cursor_;
  std::vector<Span>& inner_;
  ShellWord word_;
};

}  // namespace

std::optional<ShellWord> read_word(ShellCursor& cursor, std::vector<Span>& inner) {
  return WordReader(cursor, inner).read();
}

namespace {

/// The text between a word's quotes, which must be one piece: no others inside, except escaped
/// ones.
std::optional<Span> quoted_text(std::string_view file, const ShellWord& word) {
  const std::string_view written = file.substr(word.span.begin, word.span.end - word.span.begin);
  if (written.size() < 2 || (written.front() != '\'' && written.front() != '"'))
    return std::nullopt;
  const char quote = written.front();
  for (std::size_t i = 1; i + 1 < written.size(); ++i) {
    if (quote == '"' && written[i] == '\\')
      ++i;
    else if (written[i] == quote)
      return std::nullopt;
  }
  if (written.back() != quote) return std::nullopt;
  return Span{word.span.begin + 1, word.span.end - 1};
}

/// `tmux new-session -d 'docker run …'`, and what it types: `tmux send-keys "docker run …" Enter`.
std::optional<Span> tmux_argument(std::string_view file, const ShellCommand& command,
                                  std::size_t first) {
  bool starts = false;
  for (std::size_t at = first; at < command.words.size(); ++at) {
    const std::string_view word = command.words[at].text;
    starts = starts || is_one_of(word, {"new", "new-session", "neww", "new-window", "splitw",
                                        "split-window", "send", "send-keys"});
    if (starts && word.contains(' ')) return quoted_text(file, command.words[at]);
  }
  return std::nullopt;
}

/// The shell's word behind what starts it: `screen -dmS train bash -c …`, `nohup bash -c …`.
std::size_t shell_behind(const ShellCommand& command, const Program& program) {
  std::size_t at = program.first;
  if (is_one_of(program.name, {"screen", "tmux", "nohup", "setsid", "timeout"}))
    while (at < command.words.size() && !is_shell(command.words[at].text)) ++at;
  return at;
}

}  // namespace

std::optional<Span> shell_argument(std::string_view file, const ShellCommand& command) {
  const Program program = program_of(command);
  const std::size_t shell = shell_behind(command, program);
  if (shell >= command.words.size() || !is_shell(command.words[shell].text))
    return program.name == "tmux" ? tmux_argument(file, command, program.first + 1) : std::nullopt;
  bool command_option = false;
  for (std::size_t at = shell + 1; at < command.words.size(); ++at) {
    const ShellWord& word = command.words[at];
    if (!command_option || word.text.starts_with('-')) {
      if (!word.text.starts_with('-') && !word.text.starts_with('+')) return std::nullopt;
      if (!word.text.starts_with("--") && word.text.contains('c')) command_option = true;
      if (word.text == "-o" || word.text == "-O") ++at;
      continue;
    }
    return quoted_text(file, word);
  }
  return std::nullopt;
}

}  // namespace flense::lint
