// A command is a row of a table: its words, its options, its help and its function. Help texts and
// shell completions come from the same rows.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/shared/args.h"
#include "cli/shared/io.h"

namespace flense::cli {

/// A command about to be called: its request, the options that fill it, and what answers it.
struct Call {
  std::shared_ptr<Request> request;
  Options options;
  /// The exit status, or an error that run() prints and turns into one.
  std::function<Result<int>(Io& io)> run;
};

/// The Call of a command by its function and by declare(Options&, OfCommand&) beside it.
template <std::derived_from<Request> OfCommand>
Call call_of(Result<int> (*run)(const OfCommand& request, Io& io)) {
  auto request = std::make_shared<OfCommand>();
  Call out{request, {}, [request, run](Io& io) { return run(*request, io); }};
  declare(out.options, *request);
  return out;
}

struct Command {
  std::string_view name;
  std::string_view group = {};        ///< heading in the overview
  std::string_view summary;           ///< one line, lower case, no full stop
  std::string_view positionals = {};  ///< "TARGET"; empty when there are none
  std::size_t min_positionals = 0, max_positionals = 0;
  std::span<const OptionSpec> options = {};      ///< besides common_options()
  std::string_view help;                         ///< paragraphs below the usage line
  std::span<const std::string_view> words = {};  ///< completions of the first positional
  /// The exit status, or an error that run() prints and turns into one.
  Result<int> (*function)(const ParsedArgs& args, Io& io) = nullptr;
  /// Options end at the first positional: what follows belongs to another program.
  bool takes_command = false;
  int failure_status = 0;  ///< of every error, unless 0: programs that stand for another one
  Call (*call)() = nullptr;
};

/// A usage error for too few or too many; `title` is "cdi list" of an action.
Result<void> check_words(std::string_view title, const Command& command,
                         const std::vector<std::string>& words);

/// All commands, in the order of the overview.
std::span<const Command* const> commands();
const Command* find_command(std::string_view name);

/// -q, -v, --no-color, --help: accepted by every command.
std::span<const OptionSpec> common_options();
/// With the common options behind the command's own, and those about settings where it has any.
Call begin(const Command& command);
/// Those of begin(), to be shown.
std::vector<OptionSpec> all_options(const Command& command);
std::size_t own_options(const Command& command);

/// What main() calls, and tests with strings: parses, dispatches, prints errors. `args` is without
/// the program's name. Returns the exit status (docs/exit-codes.md).
int run(const std::vector<std::string>& args, Io& io);
/// Prints the error; its exit status, or the one that the command has for all.
int report_failure(const Error& error, const std::vector<std::string>& args, Io& io);

// One function per command file.
const Command& inspect_command();
const Command& slim_command();
const Command& diff_command();
const Command& check_command();
const Command& lint_command();
const Command& host_command();
const Command& explain_command();
const Command& init_command();
const Command& bench_command();
const Command& cache_command();
const Command& cdi_command();
const Command& doctor_command();
const Command& run_image_command();
const Command& exec_command();
const Command& shell_command();
const Command& completion_command();
const Command& help_command();

}  // namespace flense::cli
