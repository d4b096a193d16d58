// Whether specifications are valid, and whether what they name exists: on this machine, with the
// driver that is running. Rules have stable ids, including those of spec.h.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "cdi/spec/registry.h"
#include "cdi/spec/spec.h"
#include "host/tree.h"
#include "inventory/describe/finding.h"

namespace flense::cdi {

struct ValidatedFile {
  std::filesystem::path path;
  bool readable = false;  ///< JSON or YAML, whatever it says
  std::string kind;       ///< empty when it does not say
  std::vector<std::string> devices;
  std::vector<inventory::Finding> findings;  ///< `place` is the place in the document
};

/// One file by itself, and against the machine.
ValidatedFile validate_file(const std::filesystem::path& path, const host::Machine& machine);

/// Every file of the directories, and what they do to each other.
std::vector<ValidatedFile> validate_directories(
    const std::vector<std::filesystem::path>& directories, const host::Machine& machine);

/// What a valid specification asks of the machine and does not get there.
std::vector<inventory::Finding> compare_with_machine(const Spec& spec,
                                                     const host::Machine& machine);

}  // namespace flense::cdi
