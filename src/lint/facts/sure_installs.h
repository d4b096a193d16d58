// What a build installs whatever its caller chooses.
#pragma once

#include "lint/facts/stage_view.h"

namespace flense::lint {

/// The command runs in every build, and as it is written: no branch, no loop, nothing that it
/// depends on but the steps before, and no variable.
bool surely_runs(const Install& install);

/// What follows lets the command fail: `pip install flash-attn || echo "without it"`.
bool may_fail(const Instruction& run, Span command);

/// The stage gets this package of one of the install's lists in every build: a command that surely
/// runs asks for it, by itself, by a plain list or by a project's extra, and no marker is at it.
bool surely_installs(const FileView& view, const Install& install, const PackageList& list,
                     const PackageRequest& request);

/// Every list of Python packages that the stage's commands name is known, and all of these commands
/// surely run: what is in none of them is not installed.
bool knows_all_installs(const FileView& view, std::size_t stage);

/// A list beside this one holds versions, or a day the newest ones: by an option of the list, or an
/// option or a variable of the command that installs it (null: none does).
bool is_constrained(const PackageList& list, const Install* install);

/// Where the first step of a stage stands that may give its installers another index; npos: none.
std::size_t index_set_from(const Stage& stage);

/// What may name an index, or versions, that are not in the command or its lists: a configuration,
/// a variable that another step sets.
bool may_have_other_index(const FileView& view, const Install& install);

}  // namespace flense::lint
