#include <algorithm>
#include <array>
#include <cerrno>
#include <cstring>
#include <span>

#include "base/ascii.h"
#include "cli/config.h"
#include "cli/help.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/confine.h"
#include "cli/shared/path_hint.h"
#include "cli/shared/suggest.h"
#include "cli/version.h"
#include "launch/container/first_process.h"
#include "launch/container/numa.h"
#include "launch/container/stage.h"

namespace flense::cli {

namespace {

/// A command may have another meaning for the letter (-v of run).
void add_common_options(const Command& command, Call& call) {
  Options common;
  common.flag("--quiet", "only the essential; no progress", call.request->quiet).letter("-q");
  common.flag("--verbose", "more detail", call.request->verbose).letter("-v");
  common.flag("--no-color", "no colours (also: NO_COLOR in the environment)",
              call.request->no_color);
  common.accept("--help", "show this help").letter("-h");
  for (Option& option : common.all)
    if (!option.short_name.empty() && call.options.find(option.short_name) != nullptr)
      option.short_name = {};
  if (std::ranges::any_of(call.options.all, &Option::configurable)) {
    common
        .add("--config", "FILE",
             command.settings_of_user ? "settings (default: ~/.flense.toml)"
                                      : "settings (default: the nearest .flense.toml)",
             call.request->config)
        .file();
    common.flag("--no-config", "read no settings", call.request->no_config);
  }
  std::ranges::move(common.all, std::back_inserter(call.options.all));
}

Result<void> fill(std::span<const Option> options, const ParsedArgs& args) {
  for (const Option& option : options)
    if (option.fill && args.has(option.name)) TRY_DO(option.fill(args.values(option.name)));
  return {};
}

/// What engines with a daemon have and flense does without, and what to do instead.
constexpr std::pair<std::string_view, std::string_view> kOfEngines[] = {
    {"ps", "a container is a process of yours: `ps` and `jobs` show it"},
    {"logs", "a container writes where its start does: flense run … > FILE 2>&1 &"},
    {"stop", "a container ends with the process that started it: kill it, or Ctrl-C"},
    {"kill", "a container ends with the process that started it: kill it, or Ctrl-C"},
    {"rm", "nothing remains of a container that has ended"},
    {"pull", "every command takes docker://NAME, and pulls what it needs"},
    {"images", "flense cache ls lists what is kept"},
};

Failure unknown_command(std::string_view word) {
  for (const auto& [name, instead] : kOfEngines)
    if (word == name)
      return usage_error(fmt::format("flense has no '{}'", word), std::string(instead));
  std::vector<std::string_view> names;
  for (const Command* command : commands()) names.push_back(command->name);
  const std::string near = nearest(word, names);
  const bool option = word.starts_with('-');
  return usage_error(fmt::format("unknown {} '{}'", option ? "option" : "command", word),
                     near.empty() ? "flense help lists the commands"
                                  : fmt::format("did you mean flense {}?", near));
}

/// Only commands that have settings look for the file.
Result<void> with_settings(const Command& command, std::span<const Option> options,
                           const Request& request, const Io& io, ParsedArgs& args) {
  if (std::ranges::none_of(options, &Option::configurable)) return {};
  TRY(const std::optional<Config> config,
      command.settings_of_user ? find_own_config(request, io) : find_config(request));
  return config ? apply_config(*config, command, options, args) : Result<void>();
}

/// A line each, as on a command line.
Result<Ending> print_options(std::span<const Option> options, const ParsedArgs& args, Io& io) {
  for (const Option& option : options)
    for (const std::string& value : args.values(option.name))
      if (option.name != "--print-defaults")
        TRY_DO(io.out.line(
            fmt::format("{}{}{}", option.name, option.value.empty() ? "" : "=", value)));
  return 0;
}

/// A better error than `error` where an option is the sibling's.
Error error_of_sibling(Error error, const Command& command, const Options& own,
                       const std::vector<std::string>& args) {
  if (command.sibling == nullptr) return error;
  const Command& other = command.sibling();
  const Options theirs = begin(other).options;
  for (const std::string& arg : args) {
    const std::string_view word = std::string_view(arg).substr(0, arg.find('='));
    if (!word.starts_with('-') || own.find(word) != nullptr) continue;
    if (theirs.find(word) == nullptr &&
        std::ranges::find(other.flags, word, &EngineFlag::name) == other.flags.end())
      continue;
    return usage_error(
               fmt::format("{} is for flense {}, not for {}", word, other.name, command.name),
               fmt::format("flense {} enters a container that runs already, and has what that has; "
                           "flense {} {} starts one",
                           command.name, other.name, other.positionals))
        .error();
  }
  return error;
}

Result<Ending> run_command(const Command& command, const std::vector<std::string>& args, Io& io) {
  Call call = begin(command);
  add_engine_flags(command.flags, args, call.options);
  const std::span<const Option> options = call.options.all;
  Result<ParsedArgs> read =
      parse_args(args, options, command.name,
                 command.takes_command ? Positionals::kEndOptions : Positionals::kAnywhere);
  if (!read)
    return std::unexpected(error_of_sibling(std::move(read.error()), command, call.options, args));
  ParsedArgs parsed = *std::move(read);
  if (parsed.has("--help")) {
    TRY_DO(write_report(io, command_help(command)));
    return 0;
  }
  const std::span<const Option> own = options.first(call.own_options);
  TRY_DO(fill(options.subspan(call.own_options), parsed));
  TRY_DO(with_settings(command, own, *call.request, io, parsed));
  if (parsed.has("--print-defaults")) return print_options(own, parsed, io);
  TRY_DO(check_words(command.name, command, parsed.positionals()));
  call.request->words = parsed.positionals();
  TRY_DO(fill(own, parsed));
  if (!confines_itself(call.options) && io.watch_signals) io.watch_signals();
  return call.run(io);
}

/// What `run` has the container start in front of its command: no command of the user's.
Result<Ending> place(const std::vector<std::string>& args, Io& io) {
  if (args.size() < 4) return usage_error("flense run starts this in a container", "");
  TRY(const std::vector<std::string> notices, launch::place_here({args[1], args[2]}));
  for (const std::string& notice : notices) TRY_DO(io.err.line(fmt::format("notice: {}", notice)));
  return [&io, command = std::vector<std::string>(args.begin() + 3, args.end())]() -> Result<int> {
    const int status = launch::become_command(command);
    TRY_DO(io.err.line(fmt::format("error: '{}' cannot be started", command.front())));
    return status;
  };
}

/// Likewise, where the command is not to be the first process.
Result<Ending> first_process(const std::vector<std::string>& args) {
  if (args.size() < 2) return usage_error("flense run starts this in a container", "");
  return [command = std::vector<std::string>(args.begin() + 1, args.end())]() -> Result<int> {
    return launch::be_first_process(command);
  };
}

Result<Ending> dispatch(const std::vector<std::string>& args, Io& io) {
  if (args.empty()) {
    TRY_DO(io.err.prose(overview()));
    return exit_status(Code::kUsage);
  }
  const std::string& word = args.front();
  if (word == "--help" || word == "-h") {
    TRY_DO(write_report(io, overview()));
    return 0;
  }
  if (word == "--version" || word == "-V") {
    TRY_DO(print_version(is_one_of("--json", std::span(args).subspan(1)), io));
    return 0;
  }
  if (word == launch::kPlaceWord) return place(args, io);
  if (word == launch::kFirstProcessWord) return first_process(args);
  const Command* command = find_command(word);
  if (command == nullptr) return unknown_command(word);
  return run_command(*command, {args.begin() + 1, args.end()}, io);
}

/// Of a file that the sandbox may have refused.
Error explained(Error error, const Io& io) {
  if (io.confined && error.hint.empty() && error.message.ends_with(std::strerror(EACCES)))
    error.hint =
        "what neither the command line names nor a named directory holds is not read: "
        "see --no-sandbox";
  return error;
}

/// Prints the error; its exit status, or the one that the command has for all.
int report_failure(Error error, const std::vector<std::string>& args, Io& io) {
  if (error.hint.empty() && !error.path.empty()) error.hint = path_hint(error.path);
  constexpr std::string_view kWord = "error:";
  report::Style style;
  if (io.variable("NO_COLOR").empty() && std::ranges::find(args, "--no-color") == args.end())
    style.mark = io.err.mark();
  const std::string text = render(explained(error, io));
  // There is nowhere left to report that standard error cannot be written.
  static_cast<void>(
      io.err.prose(style.paint(report::Ink::kRed, kWord) + text.substr(kWord.size())));
  const Command* command = args.empty() ? nullptr : find_command(args.front());
  const bool own =
      command != nullptr && command->failure_status != 0 && error.code != Code::kInterrupted;
  return own ? command->failure_status : exit_status(error.code);
}

}  // namespace

Result<void> check_words(std::string_view title, const Command& command,
                         const std::vector<std::string>& words) {
  const std::string hint = fmt::format("usage: flense {} [options]{}{}", title,
                                       command.positionals.empty() ? "" : " ", command.positionals);
  if (words.size() < command.min_positionals)
    return usage_error(fmt::format("{} needs {}", title, command.positionals), hint);
  if (words.size() > command.max_positionals)
    return usage_error(fmt::format("{} has no use for '{}'", title, words[command.max_positionals]),
                       hint);
  return {};
}

std::span<const Command* const> commands() {
  static const std::array kCommands = {
      &inspect_command(), &slim_command(),   &verify_command(),    &diff_command(),
      &fleet_command(),   &check_command(),  &lint_command(),      &init_command(),
      &host_command(),    &doctor_command(), &run_image_command(), &exec_command(),
      &shell_command(),   &bench_command(),  &explain_command(),   &cdi_command(),
      &mirror_command(),  &cache_command(),  &data_command(),      &completion_command(),
      &help_command(),
  };
  return kCommands;
}

const Command* find_command(std::string_view name) {
  for (const Command* command : commands())
    if (command->name == name) return command;
  return nullptr;
}

Call begin(const Command& command) {
  Call call = command.call();
  add_common_options(command, call);
  return call;
}

std::vector<Option> all_options(const Command& command) {
  return begin(command).options.all;
}

Ending run(const std::vector<std::string>& args, Io& io) {
  Result<Ending> ending = dispatch(args, io);
  return ending ? *std::move(ending) : report_failure(ending.error(), args, io);
}

int finish(LastStep step, const std::vector<std::string>& args, Io& io) {
  const Result<int> status = step();
  return status ? *status : report_failure(status.error(), args, io);
}

}  // namespace flense::cli
