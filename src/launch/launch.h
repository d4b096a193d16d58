// One launch, from what was asked for to what is done: decisions first, as values that can be shown
// and written down, then start_stage() or a bundle.
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "launch/container/crun.h"
#include "launch/container/numa.h"
#include "launch/container/other_id.h"
#include "launch/container/run_options.h"
#include "launch/container/stage.h"
#include "launch/container/start_check.h"
#include "launch/rootfs/store.h"
#include "text/json.h"

namespace flense::launch {

struct LaunchInput {
  const RunOptions& options;
  const text::Json& image_config;  ///< null for a directory and a squashfs
  const RootFs& root;
  /// The environment of the host, "NAME=value".
  std::vector<std::string> environment;
  /// Devices and libraries merged into the configuration; may be empty.
  std::function<Result<void>(text::Json&)> amend;
  /// Processors and memory of the command; nullopt: those of whoever starts it.
  std::optional<Placement> placement = std::nullopt;
  /// System calls at which whoever traces the container is asked; empty: nobody does.
  std::vector<std::string> traced = {};
  /// Directories of flense's own that a bind must not bring along: state of containers, roots.
  std::vector<std::filesystem::path> own = {};
  /// What is bound from directories that could be pruned (StagePlan::kept).
  std::vector<std::filesystem::path> kept = {};
  /// With RunOptions::other_id; the root is a mount for it then, and so is `libraries`, which
  /// stands for the directory of that name on the host wherever that is bound.
  const OtherId* other = nullptr;
  std::filesystem::path library_directory = {};
  int libraries = -1;
};

struct Launch {
  std::string id;
  StagePlan stage;
  text::Json config;
  CommandCheck command;
  std::string program;               ///< what `command` speaks of
  std::vector<std::string> reasons;  ///< for --explain
  std::vector<std::string> notices;
};

Result<Launch> plan_launch(const LaunchInput& input, const Engine& engine,
                           const RuntimePlaces& places);

/// As a shell reads it back.
std::string shell_word(std::string_view text);

struct Bundle {
  std::vector<std::string> command;  ///< that starts it, for this user on this machine
  std::vector<std::string> reasons, notices;
};

/// Writes config.json and the files it names into `directory`, which must not exist. The root stays
/// in the cache; what it has no place to mount on for is a layer above it, which the command
/// mounts.
Result<Bundle> write_bundle(const LaunchInput& input, const Engine& engine,
                            const RuntimePlaces& places, const std::filesystem::path& directory);

}  // namespace flense::launch
