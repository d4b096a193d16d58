// Rows of tests/scenarios/*.json as questions with their expected answers; the form is described in
// tests/scenarios/README.md.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "base/result.h"
#include "compat/judge.h"

namespace flense::compat::testing {

struct Scenario {
  std::string file, name;
  std::string rule;  ///< the document or table row that the expectation follows
  needs::Needs image;
  host::Profile host;
  Launcher launcher = Launcher::kDocker;
  bool launcher_assumed = false;
  bool redistribution = false;
  std::string verdict;                        ///< empty: not said
  std::map<std::string, std::string> checks;  ///< id -> verdict, or "absent"
  /// id -> what the message or the fix of one such check says; "!…": what none says
  std::map<std::string, std::string> says;
};

/// All rows of the .json files in `directory`; an error names the file and the row.
Result<std::vector<Scenario>> read_scenarios(const std::string& directory);

/// The worst verdict of the checks of each id.
std::map<std::string, std::string> verdicts_by_id(const HostVerdict& verdict);

/// All checks as text, for the message of a test that fails.
std::string described(const HostVerdict& verdict);

}  // namespace flense::compat::testing
