// Shell completions, generated from the command table.
#include <array>

#include "base/format.h"
#include "base/process.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "compat/explain.h"

namespace flense::cli {

namespace {

constexpr std::array<std::string_view, 3> kShells = {"bash", "zsh", "fish"};

/// What only the tables know: names of GPUs, and what explain explains.
struct TableWords {
  std::string gpus, explained;
};

Result<TableWords> table_words() {
  std::vector<std::string_view> names(knowledge::kExplainTables.begin(),
                                      knowledge::kExplainTables.end());
  names.emplace_back("gpu_arch");
  TRY(const knowledge::Knowledge tables, knowledge::Knowledge::load({}, names));
  TRY(const knowledge::LintRules rules, knowledge::LintRules::load());
  std::vector<std::string> gpus, explained = compat::explained_checks(tables);
  for (const knowledge::GpuProduct& product : tables.gpus.products) gpus.push_back(product.name);
  for (const knowledge::NamedGpus& preset : tables.gpus.presets) gpus.push_back(preset.name);
  for (const knowledge::LintRuleRow& row : rules.rows) explained.push_back(row.id);
  return TableWords{fmt::format("{}", fmt::join(gpus, " ")),
                    fmt::format("{}", fmt::join(explained, " "))};
}

/// The values to choose from; empty: any.
std::string choices_of(const Option& option, const TableWords& known) {
  if (option.value == "GPU") return known.gpus;
  return fmt::format("{}", fmt::join(option.choices, " "));
}

std::string option_words(const Command& command) {
  std::string out;
  for (const Option& option : all_options(command))
    out += fmt::format("{}{}", out.empty() ? "" : " ", option.name);
  return out;
}

std::string names() {
  std::string out;
  for (const Command* command : commands())
    out += fmt::format("{}{}", out.empty() ? "" : " ", command->name);
  return out;
}

std::string first_words(const Command& command, const TableWords& known) {
  if (command.name == "explain") return known.explained;
  if (command.name == "help") return names();
  return fmt::format("{}", fmt::join(command.words, " "));
}

std::string bash_script(const TableWords& known) {
  std::string cases;
  for (const Command* command : commands()) {
    cases += fmt::format("    {})\n", command->name);
    cases += "      case \"$prev\" in\n";
    for (const Option& option : all_options(*command)) {
      if (option.value.empty()) continue;
      if (const std::string choices = choices_of(option, known); !choices.empty())
        cases += fmt::format("        {}) COMPREPLY=($(compgen -W '{}' -- \"$cur\")); return ;;\n",
                             option.name, choices);
      else if (option.completion == Completion::kDirectory)
        cases += fmt::format("        {}) COMPREPLY=($(compgen -d -- \"$cur\")); return ;;\n",
                             option.name);
      else if (option.completion == Completion::kNone)
        cases += fmt::format("        {}) return ;;\n", option.name);
    }
    cases += "      esac\n";
    cases += fmt::format("      options='{}'; words='{}' ;;\n", option_words(*command),
                         first_words(*command, known));
  }
  return fmt::format(R"(# bash completion for flense: source <(flense completion bash)
_flense() {{
  local cur prev options words
  cur="${{COMP_WORDS[COMP_CWORD]}}"
  prev="${{COMP_WORDS[COMP_CWORD-1]}}"
  COMPREPLY=()
  if [ "$COMP_CWORD" -eq 1 ]; then
    COMPREPLY=($(compgen -W '{} --help --version' -- "$cur"))
    return
  fi
  case "${{COMP_WORDS[1]}}" in
{}  esac
  if [[ "$cur" == -* ]]; then
    COMPREPLY=($(compgen -W "$options" -- "$cur"))
  elif [ -n "$words" ]; then
    COMPREPLY=($(compgen -W "$words" -- "$cur"))
  else
    COMPREPLY=($(compgen -f -- "$cur"))
  fi
}}
complete -o filenames -F _flense flense
)",
                     names(), cases);
}

/// Colons and brackets separate the parts of a zsh option description.
std::string zsh_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    if (c == ':' || c == '[' || c == ']' || c == '\\') out += '\\';
    out += c;
  }
  return out;
}

