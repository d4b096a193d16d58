// Caches of package managers, as data/build_files.json has them, in the steps of a Dockerfile.
#pragma once

#include <string>
#include <string_view>

#include "lint/facts/build_steps.h"

namespace flense::lint {

/// Null: of this manager nothing is known.
const knowledge::ToolCacheRow* tool_of(const FileView& view, const PackageList& list);

/// What disables the tool's cache; empty: nothing does.
std::string switched_off(const Instruction& run, const ShellCommand* command,
                         const PackageList& list, const knowledge::ToolCacheRow& tool);

/// Whether what a tool keeps in its cache is in the layer twice. uv links its files from there into
/// the environment, as long as nobody asks for copies.
bool keeps_copies(const Instruction& run, const ShellCommand* command, const PackageList& list);

/// Whether a package is compiled by the command, for GPUs that a variable or the torch beside it
/// names: pip and uv take such a wheel from their cache in a later build too, whatever that is for.
bool compiles_wheels(const Install& install, const ShellCommand* command);

/// A RUN that empties a directory, or all of one above it. Of a path that is not known nobody can
/// tell: `unknown` is the answer.
bool empties(const Instruction& run, std::string_view directory, std::string_view tool,
             bool unknown);

/// What gives a mount, which is root's, to the user of a step; empty: it needs nothing, or the user
/// is not known. Only of a user by number it is what is to be written.
std::string mount_owner(const std::string& user);

/// Whether hundreds of megabytes are downloaded that the base does not hold.
bool brings_much(const FileView& view, const Install& install);

}  // namespace flense::lint
