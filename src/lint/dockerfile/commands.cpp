#include "lint/dockerfile/instructions.h"

#include <algorithm>

#include "lint/dockerfile/lines.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

/// The program of a shebang line without its folder: "python3" of "/usr/bin/env python3".
std::string_view program_of_shebang(std::string_view shebang) {
  const auto first = [](std::string_view text) {
    return text.substr(0, text.find_first_of(" \t"));
  };
  std::string_view program = first(shebang);
  std::string_view rest = trim_space(shebang.substr(program.size()));
  if (program.ends_with("/env") || program == "env") {
    if (rest.starts_with("-S")) rest = trim_space(rest.substr(2));
    program = first(rest);
  }
  return program;
}

std::string read_shebang(std::string_view text, const Heredoc& document) {
  std::string_view line = text.substr(document.body.begin, document.body.end - document.body.begin);
  line = line.substr(0, line.find('\n'));
  while (document.strip_tabs && line.starts_with('\t')) line.remove_prefix(1);
  return line.starts_with("#!") ? std::string(trim_space(line.substr(2))) : std::string();
}

void add(Instruction& out, std::string_view text, Span span, const ShellDialect& dialect) {
  if (!is_shell(out.interpreter)) return;
  ShellText read = split_shell(text, span, dialect);
  std::ranges::move(read.commands, std::back_inserter(out.commands));
}

void exec_form(Instruction& out, std::string_view text, std::size_t first) {
  if (first >= out.words.size()) return;
  ShellCommand command;
  command.span = out.arguments;
  for (std::size_t at = first; at < out.words.size(); ++at)
    command.words.push_back({out.words[at].text, out.words[at].span, true, false});
  out.interpreter = command.words.front().text;
  out.commands.push_back(std::move(command));
  add_shell_argument(text, out.commands);
}

}  // namespace

std::string shell_of(const Instruction& instruction) {
  for (const Word& word : instruction.words)
    if (is_shell(word.text)) return word.text;
  return instruction.words.empty() ? "/bin/sh" : instruction.words.front().text;
}

void read_commands(Instruction& out, std::string_view text, std::string_view shell, char escape) {
  for (Heredoc& document : out.heredocs) document.shebang = read_shebang(text, document);
  if (out.trigger != nullptr) {
    out.trigger->heredocs = out.heredocs;
    out.trigger->span.end = out.span.end;
    read_commands(*out.trigger, text, shell, escape);
  }
  const bool health = out.keyword == Keyword::kHealthcheck;
  if (out.keyword != Keyword::kRun && out.keyword != Keyword::kCmd &&
      out.keyword != Keyword::kEntrypoint && !health)
    return;
  if (health && (out.words.empty() || !same_text(out.words.front().text, "CMD"))) return;
  if (out.exec_form) {
    exec_form(out, text, health ? 1 : 0);
    return;
  }
  out.interpreter = shell;
  if (out.arguments.empty()) return;
  const std::string_view written =
      text.substr(out.arguments.begin, out.arguments.end - out.arguments.begin);
  if (!out.heredocs.empty() && heredoc_of(written)) {
    const Heredoc& script = out.heredocs.front();
    if (!script.shebang.empty()) out.interpreter = program_of_shebang(script.shebang);
    add(out, text, script.body, ShellDialect{});
    return;
  }
  const Span all{out.arguments.begin, out.heredocs.empty() ? out.arguments.end : out.span.end};
  add(out, text, all, ShellDialect{escape, true});
}

}  // namespace flense::lint
