// The specifications of a machine: directories in order of precedence, conflicts, and a device by
// its qualified name (CDI SPEC.md, "CDI JSON Specification" and "Static and generated specs").
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "base/result.h"
#include "cdi/spec.h"

namespace flense::cdi {

struct SpecFile {
  std::filesystem::path path;
  Spec spec;
};

struct SpecProblem {
  std::filesystem::path path;
  std::string message;
};

struct Registry {
  std::vector<SpecFile> files;               ///< those that are valid, least precedence first
  std::vector<SpecProblem> problems;         ///< files passed over, devices in conflict
  std::vector<std::string> devices() const;  ///< qualified names, sorted
  /// The edits of the named devices ("nvidia.com/gpu=0"), those of each file once and before its
  /// devices'. One name that cannot be resolved fails the whole, with the nearest name as a hint.
  Result<Edits> resolve(const std::vector<std::string>& names) const;
};

Registry read_registry(const std::vector<std::filesystem::path>& directories);

}  // namespace flense::cdi
