// What people type for other engines: a table with a row for each flag, from which the parser,
// `flense help flags` and the manual take what becomes of it here.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cli/shared/args.h"

namespace flense::cli {

enum class FlagKind {
  kWorks,     ///< an option of the command, or another name of one
  kAccepted,  ///< the default does it already: nothing follows
  kAnswered,  ///< refused, with what to do instead
};

struct EngineFlag {
  std::string_view name;     ///< "--publish"
  std::string_view letter;   ///< "-p"; may be empty
  std::string_view value;    ///< placeholder; empty: a switch
  std::string_view engines;  ///< "docker", "podman", "apptainer", "enroot", in words
  FlagKind kind;
  std::string_view text;          ///< kAnswered: the hint
  std::string_view same_as = {};  ///< kWorks: the option that it is another name of
  /// kAnswered: values with which the default does it already.
  bool (*fits)(std::string_view value) = nullptr;
};

/// Gives `options` what of the table occurs in `args`: a start does not pay for the rest.
void add_engine_flags(std::span<const EngineFlag> flags, const std::vector<std::string>& args,
                      Options& options);

/// The table as Markdown, sorted by name.
std::string flag_table(std::span<const EngineFlag> flags);

}  // namespace flense::cli
