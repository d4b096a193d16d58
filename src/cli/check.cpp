// flense check: will this image run on those hosts?
#include <array>

#include "cli/shared/check_steps.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/places.h"
#include "compat/requirements.h"
#include "report/format/sarif.h"
#include "report/verdicts/json.h"
#include "report/verdicts/node_rules.h"
#include "report/verdicts/requirements_text.h"
#include "report/verdicts/text.h"

namespace flense::cli {

namespace {

constexpr std::string_view kCheckHelp =
    R"(Judges whether images run on hosts, before anyone launches them:
  driver          against the image's CUDA: native, minor-version mode, compat libraries
  device code     of every library against each GPU: native, compiled from PTX, or none
  frameworks      CPU-only builds, mixed CUDA versions, missing libraries and compilers
  ROCm            user space against the kernel driver, code objects against the GPU
  system          libc, processor level, platform, RDMA libraries
  configuration   NVIDIA_REQUIRE_*, visible devices, capabilities, marks of flense slim

--host names a machine: this (default), a profile's file, a Kubernetes node list (kubectl get nodes
-o json), Slurm nodes (scontrol show node), a cloud instance (aws:p5.48xlarge), or GPUs and a driver
(h100@550.54.15). Several are judged at once. On a machine without a GPU and without --host, or with
--requirements, the image's requirements are shown instead.

What the artefacts say beats what a table says; a verdict that leans on a table names it with its
date. Unknown is never ok: it says what would settle it.

Exit status: 0 all ok or warn, 1 something fails or is unsupported, 2 wrong usage, 3 bad input,
4 environment, 5 nothing fails but something decisive is unknown.

Examples:
  flense check app.tar --host h100@550.54.15
  kubectl get nodes -o json > nodes.json && flense check docker://app:1 --host nodes.json
  flense check docker://vllm/vllm-openai:latest --config-only
  flense check app.tar --requirements
  flense check app.tar --emit node-affinity >> pod.yaml)";

constexpr auto kCheckFormats =
    std::to_array<std::string_view>({"text", "json", "sarif", "markdown"});
constexpr auto kEmits = std::to_array<std::string_view>({"node-affinity", "nfd", "labels"});

/// The command line, once understood.
struct CheckRequest {
  knowledge::Knowledge tables;
  std::vector<host::Profile> hosts;
  std::optional<compat::Launcher> launcher;
  Allowances allowances;
  std::string format = "text";
  std::string emit;
  bool requirements = false;
};

Result<Allowances> allowances_of(const ParsedArgs& args, const knowledge::Knowledge& tables) {
  Allowances out;
  for (const auto& [option, ids] : {std::pair{"--allow-unknown", &out.unknown},
                                    std::pair{"--allow-unsupported", &out.unsupported}})
    for (const std::string& id : args.values(option)) {
      TRY_DO(known_check(id, tables));
      ids->insert(id);
    }
  return out;
}

Result<CheckRequest> understand_check(const ParsedArgs& args) {
  CheckRequest out;
  TRY(out.tables, tables_of(args));
  TRY(out.allowances, allowances_of(args, out.tables));
  TRY(out.format, format_of(args));
  out.emit = args.value("--emit");
  if (args.has("--launcher")) {
    TRY(out.launcher, compat::parse_launcher(args.value("--launcher")));
  }
  TRY(out.hosts, hosts_of(args));
  // On a machine that cannot run it anyway, what the image asks for is the useful answer.
  const bool nothing_here = !args.has("--host") && out.hosts.front().gpu_count.value == 0;
  out.requirements = args.has("--requirements") || !out.emit.empty() || nothing_here;
  if (out.requirements && args.has("--host"))
    return fail(Code::kUsage, "{} speaks of the image alone, and --host names machines",
                out.emit.empty() ? "--requirements" : "--emit");
  if (out.requirements && (out.format == "sarif" || out.format == "markdown"))
    return fail(Code::kUsage, "--format {} needs a --host", out.format)
        .hint("without one, requirements are printed as text or --json");
  return out;
}

