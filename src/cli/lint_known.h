// What a call of lint takes from elsewhere: findings of before, and those of hadolint.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "lint/lint.h"

namespace flense::cli {

/// The fingerprints of a report that `lint --json` printed.
Result<std::vector<std::string>> baseline_fingerprints(const std::string& path);

/// The files as they were at a revision; those that were not there are left out.
Result<std::vector<lint::Input>> inputs_at(const std::string& revision,
                                           const std::vector<lint::Input>& now);

/// What hadolint, if it is on PATH, finds in the project's Dockerfiles.
Result<std::vector<lint::Finding>> hadolint_findings(const lint::Project& project);

}  // namespace flense::cli
