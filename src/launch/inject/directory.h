// A prepared directory: the outcome of a decision about an image and a driver, made once and bound
// into every later container. KEY/{lib/, lib32/, ld.so.cache, decisions.json}; it appears whole or
// not at all, never changes, and stays as long as somebody holds it (kept_directory.h).
#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/file.h"
#include "base/result.h"
#include "launch/inject/inject.h"

namespace flense::launch {

/// What becomes of the edits. Indices count in the edits that were given.
struct Prepared {
  std::string image;  ///< key of the root that it is for
  struct Bind {
    std::string host, container;  ///< `host` without a leading slash: in the prepared directory
    bool operator==(const Bind&) const = default;
  };
  std::vector<std::uint64_t> dropped_mounts, dropped_hooks;
  std::vector<Bind> binds;
  std::vector<std::string> env;
  std::vector<Decision> decisions;
  std::vector<std::string> notices;
  /// The files beside decisions.json, for who verifies them: name to target, and the SHA-256 of the
  /// loader cache, empty when there is none.
  std::map<std::string, std::string> links, links32;
  std::string loader_cache;
  bool operator==(const Prepared&) const = default;
};

/// The files of a directory besides decisions.json.
struct PreparedFiles {
  std::map<std::string, std::string> links, links32;  ///< name to target
  std::optional<std::string> loader_cache;
};

struct HeldPrepared {
  Prepared prepared;
  UniqueFd held;  ///< the directory is not removed while this is open
};

/// What decisions.json says; nullopt when it is not of this form.
std::optional<Prepared> parse_prepared(std::string_view text);
/// nullopt when there is none, or none that is whole.
std::optional<Prepared> load_prepared(const std::filesystem::path& directory);
std::optional<HeldPrepared> hold_prepared(const std::filesystem::path& directory);
/// If another process was first, its directory stays, which has the same content.
Result<void> publish_prepared(const std::filesystem::path& directory, const Prepared& prepared,
                              const PreparedFiles& files);

/// Reads everything and compares with what was written; the first difference as an error.
Result<void> verify_prepared(const std::filesystem::path& directory);

struct ListedPrepared {
  std::string key;
  std::string image;        ///< Prepared::image; empty for a damaged one
  std::uint64_t bytes = 0;  ///< of regular files
  std::int64_t used = 0;    ///< seconds since 1970
};
/// The prepared directories in `place`, by key.
std::vector<ListedPrepared> list_prepared(const std::filesystem::path& place);

/// The edits with all of this applied.
cdi::Edits edits_with(const cdi::Edits& edits, const Prepared& prepared,
                      const std::filesystem::path& directory);

}  // namespace flense::launch
