// flense cdi has actions, each a row of a table like a command's: one file an action.
#pragma once

#include <filesystem>
#include <span>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cli/shared/args.h"
#include "cli/shared/io.h"
#include "host/tree.h"

namespace flense::cli {

struct CdiAction {
  std::string_view name;
  std::string_view summary;      ///< one line, lower case, no full stop
  std::string_view positionals;  ///< behind the action's name
  std::size_t min_positionals = 0, max_positionals = 0;
  std::span<const OptionSpec> options;  ///< one name means the same in every action
  std::string_view help;                ///< paragraphs and examples
  /// Positionals are those behind the action's name.
  Result<int> (*function)(const ParsedArgs& args, const std::vector<std::string>& positionals,
                          Io& io) = nullptr;
};

/// In the order of the help.
std::span<const CdiAction* const> cdi_actions();

// One function per action file.
const CdiAction& cdi_list_action();
const CdiAction& cdi_generate_action();
const CdiAction& cdi_diff_action();
const CdiAction& cdi_validate_action();
const CdiAction& cdi_apply_action();
const CdiAction& cdi_install_action();
const CdiAction& cdi_uninstall_action();

/// The directories of specifications: --spec-dir, or those of the machine that --root names and,
/// where that is this one, of the user.
Result<std::vector<std::filesystem::path>> spec_directories_of(const ParsedArgs& args,
                                                               const Io& io);

extern const OptionSpec kSpecDirOption, kCdiJsonOption, kCdiOutputOption;

}  // namespace flense::cli
