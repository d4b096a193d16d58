// What a check asks, what an error means, and what to do: by the id of a check, the number or name
// of an error, part of a message, or an exit status.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "knowledge/knowledge.h"
#include "knowledge/lint_rules.h"
#include "text/json.h"

namespace flense::compat {

struct Explanation {
  std::string kind;   ///< "check", "rule", "error", "exit status"
  std::string id;     ///< of the check, rule or error; none of an exit status
  std::string title;  ///< "driver-cuda"; "CUDA 804, CUDA_ERROR_…"; "exit status 5"
  std::string what;   ///< the question, or the message
  std::string cause;  ///< of an error; for a check from what it is answered
  std::string fix;
  std::vector<std::string> checks;     ///< ids that foresee the error
  std::string step;                    ///< of `flense doctor`, which looks into the error
  std::vector<std::string> documents;  ///< further reading
  std::string source;                  ///< table and row
  bool advice = false;                 ///< an error that working programs tell too: no failure
};

struct Lookup {
  std::vector<Explanation> found;
  std::vector<std::string> near;  ///< when nothing was found: words that may have been meant
};

/// `words` as typed or pasted: "driver-cuda", "804", "cudaErrorNoDevice", a whole line of a log,
/// "exit 5".
Lookup explain(std::string_view words, const knowledge::Knowledge& tables);

/// Rules of `flense lint`: by id, by an alias ("DL3042"), by number ("rule 12").
std::vector<Explanation> explain_rule(std::string_view words, const knowledge::LintRules& rules);

/// Ids of all checks that can be explained, in the order of decision.
std::vector<std::string> explained_checks(const knowledge::Knowledge& tables);

/// Schema flense/explain/v1 (docs/schemas/explain-v1.json).
text::Json to_json(const std::vector<Explanation>& explanations);

}  // namespace flense::compat