Result<void> print_requirements(const inventory::Needs& needs, const CheckRequest& request,
                                const ParsedArgs& args, Io& io) {
  const compat::Requirements sheet = compat::requirements_of(needs, request.tables);
  if (request.emit == "node-affinity" || request.emit == "nfd") {
    TRY(const std::string rules,
        request.emit == "nfd" ? report::nfd_compatibility(sheet) : report::node_affinity(sheet));
    return write_text(io, rules);
  }
  if (request.emit == "labels") {
    for (const auto& [name, value] : report::requirements_labels(sheet))
      TRY_DO(write_text(io, fmt::format("{}={}\n", name, value)));
    return {};
  }
  if (request.format == "json")
    return write_text(io, text::dump_json(report::requirements_json(sheet), 2) + "\n");
  return write_text(io,
                    report::requirements_text(sheet, {output_style(args, io), args.has("--all")}));
}

Result<void> print_verdicts(const std::string& target,
                            const std::vector<compat::HostVerdict>& verdicts,
                            const CheckRequest& request, const ParsedArgs& args, Io& io) {
  if (request.format == "json")
    return write_text(io, text::dump_json(report::verdict_json(target, verdicts), 2) + "\n");
  if (request.format == "markdown")
    return write_text(io, report::verdict_markdown(target, verdicts));
  report::VerdictTextOptions options;
  options.style = output_style(args, io);
  options.all = args.has("--all");
  return write_text(io, report::verdict_text(target, verdicts, options));
}

/// The checks as rules of a SARIF log, so that a viewer can say what each asks.
std::vector<report::SarifRule> sarif_rules(const knowledge::Knowledge& tables) {
  std::vector<report::SarifRule> out;
  for (const knowledge::CheckRow& row : tables.explained.checks)
    out.push_back({row.id, row.asks, row.fix});
  return out;
}

Result<int> check(const ParsedArgs& args, Io& io) {
  // Everything that can be wrong about the command line comes before any reading.
  TRY(const CheckRequest request, understand_check(args));
  std::vector<compat::HostVerdict> all;
  std::vector<report::SarifFinding> findings;
  for (const std::string& target : args.positionals()) {
    TRY(const inventory::Needs needs,
        with_context(needs_of(target, args, io), "checking {}", target));
    if (request.requirements) {
      TRY_DO(print_requirements(needs, request, args, io));
      continue;
    }
    const auto verdicts = judge_hosts(needs, request.hosts, request.tables, request.launcher,
                                      args.has("--redistribution"));
    if (request.format == "sarif")
      std::ranges::move(report::verdict_findings(needs.name, verdicts),
                        std::back_inserter(findings));
    else
      TRY_DO(print_verdicts(needs.name, verdicts, request, args, io));
    std::ranges::copy(verdicts, std::back_inserter(all));
  }
  if (request.requirements) return 0;
  if (request.format == "sarif")
    TRY_DO(write_text(
        io, text::dump_json(report::sarif_log(findings, sarif_rules(request.tables)), 2) + "\n"));
  return verdict_status(all, request.allowances);
}

}  // namespace

const Command& check_command() {
  static const std::vector<std::string_view> kLaunchers = compat::launcher_words();
  static const std::array<OptionSpec, 19> kOptions = {
      configurable(OptionSpec{"--host",
                              "",
                              "HOST",
                              "a machine to judge for; may be repeated",
                              true,
                              {},
                              Completion::kFile}),
      configurable(OptionSpec{"--launcher", "", "NAME",
                              "what starts the container (default: the likely one)", false,
                              kLaunchers}),
      OptionSpec{"--all", "", "", "show every check with its evidence and source"},
      OptionSpec{"--json", "", "", "print JSON (flense/verdict/v1 or flense/requirements/v1)"},
      OptionSpec{"--format", "", "FORMAT", "text, json, sarif or markdown", false, kCheckFormats},
      OptionSpec{"--requirements", "", "", "show what the image asks of any machine"},
      OptionSpec{"--emit", "", "KIND", "print node-affinity, nfd or labels for the image", false,
                 kEmits},
      OptionSpec{"--config-only", "", "", "read manifest and configuration, no layer"},
      configurable(OptionSpec{"--allow-unknown", "", "ID", "let this check be unknown", true}),
      configurable(
          OptionSpec{"--allow-unsupported", "", "ID", "let this check be unsupported", true}),
      OptionSpec{"--redistribution", "", "", "also check what licences let you pass on"},
      configurable(kDataOption),
      kNoCacheOption,
      kPlatformOption,
      kTmpdirOption,
      kRootOption,
      kProcOption,
      kSysOption,
      kDevOption};
  static const Command kCommand{
      "check",  "Hosts",    "tell whether an image will run on a host, and why not",
      "TARGET", 1,          64,
      kOptions, kCheckHelp, {},
      check};
  return kCommand;
}

}  // namespace flense::cli
