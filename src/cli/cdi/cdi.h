// flense cdi has actions, each a row of a table as commands are: one file an action. One name of an
// option means the same in every action; positionals are those behind the action's name.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "cli/shared/command.h"
#include "cli/shared/places.h"

namespace flense::cli {

/// In the order of the help.
std::span<const Command* const> cdi_actions();

// One function per action file.
const Command& cdi_list_action();
const Command& cdi_generate_action();
const Command& cdi_diff_action();
const Command& cdi_validate_action();
const Command& cdi_apply_action();
const Command& cdi_install_action();
const Command& cdi_uninstall_action();

/// The directories of specifications: those named, or those of the machine that --root names and,
/// where that is this one, of the user.
std::vector<std::filesystem::path> spec_directories_of(const std::vector<std::string>& named,
                                                       const PlaceOptions& places, const Io& io);

void add_spec_dir(Options& options, std::vector<std::string>& directories);
void add_cdi_json(Options& options, bool& json);
Result<std::string> vendor_named(const std::string& word, std::string_view option);

}  // namespace flense::cli
