// Caches of package managers, as data/build_files.json has them, in the steps of a Dockerfile.
#pragma once

#include <map>
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

/// What gives a mount, which is root's, to the user of a step; empty: it needs nothing, or the user
/// is not known. Only of a user by number it is what is to be written.
std::string mount_owner(const std::string& user);

/// What the installs of a stage download, each beside what those before it brought.
class Downloads {
 public:
  Downloads(const FileView& view, std::size_t stage);

  /// Whether an install downloads hundreds of megabytes that the base does not hold.
  bool brings_much(const Install& install) const;

 private:
  bool may_bring_torch(const Install& install) const;

  const FileView& view_;
  /// Where the first step stands that speaks of torch, and the first install that may bring it.
  std::size_t torch_named_ = std::string_view::npos, torch_brought_ = std::string_view::npos;
  /// Where each is first installed.
  std::map<const ProjectFile*, std::size_t> files_;
  std::map<std::string_view, std::size_t> packages_;
};

}  // namespace flense::lint
