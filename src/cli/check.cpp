// flense check: will this image run on those hosts?
#include <array>
#include <set>

#include "cli/shared/check_steps.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/confine.h"
#include "cli/shared/places.h"
#include "cli/shared/variants.h"
#include "compat/requirements.h"
#include "image/model/platform.h"
#include "report/format/sarif.h"
#include "report/verdicts/device_claim.h"
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
(h100@550.54.15). Several are judged at once. With --requirements, or without --host on a machine
that has no GPU, the image's requirements are shown instead; unless they were asked for, the status
is then 5, since no host was judged. --host this judges this machine, whatever it has.

What the artefacts say beats what a table says; a verdict that leans on a table names it with its
date. Unknown is never ok: it says what would settle it.

Exit status: 0 all ok or warn, 1 something fails or is unsupported, 2 wrong usage, 3 bad input,
4 environment, 5 nothing fails but something decisive is unknown, or no host was judged.

Examples:
  flense check app.tar --host h100@550.54.15
  kubectl get nodes -o json > nodes.json && flense check docker://app:1 --host nodes.json
  flense check docker://vllm/vllm-openai:latest --config-only
  flense check app.tar --requirements
  flense check app.tar --emit node-affinity >> pod.yaml)";

constexpr auto kCheckFormats =
    std::to_array<std::string_view>({"text", "json", "sarif", "markdown"});
constexpr auto kEmits =
    std::to_array<std::string_view>({"node-affinity", "device-claim", "nfd", "labels"});

struct CheckRequest : TableRequest {
  std::vector<std::string> hosts;
  std::optional<compat::Launcher> launcher;
  bool all = false, json = false, requirements = false, config_only = false;
  std::string format, emit;
  Allowances allowances;
  bool redistribution = false;
  ImageOptions image;
  PlaceOptions places;
};

void declare(Options& options, CheckRequest& request) {
  static const std::vector<std::string_view> kLaunchers = compat::launcher_words();
  options.add("--host", "HOST", "a machine to judge for; may be repeated", request.hosts)
      .file()
      .setting();
  options
      .add("--launcher", "NAME", "what starts the container (default: the likely one)",
           request.launcher, compat::parse_launcher)
      .one_of(kLaunchers)
      .setting();
  options.flag("--all", "show every check with its evidence and source", request.all);
  options.flag("--json", "print JSON (flense/verdict/v1 or flense/requirements/v1)", request.json);
  options.add("--format", "FORMAT", "text, json, sarif or markdown", request.format)
      .one_of(kCheckFormats);
  options.flag("--requirements", "show what the image asks of any machine", request.requirements);
  options
      .add("--emit", "KIND", "print node-affinity, device-claim, nfd or labels for the image",
           request.emit)
      .one_of(kEmits);
  options.flag("--config-only", "read manifest and configuration, no layer", request.config_only);
  options.add("--allow-unknown", "ID", "let this check be unknown", request.allowances.unknown)
      .setting();
  options
      .add("--allow-unsupported", "ID", "let this check be unsupported",
           request.allowances.unsupported)
      .setting();
  options.flag("--redistribution", "also check what licences let you pass on",
               request.redistribution);
  add_data(options, request).setting();
  declare_no_variant(options, request.image);
  declare_cached(options, request.image);
  add_no_sandbox(options, request);
  declare(options, request.places);
}

/// What the request's words name.
struct CheckInput {
  knowledge::Knowledge tables;
  std::vector<host::Profile> hosts;
  std::string format;
  bool requirements = false;
  bool no_host = false;  ///< they stand in for a verdict that nobody can give here
};

Result<void> confine_to(const CheckRequest& request, Io& io) {
  Wanted wanted;
  add_targets(request.words, request.image, io, wanted);
  add_hosts(request.hosts, wanted);
  add_cache(request.image, io, wanted);
  return confine(request, wanted, io);
}

/// What the user says is understood first; files are read confined.
Result<CheckInput> understand_check(const CheckRequest& request, Io& io) {
  CheckInput out;
  TRY(out.tables, tables_of(request, io, judging_tables()));
  for (const auto* ids : {&request.allowances.unknown, &request.allowances.unsupported})
    for (const std::string& id : *ids) TRY_DO(known_check(id, out.tables));
  TRY(out.format, format_of(request.json, request.format));
  const auto here = this_host(request.hosts, places_of(request.places), out.tables);
  TRY_DO(confine_to(request, io));
  TRY(out.hosts, hosts_of(request.hosts, here, out.tables));
  // On a machine that cannot run it anyway, what the image asks for is the useful answer.
  const bool nothing_here = request.hosts.empty() && out.hosts.front().gpu_count.value == 0;
  const bool asked = request.requirements || !request.emit.empty();
  out.requirements = asked || nothing_here;
  out.no_host = nothing_here && !asked;
  if (out.requirements && !request.hosts.empty())
    return fail(Code::kUsage, "{} speaks of the image alone, and --host names machines",
                request.emit.empty() ? "--requirements" : "--emit");
  if (out.requirements && (out.format == "sarif" || out.format == "markdown"))
    return fail(Code::kUsage, "--format {} needs a --host", out.format)
        .hint("without one, requirements are printed as text or --json");
  return out;
}

