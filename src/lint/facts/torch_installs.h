// torch as the installations of a stage ask for it, what belongs to its release, and what brings
// it.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lint/facts/stage_view.h"

namespace flense::lint {

/// torch, torchvision or torchaudio as one installation asks for it.
struct TorchInstall {
  const Install* install = nullptr;
  Framework torch;
  const ProjectFile* file = nullptr;
  bool sure = false;  ///< every build has it

  const std::string& version() const { return torch.version; }
  bool by_conda() const { return torch.request->manager == PackageManager::kConda; }
};

/// "2.1.0" of "2.1.0+cu121".
inline std::string without_local(std::string_view version) {
  return std::string(version.substr(0, version.find('+')));
}

/// In the order of the file.
struct TorchInstalls {
  std::vector<TorchInstall> torch, companions;
  std::vector<TorchInstall> bringers;  ///< packages that require it, from PyPI
};
/// What goes into one environment of a stage.
TorchInstalls torch_installs(const Project& project, const FileView& view, const StageView& stage,
                             const std::string& environment);

/// The directory of a pip that is called by its path in an environment, or by conda run:
/// "venv/bin", "envs/app/bin"; empty: the usual one.
std::string own_environment(const Install& install);

/// The environment that a command of conda names, in the same form; empty: the active one.
std::string conda_environment(const Install& install);

/// What says which environment an installation goes into: the ones above, what its step or a SHELL
/// activates, PATH, VIRTUAL_ENV, the number of its Python. Two that differ may not meet.
std::string surroundings_of(const FileView& view, const Install& install);

/// torchvision and torchaudio.
bool is_companion(std::string_view package);

/// Packages that require torch, and so bring PyPI's newest where none is there.
bool brings_torch(std::string_view name);

/// A package of the list requires one torch alone.
bool holds_torch(const PackageList& list);

/// "<0.16", "~=2.1".
bool has_upper_bound(std::string_view specifier);

/// Packages that require torchvision.
bool brings_torchvision(std::string_view name);

bool is_nightly(const Install& install);

}  // namespace flense::lint
