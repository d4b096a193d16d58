// Points an engine to a mirror, and takes that back; recorded as installations of device
// specifications are, in a file of its own.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "cdi/install/host_files.h"
#include "mirror/engine.h"

namespace flense::mirror {

inline constexpr const char* kRecord = "/var/lib/flense/mirror-install.json";

struct Change {
  std::string file;
  std::string added;     ///< lines of ours; the rest is other people's, and may hold secrets
  bool removed = false;  ///< there is no such file any more
};

struct Report {
  std::vector<Change> changes;
  std::vector<std::string> notices;
  std::string restart;  ///< command that makes the engine read it; empty: none is needed
};

/// `scene` without its functions, which read below the root of `files`. What an earlier
/// installation for the engine has put there is replaced. A dry run changes nothing.
Result<Report> install(Scene scene, const cdi::HostFiles& files, bool dry_run);
/// Whether something is recorded for the engine.
bool is_installed(const std::string& engine, const cdi::HostFiles& files);
/// An environment error when nothing is recorded for the engine.
Result<Report> uninstall(const std::string& engine, const cdi::HostFiles& files, bool dry_run);

}  // namespace flense::mirror
