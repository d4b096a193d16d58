// What runs in the container, as whom, where and with which environment: the image's word, the
// user's above it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "launch/container/accounts.h"
#include "launch/container/image_settings.h"
#include "launch/container/run_options.h"

namespace flense::launch {

/// Who starts the container, and from where.
struct Caller {
  Account account;        ///< by the host's passwd, completed by $USER and $HOME
  std::string group;      ///< name of its group; may be empty
  std::string directory;  ///< working directory, absolute; empty when it is gone
};

struct ProcessPlan {
  std::vector<std::string> args, env;
  Identity user;
  std::vector<std::uint32_t> groups;  ///< further ones that the image gives to the user
  std::string cwd;
  std::vector<std::string> reasons;  ///< for --explain
};

struct ProcessInput {
  const RunOptions& options;
  const ImageSettings& image;
  const Caller& caller;
  std::string passwd, group;     ///< of the image
  bool directory_bound = false;  ///< the caller's working directory is in the container
  /// The environment of the host, of which the batch system's variables go along.
  std::vector<std::string> host_environment;
};

/// A usage error when neither the image nor the user names a command.
Result<ProcessPlan> plan_process(const ProcessInput& input);

/// Replaces the variable of "NAME=value" in a list, or appends it.
void set_variable(std::vector<std::string>& env, std::string item);
/// "NAME=value" of a list; nullopt when it is not set.
std::optional<std::string> variable_in(const std::vector<std::string>& env, std::string_view name);

}  // namespace flense::launch
