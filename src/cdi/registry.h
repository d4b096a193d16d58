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
#include "cdi/spec.h"

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

struct Registry {
  std::vector<SpecFile> files;               ///< those that are valid, least precedence first
  std::vector<SpecProblem> problems;         ///< files passed over, devices in conflict
  std::vector<std::string> devices() const;  ///< qualified names, sorted
  /// The same with their places. Pointers are into *this.
  std::vector<ListedDevice> listed() const;
  /// The edits of the named devices ("nvidia.com/gpu=0"), those of each file once and before its
  /// devices'. One name that cannot be resolved fails the whole, with the nearest name as a hint.
  Result<Edits> resolve(const std::vector<std::string>& names) const;
};

/// Reads the *.json and *.yaml of each directory, which may be missing; least precedence first. A
/// device that two directories define is the later one's; one that two files of the same directory
/// define is nobody's.
Registry read_registry(const std::vector<std::filesystem::path>& directories);

/// /etc/cdi and /var/run/cdi; for a user also $XDG_CONFIG_HOME/cdi (else ~/.config/cdi) and
/// $XDG_RUNTIME_DIR/cdi, which rootless engines read. Least precedence first.
std::vector<std::filesystem::path> spec_directories(
    bool per_user, const std::function<std::optional<std::string>(std::string_view)>& variable);

}  // namespace flense::cdi
