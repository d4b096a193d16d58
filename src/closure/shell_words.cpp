#include "closure/shell_words.h"

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "base/ascii.h"
#include "base/format.h"

namespace flense::closure {

namespace {

constexpr std::size_t kMostShellWords = 100'000;

struct ShellWord {
  std::string text;  ///< quotes taken away
  std::uint32_t line = 1;
  bool command = false;  ///< stands where a command is named
  bool plain = true;     ///< no quotes: may be a word of the shell's own
};

bool is_shell_name(std::string_view text) {
  return !text.empty() && !(text.front() >= '0' && text.front() <= '9') &&
         std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '_'; });
}

class ShellScanner {
 public:
  explicit ShellScanner(std::string_view text) : text_(text) {}

  std::vector<ShellWord> words() {
    while (at_ < text_.size() && out_.size() < kMostShellWords) {
      const char c = text_[at_];
      if (c == '\n') {
        ++at_;
        ++line_;
        command_ = true;
        skip_here_documents();
      } else if (c == ' ' || c == '\t' || c == '\r') {
        ++at_;
      } else if (c == '\\' && text_.substr(at_, 2) == "\\\n") {
        at_ += 2;
        ++line_;
      } else if (c == '#') {
        at_ = std::min(text_.find('\n', at_), text_.size());
      } else if (c == '<' && text_.substr(at_, 2) == "<<" && text_.substr(at_, 3) != "<<<") {
        note_here_document();
      } else if (c == '<' || c == '>') {
        ++at_;
        redirection_ = true;
      } else if (std::string_view(";&|(){}`").find(c) != std::string_view::npos) {
        ++at_;
        command_ = !(c == '&' && redirection_);  // ">&2"
      } else {
        word();
      }
    }
    return std::move(out_);
  }

 private:
  /// "<<EOF", "<<-'EOF'": the lines up to EOF are text.
  void note_here_document() {
    at_ += 2;
    if (at_ < text_.size() && text_[at_] == '-') ++at_;
    while (at_ < text_.size() && (text_[at_] == ' ' || text_[at_] == '\t')) ++at_;
    std::string mark;
    while (at_ < text_.size() &&
           std::string_view(" \t\r\n;&|<>()").find(text_[at_]) == std::string_view::npos) {
      const char c = text_[at_++];
      if (c != '\'' && c != '"' && c != '\\') mark += c;
    }
    if (!mark.empty()) here_.push_back(std::move(mark));
  }

  void skip_here_documents() {
    for (const std::string& mark : std::exchange(here_, {})) {
      while (at_ < text_.size()) {
        const std::size_t end = std::min(text_.find('\n', at_), text_.size());
        std::string_view one = text_.substr(at_, end - at_);
        const std::uint32_t line = line_++;
        at_ = std::min(end + 1, text_.size());
        while (one.ends_with('\r')) one.remove_suffix(1);
        std::string_view bare = one;
        while (bare.starts_with('\t')) bare.remove_prefix(1);
        if (bare == mark) break;
        if (!one.empty()) out_.push_back({std::string(one), line, false, false});
      }
    }
  }

  void word() {
    ShellWord out;
    out.line = line_;
    while (at_ < text_.size()) {
      const char c = text_[at_];
      if (std::string_view(" \t\r\n;&|<>()`").find(c) != std::string_view::npos) break;
      if (c == '}' && out.text.empty()) break;
      if (c == '\'') {
        single_quoted(out);
      } else if (c == '"') {
        double_quoted(out);
      } else if (c == '\\') {
        ++at_;
        if (at_ < text_.size() && text_[at_] == '\n')
          ++line_;
        else if (at_ < text_.size())
          out.text += text_[at_];
        if (at_ < text_.size()) ++at_;
        out.plain = false;
      } else if (c == '$') {
        if (expansion(out)) break;
      } else {
        out.text += c;
        ++at_;
      }
    }
    if (out.text.empty() && out.plain) {
      // "}" of its own, or "$(" at once.
      if (at_ < text_.size() && text_[at_] == '}') ++at_;
      if (std::exchange(command_after_word_, false)) command_ = true;
      return;
    }
    finish(std::move(out));
  }

  void single_quoted(ShellWord& out) {
    const std::size_t end = std::min(text_.find('\'', ++at_), text_.size());
    append(out, text_.substr(at_, end - at_));
    at_ = std::min(end + 1, text_.size());
    out.plain = false;
  }

  void double_quoted(ShellWord& out) {
    ++at_;
    while (at_ < text_.size() && text_[at_] != '"') {
      if (text_[at_] == '\\' && at_ + 1 < text_.size()) ++at_;
      append(out, text_.substr(at_++, 1));
    }
    if (at_ < text_.size()) ++at_;
    out.plain = false;
  }

  void append(ShellWord& out, std::string_view piece) {
    line_ += static_cast<std::uint32_t>(std::ranges::count(piece, '\n'));
    out.text += piece;
  }

  /// True where a command substitution begins, which ends the word.
  bool expansion(ShellWord& out) {
    if (text_.substr(at_, 2) == "$(" && text_.substr(at_, 3) != "$((") {
      at_ += 2;
      command_after_word_ = true;
      return true;
    }
    if (text_.substr(at_, 2) != "${") {
      out.text += text_[at_++];
      return false;
    }
    std::size_t depth = 0;
    while (at_ < text_.size() && text_[at_] != '\n') {
      const char c = text_[at_++];
      if (c == '"' || c == '\'') continue;
      out.text += c;
      if (c == '{') ++depth;
      if (c == '}' && --depth == 0) break;
    }
    return false;
  }

