// Command lines: an option is declared once, with its help, its check and the member of a command's
// request that it fills. The parsing of words is CLI11's, behind args.cpp.
#pragma once

#include <concepts>
#include <functional>
#include <map>
#include <span>
#include <string>
#include <string_view>
#include <type_traits>
#include <utility>
#include <vector>

#include "base/result.h"

namespace flense::cli {

/// What the user typed is wrong, and what to type instead.
inline Failure usage_error(std::string message, std::string hint) {
  return fail(Code::kUsage, "{}", message).hint(std::move(hint));
}

enum class Completion { kNone, kFile, kDirectory };

/// An option and the member that it fills.
struct Option {
  std::string_view name;        ///< "--gpu"
  std::string_view short_name;  ///< "-q"; may be empty
  std::string_view value;       ///< placeholder "ARCH"; empty: a flag
  std::string_view help;        ///< one line, no full stop
  bool repeatable = false;
  /// The only values accepted, when any. Of a flag: --flag=CHOICE, besides --flag.
  std::span<const std::string_view> choices = {};
  Completion completion = Completion::kNone;
  bool configurable = false;                   ///< .flense.toml may give it
  bool may_be_empty = false;                   ///< "" is a value
  std::vector<std::string_view> aliases = {};  ///< further names, as other programs have them
  /// What the letter or the word means elsewhere: told when its value is missing or refused.
  std::string_view elsewhere = {};
  /// Reads what was given, the last of which counts where the member holds one value.
  std::function<Result<void>(const std::vector<std::string>& given)> fill = nullptr;

  Option& letter(std::string_view letter_name) { return short_name = letter_name, *this; }
  Option& one_of(std::span<const std::string_view> words) { return choices = words, *this; }
  Option& file() { return completion = Completion::kFile, *this; }
  Option& directory() { return completion = Completion::kDirectory, *this; }
  Option& setting() { return configurable = true, *this; }
  Option& maybe_empty() { return may_be_empty = true, *this; }
  Option& also_means(std::string_view text) { return elsewhere = text, *this; }
  bool is_called(std::string_view word) const;
};

template <class T>
constexpr bool kIsList = false;
template <class T>
constexpr bool kIsList<std::vector<T>> = true;

/// As the user typed it.
struct AsTyped {
  Result<std::string> operator()(const std::string& word) const { return word; }
};

template <class Parse, class Given>
auto value_of(const Parse& parse, const Given& given, std::string_view option) {
  if constexpr (std::invocable<const Parse&, const Given&, std::string_view>)
    return parse(given, option);
  else
    return parse(given);
}

/// What a command accepts, bound to a request that outlives it.
class Options {
 public:
  /// `parse` makes a value of a word, or of the word and the option's name for its error, or of all
  /// words at once. A list is given by repeating the option.
  template <class Member, class Parse = AsTyped>
  Option& add(std::string_view name, std::string_view value, std::string_view help, Member& member,
              Parse parse = {}) {
    constexpr bool kAtOnce = std::invocable<Parse&, const std::vector<std::string>&>;
    Option& out = add_unbound(name, value, help);
    out.repeatable = kAtOnce || kIsList<Member>;
    out.fill = [&member, parse, name](const std::vector<std::string>& given) -> Result<void> {
      if constexpr (kAtOnce) {
        TRY(member, value_of(parse, given, name));
      } else if constexpr (kIsList<Member>) {
        for (const std::string& word : given) {
          TRY(auto one, value_of(parse, word, name));
          member.push_back(std::move(one));
        }
      } else {
        TRY(member, value_of(parse, given.back(), name));
      }
      return {};
    };
    return out;
  }
  Option& flag(std::string_view name, std::string_view help, bool& member);
  /// Accepted, and nothing follows from it.
  Option& accept(std::string_view name, std::string_view help) {
    return add_unbound(name, "", help);
  }

  /// By its name or its letter.
  const Option* find(std::string_view name) const;

  std::vector<Option> all;

 private:
  Option& add_unbound(std::string_view name, std::string_view value, std::string_view help);
};

/// What every command takes. Each command's request has this as its base.
struct Request {
  std::vector<std::string> words;  ///< beside the options
  bool quiet = false, verbose = false, no_color = false;
  bool no_sandbox = false;  ///< of commands that confine themselves
  std::string config;       ///< of commands with settings
  bool no_config = false;
};
/// A command without options of its own.
inline void declare(Options& /*options*/, Request& /*request*/) {}

enum class Positionals {
  kAnywhere,    ///< between options too; "--" ends the options
  kEndOptions,  ///< from the first one on nothing is an option
};

class ParsedArgs {
 public:
  bool has(std::string_view option) const { return values_.contains(option); }
  std::vector<std::string> values(std::string_view option) const;
  const std::vector<std::string>& positionals() const { return positionals_; }
  /// For an option that was not given.
  void set_default(std::string_view option, std::vector<std::string> values);
  /// Before those that were given.
  void put_before(std::string_view option, std::vector<std::string> values);

 private:
  friend Result<ParsedArgs> parse_args(const std::vector<std::string>&, std::span<const Option>,
                                       std::string_view, Positionals);
  std::map<std::string, std::vector<std::string>, std::less<>> values_;
  std::vector<std::string> positionals_;
};

/// Usage errors for unknown options (with the likeliest known one as hint), missing values and
/// values that are no choice. `command` is for messages.
Result<ParsedArgs> parse_args(const std::vector<std::string>& args, std::span<const Option> options,
                              std::string_view command,
                              Positionals positionals = Positionals::kAnywhere);

}  // namespace flense::cli
