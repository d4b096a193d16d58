// flense diff: what changed between two images, and what that means for hosts.
#include <algorithm>
#include <array>

#include "cli/diff_steps.h"
#include "cli/shared/check_steps.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/confine.h"
#include "cli/shared/html_file.h"
#include "cli/shared/places.h"
#include "report/html/diff_page.h"
#include "report/images/diff_text.h"

namespace flense::cli {

namespace {

constexpr std::string_view kDiffHelp =
    R"(Compares two images and lists what differs, largest first:
  size            as stored, unpacked, by reason
  for hosts       least driver, GPUs served, C library, processor level; with --host the verdicts
  software        packages, runtimes and frameworks that came, went or changed
  device code     by architecture and by file
  files           added, removed, changed: by content; layers shared or not; configuration

Files of equal path and size are read and compared, unless a layer that both images share settles it;
--no-content leaves them unread and says so.

A and B are images in any form that inspect takes, or files that `flense inspect --json` wrote. Those
tell neither files nor configuration nor what hosts need, which is then unknown.

--fail-on GATE (several with commas) fails the run when a gate is hit:
  size[:+LIMIT], unpacked[:+LIMIT]   it grew (by more than +5% or +200MB)
  driver-floor, driver-native, ptx-driver, arch, cold-start, future-gpus, glibc, cpu, platform
                                     fewer hosts run it than before
  host                               a check for a --host fails that did not
  packages, runtimes, files, configuration, any
                                     something of that kind differs

Exit status: 0 compared, 1 a gate was hit, 2 wrong usage, 3 bad input, 4 environment, 5 no gate was
hit but one could not be told.

Examples:
  flense diff app-1.tar app-2.tar
  flense diff oci:app oci:app-slim --all
  flense diff docker://app:1 docker-archive:build.tar --fail-on driver-floor,arch,size:+5%
  flense diff app-1.tar app-2.tar --html changes.html
  flense diff last-release.json oci:build --format markdown >> pull-request.md)";

constexpr auto kDiffFormats = std::to_array<std::string_view>({"text", "json", "markdown"});
constexpr std::size_t kListed = 100;  ///< files in JSON, as of inspect

Result<std::vector<compat::Gate>> gates_of(const std::vector<std::string>& lists) {
  std::vector<compat::Gate> out;
  for (const std::string& words : lists) {
    std::size_t start = 0;
    while (start <= words.size()) {
      const std::size_t end = std::min(words.find(',', start), words.size());
      TRY(compat::Gate gate,
          compat::parse_gate(std::string_view(words).substr(start, end - start)));
      out.push_back(std::move(gate));
      start = end + 1;
    }
  }
  return out;
}

struct DiffRequest : TableRequest {
  bool all = false, json = false, no_content = false;
  std::string format, html;
  std::vector<compat::Gate> gates;
  std::vector<std::string> hosts;
  ImageOptions image;
  PlaceOptions places;
};

void declare(Options& options, DiffRequest& request) {
  options.flag("--all", "list everything that differs", request.all);
  options.flag("--json", "print JSON (schema flense/diff/v1)", request.json);
  options.add("--format", "FORMAT", "text, json or markdown", request.format).one_of(kDiffFormats);
  add_html(options, request.html);
  options.add("--fail-on", "GATE", "fail when this got worse or differs", request.gates, gates_of)
      .setting();
  options.add("--host", "HOST", "also compare the verdicts for this machine", request.hosts)
      .file()
      .setting();
  options.flag("--no-content", "do not read files of equal path and size", request.no_content);
  add_data(options, request).setting();
  declare_cached(options, request.image);
  add_no_sandbox(options, request);
  declare(options, request.places);
}

/// What the request's words name.
struct DiffInput {
  knowledge::Knowledge tables;
  std::vector<host::Profile> hosts;
  std::string format;
};

Result<DiffInput> understand_diff(const DiffRequest& request, Io& io) {
  DiffInput out;
  TRY(out.tables, tables_of(request, io, judging_tables()));
  TRY(out.format, format_of(request.json, request.format));
  TRY_DO(check_html(request.html, request.json));
  TRY_DO(spare_inputs(request.words, {request.html}));
  std::optional<host::Profile> here;
  if (!request.hosts.empty())
    here = this_host(request.hosts, places_of(request.places), out.tables);
  Wanted wanted;
  add_targets(request.words, request.image, io, wanted);
  add_hosts(request.hosts, wanted);
  add_cache(request.image, io, wanted);
  if (!request.html.empty() && !html_on_output(request.html)) add_output({request.html}, wanted);
  TRY_DO(confine(request, wanted, io));
  TRY(out.hosts, hosts_of(request.hosts, here, out.tables));
  if (std::ranges::find(request.gates, "host", &compat::Gate::id) != request.gates.end() &&
      out.hosts.empty())
    return fail(Code::kUsage, "--fail-on host needs a --host")
        .hint("name one: --host h100@550.54.15");
  return out;
}

void add_notices(const char* side, const inventory::Snapshot& snapshot, report::ImageDiff& out) {
  for (const std::string& notice : snapshot.inventory.notices)
    out.notices.push_back(fmt::format("{}: {}", side, notice));
  if (!snapshot.whole)
    out.notices.push_back(
        fmt::format("{}: a saved inventory tells neither files nor configuration, nor what hosts "
                    "need",
                    side));
}

/// Whether `after` is what flense slim made of `before`, by its own labels.
void add_slim_notice(const DiffSide& before, const DiffSide& after, report::ImageDiff& out) {
  if (before.image == nullptr || !after.needs || !after.needs->slim) return;
  const inventory::SlimMark& mark = *after.needs->slim;
  if (before.needs && before.needs->slim == mark) return;
  const bool from_before =
      !mark.input_digest.empty() && (mark.input_digest == before.image->manifest_digest ||
                                     mark.input_digest == before.image->config_digest);
  out.notices.push_back(fmt::format("after was slimmed to {} from {}{}",
                                    fmt::join(mark.targets, ", "),
                                    from_before                 ? "before: "
                                    : mark.input_digest.empty() ? ""
                                                                : "another image than before: ",
                                    inventory::origin_of(mark)));
  if (!mark.rules.empty())
    out.notices.push_back(fmt::format("after was cut by {}", fmt::join(mark.rules, ", ")));
}

compat::ComparedNeeds needs_of_side(const DiffSide& side) {
  return {side.sheet ? &*side.sheet : nullptr,
          side.snapshot.glibc ? &*side.snapshot.glibc : nullptr};
}

report::ImageDiff compare_sides(const DiffSide& before, const DiffSide& after,
                                const std::vector<compat::Gate>& gates, const DiffInput& input) {
  report::ImageDiff out;
  out.changes = inventory::compare(before.snapshot, after.snapshot);
  out.hosts = compat::compare_requirements(needs_of_side(before), needs_of_side(after));
  if (before.needs && after.needs && !input.hosts.empty())
    out.verdicts = compat::compare_verdicts(
        judge_hosts(*before.needs, input.hosts, input.tables, std::nullopt, false),
        judge_hosts(*after.needs, input.hosts, input.tables, std::nullopt, false));
  out.gates = compat::check_gates(gates, out.changes, out.hosts, out.verdicts);
  add_notices("before", before.snapshot, out);
  add_notices("after", after.snapshot, out);
  add_slim_notice(before, after, out);
  if (out.changes.files_unread > 0)
    out.notices.push_back(fmt::format(
        "the contents of {} files of equal path and size were not read", out.changes.files_unread));
  return out;
}

int diff_status(const report::ImageDiff& diff) {
  const auto any = [&](std::string_view status) {
    return std::ranges::any_of(diff.gates,
                               [&](const compat::GateResult& one) { return one.status == status; });
  };
  if (any("failed")) return 1;
  return any("unknown") ? 5 : 0;
}

Result<int> run_diff(const DiffRequest& request, Io& io) {
  // Everything that can be wrong about the command line comes before any reading.
  TRY(const DiffInput input, understand_diff(request, io));
  const DiffReading how{request, request.image, input.tables};
  TRY(DiffSide before, read_diff_side(request.words[0], how, io));
  TRY(DiffSide after, read_diff_side(request.words[1], how, io));
  if (!request.no_content) TRY_DO(read_undecided(before, after, how, io));
  const report::ImageDiff found = compare_sides(before, after, request.gates, input);
  const bool all = request.all;
  if (!request.html.empty()) TRY_DO(write_page(request.html, report::diff_page(found, all), io));
  if (html_on_output(request.html)) {
    // The page is the output.
  } else if (input.format == "json") {
    const auto json = report::diff_json(found, all ? SIZE_MAX : kListed);
    TRY_DO(write_text(io, text::dump_json(json, 2) + "\n"));
  } else if (input.format == "markdown") {
    TRY_DO(write_text(io, report::diff_markdown(found, all)));
  } else {
    TRY_DO(write_report(io, report::diff_text(found, output_style(request, io), all)));
  }
  return diff_status(found);
}

}  // namespace

const Command& diff_command() {
  static const Command kCommand{
      .name = "diff",
      .group = "Images",
      .summary = "show what changed between two images, and what it means for hosts",
      .positionals = "A B",
      .min_positionals = 2,
      .max_positionals = 2,
      .help = kDiffHelp,
      .call = [] { return call_of(run_diff); }};
  return kCommand;
}

}  // namespace flense::cli
