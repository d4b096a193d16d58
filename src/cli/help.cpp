#include "cli/help.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version.h"
#include "cli/shared/common.h"
#include "cli/shared/suggest.h"

namespace flense::cli {

namespace {

std::string option_line(const Option& option) {
  std::string words = option.short_name.empty() ? "    " : fmt::format("{}, ", option.short_name);
  words += option.name;
  if (!option.value.empty()) words += fmt::format(" {}", option.value);
  return fmt::format("  {:<24}{}{}\n", words, words.size() >= 24 ? " " : "", option.help);
}

constexpr std::string_view kFlags = "flags";

std::string flag_tables() {
  std::string out;
  for (const Command* command : commands())
    if (!command->flags.empty())
      out += fmt::format("{}flense {}:\n\n{}", out.empty() ? "" : "\n", command->name,
                         flag_table(command->flags));
  return out;
}

Result<int> run_help(const Request& request, Io& io) {
  if (request.words.empty()) {
    TRY_DO(write_report(io, overview()));
    return 0;
  }
  const std::string& name = request.words.front();
  if (name == kFlags && request.words.size() == 1) {
    TRY_DO(write_text(io, flag_tables()));
    return 0;
  }
  const Command* command = find_command(name);
  if (command == nullptr) {
    std::vector<std::string_view> names;
    for (const Command* one : commands()) names.push_back(one->name);
    const std::string near = nearest(name, names);
    return fail(Code::kUsage, "unknown command '{}'", name)
        .hint(near.empty() ? "flense help lists the commands"
                           : fmt::format("did you mean flense help {}?", near));
  }
  if (request.words.size() > 1 && !is_one_of(request.words[1], command->words))
    return usage_error(fmt::format("{} has no action '{}'", name, request.words[1]),
                       fmt::format("flense help {} shows what it has", name));
  TRY_DO(write_report(io, command_help(*command)));
  return 0;
}

}  // namespace

std::string overview() {
  std::string out =
      "flense: GPU container images seen through, made light, checked against a host, and run\n\n"
      "Usage: flense COMMAND [options]\n";
  std::vector<std::string_view> groups;
  for (const Command* command : commands())
    if (std::find(groups.begin(), groups.end(), command->group) == groups.end())
      groups.push_back(command->group);
  for (const std::string_view group : groups) {
    out += fmt::format("\n{}:\n", group);
    for (const Command* command : commands())
      if (command->group == group)
        out += fmt::format("  {:<12}{}\n", command->name, command->summary);
  }
  out +=
      "\nOptions:\n"
      "  -h, --help    show this, or the help of a command\n"
      "  --version     show the version; with --json also the build, tables and libraries\n\n"
      "flense help COMMAND shows the options of a command.\n";
  return out;
}

std::string command_help(const Command& command) {
  std::string out = fmt::format(
      "flense {}: {}\n\nUsage: flense {} [options]{}{}\n\n{}\n", command.name, command.summary,
      command.name, command.positionals.empty() ? "" : " ", command.positionals, command.help);
  const Call call = begin(command);
  const std::vector<Option>& options = call.options.all;
  const std::size_t own = call.own_options;
  for (std::size_t i = 0; i < options.size(); ++i) {
    if (i == 0 && own > 0) out += "\nOptions:\n";
    if (i == own) out += "\nCommon options:\n";
    out += option_line(options[i]);
  }
  return out;
}

const Command& help_command() {
  static const Command kCommand{
      .name = "help",
      .group = "Other",
      .summary = "show the commands, or the help of one",
      .positionals = "[COMMAND [ACTION] | flags]",
      .max_positionals = 2,
      .help =
          "Without COMMAND: the overview. `flags`: what becomes of the flags\n"
          "of docker, podman, apptainer and enroot.",
      .call = [] { return call_of(run_help); }};
  return kCommand;
}

}  // namespace flense::cli
