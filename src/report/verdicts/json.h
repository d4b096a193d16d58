// Verdicts for programs: schema flense/verdict/v1 (docs/schemas/verdict-v1.json), and SARIF 2.1.0.
#pragma once

#include <span>
#include <string_view>

#include "compat/facts/check.h"
#include "report/format/sarif.h"
#include "text/json.h"

namespace flense::report {

inline constexpr const char* kVerdictSchema = "flense/verdict/v1";

text::Json verdict_json(std::string_view target, std::span<const compat::HostVerdict> hosts);

/// The checks that are not ok as findings about `target`. Hosts with the same verdict share their
/// findings, which name them.
std::vector<SarifFinding> verdict_findings(std::string_view target,
                                           std::span<const compat::HostVerdict> hosts);

}  // namespace flense::report
