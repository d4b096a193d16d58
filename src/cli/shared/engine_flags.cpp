#include "cli/shared/engine_flags.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"

namespace flense::cli {

namespace {

/// "--name", "--name=…", or its letter in a cluster.
bool occurs(const EngineFlag& flag, const std::vector<std::string>& args) {
  return std::ranges::any_of(args, [&](std::string_view word) {
    if (word.starts_with("--"))
      return word.starts_with(flag.name) &&
             (word.size() == flag.name.size() || word[flag.name.size()] == '=');
    return !flag.letter.empty() && word.starts_with('-') && word.find(flag.letter[1]) != word.npos;
  });
}

Result<void> answer(const EngineFlag& flag, const std::vector<std::string>& given) {
  for (const std::string& value : given)
    if (flag.fits == nullptr || !flag.fits(value))
      return usage_error(
          fmt::format("{}{}{} is not for flense", flag.name, value.empty() ? "" : "=", value),
          std::string(flag.text));
  return {};
}

std::string_view word_of(FlagKind kind) {
  switch (kind) {
    case FlagKind::kWorks:
      return "works";
    case FlagKind::kAccepted:
      return "accepted";
    case FlagKind::kAnswered:
      return "answered";
  }
  return "";
}

}  // namespace

void add_engine_flags(std::span<const EngineFlag> flags, const std::vector<std::string>& args,
                      Options& options) {
  for (const EngineFlag& flag : flags) {
    if (!occurs(flag, args)) continue;
    if (!flag.same_as.empty()) {
      const auto at = std::ranges::find(options.all, flag.same_as, &Option::name);
      if (at == options.all.end()) continue;
      at->aliases.push_back(flag.name);
      if (!flag.letter.empty()) at->aliases.push_back(flag.letter);
    } else if (flag.kind != FlagKind::kWorks && options.find(flag.name) == nullptr) {
      Option& option = options.accept(flag.name, "");
      option.short_name = flag.letter;
      option.value = flag.value;
      option.repeatable = true;
      if (flag.kind == FlagKind::kAnswered)
        option.fill = [&flag](const std::vector<std::string>& given) {
          return answer(flag, given);
        };
    }
  }
}

std::string flag_table(std::span<const EngineFlag> flags) {
  std::vector<const EngineFlag*> rows;
  for (const EngineFlag& flag : flags) rows.push_back(&flag);
  std::ranges::sort(rows, {}, [](const EngineFlag* flag) { return flag->name; });
  std::string out = "| flag | of | here | |\n|---|---|---|---|\n";
  for (const EngineFlag* flag : rows) {
    std::string names = fmt::format("`{}`", flag->name);
    if (!flag->value.empty()) names = fmt::format("`{} {}`", flag->name, flag->value);
    if (!flag->letter.empty()) names = fmt::format("`{}`, {}", flag->letter, names);
    std::string text(flag->text);
    if (!flag->same_as.empty())
      text = fmt::format("as `{}`{}{}", flag->same_as, text.empty() ? "" : ": ", text);
    out += fmt::format("| {} | {} | {} | {} |\n", names, flag->engines, word_of(flag->kind), text);
  }
  return out;
}

}  // namespace flense::cli