Result<void> print_requirements(const needs::Needs& needs, const CheckRequest& request,
                                const CheckInput& input, Io& io) {
  const compat::Requirements sheet = compat::requirements_of(needs, input.tables);
  if (!request.emit.empty() && request.emit != "labels") {
    TRY(const std::string rules, request.emit == "nfd"            ? report::nfd_compatibility(sheet)
                                 : request.emit == "device-claim" ? report::device_claim(sheet)
                                                                  : report::node_affinity(sheet));
    return write_text(io, rules);
  }
  if (request.emit == "labels") {
    for (const auto& [name, value] : report::requirements_labels(sheet))
      TRY_DO(write_text(io, fmt::format("{}={}\n", name, value)));
    return {};
  }
  if (input.format == "json")
    return write_text(io, text::dump_json(report::requirements_json(sheet), 2) + "\n");
  return write_report(io,
                      report::requirements_text(sheet, {output_style(request, io), request.all}));
}

Result<void> print_verdicts(const std::string& target,
                            const std::vector<compat::HostVerdict>& verdicts,
                            const CheckRequest& request, const CheckInput& input, Io& io) {
  if (input.format == "json")
    return write_text(io, text::dump_json(report::verdict_json(target, verdicts), 2) + "\n");
  if (input.format == "markdown") return write_text(io, report::verdict_markdown(target, verdicts));
  report::VerdictTextOptions options;
  options.style = output_style(request, io);
  options.all = request.all;
  return write_report(io, report::verdict_text(target, verdicts, options));
}

/// The checks as rules of a SARIF log, so that a viewer can say what each asks.
std::vector<report::SarifRule> sarif_rules(const knowledge::Knowledge& tables) {
  std::vector<report::SarifRule> out;
  for (const knowledge::CheckRow& row : tables.explained.checks)
    out.push_back({row.id, row.asks, row.fix});
  return out;
}

/// The platform of all hosts, where it is not this machine's; empty where they differ or do not
/// tell.
std::string platform_of(const std::vector<host::Profile>& hosts) {
  std::set<std::string> found;
  for (const host::Profile& host : hosts) {
    const std::string arch = host.system.architecture.value.value_or("");
    found.insert(arch == "aarch64" ? "arm64" : arch == "x86_64" ? "amd64" : "");
  }
  const bool one = found.size() == 1 && !found.begin()->empty();
  return one && *found.begin() != image::host_platform().architecture ? "linux/" + *found.begin()
                                                                      : std::string();
}

/// Of an image for several platforms, what an engine on the hosts would take. An image without it
/// is judged as it is.
Result<needs::Needs> needs_for_platform(const std::string& target, const CheckRequest& request,
                                        ImageOptions image, const CheckInput& input, Io& io) {
  const ImageOptions as_asked = image;
  if (image.platform.empty() && !input.requirements && target != "-")
    image.platform = platform_of(input.hosts);
  if (!image.platform.empty() && request.image.platform.empty())
    if (auto needs = needs_of(target, request, image, request.config_only, io)) return needs;
  return needs_of(target, request, as_asked, request.config_only, io);
}

/// Of an index with images for some GPUs, that for the GPUs of all hosts.
Result<needs::Needs> needs_for_hosts(const std::string& target, const CheckRequest& request,
                                     const CheckInput& input, Io& io) {
  if (input.requirements) return needs_for_platform(target, request, request.image, input, io);
  const VariantChoice choice(
      request.image, [&]() -> Result<std::set<std::string>> { return gpu_targets(input.hosts); });
  auto needs = needs_for_platform(target, request, choice.options(), input, io);
  TRY_DO(choice.tell(request, io));
  return needs;
}

Result<int> run_check(const CheckRequest& request, Io& io) {
  // Everything that can be wrong about the command line comes before any reading.
  TRY(const CheckInput input, understand_check(request, io));
  std::vector<compat::HostVerdict> all;
  std::vector<report::SarifFinding> findings;
  for (const std::string& target : request.words) {
    TRY(const needs::Needs needs,
        with_context(needs_for_hosts(target, request, input, io), "checking {}", target));
    if (input.requirements) {
      TRY_DO(print_requirements(needs, request, input, io));
      continue;
    }
    const auto verdicts =
        judge_hosts(needs, input.hosts, input.tables, request.launcher, request.redistribution);
    if (input.format == "sarif")
      std::ranges::move(report::verdict_findings(needs.name, verdicts),
                        std::back_inserter(findings));
    else
      TRY_DO(print_verdicts(needs.name, verdicts, request, input, io));
    std::ranges::copy(verdicts, std::back_inserter(all));
  }
  // A script that takes the status for a verdict must not read "fine" where none was given.
  if (input.no_host) {
    TRY_DO(io.err.line(
        "warning: no host was judged, since this machine has no GPU: name one with --host, or ask "
        "for --requirements"));
    return 5;
  }
  if (input.requirements) return 0;
  if (input.format == "sarif")
    TRY_DO(write_text(
        io, text::dump_json(report::sarif_log(findings, sarif_rules(input.tables)), 2) + "\n"));
  return verdict_status(all, request.allowances);
}

}  // namespace

const Command& check_command() {
  static const Command kCommand{.name = "check",
                                .group = "Hosts",
                                .summary = "tell whether an image will run on a host, and why not",
                                .positionals = "TARGET",
                                .min_positionals = 1,
                                .max_positionals = 64,
                                .help = kCheckHelp,
                                .call = [] { return call_of(run_check); }};
  return kCommand;
}

}  // namespace flense::cli
