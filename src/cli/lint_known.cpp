#include "cli/lint_known.h"

#include <algorithm>
#include <filesystem>

#include "base/file.h"
#include "base/format.h"
#include "base/process.h"
#include "text/json.h"

namespace flense::cli {

Result<std::vector<std::string>> baseline_fingerprints(const std::string& path) {
  constexpr std::uint64_t kMaxReport = 64U << 20;
  TRY(const std::string text, with_context(read_file(path, kMaxReport), "reading the baseline"));
  TRY(const text::Json report, text::parse_json(text, path));
  if (report["schema"].text() != "flense/lint/v1")
    return with_hint(Result<std::vector<std::string>>(bad_input("{} is no report of lint", path)),
                     "flense lint --json > baseline.json writes one");
  std::vector<std::string> out;
  for (const text::Json& finding : report["findings"].items())
    out.emplace_back(finding["fingerprint"].text());
  return out;
}

Result<std::vector<lint::Input>> inputs_at(const std::string& revision,
                                           const std::vector<lint::Input>& now) {
  std::vector<lint::Input> out;
  bool known = false;
  for (const lint::Input& input : now) {
    if (input.path == "-") continue;
    const std::filesystem::path path(input.path);
    const std::string directory = path.has_parent_path() ? path.parent_path().string() : ".";
    if (!known) {
      TRY(const ProcessOutput commit,
          run_process({"git", "-C", directory, "rev-parse", "--verify", "--quiet",
                       "--end-of-options", revision + "^{commit}"}));
      if (commit.status != 0)
        return bad_input("git knows no revision '{}' in {}", revision, directory);
      known = true;
    }
    TRY(ProcessOutput text,
        run_process({"git", "-C", directory, "show", "--end-of-options",
                     fmt::format("{}:./{}", revision, path.filename().string())}));
    if (text.status == 0) out.push_back({input.path, std::move(text.out)});
  }
  return out;
}

Result<std::vector<lint::Finding>> hadolint_findings(const lint::Project& project) {
  std::vector<lint::Finding> out;
  std::vector<std::string> words{"hadolint", "--no-fail", "--format", "json", "--"};
  const std::size_t first = words.size();
  for (const auto& file : project.files)
    if (file->kind == lint::FileKind::kDockerfile && file->source.path() != "-")
      words.push_back(file->source.path());
  const auto program = find_program("hadolint");
  if (!program)
    return fail(Code::kEnvironment, "--with hadolint: there is no hadolint on PATH")
        .hint("https://github.com/hadolint/hadolint");
  if (words.size() == first) return out;
  words[0] = *program;
  TRY(const ProcessOutput output, run_process(words));
  TRY(const text::Json report, text::parse_json(output.out, "hadolint's output"));
  for (const text::Json& one : report.items()) {
    const lint::ProjectFile* file = project.find(one["file"].text());
    if (file == nullptr) continue;
    lint::Finding& found = out.emplace_back();
    found.rule = one["code"].text();
    found.path = file->source.path();
    const std::string_view level = one["level"].text();
    found.severity = level == "error"     ? Severity::kError
                     : level == "warning" ? Severity::kWarning
                                          : Severity::kInfo;
    found.message = one["message"].text();
    found.evidence = {"hadolint"};
    found.fix = fmt::format("see hadolint's page of {}", found.rule);
    const lint::Span line = file->source.line_span(one["line"].unsigned_or(1));
    const std::size_t column = std::max<std::uint64_t>(one["column"].unsigned_or(1), 1) - 1;
    found.span = {std::min(line.begin + column, line.end), line.end};
  }
  return out;
}

}  // namespace flense::cli
