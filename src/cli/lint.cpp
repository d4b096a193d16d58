// flense lint: build and launch files for GPUs.
#include <sys/stat.h>

#include <algorithm>
#include <array>
#include <chrono>

#include "base/file.h"
#include "cli/config.h"
#include "cli/lint_files.h"
#include "cli/shared/check_steps.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/suggest.h"
#include "lint/rules/rules.h"
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
  Quadlets and systemd units                   shell and batch scripts (docker, podman,
                                               apptainer, srun --container-image)

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

constexpr auto kLintFormats = std::to_array<std::string_view>(
    {"text", "json", "sarif", "github", "gitlab", "checkstyle", "junit", "markdown"});
constexpr auto kThresholds = std::to_array<std::string_view>({"error", "warning", "info", "never"});

/// The command line, once understood.
struct LintRequest {
  knowledge::Knowledge tables;
  knowledge::LintRules rules;
  lint::Policy policy;
  std::vector<host::Profile> hosts;
  std::string format = "text", threshold = "error";
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

Result<lint::Policy> policy_of(const ParsedArgs& args, const knowledge::LintRules& rules) {
  lint::Policy out;
  out.today = today();
  for (const auto& [option, words] :
       {std::pair{"--ignore", &out.ignored}, std::pair{"--only", &out.only}})
    for (const std::string& word : args.values(option)) {
      TRY_DO(known_rule(word, rules));
      words->push_back(word);
    }
  for (const std::string& word : args.values("--severity")) {
    const std::size_t equals = word.find('=');
    const std::string level = equals == std::string::npos ? "" : word.substr(equals + 1);
    if (level != "error" && level != "warning" && level != "info")
      return fail(Code::kUsage, "--severity takes RULE=error, RULE=warning or RULE=info, not '{}'",
                  word);
    TRY_DO(known_rule(word.substr(0, equals), rules));
    for (const auto* row : rules.named(word.substr(0, equals)))
      out.severities[row->id] = severity_of(level);
  }
  TRY(const std::optional<Config> config, find_config(request_of(args)));
  if (config) {
    TRY(out.waivers, waivers_of(*config));
    for (const lint::Waiver& waiver : out.waivers)
      TRY_DO(with_context(known_rule(waiver.rule, rules), "reading {}", config->path));
  }
  return out;
}

Result<LintRequest> understand_lint(const ParsedArgs& args) {
  LintRequest out;
  TRY(out.tables, tables_of(args));
  TRY(out.rules, knowledge::LintRules::load());
  TRY(out.policy, policy_of(args, out.rules));
  TRY(out.format, format_of(args));
  out.threshold = args.value("--fail-on", "error");
  if (args.has("--fix") && args.has("--diff"))
    return fail(Code::kUsage, "--fix changes the files, and --diff only shows how");
  if (args.has("--host")) {
    TRY(out.hosts, hosts_of(args));
  }
  return out;
}

lint::Project project_of(std::vector<lint::Input> inputs, const LintRequest& request) {
  lint::Project out = lint::read_project(std::move(inputs), {}, request.hosts, request.tables);
  out.contexts = list_contexts(lint::context_directories(out));
  return out;
}

std::string rendered(const report::LintReport& report, const LintRequest& request,
                     const ParsedArgs& args, const Io& io) {
  const auto json = [](const text::Json& value) { return text::dump_json(value, 2) + "\n"; };
  if (request.format == "json") return json(report::lint_json(report));
  if (request.format == "sarif") return json(report::lint_sarif(report));
  if (request.format == "gitlab") return json(report::lint_gitlab(report));
  if (request.format == "github") return report::lint_github(report);
  if (request.format == "checkstyle") return report::lint_checkstyle(report);
  if (request.format == "junit") return report::lint_junit(report);
  if (request.format == "markdown") return report::lint_markdown(report);
  return report::lint_text(report, output_style(args, io), args.has("--quiet"));
}

int lint_status(const std::vector<lint::Finding>& findings, std::string_view threshold) {
  if (threshold == "never") return 0;
  const auto least = severity_of(threshold);  // the most severe comes first
  return std::ranges::any_of(findings,
                             [&](const lint::Finding& one) { return one.severity <= least; })
             ? 1
             : 0;
}

/// Every file that the findings can mend: its text afterwards.
std::vector<lint::Input> mended(const lint::Project& project,
                                const std::vector<lint::Finding>& findings) {
  std::vector<lint::Input> out;
  for (const auto& file : project.files) {
    lint::Mended result = lint::mend(file->source, findings);
    if (result.applied > 0 && result.text != file->source.text())
      out.push_back({file->source.path(), std::move(result.text)});
  }
  return out;
}

Result<void> replace_file(const lint::Input& changed) {
  if (changed.path == "-")
    return fail(Code::kUsage, "standard input cannot be changed").hint("--diff shows the change");
  struct stat status{};
  const bool known = ::stat(changed.path.c_str(), &status) == 0;
  TRY(AtomicFile file, AtomicFile::create(changed.path, known ? status.st_mode & 07777U : 0644U));
  TRY_DO(write_fully(file.fd(), as_bytes(changed.text), changed.path));
  return file.commit();
}

Result<int> lint_function(const ParsedArgs& args, Io& io) {
  TRY(const LintRequest request, understand_lint(args));
  std::vector<std::string> names = args.positionals();
  if (names.empty()) names.emplace_back(".");
  TRY(std::vector<lint::Input> inputs, lint_inputs(names));
  if (inputs.empty())
    return bad_input("no file that lint knows in {}", fmt::join(names, ", "))
        .hint("name the file: its kind is then told from its content");
  lint::Project project = project_of(inputs, request);
  lint::Outcome outcome = lint::lint(project, request.rules, request.policy);
  if (args.has("--diff")) {
    for (const lint::Input& changed : mended(project, outcome.findings))
      TRY_DO(io.out.exact(report::unified_diff(project.find(changed.path)->source, changed.text)));
    return lint_status(outcome.findings, request.threshold);
  }
  if (args.has("--fix")) {
    // One mend may uncover another.
    for (int round = 0; round < 5; ++round) {
      const std::vector<lint::Input> changes = mended(project, outcome.findings);
      if (changes.empty()) break;
      for (const lint::Input& changed : changes) {
        TRY_DO(with_context(replace_file(changed), "mending {}", changed.path));
        for (lint::Input& input : inputs)
          if (input.path == changed.path) input.text = changed.text;
      }
      project = project_of(inputs, request);
      outcome = lint::lint(project, request.rules, request.policy);
    }
  }
  TRY_DO(write_text(io, rendered({project, outcome, request.rules}, request, args, io)));
  return lint_status(outcome.findings, request.threshold);
}

}  // namespace

