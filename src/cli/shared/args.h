// Command lines: what a command accepts is data, what the user typed is a value. The parsing
// itself is CLI11's, behind args.cpp.
#pragma once

#include <map>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"

namespace flense::cli {

/// What the user typed is wrong, and what to type instead.
inline Failure usage_error(std::string message, std::string hint) {
  return fail(Code::kUsage, "{}", message).hint(std::move(hint));
}

enum class Completion { kNone, kFile, kDirectory };

struct OptionSpec {
  std::string_view name;        ///< "--gpu"
  std::string_view short_name;  ///< "-q"; may be empty
  std::string_view value;       ///< placeholder "ARCH"; empty: a flag
  std::string_view help;        ///< one line, no full stop
  bool repeatable = false;
  /// The only values accepted, when any. Of a flag: --flag=CHOICE, besides --flag.
  std::span<const std::string_view> choices = {};
  Completion completion = Completion::kNone;
  bool configurable = false;  ///< .flense.toml may give it
};

/// The same option, which .flense.toml may give too.
constexpr OptionSpec configurable(OptionSpec option) {
  option.configurable = true;
  return option;
}

enum class Positionals {
  kAnywhere,    ///< between options too; "--" ends the options
  kEndOptions,  ///< from the first one on nothing is an option
};

class ParsedArgs {
 public:
  bool has(std::string_view option) const { return count(option) > 0; }
  /// How often a flag was given (-v -v).
  std::size_t count(std::string_view option) const;
  /// The last value given; `fallback` when there is none.
  std::string value(std::string_view option, std::string_view fallback = {}) const;
  std::vector<std::string> values(std::string_view option) const;
  const std::vector<std::string>& positionals() const { return positionals_; }
  /// For an option that was not given.
  void set_default(std::string_view option, std::vector<std::string> values);

 private:
  friend Result<ParsedArgs> parse_args(const std::vector<std::string>&, std::span<const OptionSpec>,
                                       std::string_view, Positionals);
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
  std::vector<std::string> positionals_;
};

/// Usage errors for unknown options (with the nearest known one as hint), missing values and
/// values that are no choice. `command` is for messages.
Result<ParsedArgs> parse_args(const std::vector<std::string>& args,
                              std::span<const OptionSpec> options, std::string_view command,
                              Positionals positionals = Positionals::kAnywhere);

}  // namespace flense::cli
