// flense cdi: specifications of the Container Device Interface, by which engines give devices to
// containers.
#include "cli/cdi/cdi.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <map>

#include "cdi/spec/registry.h"
#include "cli/shared/confine.h"
#include "cli/shared/suggest.h"

namespace flense::cli {

namespace {

constexpr std::string_view kIntroduction =
    R"(Specifications of the Container Device Interface (CDI): files by which Docker, Podman, containerd,
CRI-O and flense run give a container its devices, with the libraries that belong to them.

ACTION is one of
)";

/// Options are parsed before the action is known. So those of all actions are accepted and written
/// down, and the request of the one that is named is filled from that.
struct CdiRequest : Request {
  std::map<std::string_view, std::vector<std::string>> given;
};

void declare(Options& options, CdiRequest& request) {
  for (const Command* action : cdi_actions())
    for (Option& option : action->call().options.all) {
      if (options.find(option.name) != nullptr) continue;
      option.fill = [&request, name = option.name](const std::vector<std::string>& given) {
        request.given[name] = given;
        return Result<void>();
      };
      options.all.push_back(std::move(option));
    }
}

bool takes(const Command& action, std::string_view option) {
  return action.call().options.find(option) != nullptr;
}

Result<void> check_options(const Command& action, const CdiRequest& request) {
  for (const Command* other : cdi_actions())
    for (const Option& option : other->call().options.all) {
      if (!request.given.contains(option.name) || takes(action, option.name)) continue;
      std::vector<std::string_view> owners;
      for (const Command* owner : cdi_actions())
        if (takes(*owner, option.name)) owners.push_back(owner->name);
      return usage_error(fmt::format("{} belongs to cdi {}", option.name, fmt::join(owners, ", ")),
                         "flense help cdi lists the options");
    }
  return {};
}

Result<Ending> run_cdi(const CdiRequest& request, Io& io) {
  const std::string& word = request.words.front();
  const auto at = std::ranges::find(cdi_actions(), word, &Command::name);
  if (at == cdi_actions().end()) {
    std::vector<std::string_view> names;
    for (const Command* action : cdi_actions()) names.push_back(action->name);
    const std::string near = nearest(word, names);
    return usage_error(fmt::format("cdi has no action '{}'", word),
                       near.empty() ? fmt::format("{}", fmt::join(names, ", "))
                                    : fmt::format("did you mean flense cdi {}?", near));
  }
  const Command& action = **at;
  TRY_DO(check_options(action, request));
  const Call call = action.call();
  Request& common = *call.request;
  common = request;
  common.words.erase(common.words.begin());
  TRY_DO(check_words(fmt::format("cdi {}", action.name), action, common.words));
  for (const Option& option : call.options.all)
    if (const auto given = request.given.find(option.name); given != request.given.end())
      TRY_DO(option.fill(given->second));
  if (!confines_itself(call.options) && io.watch_signals) io.watch_signals();
  return call.run(io);
}

std::string help_text() {
  std::string out(kIntroduction);
  for (const Command* action : cdi_actions()) {
    const std::string words = fmt::format("{} {}", action->name, action->positionals);
    out += fmt::format("  {:<22}{}\n", words, action->summary);
  }
  for (const Command* action : cdi_actions())
    out += fmt::format("\ncdi {}:\n{}\n", action->name, action->help);
  out.pop_back();
  return out;
}

}  // namespace

void add_spec_dir(Options& options, std::vector<std::string>& directories) {
  options
      .add("--spec-dir", "DIR", "specifications lie here (default: where engines look)",
           directories)
      .directory();
}

void add_cdi_json(Options& options, bool& json) {
  options.flag("--json", "print JSON (schema flense/cdi-ACTION/v1)", json);
}

Result<std::string> vendor_named(const std::string& word, std::string_view option) {
  const std::string why = cdi::complaint_about_vendor(word);
  return why.empty() ? Result<std::string>(word)
                     : fail(Code::kUsage, "{} '{}' {}", option, word, why);
}

std::span<const Command* const> cdi_actions() {
  static const std::array kCdiActions = {
      &cdi_generate_action(), &cdi_list_action(),    &cdi_validate_action(),  &cdi_diff_action(),
      &cdi_apply_action(),    &cdi_install_action(), &cdi_uninstall_action(),
  };
  return kCdiActions;
}

std::vector<std::filesystem::path> spec_directories_of(const std::vector<std::string>& named,
                                                       const PlaceOptions& places, const Io& io) {
  if (!named.empty()) return {named.begin(), named.end()};
  if (!places.root) return cdi::spec_directories(::geteuid() != 0, io.environment);
  const host::Machine machine(places_of(places));
  std::vector<std::filesystem::path> out;
  // Links such as /var/run are followed within that root.
  for (const std::filesystem::path& directory : cdi::spec_directories(false, {}))
    if (const auto inside = machine.root.resolve(directory.relative_path().string()))
      out.push_back(*places.root / *inside);
  return out;
}

const Command& cdi_command() {
  static const std::string kCdiHelp = help_text();
  static const std::vector<std::string_view> kWords = [] {
    std::vector<std::string_view> words;
    for (const Command* action : cdi_actions()) words.push_back(action->name);
    return words;
  }();
  static constexpr std::size_t kMostFiles = 1024;
  static const Command kCommand{
      .name = "cdi",
      .group = "Devices",
      .summary = "device specifications: make, check, apply and install them",
      .positionals = "ACTION [...]",
      .min_positionals = 1,
      .max_positionals = 1 + kMostFiles,
      .help = kCdiHelp,
      .words = kWords,
      .call = [] { return call_of(run_cdi); }};
  return kCommand;
}

}  // namespace flense::cli
