// flense exec and flense shell: a command in a container that runs already.
#include <unistd.h>

#include <filesystem>

#include "cli/run/flag_table.h"
#include "cli/run/run_checks.h"
#include "cli/run/run_options.h"
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

struct ExecRequest : Request {
  VariableOptions env;
  std::optional<std::string> workdir;
  bool terminal = false;
};
struct ShellRequest : ExecRequest {};

void declare_joining(Options& options, ExecRequest& request) {
  add_env(options, request.env);
  options.add("--env-file", "FILE", "the same, a line each", request.env.files).file();
  options.add("--workdir", "DIR", "working directory", request.workdir).letter("-w");
}

void declare(Options& options, ShellRequest& request) {
  declare_joining(options, request);
}

void declare(Options& options, ExecRequest& request) {
  declare_joining(options, request);
  options.accept("--interactive", "accepted: standard input is always connected").letter("-i");
  options.flag("--tty", "give the command a terminal of its own", request.terminal).letter("-t");
}

/// Of apptainer's exec the word is an image.
Result<launch::Running> find_container(const launch::RuntimePlaces& places,
                                       const std::string& name) {
  const bool could_be = launch::check_name(name).has_value();
  Result<launch::Running> out = could_be ? launch::find_running(places, name)
                                         : fail(Code::kUsage, "'{}' names no container", name);
  std::error_code ignored;
  if (out || (could_be && !std::filesystem::exists(name, ignored))) return out;
  return usage_error(
      fmt::format("{} is an image, and no container of that name runs", name),
      fmt::format("flense run --entrypoint \"\" {} COMMAND starts a command in it, as "
                  "apptainer's exec does",
                  name));
}

Result<Ending> start(const ExecRequest& asked, Io& io, const std::vector<std::string>& command,
                     bool terminal) {
  TRY(const launch::RuntimePlaces places, launch::open_runtime_places(io.environment));
  TRY(const launch::Engine engine, launch::find_engine(places));
  TRY(const launch::Running container, find_container(places, asked.words.front()));
  TRY(std::vector<std::string> env, read_variables(asked.env, io));
  const launch::ExecRequest request{command, std::move(env), asked.workdir,
                                    terminal && ::isatty(STDIN_FILENO) == 1};
  TRY(launch::ExecPlan plan, launch::plan_exec(container, request, engine, places));
  TRY(const auto refused, refuse_command(plan.command, command.front(), container.id, io));
  if (refused) return *refused;
  return [plan = std::move(plan)] { return launch::start_exec(plan); };
}

Result<Ending> exec(const ExecRequest& request, Io& io) {
  return start(request, io, {request.words.begin() + 1, request.words.end()}, request.terminal);
}

Result<Ending> shell(const ShellRequest& request, Io& io) {
  return start(request, io, {"/bin/sh"}, true);
}

}  // namespace

const Command& exec_command() {
  static const Command kCommand{.name = "exec",
                                .group = "Run",
                                .summary = "start a command in a running container",
                                .positionals = "NAME COMMAND [ARGUMENT…]",
                                .min_positionals = 2,
                                .max_positionals = SIZE_MAX,
                                .help = kExecHelp,
                                .takes_command = true,
                                .flags = flags_of_exec(),
                                .sibling = run_image_command,
                                .failure_status = 125,
                                .call = [] { return call_of(exec); }};
  return kCommand;
}

const Command& shell_command() {
  static const Command kCommand{.name = "shell",
                                .group = "Run",
                                .summary = "a shell in a running container",
                                .positionals = "NAME",
                                .min_positionals = 1,
                                .max_positionals = 1,
                                .help = kShellHelp,
                                .flags = flags_of_shell(),
                                .sibling = run_image_command,
                                .failure_status = 125,
                                .call = [] { return call_of(shell); }};
  return kCommand;
}

}  // namespace flense::cli
