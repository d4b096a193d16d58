#include <algorithm>
#include <array>

#include "base/version.h"
#include "cli/config.h"
#include "cli/help.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/suggest.h"
#include "launch/container/numa.h"
#include "launch/container/stage.h"

namespace flense::cli {

namespace {

constexpr std::array<OptionSpec, 4> kCommon = {
    OptionSpec{"--quiet", "-q", "", "only the essential; no progress"},
    OptionSpec{"--verbose", "-v", "", "more detail"},
    OptionSpec{"--no-color", "", "", "no colours (also: NO_COLOR in the environment)"},
    OptionSpec{"--help", "-h", "", "show this help"}};

/// Of commands that have settings.
constexpr std::array<OptionSpec, 2> kSettings = {
    OptionSpec{"--config",
               "",
               "FILE",
               "settings (default: the nearest .flense.toml)",
               false,
               {},
               Completion::kFile},
    OptionSpec{"--no-config", "", "", "read no settings"}};

bool has_settings(const Command& command) {
  return std::ranges::any_of(command.options, &OptionSpec::configurable);
}

Failure unknown_command(std::string_view word) {
  std::vector<std::string_view> names;
  for (const Command* command : commands()) names.push_back(command->name);
  const std::string near = nearest(word, names);
  const bool option = word.starts_with('-');
  return usage_error(fmt::format("unknown {} '{}'", option ? "option" : "command", word),
                     near.empty() ? "flense help lists the commands"
                                  : fmt::format("did you mean flense {}?", near));
}

/// Only commands that have settings look for the file.
Result<void> with_settings(const Command& command, ParsedArgs& args) {
  if (!has_settings(command)) return {};
  TRY(const std::optional<Config> config, find_config(args));
  return config ? apply_config(*config, command, args) : Result<void>();
}

Result<int> run_command(const Command& command, const std::vector<std::string>& args, Io& io) {
  const std::vector<OptionSpec> options = all_options(command);
  TRY(ParsedArgs parsed,
      parse_args(args, options, command.name,
                 command.takes_command ? Positionals::kEndOptions : Positionals::kAnywhere));
  if (parsed.has("--help")) {
    TRY_DO(write_text(io, command_help(command)));
    return 0;
  }
  TRY_DO(with_settings(command, parsed));
  const std::size_t count = parsed.positionals().size();
  const std::string hint = fmt::format("usage: flense {} [options]{}{}", command.name,
                                       command.positionals.empty() ? "" : " ", command.positionals);
  if (count < command.min_positionals)
    return usage_error(fmt::format("{} needs {}", command.name, command.positionals), hint);
  if (count > command.max_positionals)
    return usage_error(fmt::format("{} has no use for '{}'", command.name,
                                   parsed.positionals()[command.max_positionals]),
                       hint);
  return command.function(parsed, io);
}

/// What `run` has the container start in front of its command: no command of the user's.
Result<int> place(const std::vector<std::string>& args, Io& io) {
  if (args.size() < 4) return usage_error("flense run starts this in a container", "");
  TRY(const std::vector<std::string> notices, launch::place_here({args[1], args[2]}));
  for (const std::string& notice : notices) TRY_DO(io.err.line(fmt::format("notice: {}", notice)));
  io.last_step =
      [&io, command = std::vector<std::string>(args.begin() + 3, args.end())]() -> Result<int> {
    const int status = launch::become_command(command);
    TRY_DO(io.err.line(fmt::format("error: '{}' cannot be started", command.front())));
    return status;
  };
  return 0;
}

Result<int> dispatch(const std::vector<std::string>& args, Io& io) {
  if (args.empty()) return usage_error("no command given", "flense help lists the commands");
  const std::string& word = args.front();
  if (word == "--help" || word == "-h") {
    TRY_DO(write_text(io, overview()));
    return 0;
  }
  if (word == "--version" || word == "-V") {
    TRY_DO(write_text(io, fmt::format("flense {}\n", kVersion)));
    return 0;
  }
  if (word == launch::kPlaceWord) return place(args, io);
  const Command* command = find_command(word);
  if (command == nullptr) return unknown_command(word);
  return run_command(*command, {args.begin() + 1, args.end()}, io);
}

}  // namespace

std::span<const Command* const> commands() {
  static const std::array kCommands = {
      &inspect_command(),   &slim_command(), &diff_command(),  &check_command(),
      &lint_command(),      &init_command(), &host_command(),  &doctor_command(),
      &run_image_command(), &exec_command(), &shell_command(), &bench_command(),
      &explain_command(),   &cdi_command(),  &cache_command(), &completion_command(),
      &help_command(),
  };
  return kCommands;
}

const Command* find_command(std::string_view name) {
  for (const Command* command : commands())
    if (command->name == name) return command;
  return nullptr;
}

std::span<const OptionSpec> common_options() {
  return kCommon;
}

std::vector<OptionSpec> all_options(const Command& command) {
  std::vector<OptionSpec> out(command.options.begin(), command.options.end());
  for (OptionSpec option : kCommon) {
    // A command may have another meaning for the letter (-v of run).
    for (const OptionSpec& own : command.options)
      if (own.short_name == option.short_name) option.short_name = {};
    out.push_back(option);
  }
  if (has_settings(command)) out.insert(out.end(), kSettings.begin(), kSettings.end());
  return out;
}

int run(const std::vector<std::string>& args, Io& io) {
  const Result<int> status = dispatch(args, io);
  return status ? *status : report_failure(status.error(), args, io);
}

int report_failure(const Error& error, const std::vector<std::string>& args, Io& io) {
  constexpr std::string_view kWord = "error:";
  report::Style style;
  if (io.variable("NO_COLOR").empty() && std::ranges::find(args, "--no-color") == args.end())
    style.mark = io.err.mark();
  const std::string text = render(error);
  // There is nowhere left to report that standard error cannot be written.
  static_cast<void>(io.err.text(style.paint(report::Ink::kRed, kWord) + text.substr(kWord.size())));
  const Command* command = args.empty() ? nullptr : find_command(args.front());
  const bool own =
      command != nullptr && command->failure_status != 0 && error.code != Code::kInterrupted;
  return own ? command->failure_status : exit_status(error.code);
}

}  // namespace flense::cli
