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

// Of commands that still look their options up.
Result<void> check_html(const ParsedArgs& args);
inline bool html_on_output(const ParsedArgs& args) {
  return html_on_output(args.value("--html"));
}
inline Result<void> write_html(const ParsedArgs& args, const report::HtmlReport& report, Io& io) {
  return write_html(args.value("--html"), report, io);
}
extern const OptionSpec kHtmlOption;

}  // namespace flense::cli
