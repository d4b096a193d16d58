// A command is a row of a table: its words, its options, its help and its function. Help texts and
// shell completions come from the same rows.
#pragma once

#include <concepts>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "base/result.h"
#include "cli/shared/args.h"
#include "cli/shared/engine_flags.h"
#include "cli/shared/io.h"

namespace flense::cli {

/// This process becomes another program, or waits for one: what is left to do once no other thread
/// runs and signals have their own meaning again. The exit status.
using LastStep = std::move_only_function<Result<int>()>;
/// What a command comes to: its exit status, or a last step.
using Ending = std::variant<int, LastStep>;

/// A command about to be called: its request, the options that fill it, and what answers it.
struct Call {
  std::shared_ptr<Request> request;
  Options options;
  std::size_t own_options = 0;  ///< so many of them are the command's alone
  /// An error is printed by run(), which turns it into an exit status.
  std::function<Result<Ending>(Io& io)> run;
};

/// The Call of a command by its function and by declare(Options&, OfCommand&) beside it.
template <std::derived_from<Request> OfCommand, class Out>
Call call_of(Result<Out> (*run)(const OfCommand& request, Io& io)) {
  auto request = std::make_shared<OfCommand>();
  Call out{request, {}, 0, [request, run](Io& io) -> Result<Ending> { return run(*request, io); }};
  declare(out.options, *request);
  out.own_options = out.options.all.size();
  return out;
}

struct Command {
  std::string_view name;
  std::string_view group = {};        ///< heading in the overview
  std::string_view summary;           ///< one line, lower case, no full stop
  std::string_view positionals = {};  ///< "TARGET"; empty when there are none
  std::size_t min_positionals = 0, max_positionals = 0;
  std::string_view help;                         ///< paragraphs below the usage line
  std::span<const std::string_view> words = {};  ///< completions of the first positional
  /// Options end at the first positional: what follows belongs to another program.
  bool takes_command = false;
  std::span<const EngineFlag> flags = {};  ///< of other engines
  /// Whose options people give to this one.
  const Command& (*sibling)() = nullptr;
  /// Settings are the user's own, not those of a directory: they start programs.
  bool settings_of_user = false;
  int failure_status = 0;  ///< of every error, unless 0: programs that stand for another one
  Call (*call)() = nullptr;
};

/// A usage error for too few or too many; `title` is "cdi list" of an action.
Result<void> check_words(std::string_view title, const Command& command,
                         const std::vector<std::string>& words);

/// All commands, in the order of the overview.
std::span<const Command* const> commands();
const Command* find_command(std::string_view name);

/// With -q, -v, --no-color and --help behind the command's own options, and those about settings
/// where it has any.
Call begin(const Command& command);
/// All of begin(), to be shown.
std::vector<Option> all_options(const Command& command);

/// What main() calls, and tests with strings: parses, dispatches, prints errors. `args` is without
/// the program's name. The exit status is one of docs/exit-codes.md.
Ending run(const std::vector<std::string>& args, Io& io);
/// The last step of run(), whose errors are printed likewise; the exit status.
int finish(LastStep step, const std::vector<std::string>& args, Io& io);

// One function per command file.
const Command& inspect_command();
const Command& slim_command();
const Command& verify_command();
const Command& diff_command();
const Command& check_command();
const Command& lint_command();
const Command& host_command();
const Command& explain_command();
const Command& init_command();
const Command& bench_command();
const Command& cache_command();
const Command& fleet_command();
const Command& data_command();
const Command& cdi_command();
const Command& mirror_command();
const Command& doctor_command();
const Command& run_image_command();
const Command& exec_command();
const Command& shell_command();
const Command& completion_command();
const Command& help_command();

}  // namespace flense::cli
