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

struct SarifFinding {
  std::string rule;  ///< stable id
  SarifLevel level = SarifLevel::kError;
  std::string message;
  std::string artifact;      ///< path or reference that it is about; relative paths stay relative
  std::uint64_t line = 0;    ///< from 1; 0: the artifact as a whole
  std::uint64_t column = 0;  ///< from 1; 0: the line as a whole
  std::string logical;       ///< what it is about where that is no file: a host, a service
  std::vector<std::string> evidence;
  std::string fix;
  std::string verdict;   ///< of checks: its own word, which the level coarsens
  std::string identity;  ///< text that is equal from run to run while the finding is the same
};

struct SarifRule {
  std::string id;
  std::string summary;  ///< one sentence
  std::string help;     ///< how to fix; plain text
};

/// One log with one run. Rules that are found and not listed are added by their id alone, so every
/// result refers to one. The order of the findings stays.
text::Json sarif_log(std::span<const SarifFinding> findings, std::span<const SarifRule> rules = {});

/// A path or an image reference as a valid URI reference (RFC 3986): what may not stand there is
/// percent-encoded.
std::string uri_of(std::string_view artifact);

}  // namespace flense::report
