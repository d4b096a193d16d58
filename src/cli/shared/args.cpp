#include "cli/shared/args.h"

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <iterator>

#include "cli/shared/suggest.h"

namespace flense::cli {

namespace {

std::string help_hint(std::string_view command) {
  return command.empty() ? "flense help lists the commands"
                         : fmt::format("flense help {} lists the options", command);
}

Failure unknown_option(std::string_view word, std::span<const Option> options,
                       std::string_view command) {
  const std::string_view name = word.substr(0, word.find('='));
  std::vector<std::string_view> names;
  for (const Option& option : options) names.push_back(option.name);
  const std::string near = likeliest_option(name, names);
  return usage_error(fmt::format("unknown option '{}'", name),
                     near.empty() ? help_hint(command) : fmt::format("did you mean {}?", near));
}

const Option* find_option(std::span<const Option> options, std::string_view name) {
  for (const Option& option : options)
    if (option.is_called(name)) return &option;
  return nullptr;
}

Failure no_value(std::string_view word, const Option& option, std::string_view command) {
  return usage_error(fmt::format("{} needs {}", word, option.value),
                     option.elsewhere.empty() ? help_hint(command) : std::string(option.elsewhere));
}

/// Whether the option `word` ("--name", "-n", a cluster "-it") takes the next word as its value.
bool takes_next(std::string_view word, std::span<const Option> options) {
  if (!word.starts_with('-')) return false;
  if (word.starts_with("--")) {
    const Option* option = find_option(options, word);
    return option != nullptr && !option->value.empty();
  }
  for (std::size_t i = 1; i < word.size(); ++i) {
    const std::array<char, 2> name = {'-', word[i]};
    const Option* option = find_option(options, {name.data(), name.size()});
    if (option != nullptr && !option->value.empty()) return i + 1 == word.size();
  }
  return false;
}

/// Of "-it" that is "-t".
std::string last_letter(std::string_view word) {
  return word.starts_with("--") ? std::string(word) : fmt::format("-{}", word.back());
}

/// Where the first positional stands.
std::size_t end_of_options(const std::vector<std::string>& args, std::span<const Option> options) {
  std::size_t at = 0;
  while (at < args.size() && args[at].size() > 1 && args[at].front() == '-') {
    if (args[at] == "--") return at + 1;
    at += takes_next(args[at], options) ? std::size_t{2} : std::size_t{1};
  }
  return std::min(at, args.size());
}

}  // namespace

Option& Options::add_unbound(std::string_view name, std::string_view value, std::string_view help) {
  Option& out = all.emplace_back();
  out.name = name;
  out.value = value;
  out.help = help;
  return out;
}

bool Option::is_called(std::string_view word) const {
  return name == word || (!word.empty() && short_name == word) ||
         std::ranges::find(aliases, word) != aliases.end();
}

const Option* Options::find(std::string_view name) const {
  const auto at =
      std::ranges::find_if(all, [&](const Option& option) { return option.is_called(name); });
  return at == all.end() ? nullptr : &*at;
}

Option& Options::flag(std::string_view name, std::string_view help, bool& member) {
  return add(name, "", help, member, [](const std::string&) { return Result<bool>(true); });
}

std::vector<std::string> ParsedArgs::values(std::string_view option) const {
  const auto at = values_.find(option);
  return at == values_.end() ? std::vector<std::string>{} : at->second;
}

void ParsedArgs::set_default(std::string_view option, std::vector<std::string> values) {
  values_.try_emplace(std::string(option), std::move(values));
}

void ParsedArgs::put_before(std::string_view option, std::vector<std::string> values) {
  std::vector<std::string>& all = values_[std::string(option)];
  all.insert(all.begin(), values.begin(), values.end());
}

Result<ParsedArgs> parse_args(const std::vector<std::string>& args, std::span<const Option> options,
                              std::string_view command, Positionals positionals) {
  if (positionals == Positionals::kEndOptions) {
    const auto rest = args.begin() + static_cast<std::ptrdiff_t>(end_of_options(args, options));
    TRY(ParsedArgs out, parse_args({args.begin(), rest}, options, command));
    if (rest != args.end() && rest->empty())
      return usage_error("an empty argument", "is a shell variable unset?");
    out.positionals_.insert(out.positionals_.end(), rest, args.end());
    return out;
  }
  // An unset shell variable must not mean "the default".
  const auto takes_nothing = [&](std::string_view word) {
    const Option* option = find_option(options, word);
    return option != nullptr && option->may_be_empty;
  };
  for (std::size_t i = 0; i < args.size(); ++i) {
    if (!args[i].empty() || (i > 0 && takes_nothing(args[i - 1]))) continue;
    return usage_error(i == 0 ? std::string("an empty argument")
                              : fmt::format("an empty argument after {}", args[i - 1]),
                       "is a shell variable unset?");
  }

  ParsedArgs out;
  // CLI11 gives "--" no meaning once extras are allowed, so the split is done here.
  const auto dashes = std::find(args.begin(), args.end(), "--");
  std::vector<std::string> words;
  for (auto at = args.begin(); at != dashes; ++at) {
    const std::string_view name = std::string_view(*at).substr(0, at->empty() ? 0 : at->size() - 1);
    const bool empty =
        at->starts_with("--") && at->ends_with('=') && find_option(options, name) != nullptr;
    if (empty && !takes_nothing(name))
      return usage_error(fmt::format("{} has an empty value", name), "is a shell variable unset?");
    words.emplace_back(empty ? std::string(name) : *at);
    if (empty) words.emplace_back();
  }
  if (dashes == args.end() && !args.empty() && takes_next(args.back(), options) &&
      (args.size() == 1 || !takes_next(args[args.size() - 2], options)))
    return no_value(args.back(), *find_option(options, last_letter(args.back())), command);
  try {
    CLI::App app;
    app.set_help_flag();
    app.allow_extras();
    std::vector<std::vector<std::string>> values(options.size());
    std::vector<CLI::Option*> handles;
    for (std::size_t i = 0; i < options.size(); ++i) {
      const Option& option = options[i];
      std::string names(option.name);
      if (!option.short_name.empty()) names = fmt::format("{},{}", option.short_name, names);
      for (const std::string_view alias : option.aliases) names += fmt::format(",{}", alias);
      CLI::Option* handle = nullptr;
      if (option.value.empty()) {
        handle = app.add_flag(names);
      } else {
        handle = app.add_option(names, values[i]);
        handle->allow_extra_args(false);
        handle->take_all();
      }
      handles.push_back(handle);
    }
    // CLI11 takes the arguments in reverse order.
    std::vector<std::string> reversed(words.rbegin(), words.rend());
    app.parse(reversed);
    for (std::size_t i = 0; i < options.size(); ++i) {
      if (options[i].value.empty())
        for (const std::string& word : handles[i]->results()) {
          const bool off = word == "false" && options[i].choices.empty();
          if (word != "true" && !off && options[i].choices.empty())
            return usage_error(
                fmt::format("{} is a switch, and '{}' is no value for it", options[i].name, word),
                "leave the value out; =true and =false are taken");
          if (off)
            values[i].clear();
          else
            values[i].push_back(word == "true" ? std::string() : word);
        }
      if (!values[i].empty()) out.values_[std::string(options[i].name)] = std::move(values[i]);
    }
    out.positionals_ = app.remaining();
  } catch (const CLI::ParseError& error) {
    return usage_error(error.what(), help_hint(command));
  }
  for (const std::string& word : out.positionals_)
    if (word.size() > 1 && word.front() == '-') return unknown_option(word, options, command);
  if (dashes != args.end())
    out.positionals_.insert(out.positionals_.end(), std::next(dashes), args.end());

  for (const Option& option : options) {
    if (option.choices.empty()) continue;
    for (const std::string& value : out.values(option.name)) {
      if (option.value.empty() && value.empty()) continue;
      if (std::find(option.choices.begin(), option.choices.end(), value) != option.choices.end())
        continue;
      const std::string near = nearest(value, option.choices);
      return usage_error(
          fmt::format("{} takes {}, not '{}'", option.name, fmt::join(option.choices, ", "), value),
          !near.empty()               ? fmt::format("did you mean {}?", near)
          : !option.elsewhere.empty() ? std::string(option.elsewhere)
                                      : help_hint(command));
    }
  }
  return out;
}

}  // namespace flense::cli
