// flense cdi: specifications of the Container Device Interface, by which engines give devices to
// containers.
#include "cli/cdi/cdi.h"

#include <unistd.h>

#include <algorithm>
#include <array>

#include "cdi/spec/registry.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/places.h"
#include "cli/shared/suggest.h"

namespace flense::cli {

namespace {

constexpr std::string_view kIntroduction =
    R"(Specifications of the Container Device Interface (CDI): files by which Docker, Podman, containerd,
CRI-O and flense run give a container its devices, with the libraries that belong to them.

ACTION is one of
)";

bool takes(const CdiAction& action, std::string_view option) {
  return std::ranges::find(action.options, option, &OptionSpec::name) != action.options.end();
}

/// Options are parsed before the action is known, so those of all actions are accepted, and here
/// those of others are refused.
Result<void> check_options(const CdiAction& action, const ParsedArgs& args) {
  for (const CdiAction* other : cdi_actions())
    for (const OptionSpec& option : other->options) {
      if (!args.has(option.name) || takes(action, option.name)) continue;
      std::vector<std::string_view> owners;
      for (const CdiAction* owner : cdi_actions())
        if (takes(*owner, option.name)) owners.push_back(owner->name);
      return usage_error(fmt::format("{} belongs to cdi {}", option.name, fmt::join(owners, ", ")),
                         "flense help cdi lists the options");
    }
  return {};
}

Result<int> cdi(const ParsedArgs& args, Io& io) {
  const std::string& word = args.positionals().front();
  const auto at = std::ranges::find(cdi_actions(), word, &CdiAction::name);
  if (at == cdi_actions().end()) {
    std::vector<std::string_view> names;
    for (const CdiAction* action : cdi_actions()) names.push_back(action->name);
    const std::string near = nearest(word, names);
    return usage_error(fmt::format("cdi has no action '{}'", word),
                       near.empty() ? fmt::format("{}", fmt::join(names, ", "))
                                    : fmt::format("did you mean flense cdi {}?", near));
  }
  const CdiAction& action = **at;
  TRY_DO(check_options(action, args));
  const std::vector<std::string> rest(args.positionals().begin() + 1, args.positionals().end());
  const std::string hint = fmt::format("usage: flense cdi {} [options]{}{}", action.name,
                                       action.positionals.empty() ? "" : " ", action.positionals);
  if (rest.size() < action.min_positionals)
    return usage_error(fmt::format("cdi {} needs {}", action.name, action.positionals), hint);
  if (rest.size() > action.max_positionals)
    return usage_error(
        fmt::format("cdi {} has no use for '{}'", action.name, rest[action.max_positionals]), hint);
  return action.function(args, rest, io);
}

std::string help_text() {
  std::string out(kIntroduction);
  for (const CdiAction* action : cdi_actions()) {
    const std::string words = fmt::format("{} {}", action->name, action->positionals);
    out += fmt::format("  {:<22}{}\n", words, action->summary);
  }
  for (const CdiAction* action : cdi_actions())
    out += fmt::format("\ncdi {}:\n{}\n", action->name, action->help);
  out.pop_back();
  return out;
}

std::vector<OptionSpec> all_action_options() {
  std::vector<OptionSpec> out;
  for (const CdiAction* action : cdi_actions())
    for (const OptionSpec& option : action->options)
      if (std::ranges::find(out, option.name, &OptionSpec::name) == out.end())
        out.push_back(option);
  return out;
}

}  // namespace

const OptionSpec kSpecDirOption{"--spec-dir",
                                "",
                                "DIR",
                                "specifications lie here (default: where engines look)",
                                true,
                                {},
                                Completion::kDirectory};
const OptionSpec kCdiJsonOption{"--json", "", "", "print JSON (schema flense/cdi-ACTION/v1)"};

std::span<const CdiAction* const> cdi_actions() {
  static const std::array kCdiActions = {
      &cdi_generate_action(), &cdi_list_action(),    &cdi_validate_action(),  &cdi_diff_action(),
      &cdi_apply_action(),    &cdi_install_action(), &cdi_uninstall_action(),
  };
  return kCdiActions;
}

Result<std::vector<std::filesystem::path>> spec_directories_of(const ParsedArgs& args,
                                                               const Io& io) {
  std::vector<std::filesystem::path> out;
  for (const std::string& directory : args.values("--spec-dir")) out.emplace_back(directory);
  if (!out.empty()) return out;
  if (!args.has("--root")) return cdi::spec_directories(::geteuid() != 0, io.environment);
  TRY(const host::Places places, places_of(args));
  const host::Machine machine(places);
  // Links such as /var/run are followed within that root.
  for (const std::filesystem::path& directory : cdi::spec_directories(false, {}))
    if (const auto inside = machine.root.resolve(directory.relative_path().string()))
      out.push_back(places.root / *inside);
  return out;
}

const Command& cdi_command() {
  static const std::string kCdiHelp = help_text();
  static const std::vector<OptionSpec> kOptions = all_action_options();
  static const std::vector<std::string_view> kWords = [] {
    std::vector<std::string_view> words;
    for (const CdiAction* action : cdi_actions()) words.push_back(action->name);
    return words;
  }();
  static constexpr std::size_t kMostFiles = 1024;
  static const Command kCommand{"cdi",
                                "Devices",
                                "device specifications: make, check, apply and install them",
                                "ACTION [...]",
                                1,
                                1 + kMostFiles,
                                kOptions,
                                kCdiHelp,
                                kWords,
                                cdi};
  return kCommand;
}

}  // namespace flense::cli
