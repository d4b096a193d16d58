// flense exec and flense shell: a command in a container that runs already.
#include <unistd.h>

#include <array>

#include "cli/run_checks.h"
#include "cli/shared/command.h"
#include "launch/container/run_options.h"
#include "launch/running.h"

namespace flense::cli {

namespace {

constexpr std::string_view kExecHelp =
    R"(Starts a command in a container that `flense run` has started: the same root, namespaces, devices
and environment, so that the ranks of a node share one container.

Options end at NAME; everything behind it belongs to the command.

Exit status: the command's own; 125 flense failed, 126 the command cannot be executed, 127 there is
no such command.

Examples:
  flense exec job nvidia-smi
  flense exec -it -e DEBUG=1 job bash)";

constexpr std::string_view kShellHelp =
    R"(Starts a shell (/bin/sh) on a terminal in a container that `flense run` has started.

Exit status: the shell's own; 125 flense failed.

Example:
  flense shell job)";

Result<int> start(const ParsedArgs& args, Io& io, const std::vector<std::string>& command,
                  bool terminal) {
  TRY(const launch::RuntimePlaces places, launch::open_runtime_places(io.environment));
  TRY(const launch::Engine engine, launch::find_engine(places));
  TRY(const launch::Running container, launch::find_running(places, args.positionals().front()));
  launch::ExecRequest request;
  request.command = command;
  request.terminal = terminal && ::isatty(STDIN_FILENO) == 1;
  if (args.has("--workdir")) request.workdir = args.value("--workdir");
  for (const std::string& text : args.values("--env")) {
    TRY(auto item, launch::parse_variable(text, io.environment));
    if (item) request.env.push_back(std::move(*item));
  }
  TRY(launch::ExecPlan plan, launch::plan_exec(container, request, engine, places));
  TRY(const auto refused, refuse_command(plan.command, command.front(), container.id, io));
  if (refused) return *refused;
  io.last_step = [plan = std::move(plan)] { return launch::start_exec(plan); };
  return 0;
}

Result<int> exec(const ParsedArgs& args, Io& io) {
  return start(args, io, {args.positionals().begin() + 1, args.positionals().end()},
               args.has("--tty"));
}

Result<int> shell(const ParsedArgs& args, Io& io) {
  return start(args, io, {"/bin/sh"}, true);
}

const OptionSpec kEnv{"--env", "-e", "NAME=VALUE", "set a variable; NAME alone takes it along",
                      true};
const OptionSpec kWorkdir{"--workdir", "-w", "DIR", "working directory"};

}  // namespace

const Command& exec_command() {
  static const std::array<OptionSpec, 4> kOptions = {
      kEnv, kWorkdir,
      OptionSpec{"--interactive", "-i", "", "accepted: standard input is always connected"},
      OptionSpec{"--tty", "-t", "", "give the command a terminal of its own"}};
  static const Command kCommand{.name = "exec",
                                .group = "Run",
                                .summary = "start a command in a running container",
                                .positionals = "NAME COMMAND [ARGUMENT…]",
                                .min_positionals = 2,
                                .max_positionals = SIZE_MAX,
                                .options = kOptions,
                                .help = kExecHelp,
                                .function = exec,
                                .takes_command = true,
                                .failure_status = 125};
  return kCommand;
}

const Command& shell_command() {
  static const std::array<OptionSpec, 2> kOptions = {kEnv, kWorkdir};
  static const Command kCommand{.name = "shell",
                                .group = "Run",
                                .summary = "a shell in a running container",
                                .positionals = "NAME",
                                .min_positionals = 1,
                                .max_positionals = 1,
                                .options = kOptions,
                                .help = kShellHelp,
                                .function = shell,
                                .failure_status = 125};
  return kCommand;
}

}  // namespace flense::cli