std::string zsh_option(const Option& option, const TableWords& known) {
  std::string out = fmt::format("{}{}{}[{}]", option.repeatable ? "*" : "", option.name,
                                option.value.empty() ? "" : "=", zsh_text(option.help));
  if (option.value.empty()) return shell_quoted(out);
  out += fmt::format(":{}:", zsh_text(option.value));
  if (const std::string choices = choices_of(option, known); !choices.empty())
    out += fmt::format("({})", choices);
  if (option.completion == Completion::kDirectory) out += "_files -/";
  if (option.completion == Completion::kFile) out += "_files";
  return shell_quoted(out);
}

std::string zsh_script(const TableWords& known) {
  std::string list, cases;
  for (const Command* command : commands()) {
    list += fmt::format(
        "    {}\n", shell_quoted(fmt::format("{}:{}", command->name, zsh_text(command->summary))));
    cases += fmt::format("    {})\n      _arguments", command->name);
    for (const Option& option : all_options(*command))
      cases += fmt::format(" \\\n        {}", zsh_option(option, known));
    if (const std::string words = first_words(*command, known); !words.empty())
      cases += fmt::format(" \\\n        '1:{}:({})'", "word", words);
    else if (!command->positionals.empty())
      cases += " \\\n        '*:target:_files'";
    cases += "\n      ;;\n";
  }
  return fmt::format(R"(#compdef flense
# zsh completion for flense: flense completion zsh > "${{fpath[1]}}/_flense"
_flense() {{
  local -a names
  names=(
{}  )
  if (( CURRENT == 2 )); then
    _describe command names
    return
  fi
  local name=$words[2]
  shift words
  (( CURRENT-- ))
  case $name in
{}  esac
}}
compdef _flense flense
)",
                     list, cases);
}

std::string fish_script(const TableWords& known) {
  std::string out = "# fish completion for flense: flense completion fish | source\n";
  for (const Command* command : commands()) {
    out += fmt::format("complete -c flense -n __fish_use_subcommand -f -a {} -d {}\n",
                       command->name, shell_quoted(command->summary));
    const std::string seen =
        shell_quoted(fmt::format("__fish_seen_subcommand_from {}", command->name));
    for (const Option& option : all_options(*command)) {
      out += fmt::format("complete -c flense -n {} -l {}", seen, option.name.substr(2));
      if (!option.short_name.empty()) out += fmt::format(" -s {}", option.short_name.substr(1));
      if (!option.value.empty()) out += option.completion == Completion::kNone ? " -x" : " -r";
      if (const std::string choices = choices_of(option, known); !choices.empty())
        out += fmt::format(" -a {}", shell_quoted(choices));
      out += fmt::format(" -d {}\n", shell_quoted(option.help));
    }
    if (const std::string words = first_words(*command, known); !words.empty())
      out += fmt::format("complete -c flense -n {} -f -a {}\n", seen, shell_quoted(words));
  }
  return out;
}

Result<int> run_completion(const Request& request, Io& io) {
  const std::string& shell = request.words.front();
  TRY(const TableWords known, table_words());
  if (shell == "bash") {
    TRY_DO(write_text(io, bash_script(known)));
  } else if (shell == "zsh") {
    TRY_DO(write_text(io, zsh_script(known)));
  } else if (shell == "fish") {
    TRY_DO(write_text(io, fish_script(known)));
  } else {
    return fail(Code::kUsage, "no completions for '{}': bash, zsh and fish are known", shell);
  }
  return 0;
}

}  // namespace

const Command& completion_command() {
  static const Command kCommand{.name = "completion",
                                .group = "Other",
                                .summary = "print a completion script for bash, zsh or fish",
                                .positionals = "SHELL",
                                .min_positionals = 1,
                                .max_positionals = 1,
                                .help =
                                    "Examples:\n"
                                    "  source <(flense completion bash)\n"
                                    "  flense completion zsh > ~/.zfunc/_flense\n"
                                    "  flense completion fish | source",
                                .words = kShells,
                                .call = [] { return call_of(run_completion); }};
  return kCommand;
}

}  // namespace flense::cli
