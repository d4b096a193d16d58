// Installs a specification for an engine, and removes it again: what was done is recorded beside
// other state of flense, so that removal undoes exactly that.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "base/result.h"
#include "cdi/install/config_edit.h"
#include "cdi/install/engine.h"
#include "cdi/install/host_files.h"
#include "cdi/install/record.h"
#include "cdi/install/refresh_units.h"

namespace flense::cdi {

struct Installation {
  std::string engine;
  std::vector<std::pair<std::string, std::string>> specs;  ///< path on the host, text
  EnginePlan plan;
  RefreshUnits units;  ///< empty without --refresh
};

struct InstallReport {
  std::vector<std::string> changed;  ///< files written, changed or removed
  std::vector<std::string> notices;  ///< what was left alone, and why
};

/// `record` is the file of the record, on the host. In the order: the record, the specification,
/// our own files, the engine's configuration; where that fails, what was done is taken back.
Result<InstallReport> install(const Installation& what, const HostFiles& files,
                              const std::string& record);

/// The same, and first takes out what is recorded for the engine.
Result<InstallReport> reinstall(const Installation& what, const HostFiles& files,
                                const std::string& record);

/// What a file would hold without what was recorded.
Result<std::optional<std::string>> read_without(const EngineRecord& ours, const HostFiles& files,
                                                const std::string& path);

/// Undoes what was recorded for the engine. What another engine needs as well stays, and so does
/// what somebody has changed since. An environment error when nothing is recorded.
Result<InstallReport> uninstall(const std::string& engine, const HostFiles& files,
                                const std::string& record);

}  // namespace flense::cdi
