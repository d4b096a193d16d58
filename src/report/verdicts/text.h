// Verdicts for people: as lines on a terminal, and as Markdown for the summary of a CI job.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "compat/facts/check.h"
#include "report/format/style.h"

namespace flense::report {

struct VerdictTextOptions {
  Style style;
  bool all = false;  ///< every check, with its evidence and what judged it
};

/// One host: its checks. Several: the counts, then the groups of equal hosts, worst first. Of a
/// host that is ok one line says why; of the others the checks that are not ok.
std::string verdict_text(std::string_view target, std::span<const compat::HostVerdict> hosts,
                         const VerdictTextOptions& options);

/// GitHub Flavored Markdown: a table with one row for each check that is not ok and each group of
/// hosts. Names and messages cannot leave their cell.
std::string verdict_markdown(std::string_view target, std::span<const compat::HostVerdict> hosts);

}  // namespace flense::report
