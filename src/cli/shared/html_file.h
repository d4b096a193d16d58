// --html FILE: the HTML report, for the commands that have one.
#pragma once

#include "cli/shared/args.h"
#include "cli/shared/io.h"
#include "report/html/report.h"

namespace flense::cli {

/// An environment error when the report would have no directory to be in.
void add_html(Options& options, std::string& file);
/// A usage error when --html and --json both want standard output.
Result<void> check_html(const std::string& file, bool json);
/// Whether standard output is the HTML report's ("-").
bool html_on_output(std::string_view file);
/// Writes the report to the file, whole or not at all; nothing without one.
Result<void> write_html(const std::string& file, const report::HtmlReport& report, Io& io);
/// The same of a page that is made already; `file` is named.
Result<void> write_page(const std::string& file, const std::string& page, Io& io);

}  // namespace flense::cli