const Command& lint_command() {
  static const std::array<OptionSpec, 10> kOptions = {
      configurable(OptionSpec{"--host",
                              "",
                              "HOST",
                              "a machine to judge for; may be repeated",
                              true,
                              {},
                              Completion::kFile}),
      configurable(OptionSpec{"--format", "", "FORMAT",
                              "text, json, sarif, github, gitlab, checkstyle, junit or markdown",
                              false, kLintFormats}),
      OptionSpec{"--json", "", "", "print JSON (schema flense/lint/v1)"},
      configurable(OptionSpec{"--fail-on", "", "LEVEL",
                              "what makes the status 1: error (default), warning, info, never",
                              false, kThresholds}),
      configurable(OptionSpec{"--ignore", "", "RULE", "leave a rule out; may be repeated", true}),
      OptionSpec{"--only", "", "RULE", "these rules alone; may be repeated", true},
      configurable(OptionSpec{"--severity", "", "RULE=LEVEL", "another severity for a rule", true}),
      OptionSpec{"--fix", "", "", "mend what is mechanical, in the files"},
      OptionSpec{"--diff", "", "", "show what --fix would change"},
      configurable(kDataOption)};
  static const Command kCommand{"lint",          "Files",   "check build and launch files for GPUs",
                                "[FILE|DIR|-]…", 0,         4096,
                                kOptions,        kLintHelp, {},
                                lint_function};
  return kCommand;
}

}  // namespace flense::cli
