// What cdi install has done, by engine: a JSON file, read as strictly as any other.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "cdi/install/config_edit.h"
#include "cdi/install/host_files.h"

namespace flense::cdi {

/// A file that did not exist before.
struct OwnFile {
  std::string path;
  std::string text;  ///< of a link: where it leads
  bool is_link = false;
  bool operator==(const OwnFile&) const = default;
};

struct EngineRecord {
  std::vector<OwnFile> files;
  std::vector<std::string> directories;  ///< made on the way, outermost first
  std::vector<DoneEdit> edits;
  bool operator==(const EngineRecord&) const = default;
};

struct InstallRecord {
  std::map<std::string, EngineRecord> engines;
};

/// Empty where there is no file.
Result<InstallRecord> read_record(const HostFiles& files, const std::string& path);
/// A record without engines means no file.
Result<void> write_record(const HostFiles& files, const std::string& path,
                          const InstallRecord& record);

}  // namespace flense::cdi
