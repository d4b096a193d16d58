// What the user requested for a launch, as values; and the options that docker and apptainer users
// type for it, parsed strictly.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "launch/container/network_files.h"
#include "launch/container/resource_limits.h"
#include "launch/gpus/request.h"

namespace flense::launch {

/// A directory or file of the host, or fresh memory, at a place in the container.
struct MountRequest {
  enum class Kind { kBind, kTmpfs };
  Kind kind = Kind::kBind;
  std::string source;  ///< on the host, absolute; empty for kTmpfs
  std::string target;  ///< in the container, absolute
  bool read_only = false;
  std::optional<std::uint64_t> size;  ///< of kTmpfs, bytes
  std::vector<std::string> flags =
      {};  ///< further ones of the mount: "noexec", "rslave", "mode=700"
  bool operator==(const MountRequest&) const = default;
};

struct RunOptions {
  std::vector<std::string> command;  ///< after IMAGE; empty: as the image says
  std::vector<MountRequest> mounts;
  std::vector<std::string> env;  ///< "NAME=value"
  std::optional<std::string> workdir, user, entrypoint;
  bool tty = false;
  bool home = true;       ///< the caller's home directory is mounted
  bool directory = true;  ///< so is the working directory
  bool own_tmp = false;   ///< fresh memory on /tmp and /var/tmp
  bool isolate = false;   ///< nothing from the host is bound, and keys are out of reach
  bool host_network = true;
  /// Namespaces of their own, which `isolate` alone does not make.
  bool own_processes = false, own_ipc = false, own_hostname = false;
  std::string hostname;  ///< with own_hostname; empty: the container's name
  NetworkWords network;
  std::vector<std::pair<std::string, std::string>> sysctls, labels;
  bool fake_root = false;
  bool filter = true;           ///< of system calls
  std::string seccomp_profile;  ///< JSON of docker's form, instead of our own; may be empty
  std::vector<std::string> added_capabilities, dropped_capabilities;  ///< as typed
  std::vector<std::string> groups;                                    ///< names or ids
  std::vector<ResourceLimit> limits;
  bool init = false;  ///< a first process besides the command, in a PID namespace
  bool die_with_parent = false;
  bool other_id = false;  ///< root's container as an unused id
  bool sub_ids = false;   ///< the image's user, or `user`, as an id of the caller's range
  bool writable = false;
  std::optional<std::string> overlay;             ///< directory for what a writable root changes
  std::optional<std::uint64_t> shm_size, memory;  ///< bytes
  std::optional<double> cpus;
  std::optional<std::uint64_t> processes;  ///< limit
  /// Lists as cpuset(7) writes them; empty: as they are.
  std::string on_cpus, on_nodes;
  GpuRequest gpu;
  std::vector<std::string> cdi_directories;  ///< empty: the standard ones
  bool bind_numa = false;                    ///< beside the GPUs
  bool rdma = false;
  std::string name;  ///< of the container; empty: made up
};

/// Whether it has a control group of its own.
inline bool has_limits(const RunOptions& options) {
  return options.memory || options.cpus || options.processes;
}

/// As docker writes sizes: the units of 64m, 2G are binary.
Result<std::uint64_t> parse_docker_size(std::string_view word);

/// "SRC:DST[:ro|rw]", "DIR" for the same place on both sides. A relative SRC that begins with '.'
/// is below `directory`. Usage errors; named volumes are refused, since there is nobody to keep
/// them.
Result<MountRequest> parse_volume(std::string_view text, std::string_view directory);
/// The same, several with commas, as apptainer takes --bind.
Result<std::vector<MountRequest>> parse_binds(std::string_view text, std::string_view directory);
/// "DIR[:size=…,mode=…,ro,exec]", as docker takes --tmpfs.
Result<MountRequest> parse_tmpfs(std::string_view text);
/// Fresh memory at each of "DIR,DIR", as apptainer takes --scratch.
Result<std::vector<MountRequest>> parse_scratch(std::string_view text);
/// "SRC[:DST]", as apptainer takes --home.
Result<MountRequest> parse_home(std::string_view text, std::string_view directory);

/// "NAME=value" of a setting that a namespace of the container has for itself; a usage error that
/// says which one is missing, or that the machine has but one.
Result<void> check_sysctl(const RunOptions& options, std::string_view name);

/// "type=bind,src=…,dst=…[,ro]", "type=tmpfs,dst=…[,size=…]", as docker takes --mount.
Result<MountRequest> parse_mount(std::string_view text, std::string_view directory);

/// "NAME=value", or "NAME" for the value that `variable` gives; nothing when that has none.
Result<std::optional<std::string>> parse_variable(
    std::string_view text,
    const std::function<std::optional<std::string>(std::string_view)>& variable);

/// Lines as parse_variable() takes them; "#" begins a comment line, and "export " before a name
/// means nothing. `name` is for messages.
Result<std::vector<std::string>> parse_env_file(
    std::string_view text, std::string_view name,
    const std::function<std::optional<std::string>(std::string_view)>& variable);

/// Letters, digits, '_', '.', '-', beginning with a letter or digit, at most 128.
Result<std::string> check_name(std::string_view name);

}  // namespace flense::launch
