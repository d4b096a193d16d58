// .flense.toml: a project's own defaults for the options of every command, and the findings that it
// lives with for a while. Tables are named as the commands, keys as their options. Only options
// that judge may stand there: a file that came with somebody's repository writes nothing. [run],
// which starts programs, is read from the user's own file alone.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/shared/args.h"
#include "cli/shared/command.h"
#include "lint/lint.h"
#include "text/json.h"

namespace flense::cli {

struct Config {
  std::string path;
  text::Json json;
};

/// --config FILE, or the nearest .flense.toml of this directory and those above it, up to the root
/// of a repository; none with --no-config.
Result<std::optional<Config>> find_config(const Request& request);

/// The same of ~/.flense.toml, for commands that start programs: a repository's counts for nothing,
/// nor does one that others may write.
Result<std::optional<Config>> find_own_config(const Request& request, const Io& io);

/// Options that the command line does not give, from the command's table. A usage error for a key
/// that is no such option, or a value that it does not take.
Result<void> apply_config(const Config& config, const Command& command,
                          std::span<const Option> options, ParsedArgs& args);

/// The list [[waivers]]. Bad input without a rule, or with a date that is none.
Result<std::vector<lint::Waiver>> waivers_of(const Config& config);

}  // namespace flense::cli
