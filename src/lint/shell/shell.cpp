#include "lint/shell/shell.h"

#include <algorithm>
#include <array>
#include <utility>

#include "lint/shell/cursor.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr std::size_t kMostDepth = 200;  // of compound commands
constexpr unsigned kMostLevels = 8;      // of texts inside texts
constexpr std::size_t kMostCommands = 200'000;

enum class Open : char { kGroup, kFunction, kParenthesis, kCondition, kLoop, kCase };

struct PendingDocument {
  std::string name;
  bool strip_tabs = false;
  bool to_shell = false;
};

/// `bash`, `bash -s`, `bash -eux`: reads its commands from standard input.
bool reads_commands(const ShellCommand& command) {
  const Program program = program_of(command);
  if (!is_shell(program.name)) return false;
  for (std::size_t at = program.first + 1; at < command.words.size(); ++at) {
    const std::string& word = command.words[at].text;
    if (!word.starts_with('-') || (!word.starts_with("--") && word.contains('c'))) return false;
  }
  return true;
}

class Splitter {
 public:
  Splitter(std::string_view file, Span span, const ShellDialect& dialect, unsigned level,
           unsigned depth, bool in_subshell, ShellText& out)
      : file_(file),
        cursor_(file, span, dialect),
        dialect_(dialect),
        level_(level),
        base_(depth),
        in_subshell_(in_subshell),
        out_(out) {}

  void run() {
    while (!cursor_.done() && !out_.truncated) {
      cursor_.skip_blanks();
      if (cursor_.done()) break;
      if (!step()) out_.truncated = true;
      if (out_.commands.size() > kMostCommands) out_.truncated = true;
    }
    finish("");
  }

 private:
  bool step() {
    const char c = cursor_.peek();
    if (pattern_ && !starts_esac()) return skip_pattern();
    if (c == '#') {
      cursor_.skip_comment();
      return true;
    }
    if (c == '\n') return newline();
    if (in_test_ && !cursor_.sees("]]")) return word();
    if (c == '(' || c == ')') return parenthesis(c);
    if (const std::size_t size = operator_size()) {
      const std::string op(cursor_.text().substr(cursor_.at(), size));
      if (op != "&>" && op != "&>>") {
        cursor_.skip(size);
        finish(op);
        if (op.starts_with(";;") || op == ";&") pattern_ = inside(Open::kCase);
        return true;
      }
    }
    return redirection() || word();
  }

  bool inside(Open kind) const { return !open_.empty() && open_.back() == kind; }
  bool within(Open kind) const { return std::ranges::find(open_, kind) != open_.end(); }

  std::size_t operator_size() const {
    for (const std::string_view op :
         {";;&", "&>>", "&&", "||", ";;", ";&", "|&", "&>", ";", "|", "&"})
      if (cursor_.sees(op)) return op.size();
    return 0;
  }

  bool newline() {
    cursor_.skip();
    finish("\n");
    in_test_ = false;
    for (const PendingDocument& document : std::exchange(pending_, {}))
      if (!read_document(document)) return false;
    return true;
  }

  bool read_document(const PendingDocument& document) {
    const std::size_t begin = cursor_.at();
    const std::string_view text = cursor_.text();
    for (std::size_t at = begin; at < text.size();) {
      const std::size_t end = std::min(text.find('\n', at), text.size());
      std::string_view line = text.substr(at, end - at);
      if (line.ends_with('\r')) line.remove_suffix(1);
      line.remove_prefix(std::min({dialect_.indent, line.find_first_not_of(' '), line.size()}));
      if (document.strip_tabs)
        while (line.starts_with('\t')) line.remove_prefix(1);
      if (line == document.name) {
        if (document.to_shell) nested({begin, at}, {.indent = dialect_.indent}, open_.size(), true);
        cursor_.move_to(std::min(end + 1, text.size()));
        return true;
      }
      at = end + 1;
    }
    return false;
  }

  bool parenthesis(char c) {
    if (c == ')') {
      cursor_.skip();
      finish("");
      close(Open::kParenthesis);
      return true;
    }
    if (cursor_.sees("((") && fresh()) {
      const std::size_t begin = cursor_.at();
      cursor_.skip();
      if (!cursor_.skip_to(')')) return false;
      add_word({std::string(cursor_.text().substr(begin, cursor_.at() - begin)),
                {begin, cursor_.at()},
                false,
                true});
      return true;
    }
    cursor_.skip();
    // name ( ): a function; its body follows.
    if (command_.words.size() == 1 && command_.assignments.empty()) {
      cursor_.skip_blanks();
      if (cursor_.peek() == ')') {
        cursor_.skip();
        command_ = {};
        function_next_ = true;
        return true;
      }
    }
    finish("");
    function_next_ = false;
    return enter(Open::kParenthesis);
  }

  bool enter(Open kind) {
    if (open_.size() >= kMostDepth) return false;
    open_.push_back(kind);
    return true;
  }

