// What a rule reports: the place, the evidence and, if it can be fixed mechanically, the fix.
#pragma once

#include <string>
#include <vector>

#include "base/severity.h"
#include "lint/source/source.h"

namespace flense::lint {

/// Replaces a span of the finding's file; edits of one finding do not overlap.
struct Edit {
  Span span;
  std::string text;
  /// Of insertions at one place: the lower stands first; of equal ones one is made.
  unsigned rank = 0;
};

struct Finding {
  std::string rule;  ///< stable id in kebab-case, a row of data/lint_rules.json
  Severity severity = Severity::kWarning;
  std::string path;                   ///< SourceText::path() of the file
  Span span;                          ///< what the caret points at; empty: the file as a whole
  std::string message;                ///< one sentence about this place: what is wrong, by name
  std::vector<std::string> evidence;  ///< what was seen, and the table row or document that judged
  std::string cause;        ///< places of a file with the same are told once; empty: the message
  std::string fix;          ///< the next step, concrete: the very words to write
  std::vector<Edit> edits;  ///< empty where a person must decide
  bool unsafe = false;      ///< the edits change what a build or a program does
  bool pedantic = false;    ///< shown with --pedantic only
};

}  // namespace flense::lint
