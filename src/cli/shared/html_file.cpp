#include "cli/shared/html_file.h"

#include <filesystem>
#include <system_error>

#include "base/file.h"
#include "cli/shared/common.h"

namespace flense::cli {

const OptionSpec kHtmlOption{"--html",
                             "",
                             "FILE",
                             "write a report to look at, one file for any browser (- for stdout)",
                             false,
                             {},
                             Completion::kFile};

bool html_on_output(const ParsedArgs& args) {
  return args.value("--html") == "-";
}

Result<void> check_html(const ParsedArgs& args) {
  if (html_on_output(args)) {
    if (!args.has("--json")) return {};
    return fail(Code::kUsage, "--html - and --json both write to standard output")
        .hint("name a file: --html report.html");
  }
  // Better now than after minutes of work.
  const std::filesystem::path folder = std::filesystem::path(args.value("--html")).parent_path();
  std::error_code error;
  if (!folder.empty() && !std::filesystem::is_directory(folder, error))
    return fail(Code::kEnvironment, "--html: there is no directory {}", folder.string());
  return {};
}

Result<void> write_html(const ParsedArgs& args, const report::HtmlReport& report, Io& io) {
  if (!args.has("--html")) return {};
  const std::string page = report::html_report(report);
  if (html_on_output(args)) return io.out.exact(page);
  const std::string path = args.value("--html");
  TRY(AtomicFile file, AtomicFile::create(path));
  TRY_DO(write_fully(file.fd(), as_bytes(page), path));
  return file.commit();
}

}  // namespace flense::cli
