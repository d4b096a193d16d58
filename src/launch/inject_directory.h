// A prepared directory: what a decision about an image and a driver came to, made once and bound
// into every container after. KEY/{lib/, lib32/, ld.so.cache, decisions.json}; it appears whole or
// not at all, and is never changed.
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "base/result.h"
#include "launch/inject.h"

namespace flense::launch {

/// What becomes of the edits. Indices count in the edits that were given.
struct Prepared {
  struct Bind {
    std::string host, container;  ///< `host` without a leading slash: in the prepared directory
    bool operator==(const Bind&) const = default;
  };
  std::vector<std::uint64_t> dropped_mounts, dropped_hooks;
  std::vector<Bind> binds;
  std::vector<std::string> env;
  std::vector<Decision> decisions;
  std::vector<std::string> notices;
  bool operator==(const Prepared&) const = default;
};

/// The files of a directory besides decisions.json.
struct PreparedFiles {
  std::map<std::string, std::string> links, links32;  ///< name to target
  std::optional<std::string> loader_cache;
};

/// nullopt when there is none, or none that is whole.
std::optional<Prepared> load_prepared(const std::filesystem::path& directory);
/// When another process was first, its directory stands, which holds the same.
Result<void> publish_prepared(const std::filesystem::path& directory, const Prepared& prepared,
                              const PreparedFiles& files);

/// The edits with all of this applied.
cdi::Edits edits_with(const cdi::Edits& edits, const Prepared& prepared,
                      const std::filesystem::path& directory);

}  // namespace flense::launch
