// The arguments of one command after expansion, and its options by the getopt conventions that
// package managers share.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "lint/shell/shell.h"

namespace flense::lint {

struct Argument {
  std::string text;  ///< expanded where the environment knows the names, else as written
  Span span;         ///< of the word that it came from
};

/// The words of a command from `first` on; an unquoted expansion with blanks gives several. At most
/// 10,000. What variables make of words is taken off `budget`; behind it they stay as written.
std::vector<Argument> arguments_of(const ShellCommand& command, std::size_t first,
                                   const Environment& environment, std::size_t& budget);

/// A command without wrappers such as sudo and env.
struct StepCommand {
  const ShellCommand* shell = nullptr;
  std::string program;  ///< without its folder: "git"
  Span program_span;
  std::vector<Argument> arguments;

  bool has(std::string_view word) const;
  /// The value of --name VALUE or --name=VALUE; empty: none.
  std::string value_of(std::string_view option) const;
};
/// Where a variable stands for the program, what it holds; no program: none is known.
StepCommand step_command_of(const ShellCommand& command, const Environment& environment,
                            std::size_t& budget);
/// Of the commands that have a program; variables that the commands assign are followed.
std::vector<StepCommand> step_commands_of(const std::vector<ShellCommand>& commands,
                                          const Environment& environment, std::size_t& budget);

struct Option {
  std::string name;   ///< "--index-url", "-r"
  std::string value;  ///< empty: none
  bool has_value = false;
  Span span;        ///< of the option's word
  Span value_span;  ///< of the value, the option's own word where both are one
};

struct Options {
  std::vector<Option> options;
  std::vector<Argument> positional;
};

/// `valued` are the options that take a value; "--name=value", "-xVALUE" and "-abc" are taken
/// apart. Behind "--" everything is positional.
Options read_options(std::span<const Argument> arguments, std::span<const std::string_view> valued);

}  // namespace flense::lint
