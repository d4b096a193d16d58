// --html FILE: the HTML report, for the commands that have one.
#pragma once

#include "cli/shared/args.h"
#include "cli/shared/io.h"
#include "report/html/report.h"

namespace flense::cli {

/// Before any reading: a usage error when --html and --json both want standard output, an
/// environment error when the report would have no directory to be in.
Result<void> check_html(const ParsedArgs& args);
/// Whether standard output is the HTML report's ("-").
bool html_on_output(const ParsedArgs& args);
/// Writes the report where --html says, whole or not at all; nothing without the option.
Result<void> write_html(const ParsedArgs& args, const report::HtmlReport& report, Io& io);

extern const OptionSpec kHtmlOption;

}  // namespace flense::cli
