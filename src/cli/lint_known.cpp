#include "cli/lint_known.h"

#include <algorithm>
#include <array>
#include <filesystem>
#include <span>

#include "base/file.h"
#include "base/format.h"
#include "base/process.h"
#include "text/json.h"

namespace flense::cli {

namespace {

constexpr std::uint64_t kMostAnswer = 16U << 20;
constexpr std::array<std::string_view, 5> kHadolint = {"hadolint", "--no-fail", "--format", "json",
                                                       "--"};

std::string directory_of(const std::filesystem::path& path) {
  return path.has_parent_path() ? path.parent_path().string() : ".";
}

/// A partial clone fetches what it lacks, by a program that the repository's own settings may name.
/// The variables win over these settings.
std::vector<std::string> git(const std::string& directory, std::vector<std::string> words) {
  std::vector<std::string> out = {
      "env", "GIT_ALLOW_PROTOCOL=none", "GIT_NO_LAZY_FETCH=1", "git", "-C", directory};
  std::ranges::move(words, std::back_inserter(out));
  return out;
}

std::vector<std::string> git_commit(const std::string& directory, const std::string& revision) {
  return git(directory,
             {"rev-parse", "--verify", "--quiet", "--end-of-options", revision + "^{commit}"});
}

std::vector<std::string> git_show(const std::filesystem::path& path, const std::string& revision) {
  return git(directory_of(path), {"show", "--end-of-options",
                                  fmt::format("{}:./{}", revision, path.filename().string())});
}

}  // namespace

bool is_lint_helper(const std::vector<std::string>& argv, const std::vector<std::string>& paths,
                    const std::string& revision) {
  if (argv[0] == "env")
    return !revision.empty() && std::ranges::any_of(paths, [&](const std::string& path) {
      return argv == git_commit(directory_of(path), revision) || argv == git_show(path, revision);
    });
  const auto options = std::span(kHadolint).subspan(1);
  return argv[0] == find_program(kHadolint[0]) && argv.size() > kHadolint.size() &&
         std::ranges::equal(std::span(argv).subspan(1, options.size()), options) &&
         std::ranges::all_of(std::span(argv).subspan(kHadolint.size()),
                             [&](const std::string& path) {
                               return std::ranges::find(paths, path) != paths.end();
                             });
}

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
                                           const std::vector<lint::Input>& now,
                                           ProgramStarter* starter) {
  std::vector<lint::Input> out;
  bool known = false;
  for (const lint::Input& input : now) {
    if (input.path == "-") continue;
    const std::string directory = directory_of(input.path);
    if (!known) {
      TRY(const ProcessOutput commit,
          run_process(git_commit(directory, revision), kMostAnswer, starter));
      if (commit.status != 0)
        return bad_input("git knows no revision '{}' in {}", revision, directory);
      known = true;
    }
    TRY(ProcessOutput text, run_process(git_show(input.path, revision), kMostAnswer, starter));
    if (text.status == 0) out.push_back({input.path, std::move(text.out), input.project_path});
  }
  return out;
}

Result<std::vector<lint::Finding>> hadolint_findings(const lint::Project& project,
                                                     ProgramStarter* starter) {
  std::vector<lint::Finding> out;
  std::vector<std::string> words(kHadolint.begin(), kHadolint.end());
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
  TRY(const ProcessOutput output, run_process(words, kMostAnswer, starter));
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
