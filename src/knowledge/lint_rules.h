// What the rules of `flense lint` are, for people; rows of the data/lint_*.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace flense::knowledge {

struct LintRuleRow {
  std::string id;               ///< "cuda-tag-missing"
  std::string family;           ///< "base" of data/lint_base.json
  std::uint64_t number = 0;     ///< stable
  std::string severity;         ///< "error", "warning", "info"
  std::string group;            ///< "default", "pedantic", "host"
  std::vector<std::string> on;  ///< kinds of files: "dockerfile", "compose"
  std::string summary, why, detect, fix;
  bool automatic = false;  ///< `--fix` can fix it
  bool unsafe = false;  ///< only `--fix=unsafe`: the build or the program does something else then
  std::vector<std::string> aliases;  ///< ids of other linters with the same meaning: "DL3042"
  std::string source;
};

struct LintRules {
  /// What is compiled in. Not part of TableSet: only `lint` and `explain` pay for reading it.
  static Result<LintRules> load();

  std::vector<LintRuleRow> rows;  ///< sorted by number

  /// By id; null when there is no such rule.
  const LintRuleRow* find(std::string_view id) const;
  /// By id, number ("12") or alias; several for an alias that stands for several.
  std::vector<const LintRuleRow*> named(std::string_view word) const;
};

}  // namespace flense::knowledge
