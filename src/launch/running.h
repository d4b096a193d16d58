// Containers of this user that run on this machine, as crun's state directory lists them, and the
// way to enter one.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "launch/container/crun.h"
#include "launch/container/start_check.h"
#include "launch/container/supervise.h"
#include "text/json.h"

namespace flense::launch {

struct Running {
  std::string id;
  int pid = 0;                   ///< of its first process
  std::uint64_t start_time = 0;  ///< of that process, clock ticks since boot
};

/// Those whose first process lives, sorted by name.
std::vector<Running> list_running(const RuntimePlaces& places);
/// By name, or a beginning that only one has; waits for one that is being started. A usage error
/// that names those there are.
Result<Running> find_running(const RuntimePlaces& places, const std::string& name);

/// Forgets those whose processes are gone (crun was killed), once many have accumulated.
void forget_dead(const RuntimePlaces& places);
/// Forgets a container of that name whose processes are gone (crun was killed); an environment
/// error when it lives.
Result<void> clear_dead(const RuntimePlaces& places, const std::string& name);

struct ExecRequest {
  std::vector<std::string> command;
  std::vector<std::string> env;  ///< "NAME=value", above the container's own
  std::optional<std::string> workdir;
  bool terminal = false;
};

struct ExecPlan {
  Running container;
  std::filesystem::path place;    ///< an empty directory: a tmpfs is mounted there
  text::Json process;             ///< runtime-spec config.md, "process"
  std::string cgroup;             ///< the container's, where it has limits; else empty
  std::vector<std::string> argv;  ///< of crun; argv[0] is its path
  CommandCheck command;
  std::optional<Supervision> supervise;  ///< nullopt: this process becomes crun
};

/// The container's own process with another command: the same user, environment and capabilities.
Result<ExecPlan> plan_exec(const Running& container, const ExecRequest& request,
                           const Engine& engine, const RuntimePlaces& places);

/// Joins the user namespace that the container was made in, with a mount namespace of our own where
/// crun finds its state, and becomes crun. Its exit status where it is supervised, else returns
/// only on failure. The process must have one thread.
Result<int> start_exec(const ExecPlan& plan);

}  // namespace flense::launch
