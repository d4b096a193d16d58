// What runs in the container, as whom, where and with which environment: what the image says,
// unless the user overrides it.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "base/accounts.h"
#include "base/result.h"
#include "launch/container/environment.h"
#include "launch/container/image_settings.h"
#include "launch/container/run_options.h"

namespace flense::launch {

/// Who starts the container, and from where.
struct Caller {
  Account account;                    ///< by the host's passwd, completed by $USER and $HOME
  std::string group;                  ///< name of its group; may be empty
  std::string directory;              ///< working directory, absolute; empty when it is gone
  std::vector<std::uint32_t> groups;  ///< all that the process has
  std::string group_file;             ///< text of the host's
};

/// By /etc/passwd alone: what a name service says needs its libraries, which a static program
/// cannot load.
Caller find_caller(const std::vector<std::string>& environment);

struct ProcessPlan {
  std::vector<std::string> args;
  Environment env;
  Identity user;
  std::vector<std::uint32_t> groups;  ///< further ones that the image gives to the user
  /// What the caller, who is root, adds to its own: ids of the host.
  std::vector<std::uint32_t> host_groups;
  std::string cwd;
  bool cwd_of_image = false;         ///< nobody but the image asks for it
  std::vector<std::string> reasons;  ///< for --explain
};

struct ProcessInput {
  const RunOptions& options;
  const ImageSettings& image;
  const Caller& caller;
  std::string passwd, group;     ///< of the image
  bool directory_bound = false;  ///< the caller's working directory is in the container
  /// The environment of the host, of which the batch system's variables go along.
  const std::vector<std::string>& host_environment;
  /// What devices bring along.
  const std::vector<std::string>& device_environment;
};

/// A usage error when neither the image nor the user names a command.
Result<ProcessPlan> plan_process(const ProcessInput& input);

}  // namespace flense::launch
