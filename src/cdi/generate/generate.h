// From a machine to a CDI specification: which nodes, libraries and files of its driver a container
// needs. Reads plain files only (proc, sys, dev, the driver's root); loads and executes nothing.
#pragma once

#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cdi/spec/modes.h"
#include "cdi/spec/spec.h"
#include "host/mig_query.h"
#include "host/tree.h"

namespace flense::cdi {

/// As NVIDIA_DRIVER_CAPABILITIES names them.
enum class Capability { kCompute, kUtility, kVideo, kGraphics, kDisplay, kNgx, kCompat32 };

/// "compute"; nullopt for no capability.
std::optional<Capability> capability_of(std::string_view word);

struct GenerateOptions {
  Mode mode = Mode::kAuto;
  std::string vendor, device_class;  ///< empty: the mode's own
  std::set<Capability> capabilities = {Capability::kCompute, Capability::kUtility};
  /// "rdma", "gdrcopy", "gds", "nvswitch", "imex" (channel 0) or "imex:N": for every container that
  /// gets any of the devices.
  std::set<std::string> with;
  std::string driver_root;  ///< on the host: "/", "/run/nvidia/driver"; empty: found
  std::string dev_root;     ///< the same for /dev; empty: as the driver's root needs it
  /// Directories of the driver's root that are searched for libraries before the usual ones.
  std::vector<std::string> library_search;
  bool all_hooks = false, compat_hook = false;
  std::string hook_program;  ///< on the host; empty: found
  bool allow_missing = false;
  /// Directories of the container that get the libraries; empty: where loaders look by themselves.
  std::vector<std::string> library_dirs;
  bool groups = false;    ///< the groups of nodes that are not for everybody; needs CDI 0.7.0
  bool annotate = false;  ///< the driver's version; needs CDI 0.6.0
  /// $CUDA_MPS_PIPE_DIRECTORY and $CUDA_MPS_LOG_DIRECTORY; empty: their defaults, if trustworthy.
  std::string mps_pipe_directory, mps_log_directory;
  std::optional<host::MigAnswer> mig;  ///< what the driver says, where it was asked
};

struct Generated {
  Spec spec;                         ///< without a version
  std::vector<std::string> notices;  ///< what was left out and why, what the spec cannot do
};

/// The modes that kAuto stands for on this machine: NVIDIA's before AMD's, empty without a driver.
std::vector<Mode> modes_here(const host::Machine& machine);

/// An environment error that names the first missing piece, unless options.allow_missing. kAuto on
/// a machine with GPUs of two vendors is a usage error: one specification has one kind.
Result<Generated> generate(const host::Machine& machine, const GenerateOptions& options);

}  // namespace flense::cdi
