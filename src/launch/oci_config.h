// The OCI runtime configuration (runtime-spec config.md, config-linux.md) of a launch, from
// decisions already made: the same values give the same bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "launch/accounts.h"
#include "text/json.h"

namespace flense::launch {

struct OciMount {
  std::string destination, type, source;
  std::vector<std::string> options;
  bool operator==(const OciMount&) const = default;
};

struct OciInput {
  std::string root;  ///< absolute, or relative to the bundle
  bool root_read_only = true;
  std::vector<std::string> args, env;
  std::string cwd = "/";
  bool terminal = false;
  Identity user;  ///< in the container
  Identity host;  ///< what it is mapped to, in the namespace that crun is started in
  std::vector<std::string> namespaces;  ///< besides mount and user: "pid", "ipc", "uts", "network"
  std::vector<OciMount> mounts;
  /// The caller as uid 0 of the container with the capabilities that package managers use; calls
  /// that change owners and ids succeed without effect, as there is only one id to change to.
  bool fake_root = false;
  /// More than 1: that many ids, of which 0 is the caller, as in the namespace that crun is started
  /// in; uid 0 has capabilities over them, and the caller's groups are kept.
  std::uint32_t uids = 1, gids = 1;
  std::string architecture;             ///< of this machine, as images name it: "amd64"
  std::optional<std::uint64_t> memory;  ///< bytes
  std::optional<double> cpus;
  std::string cgroup_path;  ///< empty: none
  std::string hostname;     ///< with the namespace "uts"
};

/// All that the kernel of such a machine runs, as seccomp's users write them. A filter knows
/// nothing of the others: their calls kill the program. Empty for a machine that we do not know.
std::vector<std::string> seccomp_architectures(std::string_view architecture);

/// ociVersion 1.0.0, which every crun reads. No capabilities, no new privileges, no resources
/// unless asked for: without them crun needs no control group.
text::Json oci_config(const OciInput& input);

}  // namespace flense::launch
