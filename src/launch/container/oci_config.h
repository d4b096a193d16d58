// The OCI runtime configuration (runtime-spec config.md, config-linux.md) of a launch, from
// decisions already made: the same values give the same bytes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "base/accounts.h"
#include "base/result.h"
#include "cdi/spec/spec.h"
#include "launch/container/environment.h"
#include "launch/container/resource_limits.h"
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
  std::vector<std::string> args;
  Environment env;
  std::string cwd = "/";
  bool terminal = false;
  Identity user;  ///< in the container
  Identity host;  ///< what it is mapped to, in the namespace that crun is started in
  std::vector<std::string> namespaces;  ///< besides mount and user: "pid", "ipc", "uts", "network"
  std::vector<OciMount> mounts;
  std::vector<std::string> capabilities;
  std::vector<ResourceLimit> limits;
  /// More than 1: that many ids, of which 0 is the caller, as in the namespace that crun is started
  /// in; the caller's groups are kept.
  std::uint32_t uids = 1, gids = 1;
  std::vector<std::uint32_t> groups;    ///< further ones of the user; empty: the caller's are kept
  std::optional<text::Json> filter;     ///< linux.seccomp; nullopt: every call is allowed
  std::string_view compiled_filter;     ///< the same for the kernel, in base64
  std::optional<std::uint64_t> memory;  ///< bytes
  std::optional<double> cpus;
  std::optional<std::uint64_t> processes;
  std::vector<std::pair<std::string, std::string>> sysctls, labels;
  bool follows_host = false;  ///< mounts may get what is mounted below them on the host, later
  std::string cgroup_path;    ///< empty: none
  std::string hostname;       ///< with the namespace "uts"
  cdi::Edits devices;         ///< their hooks, network devices, groups and cache classes
};

/// The prefix of labels as annotations: engines obey others.
constexpr std::string_view kLabelPrefix = "flense.label.";

/// ociVersion 1.0.0, which every crun reads. No new privileges, no resources unless asked for:
/// without them crun needs no control group. What of /proc and /sys tells of the host or changes it
/// is masked or read-only.
Result<text::Json> oci_config(const OciInput& input);

}  // namespace flense::launch
