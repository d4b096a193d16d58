// flense fleet: whether the images for some GPUs that lie in registries are still those of their
// origins, and getting rid of those that are not.
#include <algorithm>
#include <array>
#include <set>
#include <span>

#include "base/ascii.h"
#include "base/file.h"
#include "base/printable.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/confine.h"
#include "cli/shared/registries.h"
#include "fleet/prune.h"
#include "fleet/survey.h"
#include "image/model/reference.h"
#include "report/images/fleet_report.h"

namespace flense::cli {

namespace {

using image::RegistryName;

constexpr std::string_view kFleetHelp =
    R"(Images that `flense slim --variants` wrote for some GPUs, against what their origins are now.

ACTION is one of
  status          asks the registries and says of each image whether it is fresh
  prune           removes the images whose origin is gone; with --stale also those whose origin moved
                  or that the index of their tag lacks. Nothing is changed without --yes

docker://REG/REPO:TAG is one tag, docker://REG/REPO all tags of a repository. Each image is
  fresh           its origin shows what it was made from
  stale           its origin shows something else now
  missing         its tag is gone or shows another image, the index of its tag lacks it, or a
                  reference has no such images
  origin gone     the registry of the origin says that there is no such tag, and hides nothing
  unknown         it could not be asked, or the image does not say what it was made from

Registries are asked through curl (7.84 or later) with the logins that `skopeo login` keeps, at most
four questions at a time.

Exit status of status: 0 all are fresh, 1 one is stale or missing or its origin is gone, 5 none is
that and something is unknown. Of prune: 0 fine, 1 something stays that was to go, 5 none does and
something could not be asked. Otherwise 2 wrong usage, 4 environment.

Examples:
  flense fleet status docker://reg.example/pytorch:1
  flense fleet status --from references.txt --json
  flense fleet prune docker://reg.example/pytorch
  flense fleet prune docker://reg.example/pytorch:1 --stale --yes)";

constexpr std::array<std::string_view, 2> kFleetActions = {"status", "prune"};
constexpr std::size_t kMostReferences = 100'000;
constexpr std::uint64_t kMostBytes = 16u << 20;
constexpr int kUndecided = 5;

struct FleetRequest : Request {
  std::string from;
  bool json = false, stale = false, yes = false;
};

void declare(Options& options, FleetRequest& request) {
  options
      .add("--from", "FILE", "references, one a line; # begins a comment, - is standard input",
           request.from)
      .file();
  options.flag("--json", "print JSON (schema flense/fleet-status/v1, flense/fleet-prune/v1)",
               request.json);
  options.flag("--stale", "prune: also images whose origin moved", request.stale);
  options.flag("--yes", "prune: do it", request.yes);
  add_no_sandbox(options, request);
}

Result<void> add_reference(std::string_view text, std::set<std::string>& known,
                           std::vector<RegistryName>& out) {
  const image::TransportForm* const form = image::transport_form_of(text);
  auto name = form != nullptr && form->transport != image::Transport::kRegistry
                  ? std::nullopt
                  : image::parse_registry_name(text);
  if (!name)
    return usage_error(fmt::format("\"{}\" is no image of a registry", text),
                       "docker://REG/REPO:TAG, or docker://REG/REPO for all of its tags");
  if (!name->digest.empty())
    return usage_error(fmt::format("\"{}\" names a digest, which never moves", text),
                       "name the tag, or the repository");
  if (known.insert(name->text()).second) out.push_back(*std::move(name));
  return {};
}

Result<std::vector<RegistryName>> references_of(const FleetRequest& request) {
  std::vector<RegistryName> out;
  std::set<std::string> known;
  for (const std::string& word : std::span(request.words).subspan(1))
    TRY_DO(add_reference(word, known, out));
  if (!request.from.empty()) {
    TRY(const std::string text,
        read_file(request.from == "-" ? "/dev/stdin" : request.from, kMostBytes));
    std::string_view rest = text;
    while (!rest.empty()) {
      std::string_view line = take_line(rest);
      line = trim(line.substr(0, line.find('#')));
      if (!line.empty())
        TRY_DO(with_context(add_reference(line, known, out), "reading {}", request.from));
    }
  }
  if (out.empty())
    return usage_error("no image is named", "name docker://REG/REPO:TAG, or a file with --from");
  if (out.size() > kMostReferences)
    return usage_error(fmt::format("{} images are too many", out.size()), "name some of them");
  return out;
}

/// The file of logins is read by whoever starts curl, and by nobody else.
Result<image::RegistryService> service_for(const FleetRequest& request,
                                           const std::vector<RegistryName>& references, Io& io) {
  std::vector<std::string> writable;
  if (request.yes)
    for (const RegistryName& name : references) writable.push_back(name.place());
  TRY(const image::RegistryService direct, registry_service(std::move(writable), io));
  Wanted wanted;
  wanted.helpers = true;
  wanted.services.ask = direct;
  TRY_DO(confine(request, wanted, io));
  if (io.broker == nullptr) return direct;
  return
      [&broker = *io.broker](const std::vector<std::string>& words) { return broker.ask(words); };
}

int status_of(const fleet::Survey& survey) {
  const auto any = [&](std::initializer_list<fleet::State> states) {
    return std::ranges::any_of(survey.standings, [&](const fleet::Standing& one) {
      return std::ranges::find(states, one.state) != states.end();
    });
  };
  using enum fleet::State;
  if (any({kStale, kMissing, kOriginGone})) return 1;
  return any({kUnknown}) ? kUndecided : 0;
}

Result<int> show_status(const FleetRequest& request, const fleet::Survey& survey, Io& io) {
  if (request.json)
    TRY_DO(write_text(io, text::dump_json(report::fleet_status_json(survey), 2) + "\n"));
  else
    TRY_DO(write_report(
        io, report::fleet_status_text(survey, output_style(request, io), request.quiet)));
  return status_of(survey);
}

Result<int> prune_fleet(const FleetRequest& request, const fleet::Survey& survey,
                        const image::RegistryService& service, Progress& progress, Io& io) {
  image::RegistryClient reader(service, "pull", &progress);
  TRY(fleet::PrunePlan plan, fleet::plan_prune(survey, request.stale, reader));
  if (request.yes) {
    image::RegistryClient writer(service, "pull,push,delete", &progress);
    TRY_DO(fleet::prune(plan, writer));
  }
  progress.clear();
  if (request.json)
    TRY_DO(write_text(io, text::dump_json(report::fleet_prune_json(plan, request.yes), 2) + "\n"));
  else
    TRY_DO(write_report(
        io, report::fleet_prune_text(plan, request.yes, output_style(request, io), request.quiet)));
  // Of what could not be asked nothing goes, and that is no "all is well".
  bool unknown = false;
  for (const fleet::Standing& one : survey.standings) {
    if (one.state != fleet::State::kUnknown) continue;
    unknown = true;
    TRY_DO(io.err.line(
        fmt::format("note: {} stays: {}", printable(one.name.text()), printable(one.reason))));
  }
  const bool stays = std::ranges::any_of(
      plan.removals, [](const fleet::Removal& one) { return !one.stays.empty(); });
  return stays ? 1 : unknown ? kUndecided : 0;
}

Result<int> run_fleet(const FleetRequest& request, Io& io) {
  const std::string& action = request.words.front();
  if (!is_one_of(action, kFleetActions))
    return usage_error(fmt::format("fleet has no action '{}'", action), "status or prune");
  const bool prune = action == "prune";
  if (!prune && (request.stale || request.yes))
    return usage_error(
        fmt::format("{} belongs to fleet prune", request.stale ? "--stale" : "--yes"),
        "flense fleet status changes nothing");
  TRY(const std::vector<RegistryName> references, references_of(request));
  TRY(const image::RegistryService service, service_for(request, references, io));
  const auto progress = make_progress(request, io);
  progress->begin("asking registries", 0);
  image::RegistryClient client(service, "pull", progress.get());
  TRY(const fleet::Survey survey, fleet::survey(references, client));
  if (prune) return prune_fleet(request, survey, service, *progress, io);
  progress->clear();
  return show_status(request, survey, io);
}

}  // namespace

const Command& fleet_command() {
  static const Command kCommand{
      .name = "fleet",
      .group = "Images",
      .summary = "whether images for some GPUs in registries are fresh, and removing others",
      .positionals = "ACTION [docker://REF...]",
      .min_positionals = 1,
      .max_positionals = 1 + kMostReferences,
      .help = kFleetHelp,
      .words = kFleetActions,
      .call = [] { return call_of(run_fleet); }};
  return kCommand;
}

}  // namespace flense::cli
