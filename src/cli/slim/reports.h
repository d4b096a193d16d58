// What flense slim prints.
#pragma once

#include "cli/slim/request.h"
#include "report/html/report.h"
#include "report/images/slim_report.h"
#include "slim/job/slimming.h"

namespace flense::cli {

/// `outcome` is null for a dry run. They refer to their arguments.
report::SlimReport report_of(const slim::Slimming& slimming, const slim::Destination& to,
                             const slim::SlimOutcome* outcome);
report::HtmlReport html_of(const slim::Slimming& slimming, const slim::Destination& to,
                           const slim::SlimOutcome* outcome);

report::SlimTextOptions text_options(const SlimRequest& request, const Io& io);

/// As --json, --html, -q and -v ask for.
Result<void> print_report(const report::SlimReport& report, const SlimRequest& request, Io& io);

Result<void> print_failed_trace(const std::string& failure, Io& io);
Result<void> print_broken(const std::vector<std::string>& broken, Io& io);

}  // namespace flense::cli