  void finish(ShellWord word) {
    static constexpr auto kBefore =
        std::to_array<std::string_view>({"if", "then", "else", "elif", "while", "until", "do", "!",
                                         "exec", "command", "time", "nohup", "builtin", "env"});
    const std::size_t equals = word.text.find('=');
    const bool assignment =
        equals != std::string::npos && is_shell_name(std::string_view(word.text).substr(0, equals));
    word.command = command_ && !redirection_ && !assignment;
    // Before a command may stand assignments, redirections and the shell's own words.
    if (word.command)
      command_ = word.plain && std::ranges::find(kBefore, word.text) != kBefore.end();
    redirection_ = false;
    if (command_after_word_) command_ = true;
    command_after_word_ = false;
    out_.push_back(std::move(word));
  }

  std::string_view text_;
  std::size_t at_ = 0;
  std::uint32_t line_ = 1;
  bool command_ = true, redirection_ = false, command_after_word_ = false;
  std::vector<std::string> here_;
  std::vector<ShellWord> out_;
};

/// Variables that the script itself sets: their values are words of it.
std::set<std::string, std::less<>> variables_set(const std::vector<ShellWord>& words) {
  std::set<std::string, std::less<>> out;
  std::string_view before;
  for (const ShellWord& word : words) {
    const std::size_t equals = word.text.find('=');
    if (equals != std::string::npos) {
      std::string_view name = std::string_view(word.text).substr(0, equals);
      // "${NAME:=value}", "NAME+=more"
      if (name.starts_with("${")) name.remove_prefix(2);
      while (name.ends_with(':') || name.ends_with('+')) name.remove_suffix(1);
      if (is_shell_name(name)) out.emplace(name);
    } else if (before == "for" && is_shell_name(word.text)) {
      out.insert(word.text);
    }
    before = word.text;
  }
  return out;
}

/// The variable that a command's name consists of; empty when the text says more than that.
std::string_view variable_of(std::string_view word) {
  if (!word.starts_with('$')) return {};
  word.remove_prefix(1);
  if (word.starts_with('{')) word.remove_prefix(1);
  return word.substr(0, word.find_first_of("}:-+=?/%#[ \t"));
}

bool is_positional(std::string_view name) {
  return name.empty() || name == "@" || name == "*" ||
         name.find_first_not_of("0123456789") == std::string_view::npos;
}

/// "$here/lib/env.sh" and "${here}/lib/env.sh" give "./lib/env.sh": mostly the variable is the
/// script's own directory.
void take_below_variable(const ShellWord& word, const TakeShellWord& take) {
  const std::string_view text = word.text;
  for (std::size_t at = text.find('$'); at != std::string_view::npos; at = text.find('$', at + 1)) {
    std::size_t slash = at + 1;
    while (slash < text.size() && (text[slash] == '{' || text[slash] == '}' ||
                                   is_shell_name(std::string("_") + text[slash])))
      ++slash;
    if (slash >= text.size() || text[slash] != '/') continue;
    const std::size_t end = std::min(text.find_first_of(" \t\n\"';|&<>()$", slash), text.size());
    if (end - slash > 1) take(fmt::format(".{}", text.substr(slash, end - slash)), word.line);
  }
}

void take_pieces(const ShellWord& word, const TakeShellWord& take) {
  constexpr std::string_view kBetween = " \t\r\n\"'`${}()=:,;&|<>[]";
  const std::string_view text = word.text;
  const bool whole = text.find_first_of(kBetween) == std::string_view::npos;
  if (!text.empty() && text.size() <= 4096) take(text, word.line);
  if (whole) return;
  take_below_variable(word, take);
  std::size_t at = 0;
  while (at < text.size()) {
    const std::size_t begin = std::min(text.find_first_not_of(kBetween, at), text.size());
    at = std::min(text.find_first_of(kBetween, begin), text.size());
    std::string_view piece = text.substr(begin, at - begin);
    // "${NAME:-value}"
    if (piece.size() > 1 && (piece.front() == '-' || piece.front() == '+')) piece.remove_prefix(1);
    if (!piece.empty() && piece.size() <= 4096 && piece.size() < text.size())
      take(piece, word.line);
  }
}

}  // namespace

ShellUnclear scan_shell(std::string_view text, const std::set<std::string, std::less<>>& known,
                        const TakeShellWord& take) {
  const std::vector<ShellWord> words = ShellScanner(text).words();
  const std::set<std::string, std::less<>> set = variables_set(words);
  const auto is_known = [&](std::string_view name) {
    return is_positional(name) || known.contains(name) || set.contains(name);
  };
  ShellUnclear out;
  const auto unclear = [&](std::string what, std::uint32_t line) {
    if (out.what.empty()) out = {std::move(what), line};
  };
  for (std::size_t i = 0; i < words.size(); ++i) {
    const ShellWord& word = words[i];
    take_pieces(word, take);
    if (!word.command) continue;
    if (word.text == "eval") unclear("eval", word.line);
    const bool reads = word.text == "." || word.text == "source";
    const std::string_view run = reads && i + 1 < words.size() ? words[i + 1].text : word.text;
    // A path that only ends in a variable leads to a directory that the text names.
    if (run.starts_with('$') && !is_known(variable_of(run))) unclear(std::string(run), word.line);
  }
  return out;
}

}  // namespace flense::closure
