#include "lint/shell/command_words.h"

#include <algorithm>

#include "lint/shell/variables.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::size_t kMaxArguments = 10'000;

/// The part of a word that a value begins in the middle of; exact where the word is as written.
Span tail(const Argument& argument, std::size_t taken) {
  const std::size_t length = argument.span.end - argument.span.begin;
  if (length != argument.text.size() || taken > length) return argument.span;
  return {argument.span.begin + taken, argument.span.end};
}

}  // namespace

std::vector<Argument> arguments_of(const ShellCommand& command, std::size_t first,
                                   const Environment& environment, std::size_t& budget) {
  std::vector<Argument> out;
  for (std::size_t at = first; at < command.words.size() && out.size() < kMaxArguments; ++at) {
    const ShellWord& word = command.words[at];
    auto known = word.dynamic && budget > 0 ? expand(word.text, environment) : std::nullopt;
    if (known) budget -= std::min(budget, known->size());
    if (!known || word.quoted) {
      out.push_back({known ? std::move(*known) : word.text, word.span});
      continue;
    }
    std::string_view rest = *known;
    while (out.size() < kMaxArguments) {
      const std::size_t begin = rest.find_first_not_of(" \t\n");
      if (begin == std::string_view::npos) break;
      const std::size_t end = std::min(rest.find_first_of(" \t\n", begin), rest.size());
      out.push_back({std::string(rest.substr(begin, end - begin)), word.span});
      rest.remove_prefix(end);
    }
  }
  return out;
}

bool StepCommand::has(std::string_view word) const {
  return std::ranges::find(arguments, word, &Argument::text) != arguments.end();
}

std::string StepCommand::value_of(std::string_view option) const {
  for (std::size_t at = 0; at < arguments.size(); ++at) {
    const std::string_view text = arguments[at].text;
    if (text == option) return at + 1 < arguments.size() ? arguments[at + 1].text : std::string();
    if (text.starts_with(option) && text.size() > option.size() && text[option.size()] == '=')
      return std::string(text.substr(option.size() + 1));
  }
  return {};
}

StepCommand step_command_of(const ShellCommand& command, const Environment& environment,
                            std::size_t& budget) {
  Program program = program_of(command);
  if (program.name.empty() || program.first >= command.words.size()) return {};
  const ShellWord& word = command.words[program.first];
  StepCommand out{&command, std::move(program.name), word.span, {}};
  const bool named = !word.dynamic || word.quoted;
  out.arguments = arguments_of(command, program.first + (named ? 1 : 0), environment, budget);
  if (named) return out;
  // $PIP_INSTALL numpy, where the variable is "python3 -m pip install".
  if (out.arguments.empty()) return {};
  out.program = file_name(out.arguments.front().text);
  out.program_span = out.arguments.front().span;
  out.arguments.erase(out.arguments.begin());
  return out;
}

std::vector<StepCommand> step_commands_of(const std::vector<ShellCommand>& commands,
                                          const Environment& environment, std::size_t& budget) {
  std::vector<StepCommand> out;
  ShellVariables variables(environment);
  for (const ShellCommand& command : commands) {
    StepCommand step = step_command_of(command, variables.values(), budget);
    if (!step.program.empty()) out.push_back(std::move(step));
    variables.take(command);
  }
  return out;
}

Options read_options(std::span<const Argument> arguments,
                     std::span<const std::string_view> valued) {
  Options out;
  const auto takes_value = [&](std::string_view name) {
    return std::ranges::find(valued, name) != valued.end();
  };
  for (std::size_t at = 0; at < arguments.size(); ++at) {
    const Argument& word = arguments[at];
    const auto next_value = [&](Option& option) {
      if (at + 1 >= arguments.size()) return;
      ++at;
      option.value = arguments[at].text;
      option.value_span = arguments[at].span;
      option.has_value = true;
    };
    if (word.text == "--") {
      out.positional.insert(out.positional.end(),
                            arguments.begin() + static_cast<std::ptrdiff_t>(at + 1),
                            arguments.end());
      break;
    }
    if (word.text.starts_with("--")) {
      const std::size_t equal = word.text.find('=');
      Option option{word.text.substr(0, equal), {}, false, word.span, {}};
      if (equal != std::string::npos) {
        option.value = word.text.substr(equal + 1);
        option.value_span = tail(word, equal + 1);
        option.has_value = true;
      } else if (takes_value(option.name)) {
        next_value(option);
      }
      out.options.push_back(std::move(option));
      continue;
    }
    if (word.text.size() < 2 || word.text.front() != '-') {
      out.positional.push_back(word);
      continue;
    }
    for (std::size_t letter = 1; letter < word.text.size() && letter < 16; ++letter) {
      Option option{std::string{'-', word.text[letter]}, {}, false, word.span, {}};
      const bool valued_here = takes_value(option.name);
      if (valued_here && letter + 1 < word.text.size()) {
        option.value = word.text.substr(letter + 1);
        option.value_span = tail(word, letter + 1);
        option.has_value = true;
      } else if (valued_here) {
        next_value(option);
      }
      out.options.push_back(std::move(option));
      if (valued_here) break;
    }
  }
  return out;
}

}  // namespace flense::lint
