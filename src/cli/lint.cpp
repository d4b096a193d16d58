// flense lint: build and launch files for GPUs.
#include <algorithm>
#include <array>
#include <chrono>
#include <set>

#include "base/file.h"
#include "base/severity.h"
#include "cli/config.h"
#include "cli/lint_files.h"
#include "cli/lint_foreign.h"
#include "cli/lint_known.h"
#include "cli/lint_retired.h"
#include "cli/shared/check_steps.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/confine.h"
#include "cli/shared/suggest.h"
#include "lint/rules/rules.h"
#include "report/format/sarif.h"
#include "report/lint/places.h"
#include "report/lint/report.h"

namespace flense::cli {

namespace {

constexpr std::string_view kLintHelp =
    R"(Reads build and launch files together and says what goes wrong with GPUs, before anything is built
or launched: bases and versions that do not fit each other, device code for no GPU of yours, driver
libraries baked in, gigabytes that nobody needs, devices and shared memory that are missing, data
that is lost with the container.

  Dockerfile, Containerfile, .dockerignore     requirements.txt, pyproject.toml, uv.lock
  Compose, docker-bake.hcl and .json           conda environment.yml
  Kubernetes manifests                         Apptainer definition files
  Quadlets, systemd units, CI workflows        shell and batch scripts (docker, podman,
                                               apptainer, srun --container-image)
  .env files that git holds                    pip.conf

FILE may be a directory (default: this one) or - for standard input. --host judges for machines, as
flense check does. General style of Dockerfiles is hadolint's business.

Comments switch rules off: "# flense ignore=RULE" for the instruction or line below, "# flense global
ignore=RULE" for the file; hadolint's form works for rules that mean the same. .flense.toml holds
settings and waivers.

Exit status: 0 no finding at or above --fail-on, 1 findings, 2 wrong usage, 3 bad input,
4 environment.

Examples:
  flense lint
  flense lint --host h100@550.54.15 docker/ k8s/
  kubectl get pods -o yaml | flense lint -
  flense lint --diff Dockerfile
  flense lint --format sarif . > lint.sarif)";

constexpr auto kLintFormats =
    std::to_array<std::string_view>({"text", "json", "sarif", "github", "gitlab", "codeclimate",
                                     "sonarqube", "checkstyle", "junit", "gnu", "markdown"});
constexpr auto kCompanions = std::to_array<std::string_view>({"hadolint"});
constexpr auto kFixes = std::to_array<std::string_view>({"safe", "unsafe"});
constexpr auto kThresholds = std::to_array<std::string_view>({"error", "warning", "info", "never"});

struct LintRequest : TableRequest {
  std::vector<std::string> hosts, ignored, only;
  std::string format, threshold = "error", baseline, since, companion;
  std::vector<std::pair<std::string, Severity>> severities;
  std::string fix, diff;  ///< "safe", "unsafe"; empty: not asked for
  bool json = false, pedantic = false;
};

Result<std::pair<std::string, Severity>> severity_word(const std::string& word,
                                                       std::string_view option) {
  const std::size_t equals = word.find('=');
  const std::string level = equals == std::string::npos ? "" : word.substr(equals + 1);
  if (level != "error" && level != "warning" && level != "info")
    return fail(Code::kUsage, "{} takes RULE=error, RULE=warning or RULE=info, not '{}'", option,
                word);
  return std::pair(word.substr(0, equals), severity_of(level));
}

void declare(Options& options, LintRequest& request) {
  options.add("--host", "HOST", "a machine to judge for; may be repeated", request.hosts)
      .file()
      .setting();
  options
      .add("--format", "FORMAT",
           "text, json, sarif, github, gitlab, codeclimate, sonarqube, checkstyle, junit, gnu or "
           "markdown",
           request.format)
      .one_of(kLintFormats)
      .setting();
  options.flag("--json", "print JSON (schema flense/lint/v1)", request.json);
  options
      .add("--fail-on", "LEVEL", "what makes the status 1: error (default), warning, info, never",
           request.threshold)
      .one_of(kThresholds)
      .setting();
  options.add("--ignore", "RULE", "leave a rule out; may be repeated", request.ignored).setting();
  options.flag("--pedantic", "also what a careful owner may leave", request.pedantic).setting();
  options.add("--only", "RULE", "these rules alone; may be repeated", request.only);
  options
      .add("--severity", "RULE=LEVEL", "another severity for a rule", request.severities,
           severity_word)
      .setting();
  const auto kind = [](const std::string& word) {
    return Result<std::string>(word.empty() ? "safe" : word);
  };
  options
      .add("--fix", "",
           "fix in the files what changes no build; --fix=unsafe: what changes one too",
           request.fix, kind)
      .one_of(kFixes);
  options
      .add("--diff", "", "print what --fix would change; --diff=unsafe: what --fix=unsafe would",
           request.diff, kind)
      .one_of(kFixes);
  options
      .add("--baseline", "FILE", "leave out what this report of lint --json holds",
           request.baseline)
      .file();
  options.add("--since", "REV", "leave out what lint finds at this git revision too",
              request.since);
  options
      .add("--with", "PROGRAM", "hadolint: run it too, and report its findings with ours",
           request.companion)
      .one_of(kCompanions);
  add_data(options, request).setting();
  add_no_sandbox(options, request);
}

/// What the request's words name.
struct LintInput {
  knowledge::Knowledge tables;
  knowledge::LintRules rules;
  lint::Policy policy;
  std::vector<host::Profile> hosts;
  std::vector<std::string> foreign;  ///< foreign_directories()
  std::vector<std::string> retired;  ///< retired_directories()
  std::vector<std::string> links;    ///< links_among()
  std::string format;
};

Result<void> known_rule(const std::string& word, const knowledge::LintRules& rules) {
  if (!rules.named(word).empty()) return {};
  std::vector<std::string_view> ids;
  for (const knowledge::LintRuleRow& row : rules.rows) ids.push_back(row.id);
  const std::string near = nearest(word, ids);
  return fail(Code::kUsage, "there is no rule '{}'", word)
      .hint(near.empty() ? "flense explain lists the rules"
                         : fmt::format("did you mean {}?", near));
}

std::string today() {
  const std::chrono::year_month_day date(
      std::chrono::floor<std::chrono::days>(std::chrono::system_clock::now()));
  return fmt::format("{:04}-{:02}-{:02}", int{date.year()}, unsigned{date.month()},
                     unsigned{date.day()});
}

Result<lint::Policy> policy_of(const LintRequest& request, const knowledge::LintRules& rules) {
  lint::Policy out;
  out.today = today();
  out.ignored = request.ignored;
  out.only = request.only;
  out.pedantic = request.pedantic;
  for (const auto* words : {&request.ignored, &request.only})
    for (const std::string& word : *words) TRY_DO(known_rule(word, rules));
  for (const auto& [rule, severity] : request.severities) {
    TRY_DO(known_rule(rule, rules));
    for (const auto* row : rules.named(rule)) out.severities[row->id] = severity;
  }
  TRY(const std::optional<Config> config, find_config(request));
  if (config) {
    TRY(out.waivers, waivers_of(*config));
    for (const lint::Waiver& waiver : out.waivers)
      TRY_DO(with_context(known_rule(waiver.rule, rules), "reading {}", config->path));
  }
  return out;
}

Result<LintInput> understand_lint(const LintRequest& request, Io& io) {
  LintInput out;
  TRY(out.tables, tables_of(request, io, judging_tables()));
  TRY(out.rules, knowledge::LintRules::load());
  TRY(out.policy, policy_of(request, out.rules));
  out.policy.stop = io.stop;
  TRY(out.format, format_of(request.json, request.format));
  if (!request.fix.empty() && !request.diff.empty())
    return fail(Code::kUsage, "--fix changes the files, and --diff only shows how");
  return out;
}

Result<void> confine_to(const LintRequest& request, const std::vector<std::string>& names,
                        const std::vector<LintFile>& files, Io& io) {
  Wanted wanted;
  wanted.reach.read.assign(names.begin(), names.end());
  for (const LintFile& file : files)
    if (file.link) wanted.reach.read.push_back(file.path);
  if (!request.baseline.empty()) wanted.reach.read.emplace_back(request.baseline);
  add_hosts(request.hosts, wanted);
  // A file says which directory its build context is, of which the names are looked at.
  wanted.reach.list = {"/"};
  std::vector<std::string> paths;
  for (const LintFile& file : files) paths.push_back(file.path.generic_string());
  if (!request.fix.empty()) add_output(paths, wanted);
  if (!request.since.empty() || !request.companion.empty()) {
    wanted.helpers = true;
    wanted.services.may_start = [paths, since = request.since](const auto& argv) {
      return is_lint_helper(argv, paths, since);
    };
  }
  return confine(request, wanted, io);
}

/// `listed` are the contexts of the files before they were changed.
lint::Project project_of(std::vector<lint::Input> inputs, const LintInput& input,
                         std::vector<lint::Context> listed = {}) {
  lint::Project out = lint::read_project(std::move(inputs), {}, input.hosts, input.tables);
  std::vector<std::string> directories = lint::context_directories(out);
  const auto is_listed = [&](const std::string& directory) {
    return std::ranges::find(listed, directory, &lint::Context::directory) != listed.end();
  };
  const bool same = std::ranges::all_of(directories, is_listed);
  out.contexts = same ? std::move(listed) : list_contexts(directories);
  out.guess_contexts();
  // The directory that a Dockerfile lies in stays: another guess may ask for it.
  std::ranges::move(lint::context_directories(out), std::back_inserter(directories));
  std::ranges::sort(directories);
  const auto twice = std::ranges::unique(directories);
  directories.erase(twice.begin(), twice.end());
  if (!same && directories.size() != out.contexts.size()) out.contexts = list_contexts(directories);
  out.foreign = input.foreign;
  out.retired = input.retired;
  out.links = input.links;
  return out;
}

std::string rendered(const report::LintReport& report, const std::string& format,
                     const LintRequest& request, const Io& io) {
  const auto json = [](const text::Json& value) { return text::dump_json(value, 2) + "\n"; };
  if (format == "json") return json(report::lint_json(report));
  if (format == "sarif") return json(report::lint_sarif(report));
  if (format == "gitlab" || format == "codeclimate") return json(report::lint_gitlab(report));
  if (format == "sonarqube") return json(report::lint_sonarqube(report));
  if (format == "gnu") return report::lint_gnu(report);
  if (format == "github") return report::lint_github(report);
  if (format == "checkstyle") return report::lint_checkstyle(report);
  if (format == "junit") return report::lint_junit(report);
  if (format == "markdown") return report::lint_markdown(report);
  return report::lint_text(report, output_style(request, io), request.quiet);
}

Result<lint::Outcome> judged(const lint::Project& project, const LintInput& input,
                             const LintRequest& request, const Io& io) {
  std::vector<lint::Finding> others;
  if (!request.companion.empty()) {
    TRY(others, hadolint_findings(project, io.broker.get()));
  }
  lint::Outcome out = lint::lint(project, input.rules, input.policy, std::move(others));
  if (io.stop.stop_requested()) return interrupted();
  return out;
}

/// Findings of before, by fingerprint.
Result<std::set<std::string>> known_before(const LintRequest& request, const LintInput& input,
                                           const std::vector<lint::Input>& inputs, const Io& io) {
  std::set<std::string> out;
  if (!request.baseline.empty()) {
    TRY(const std::vector<std::string> known, baseline_fingerprints(request.baseline));
    out.insert(known.begin(), known.end());
  }
  if (!request.since.empty()) {
    TRY(std::vector<lint::Input> then, inputs_at(request.since, inputs, io.broker.get()));
    const lint::Project project = project_of(std::move(then), input);
    const lint::Outcome outcome = lint::lint(project, input.rules, input.policy);
    for (const std::string& identity : report::lint_identities(project, outcome.findings))
      out.insert(report::fingerprint(identity));
  }
  return out;
}

void leave_out(const lint::Project& project, const std::set<std::string>& known,
               lint::Outcome& outcome) {
  const auto identities = report::lint_identities(project, outcome.findings);
  std::vector<lint::Finding> fresh;
  for (std::size_t at = 0; at < identities.size(); ++at)
    if (known.contains(report::fingerprint(identities[at])))
      ++outcome.known;
    else
      fresh.push_back(std::move(outcome.findings[at]));
  outcome.findings = std::move(fresh);
}

int lint_status(const std::vector<lint::Finding>& findings, std::string_view threshold) {
  if (threshold == "never") return 0;
  const auto least = severity_of(threshold);  // the most severe comes first
  return std::ranges::any_of(findings,
                             [&](const lint::Finding& one) { return one.severity <= least; })
             ? 1
             : 0;
}

/// Puts the fixed texts into `inputs`; whether there are any.
bool fix_once(const lint::Project& project, const std::vector<lint::Finding>& findings, bool unsafe,
              std::vector<lint::Input>& inputs) {
  bool any = false;
  for (lint::Input& input : inputs) {
    const lint::ProjectFile* file = project.find(input.path);
    if (file == nullptr) continue;
    lint::Fixed result = lint::apply_fixes(file->source, findings, unsafe);
    if (result.applied == 0 || result.text == input.text) continue;
    input.text = std::move(result.text);
    any = true;
  }
  return any;
}

Result<void> replace_file(const lint::SourceText& then, const lint::Input& changed, const Io& io) {
  if (changed.path == "-")
    return fail(Code::kUsage, "standard input cannot be changed").hint("--diff shows the change");
  TRY(const std::string now, read_file(changed.path, kMaxFile));
  // Where another path leads to the same file, it is fixed.
  if (now == changed.text) return {};
  if (now != then.text())
    return bad_input("the file was changed meanwhile").hint("run flense lint --fix again");
  return save_output(changed.path, changed.text, io);
}

Result<int> run_lint(const LintRequest& request, Io& io) {
  TRY(LintInput input, understand_lint(request, io));
  std::optional<host::Profile> here;
  if (!request.hosts.empty()) here = this_host(request.hosts, {}, input.tables);
  std::vector<std::string> names = request.words;
  if (names.empty()) names.emplace_back(".");
  TRY(const std::vector<LintFile> files, lint_files(names));
  TRY_DO(confine_to(request, names, files, io));
  TRY(input.hosts, hosts_of(request.hosts, here, input.tables));
  TRY(std::vector<lint::Input> inputs, lint_inputs(files));
  input.foreign = foreign_directories(names, files);
  input.retired = retired_directories(names, files);
  input.links = links_among(files);
  std::ranges::stable_sort(inputs, {}, &lint::Input::path);  // directories come in no order
  // So that `flense lint .` fits every repository.
  if (inputs.empty() && !request.quiet)
    TRY_DO(
        io.err.line(fmt::format("notice: no file that lint knows in {}", fmt::join(names, ", "))));
  TRY(const std::set<std::string> known, known_before(request, input, inputs, io));
  lint::Project project = project_of(inputs, input);
  TRY(lint::Outcome outcome, judged(project, input, request, io));
  leave_out(project, known, outcome);
  if (!request.fix.empty() || !request.diff.empty()) {
    const bool unsafe = request.fix == "unsafe" || request.diff == "unsafe";
    std::vector<lint::SourceText> before;
    for (const lint::Input& one : inputs)
      before.emplace_back(project.find(one.path)->source.path(), one.text);
    const int status = lint_status(outcome.findings, request.threshold);
    // One fix may uncover another.
    constexpr int kMostRounds = 20;
    for (int round = 0; round < kMostRounds; ++round) {
      if (!fix_once(project, outcome.findings, unsafe, inputs)) break;
      project = project_of(inputs, input, std::move(project.contexts));
      TRY(outcome, judged(project, input, request, io));
      leave_out(project, known, outcome);
    }
    for (std::size_t at = 0; at < inputs.size(); ++at) {
      const lint::Input& now = inputs[at];
      const lint::SourceText& then = before[at];
      if (now.text == then.text()) continue;
      if (request.fix.empty())
        TRY_DO(io.out.exact(report::unified_diff(then, now.text)));
      else
        TRY_DO(with_context(replace_file(then, now, io), "fixing {}", now.path));
    }
    if (request.fix.empty()) return status;
  }
  const std::string out = rendered({project, outcome, input.rules}, input.format, request, io);
  TRY_DO(input.format == "text" ? write_report(io, out) : write_text(io, out));
  return lint_status(outcome.findings, request.threshold);
}

}  // namespace

const Command& lint_command() {
  static const Command kCommand{.name = "lint",
                                .group = "Files",
                                .summary = "check build and launch files for GPUs",
                                .positionals = "[FILE|DIR|-]…",
                                .max_positionals = 4096,
                                .help = kLintHelp,
                                .call = [] { return call_of(run_lint); }};
  return kCommand;
}

}  // namespace flense::cli
