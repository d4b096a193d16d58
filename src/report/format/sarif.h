// Findings as SARIF 2.1.0 (OASIS standard), the form that code hosts and editors read.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "text/json.h"

namespace flense::report {

enum class SarifLevel : std::uint8_t { kError, kWarning, kNote };

/// Replaces a part of the artifact; lines and columns from 1, the end is after the last byte.
struct SarifEdit {
  std::uint64_t line = 1, column = 1, end_line = 1, end_column = 1;
  std::string text;
};

struct SarifFinding {
  std::string rule;  ///< stable id
  SarifLevel level = SarifLevel::kError;
  std::string message;
  std::string artifact;      ///< path or reference that it is about; relative paths stay relative
  std::uint64_t line = 0;    ///< from 1; 0: the artifact as a whole
  std::uint64_t column = 0;  ///< from 1; 0: the line as a whole
  std::uint64_t end_line = 0, end_column = 0;  ///< after the last byte; 0: not known
  std::string logical;  ///< what it is about where that is not a file: a host, a service
  std::vector<std::string> evidence;
  std::string fix;
  std::vector<SarifEdit> edits;  ///< the fix, where it is mechanical
  std::string verdict;           ///< of checks: its own word, which the level coarsens
  std::string identity;  ///< text that is equal from run to run while the finding is the same
};

struct SarifRule {
  std::string id;
  std::string summary;   ///< one sentence
  std::string help;      ///< how to fix; plain text
  std::string tag = {};  ///< a group that it belongs to; empty: none
};

/// One log with one run. Rules that are found and not listed are added by their id alone, so every
/// result refers to one. The order of the findings stays.
text::Json sarif_log(std::span<const SarifFinding> findings, std::span<const SarifRule> rules = {});

/// Of an identity: equal texts have equal ones (16 hexadecimal digits).
std::string fingerprint(std::string_view identity);

/// A path or an image reference as a valid URI reference (RFC 3986): what may not stand there is
/// percent-encoded.
std::string uri_of(std::string_view artifact);

}  // namespace flense::report
