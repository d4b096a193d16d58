// The options by which `flense cdi generate` and `diff` say which machine and what of its driver.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "base/result.h"
#include "cdi/generate/generate.h"
#include "cli/shared/io.h"
#include "cli/shared/places.h"

namespace flense::cli {

/// What was asked for; the rest is as without options.
struct MachineOptions {
  std::optional<cdi::Mode> mode;
  std::optional<std::set<cdi::Capability>> capabilities;
  std::set<std::string> with;
  std::string driver_root, dev_root, vendor, device_class, hook_path;
  std::vector<std::string> library_search, library_dirs;
  std::optional<std::string> hooks;  ///< "", "all" or "compat"
  bool allow_missing = false, groups = false, annotate = false, ask_driver = false;
  PlaceOptions places;
};
void declare(Options& options, MachineOptions& machine);
/// With what only a new specification has: names of its own, gaps, annotations.
void declare_new(Options& options, MachineOptions& machine);

/// What was asked for, over `base`; with --ask-driver an environment error when it does not answer.
Result<cdi::GenerateOptions> generate_options(const MachineOptions& asked,
                                              cdi::GenerateOptions base, const Io& io);

}  // namespace flense::cli
