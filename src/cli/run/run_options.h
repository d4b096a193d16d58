// What is asked of flense run: its options as values, and which of them do not go together.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "cli/run/run_words.h"
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
  std::vector<launch::MountRequest> volumes, mounts, tmpfs;
  std::vector<std::vector<launch::MountRequest>> binds, scratch;
  std::optional<launch::MountRequest> home;
  VariableOptions env;
  std::optional<bool> host_network;
  std::optional<bool> own_processes, own_ipc, own_hostname;  ///< "private", "host"
  bool no_home = false;
  bool contain = false, containall = false, compat = false;
  NotMounted not_mounted;
  Security security;
  std::optional<std::string> cidfile;
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
