#include "cli/config.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/file.h"
#include "cli/shared/suggest.h"
#include "text/toml.h"

namespace flense::cli {

namespace {

constexpr std::string_view kName = ".flense.toml";
constexpr std::uint64_t kMaxConfig = 1U << 20;
constexpr std::string_view kWaivers = "waivers";

std::optional<std::filesystem::path> nearest_file() {
  std::error_code error;
  std::filesystem::path directory = std::filesystem::current_path(error);
  if (error) return std::nullopt;
  while (true) {
    if (std::filesystem::is_regular_file(directory / kName, error)) return directory / kName;
    if (std::filesystem::exists(directory / ".git", error)) return std::nullopt;
    if (!directory.has_relative_path()) return std::nullopt;
    directory = directory.parent_path();
  }
}

Result<void> check_tables(const Config& config) {
  std::vector<std::string_view> names{kWaivers};
  for (const Command* command : commands()) names.push_back(command->name);
  for (const auto& [name, value] : config.json.members()) {
    if (std::ranges::find(names, name) != names.end()) continue;
    const std::string near = nearest(name, names);
    return fail(Code::kUsage, "{}: there is no command '{}'", config.path, name)
        .hint(near.empty() ? "tables are named as commands: [lint], [check]"
                           : fmt::format("did you mean [{}]?", near));
  }
  return {};
}

/// What an option is given by a TOML value: texts, numbers, true, lists of them, and of a table
/// "key=value" each.
Result<std::vector<std::string>> words_of(const text::Json& value, const std::string& place) {
  std::vector<std::string> out;
  const auto add = [&](const text::Json& one, const std::string& before) -> Result<void> {
    if (one.is_string())
      out.push_back(before + std::string(one.text()));
    else if (one.is_number())
      out.push_back(before + text::dump_json(one));
    else
      return fail(Code::kUsage, "{} is neither a text nor a number", place);
    return {};
  };
  if (value.is_bool()) {
    if (value.bool_or(false)) out.emplace_back();
    return out;
  }
  if (value.is_object()) {
    for (const auto& [key, one] : value.members()) TRY_DO(add(one, key + "="));
  } else if (value.is_array()) {
    for (const text::Json& one : value.items()) TRY_DO(add(one, ""));
  } else {
    TRY_DO(add(value, ""));
  }
  return out;
}

Result<void> apply_key(const std::string& place, const std::string& key, const text::Json& value,
                       const Command& command, std::span<const Option> options, ParsedArgs& args) {
  const std::string name = "--" + key;
  std::vector<std::string_view> known;
  const Option* option = nullptr;
  for (const Option& one : options) {
    if (!one.configurable) continue;
    known.push_back(one.name.substr(2));
    if (one.name == name) option = &one;
  }
  if (option == nullptr) {
    const std::string near = nearest(key, known);
    return fail(Code::kUsage, "{}: no such setting", place)
        .hint(!near.empty() ? fmt::format("did you mean {}?", near)
              : known.empty()
                  ? fmt::format("flense {} has no settings", command.name)
                  : fmt::format("flense {} takes {}", command.name, fmt::join(known, ", ")));
  }
  TRY(std::vector<std::string> words, words_of(value, place));
  if (option->value.empty() != value.is_bool())
    return fail(Code::kUsage, "{} is {}", place,
                value.is_bool() ? "true or false, and the option takes a value"
                                : "no truth value, and the option is a switch");
  if (words.size() > 1 && !option->repeatable)
    return fail(Code::kUsage, "{} is a list, and the option takes one value", place);
  for (const std::string& word : words)
    if (!option->choices.empty() && !option->value.empty() &&
        std::ranges::find(option->choices, word) == option->choices.end())
      return fail(Code::kUsage, "{} takes {}, not '{}'", place, fmt::join(option->choices, ", "),
                  word);
  // --json is another way to name the format, and the command line is nearer than the settings.
  const bool chosen = name == "--format" && args.has("--json");
  if (words.empty() || chosen) return {};
  // What a site binds stays there when more is bound.
  if (command.settings_of_user && option->repeatable && name != "--gpus")
    args.put_before(name, std::move(words));
  else
    args.set_default(name, std::move(words));
  return {};
}

bool is_date(std::string_view text) {
  constexpr std::string_view kForm = "0000-00-00";
  return text.size() == kForm.size() && std::ranges::equal(text, kForm, [](char c, char form) {
           return form == '-' ? c == '-' : c >= '0' && c <= '9';
         });
}

}  // namespace

namespace {

Result<std::optional<Config>> read_config(const std::filesystem::path& path) {
  TRY(const std::string text, with_context(read_file(path, kMaxConfig), "reading the settings"));
  Config out{path.string(), {}};
  TRY(out.json, text::parse_toml(text, out.path));
  TRY_DO(check_tables(out));
  return std::optional<Config>(std::move(out));
}

}  // namespace

Result<std::optional<Config>> find_config(const Request& request) {
  if (request.no_config) return std::optional<Config>();
  if (!request.config.empty()) return read_config(request.config);
  const auto found = nearest_file();
  return found ? read_config(*found) : std::optional<Config>();
}

Result<std::optional<Config>> find_own_config(const Request& request, const Io& io) {
  if (request.no_config) return std::optional<Config>();
  if (!request.config.empty()) return read_config(request.config);
  const std::string home = io.variable("HOME");
  const std::filesystem::path path = std::filesystem::path(home) / kName;
  struct stat status{};
  if (!home.starts_with('/') || ::stat(path.c_str(), &status) != 0) return std::optional<Config>();
  if ((status.st_uid != ::geteuid() && status.st_uid != 0) ||
      (status.st_mode & (S_IWGRP | S_IWOTH)) != 0)
    return fail(Code::kEnvironment,
                "{} is not yours, or others may write to it: it says what is bound", path.string())
        .hint("chmod go-w, or --no-config");
  return read_config(path);
}

Result<void> apply_config(const Config& config, const Command& command,
                          std::span<const Option> options, ParsedArgs& args) {
  const text::Json& table = config.json[command.name];
  for (const auto& [key, value] : table.members())
    TRY_DO(apply_key(fmt::format("{}: {}.{}", config.path, command.name, key), key, value, command,
                     options, args));
  return {};
}

Result<std::vector<lint::Waiver>> waivers_of(const Config& config) {
  constexpr std::array<std::string_view, 4> kKeys = {"rule", "path", "until", "reason"};
  std::vector<lint::Waiver> out;
  for (const text::Json& row : config.json[kWaivers].items()) {
    const std::string place = fmt::format("{}: waivers[{}]", config.path, out.size());
    lint::Waiver waiver;
    for (const auto& [key, value] : row.members()) {
      if (std::ranges::find(kKeys, key) == kKeys.end())
        return bad_input("{} has no key '{}': rule, path, until and reason are known", place, key);
      if (!value.is_string()) return bad_input("{}.{} is not a text", place, key);
    }
    waiver.rule = row["rule"].text();
    waiver.path = row["path"].text();
    waiver.until = row["until"].text();
    waiver.reason = row["reason"].text();
    if (waiver.rule.empty()) return bad_input("{} names no rule", place);
    if (!waiver.until.empty() && !is_date(waiver.until))
      return bad_input("{}.until is '{}', and a date is written 2026-12-31", place, waiver.until);
    out.push_back(std::move(waiver));
  }
  return out;
}

}  // namespace flense::cli
