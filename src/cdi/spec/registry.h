// The specifications of a machine: directories in order of precedence, conflicts, and a device by
// its qualified name (CDI SPEC.md, "CDI JSON Specification" and "Static and generated specs").
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "cdi/spec/spec.h"

namespace flense::cdi {

struct SpecFile {
  std::filesystem::path path;
  Spec spec;
  std::size_t precedence = 0;  ///< place of its directory in the list; higher wins
};

struct SpecProblem {
  std::filesystem::path path;
  std::string message;
  std::string device;  ///< qualified name when one device is concerned, not the whole file
};

/// A device that can be asked for, and where it is defined.
struct ListedDevice {
  std::string name;      ///< qualified
  const SpecFile* file;  ///< of a Registry
  const Device* device;  ///< of that file
};

/// Engines believe whoever may write where they look; we do root and the caller.
enum class Trust { kOwners, kAnybody };

struct SearchedDirectory {
  std::filesystem::path path;
  bool there = false;
  std::string distrust;  ///< why others may write there; empty: they may not
};

struct Registry {
  std::vector<SearchedDirectory> searched;   ///< in order
  std::vector<SpecFile> files;               ///< those that are valid, least precedence first
  std::vector<SpecProblem> problems;         ///< files skipped, devices in conflict
  std::vector<std::string> devices() const;  ///< qualified names, sorted
  /// The same with their places. Pointers are into *this.
  std::vector<ListedDevice> listed() const;
  /// The edits of the named devices ("nvidia.com/gpu=0"), those of each file once and before its
  /// devices'. One name that cannot be resolved fails the whole, with what was looked at and the
  /// nearest name as a hint.
  Result<Edits> resolve(const std::vector<std::string>& names) const;
  /// "/etc/cdi (nvidia.json), /var/run/cdi (missing); passed over: …"
  std::string looked_at() const;
};

/// Reads the *.json and *.yaml of each directory, which may be missing; least precedence first. A
/// device that two directories define is the later one's; one that two files of the same directory
/// define is nobody's. With Trust::kOwners, what others may write is a problem and not read.
Registry read_registry(const std::vector<std::filesystem::path>& directories,
                       Trust trust = Trust::kOwners);

/// /etc/cdi and /var/run/cdi; for a user also $XDG_CONFIG_HOME/cdi (else ~/.config/cdi) and
/// $XDG_RUNTIME_DIR/cdi, which rootless engines read. Least precedence first.
std::vector<std::filesystem::path> spec_directories(
    bool per_user, const std::function<std::optional<std::string>(std::string_view)>& variable);

}  // namespace flense::cdi
