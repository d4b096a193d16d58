// From a machine to a CDI specification: which nodes, libraries and files of its driver a container
// needs. Plain files only (proc, sys, dev and the driver's root); nothing is loaded or executed.
#pragma once

#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "cdi/spec.h"
#include "host/tree.h"

namespace flense::cdi {

/// As NVIDIA_DRIVER_CAPABILITIES names them.
enum class Capability { kCompute, kUtility, kVideo, kGraphics, kDisplay, kNgx, kCompat32 };

enum class Mode { kAuto, kNvidia, kWsl, kJetson, kManagement, kAmd };

struct GenerateOptions {
  Mode mode = Mode::kAuto;
  std::string vendor, device_class;  ///< empty: the mode's own
  std::set<Capability> capabilities = {Capability::kCompute, Capability::kUtility};
  std::set<std::string> with;  ///< "rdma", "gdrcopy", "gds", "nvswitch", "imex"
  std::string driver_root;     ///< on the host: "/", "/run/nvidia/driver"; empty: found
  std::string dev_root;        ///< the same for /dev; empty: as the driver's root needs it
  bool all_hooks = false, compat_hook = false;
  bool allow_missing = false;
};

struct Generated {
  Spec spec;
  std::vector<std::string> notices;  ///< what was left out and why, what the spec cannot do
};

/// An environment error that names the first missing piece, unless options.allow_missing.
Result<Generated> generate(const host::Machine& machine, const GenerateOptions& options);

}  // namespace flense::cdi
