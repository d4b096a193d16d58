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
  bool operator==(const MountRequest&) const = default;
};

struct RunOptions {
  std::vector<std::string> command;  ///< after IMAGE; empty: as the image says
  std::vector<MountRequest> mounts;
  std::vector<std::string> env;  ///< "NAME=value"
  std::optional<std::string> workdir, user, entrypoint;
  bool tty = false;
  bool home = true;  ///< the caller's home directory is mounted
  bool isolate =
      false;  ///< own pid, ipc, uts and network namespaces; nothing from the host is bound
  bool host_network = true;
  bool fake_root = false;
  bool filter = true;  ///< of system calls
  bool die_with_parent = false;
  bool other_id = false;  ///< root's container as an unused id
  bool sub_ids = false;   ///< the image's user, or `user`, as an id of the caller's range
  bool writable = false;
  std::optional<std::string> overlay;             ///< directory for what a writable root changes
  std::optional<std::uint64_t> shm_size, memory;  ///< bytes
  std::optional<double> cpus;
  GpuRequest gpu;
  std::vector<std::string> cdi_directories;  ///< empty: the standard ones
  bool bind_numa = false;                    ///< beside the GPUs
  bool rdma = false;
  std::string name;  ///< of the container; empty: made up
};

/// "SRC:DST[:ro|rw]", "DIR" for the same place on both sides. A relative SRC that begins with '.'
/// is below `directory`. Usage errors; named volumes are refused, since there is nobody to keep
/// them.
Result<MountRequest> parse_volume(std::string_view text, std::string_view directory);

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
