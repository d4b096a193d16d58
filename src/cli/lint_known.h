// What a call of lint takes from elsewhere: findings of before, and those of hadolint.
#pragma once

#include <string>
#include <vector>

#include "base/process.h"
#include "base/result.h"
#include "lint/lint.h"

namespace flense::cli {

/// The fingerprints of a report that `lint --json` printed.
Result<std::vector<std::string>> baseline_fingerprints(const std::string& path);

/// The files as they were at a revision; those that were not there are left out.
Result<std::vector<lint::Input>> inputs_at(const std::string& revision,
                                           const std::vector<lint::Input>& now,
                                           ProgramStarter* starter);

/// What hadolint, if it is on PATH, finds in the project's Dockerfiles.
Result<std::vector<lint::Finding>> hadolint_findings(const lint::Project& project,
                                                     ProgramStarter* starter);

/// Whether the two functions above start this for files of these paths, at that revision; what a
/// broker asks before it does.
bool is_lint_helper(const std::vector<std::string>& argv, const std::vector<std::string>& paths,
                    const std::string& revision);

}  // namespace flense::cli