  void close(Open kind) {
    while (!open_.empty()) {
      const Open last = open_.back();
      open_.pop_back();
      if (last == kind || (last == Open::kFunction && kind == Open::kGroup)) return;
    }
  }

  /// No word, assignment or redirection was read for this command.
  bool fresh() const {
    return command_.words.empty() && command_.assignments.empty() && command_.redirections.empty();
  }

  void extend(Span span) {
    if (fresh()) {
      command_.span.begin = span.begin;
      command_.depth = base_ + static_cast<unsigned>(open_.size());
      command_.in_subshell = in_subshell_ || within(Open::kParenthesis);
      command_.in_function = within(Open::kFunction);
    }
    command_.span.end = span.end;
  }

  void finish(std::string_view joined_by) {
    if (fresh()) {
      // What follows a compound command is joined to its last one.
      if (!joined_by.empty() && joined_by != "\n" && last_ &&
          out_.commands[*last_].joined_by != "\n")
        out_.commands[*last_].joined_by = joined_by;
      return;
    }
    command_.joined_by = joined_by;
    if (!pending_.empty() && reads_commands(command_))
      for (PendingDocument& document : pending_) document.to_shell = true;
    in_test_ = false;
    last_ = out_.commands.size();
    const unsigned depth = command_.depth;
    out_.commands.push_back(std::exchange(command_, {}));
    for (const Span span : std::exchange(inner_, {})) nested(span, dialect_, depth - base_, true);
    add_argument(*last_);
  }

  /// The text of `sh -c '…'`, where it stands in the file as it is.
  void add_argument(std::size_t index) {
    const auto span = shell_argument(file_, out_.commands[index]);
    if (!span) return;
    const std::size_t first = out_.commands.size();
    nested(*span, dialect_, out_.commands[index].depth - base_, false);
    const char quote = span->begin > 0 ? file_[span->begin - 1] : '?';
    for (std::size_t at = first; at < out_.commands.size(); ++at) {
      char& within = out_.commands[at].within;
      within = within == 0 && (quote == '"' || quote == '\'') ? quote : '?';
    }
  }

  void nested(Span span, const ShellDialect& dialect, std::size_t depth, bool in_subshell) {
    if (level_ + 1 >= kMostLevels) {
      out_.truncated = true;
      return;
    }
    ShellText inner;
    Splitter(file_, span, dialect, level_ + 1, base_ + static_cast<unsigned>(depth) + 1,
             in_subshell, inner)
        .run();
    std::ranges::move(inner.commands, std::back_inserter(out_.commands));
  }

  bool redirection() {
    std::size_t digits = 0;
    while (is_digit(cursor_.peek(digits))) ++digits;
    const std::string_view rest = cursor_.text().substr(cursor_.at() + digits);
    std::string_view found;
    for (const std::string_view op :
         {"<<<", "<<-", "&>>", "<<", "<&", "<>", ">>", ">&", ">|", "&>", "<", ">"})
      if (rest.starts_with(op)) {
        found = op;
        break;
      }
    if (found.empty() || ((found == "<" || found == ">") && rest.substr(1).starts_with('(')))
      return false;
    const std::size_t begin = cursor_.at();
    ShellRedirection out{std::string(cursor_.text().substr(begin, digits + found.size())), {}};
    cursor_.skip(digits + found.size());
    cursor_.skip_blanks();
    auto target = read_word(cursor_, inner_);
    if (!target) return false;
    extend({begin, std::max(target->span.end, cursor_.at())});
    out.target = std::move(*target);
    if (found == "<<" || found == "<<-")
      pending_.push_back({out.target.text, found == "<<-", false});
    command_.redirections.push_back(std::move(out));
    return true;
  }

  bool word() {
    const std::size_t begin = cursor_.at();
    auto read = read_word(cursor_, inner_);
    if (!read) return false;
    if (cursor_.at() == begin) {
      // A character that cannot begin a word: an operator of [[ … ]], or of unknown meaning.
      const char first = cursor_.peek();
      while (in_test_ && cursor_.peek(1) == first) cursor_.skip();
      cursor_.skip();
      if (in_test_)
        add_word({std::string(cursor_.text().substr(begin, cursor_.at() - begin)),
                  {begin, cursor_.at()},
                  false,
                  false});
      return true;
    }
    if (read->text.empty() && !read->quoted && !read->dynamic) return true;
    if (!read->quoted && !read->dynamic && command_.words.empty() && command_.assignments.empty() &&
        !in_test_)
      if (const std::optional<bool> done = control(read->text)) return *done;
    if (!read->quoted && in_test_ && read->text == "]]") in_test_ = false;
    if (command_.words.empty() && add_assignment(*read)) return true;
    if (command_.words.empty() && read->text == "[[" && !read->quoted) in_test_ = true;
    if (skip_next_) {
      skip_next_ = false;
      return true;
    }
    add_word(std::move(*read));
    finish_case_head();
    return true;
  }

  void add_word(ShellWord word) {
    extend(word.span);
    command_.words.push_back(std::move(word));
  }

