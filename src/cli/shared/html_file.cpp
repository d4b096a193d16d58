#include "cli/shared/html_file.h"

#include "cli/shared/common.h"
#include "cli/shared/confine.h"

namespace flense::cli {

namespace {

Result<std::string> page_to_write(const std::string& file, std::string_view option) {
  return html_on_output(file) ? Result<std::string>(file) : file_to_write(file, option);
}

}  // namespace

void add_html(Options& options, std::string& file) {
  options
      .add("--html", "FILE", "write a report to look at, one file for any browser (- for stdout)",
           file, page_to_write)
      .file();
}

bool html_on_output(std::string_view file) {
  return file == "-";
}

Result<void> check_html(const std::string& file, bool json) {
  if (!html_on_output(file) || !json) return {};
  return fail(Code::kUsage, "--html - and --json both write to standard output")
      .hint("name a file: --html report.html");
}

Result<void> write_html(const std::string& path, const report::HtmlReport& report, Io& io) {
  if (path.empty()) return {};
  return write_page(path, report::html_report(report), io);
}

Result<void> write_page(const std::string& path, const std::string& page, Io& io) {
  if (html_on_output(path)) return io.out.exact(page);
  return save_output(path, page, io);
}

}  // namespace flense::cli
