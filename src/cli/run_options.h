// What is asked of flense run: its options as values, and which of them do not go together.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/shared/args.h"
#include "cli/shared/common.h"
#include "cli/shared/io.h"
#include "cli/shared/places.h"
#include "launch/container/run_options.h"

namespace flense::cli {

/// Variables for a command, as typed: what they are worth is for the environment to say.
struct VariableOptions {
  std::vector<std::string> files, variables;
};
Option& add_env(Options& options, VariableOptions& env);
/// "NAME=value" each, those of files first.
Result<std::vector<std::string>> read_variables(const VariableOptions& env, const Io& io);

struct RunRequest : TableRequest {
  launch::RunOptions options;  ///< as far as one option alone says it; see run_options()
  std::vector<launch::MountRequest> volumes, binds, mounts;
  VariableOptions env;
  std::optional<bool> host_network;
  bool no_home = false;
  bool mount_image = false;
  bool no_preflight = false;
  bool explain = false;
  std::optional<std::string> bundle, trace;
  PlaceOptions places;
  ImageOptions image;
};
void declare(Options& options, RunRequest& request);

/// All that the launch is told. Usage errors for what does not go together.
Result<launch::RunOptions> run_options(const RunRequest& request, const Io& io);

}  // namespace flense::cli