  /// A control word where a command may begin; nullopt: there is none.
  std::optional<bool> control(std::string_view text) {
    constexpr std::array kStepped = {"then", "else", "elif", "do", "in"};
    if (text == "!") {
      command_.negated = true;
      return true;
    }
    if (std::ranges::find(kStepped, text) != kStepped.end()) return true;
    if (text == "{")
      return enter(std::exchange(function_next_, false) ? Open::kFunction : Open::kGroup);
    if (text == "if") return enter(Open::kCondition);
    if (text == "while" || text == "until") return enter(Open::kLoop);
    if (text == "function") {
      skip_next_ = function_next_ = true;
      return true;
    }
    if (text == "}")
      close(Open::kGroup);
    else if (text == "fi")
      close(Open::kCondition);
    else if (text == "done")
      close(Open::kLoop);
    else if (text == "esac")
      close(Open::kCase);
    else if (text == "for" || text == "select") {
      add_word({std::string(text), {cursor_.at() - text.size(), cursor_.at()}, false, false});
      return enter(Open::kLoop);
    } else if (text == "case") {
      add_word({std::string(text), {cursor_.at() - text.size(), cursor_.at()}, false, false});
      case_head_ = true;
      return enter(Open::kCase);
    } else {
      return std::nullopt;
    }
    return true;
  }

  void finish_case_head() {
    if (!case_head_ || command_.words.size() < 3) return;
    case_head_ = false;
    if (command_.words.back().text != "in") return;
    finish("");
    pattern_ = true;
  }

  bool starts_esac() {
    while (cursor_.peek() == '\n' || cursor_.peek() == '#') {
      if (cursor_.peek() == '#')
        cursor_.skip_comment();
      else
        cursor_.skip();
      cursor_.skip_blanks();
    }
    const bool ends = cursor_.sees("esac") && !is_letter(cursor_.peek(4)) &&
                      !is_digit(cursor_.peek(4)) && cursor_.peek(4) != '_';
    if (ends || cursor_.done()) pattern_ = false;
    return !pattern_;
  }

  /// Of `case`, up to and with its ')'.
  bool skip_pattern() {
    pattern_ = false;
    if (cursor_.peek() == '(') cursor_.skip();
    while (!cursor_.done() && cursor_.peek() != ')') {
      const std::size_t begin = cursor_.at();
      std::vector<Span> ignored;
      if (!read_word(cursor_, ignored)) return false;
      if (cursor_.at() == begin) cursor_.skip();
    }
    cursor_.skip();
    return true;
  }

  bool add_assignment(ShellWord& word) {
    const std::string_view written =
        cursor_.text().substr(word.span.begin, word.span.end - word.span.begin);
    std::size_t end = 0;
    while (end < written.size() &&
           (is_letter(written[end]) || written[end] == '_' || (end > 0 && is_digit(written[end]))))
      ++end;
    std::size_t name = end;
    if (written.substr(end).starts_with("+=")) ++end;
    if (name == 0 || end >= written.size() || written[end] != '=') return false;
    // NAME=( … ): an array.
    if (end + 1 == written.size() && cursor_.peek() == '(') {
      cursor_.skip();
      if (!cursor_.skip_to(')')) out_.truncated = true;
      word.span.end = cursor_.at();
      word.text = cursor_.text().substr(word.span.begin, word.span.end - word.span.begin);
      word.dynamic = true;
    }
    extend(word.span);
    ShellAssignment out{std::string(written.substr(0, name)), std::move(word)};
    out.value.text.erase(0, end + 1);
    out.value.span.begin += end + 1;
    command_.assignments.push_back(std::move(out));
    return true;
  }

  std::string_view file_;
  ShellCursor cursor_;
  ShellDialect dialect_;
  unsigned level_, base_;
  bool in_subshell_;
  ShellText& out_;
  ShellCommand command_;
  std::vector<Open> open_;
  std::vector<Span> inner_;  ///< substitutions in the command's words
  std::vector<PendingDocument> pending_;
  std::optional<std::size_t> last_;
  bool in_test_ = false, pattern_ = false, case_head_ = false, skip_next_ = false,
       function_next_ = false;
};

}  // namespace

ShellText split_shell(std::string_view file, Span span, const ShellDialect& dialect) {
  ShellText out;
  span.end = std::min(span.end, file.size());
  span.begin = std::min(span.begin, span.end);
  Splitter(file, span, dialect, 0, 0, false, out).run();
  return out;
}

void add_shell_argument(std::string_view file, std::vector<ShellCommand>& commands) {
  if (commands.empty()) return;
  const auto span = shell_argument(file, commands.back());
  if (!span) return;
  ShellText inner;
  Splitter(file, *span, {}, 1, commands.back().depth + 1, false, inner).run();
  for (ShellCommand& command : inner.commands) command.within = '?';
  std::ranges::move(inner.commands, std::back_inserter(commands));
}

}  // namespace flense::lint
