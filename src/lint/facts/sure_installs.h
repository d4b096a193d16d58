// What a build installs whatever its caller chooses.
#pragma once

#include "lint/facts/stage_view.h"

namespace flense::lint {

/// The command runs in every build, and as it is written: no branch, no loop, nothing that it
/// depends on but the steps before, and no variable.
bool surely_runs(const Install& install);

/// A branch, a loop or a test in front of it decides whether the command runs.
bool is_conditional(const Install& install);

/// What follows lets the command fail: `pip install flash-attn || echo "without it"`.
bool may_fail(const Instruction& run, Span command);

/// The stage gets this package of one of the install's lists in every build: a command that surely
/// runs asks for it, by itself, by a plain list or by a project's extra, and no marker is at it.
bool surely_installs(const FileView& view, const Install& install, const PackageList& list,
                     const PackageRequest& request);

/// Every list of Python packages that the stage's commands name is known, and all of these commands
/// surely run: what is in none of them is not installed.
bool knows_all_installs(const FileView& view, std::size_t stage);

}  // namespace flense::lint
