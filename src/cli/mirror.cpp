// flense mirror: an engine of this node asks the mirror of its GPUs first, and back.
#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "base/printable.h"
#include "base/version.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/places.h"
#include "device/target.h"
#include "host/probe.h"
#include "image/model/platform.h"
#include "inventory/describe/targets.h"
#include "mirror/install.h"

namespace flense::cli {

namespace {

using text::Json;

constexpr std::string_view kMirrorHelp =
    R"(Has an engine of this node ask for tags in the mirror of the node's GPUs first, which flense slim
--mirror has filled, and then upstream: what was never slimmed, and every reference by digest, is what
upstream has. One tag, and each node pulls what its GPUs need (docs/fleet.md).

ACTION is one of
  install         writes the configuration of the engine, merged into what is there
  uninstall       takes exactly that back

  containerd      hosts.toml for each upstream host; the CRI plug-in must have config_path
  podman, cri-o   a drop-in of registries.conf, for tags alone
  buildkit        mirrors in buildkitd.toml
  docker          hosts.toml, from Docker 28 on with containerd's store; else not possible

Nodes with GPUs of several kinds have no mirror, but for an image that was made for all of them:
--gpu with all their names. Where the engine's configuration leaves no room for a mirror, or demands
signatures, nothing is changed and the reason told. The mirror has to speak TLS, but on this machine
(http://127.0.0.1:5000). Nothing is restarted.

Exit status: 0 fine, 2 wrong usage, 3 bad input, 4 environment.

Examples:
  flense mirror install --engine containerd --registry registry.example --dry-run
  flense mirror install --engine podman --registry registry.example/team --upstream nvcr.io
  flense mirror install --engine cri-o --registry registry.example --gpu sm_80,sm_90
  flense mirror uninstall --engine containerd)";

constexpr std::array<std::string_view, 2> kMirrorActions = {"install", "uninstall"};
/// Where images for GPUs are, mostly.
constexpr std::array<const char*, 4> kUpstream = {"docker.io", "ghcr.io", "nvcr.io", "quay.io"};

std::span<const std::string_view> engine_names() {
  static const std::vector<std::string_view> kNames = [] {
    std::vector<std::string_view> out;
    for (const mirror::Engine& engine : mirror::engines()) out.push_back(engine.name);
    return out;
  }();
  return kNames;
}

struct MirrorRequest : TableRequest {
  std::string engine;
  std::optional<image::Mirror> registry;
  std::vector<std::string> gpus, upstream;
  bool dry_run = false, json = false;
  PlaceOptions places;
};

Result<std::string> upstream_named(const std::string& word, std::string_view option) {
  const Result<std::string> component = image::host_component(word);
  if (component) return to_lower(word);
  return usage_error(fmt::format("{}: {}", option, component.error().message),
                     component.error().hint);
}

void declare(Options& options, MirrorRequest& request) {
  options.add("--engine", "ENGINE", "whose configuration is written", request.engine)
      .one_of(engine_names());
  options.add("--registry", "REG", "of the mirror: HOST[:PORT][/PATH], as in slim --mirror",
              request.registry, image::parse_mirror);
  options.add("--gpu", "GPU", "the image for these GPUs (default: those of this machine)",
              request.gpus);
  options.add("--upstream", "HOST",
              "of the originals (default: docker.io, ghcr.io, nvcr.io, quay.io)", request.upstream,
              upstream_named);
  options.flag("--dry-run", "print what would be written, write nothing", request.dry_run);
  options.flag("--json", "print JSON (schema flense/mirror/v1)", request.json);
  add_data(options, request);
  declare(options, request.places);
}

/// The GPUs of the machine where they are of one kind.
Result<device::Targets> targets_here(const host::Profile& profile) {
  constexpr const char* kNone = "a node without a mirror takes what upstream has";
  std::vector<std::string> architectures;
  for (const host::Gpu& gpu : profile.gpus) {
    if (!gpu.architecture.value)
      return fail(Code::kEnvironment, "the architecture of a GPU of this machine is unknown: {}",
                  gpu.architecture.evidence)
          .hint("name it: --gpu h100");
    architectures.push_back(*gpu.architecture.value);
  }
  if (architectures.empty())
    return fail(Code::kEnvironment, "no GPU is seen here, so no mirror is for this machine")
        .hint(kNone);
  TRY(device::Targets out, device::make_targets(architectures));
  if (out.cuda.size() + out.amd.size() > 1)
    return fail(Code::kEnvironment, "this machine has GPUs of several kinds ({}): no mirror",
                out.text())
        .hint(fmt::format("{}; an image for all of them, if there is one, by its name: --gpu {}",
                          kNone, out.text()));
  return out;
}

/// As platforms of images have it; of files that do not tell, this program's.
std::string architecture_of(const host::System& system) {
  if (!system.architecture.value) return image::host_platform().architecture;
  const std::string& name = *system.architecture.value;
  return name == "x86_64" ? "amd64" : name == "aarch64" ? "arm64" : name;
}

Result<mirror::Scene> scene_of(const MirrorRequest& request, Io& io) {
  TRY(const knowledge::Knowledge tables, tables_of(request, io));
  const host::Profile profile = host::probe(host::Machine(places_of(request.places)), tables);
  device::Targets targets;
  if (request.gpus.empty()) {
    TRY(targets, targets_here(profile));
  } else {
    TRY(targets, inventory::parse_targets(request.gpus, tables.gpus));
  }
  mirror::Scene out;
  out.engine = request.engine;
  out.mirror = *request.registry;
  out.gpu = image::mirror_name(targets.text(), architecture_of(profile.system));
  out.upstream = request.upstream;
  if (out.upstream.empty()) out.upstream.assign(kUpstream.begin(), kUpstream.end());
  std::ranges::sort(out.upstream);
  const auto twice = std::ranges::unique(out.upstream);
  out.upstream.erase(twice.begin(), twice.end());
  for (const host::Engine& engine : profile.engines)
    if (engine.name == out.engine && engine.version.value) {
      // Debian's epoch is no part of the engine's version.
      const std::string& version = *engine.version.value;
      out.version = version.substr(version.find(':') + 1);
    }
  return out;
}

Result<void> tell(const MirrorRequest& request, const mirror::Report& report, Json about, Io& io) {
  const std::filesystem::path root = places_of(request.places).root;
  const auto shown = [&](const std::filesystem::path& file) {
    return (root / file.relative_path()).string();
  };
  if (request.json) {
    Json changes = Json::array(), notices = Json::array();
    for (const mirror::Change& one : report.changes)
      changes.push(Json::object()
                       .set("file", shown(one.file))
                       .set("added", one.added)
                       .set("removed", one.removed));
    for (const std::string& notice : report.notices) notices.push(notice);
    about.set("dry_run", request.dry_run)
        .set("changes", std::move(changes))
        .set("notices", std::move(notices))
        .set("then", report.restart);
    return write_text(io, text::dump_json(about, 2) + "\n");
  }
  for (const std::string& notice : report.notices)
    TRY_DO(io.err.line(fmt::format("note: {}", notice)));
  std::string out = report.changes.empty() ? "nothing has to be changed\n" : "";
  for (const mirror::Change& one : report.changes) {
    const std::string_view did = one.removed ? "remove" : "change";
    out += fmt::format("{} {}\n",
                       request.dry_run ? fmt::format("would {}", did) : fmt::format("{}d", did),
                       printable(shown(one.file)));
    if (request.dry_run) out += printable_lines(one.added);
  }
  if (!report.restart.empty()) out += fmt::format("then: {}\n", report.restart);
  return write_report(io, out);
}

/// Adds to `about` what it is about.
Result<mirror::Report> install_mirror(const MirrorRequest& request, const cdi::HostFiles& files,
                                      Json& about, Io& io) {
  TRY(mirror::Scene scene, scene_of(request, io));
  Json places = Json::object();
  for (const std::string& host : scene.upstream) {
    TRY(std::string prefix, scene.mirror.prefix(scene.gpu, host));
    places.set(host, std::move(prefix));
  }
  about.set("gpu", scene.gpu).set("mirrors", std::move(places));
  return mirror::install(std::move(scene), files, request.dry_run);
}

Result<int> run_mirror(const MirrorRequest& request, Io& io) {
  const std::string& action = request.words.front();
  if (std::ranges::find(kMirrorActions, action) == kMirrorActions.end())
    return usage_error(fmt::format("mirror has no action '{}'", action), "install, uninstall");
  const bool install = action == "install";
  if (request.engine.empty())
    return usage_error(fmt::format("mirror {} needs --engine", action),
                       fmt::format("{}", fmt::join(engine_names(), ", ")));
  if (install && !request.registry)
    return usage_error("mirror install needs --registry, where slim --mirror has pushed",
                       "--registry registry.example");
  if (!install && (request.registry || !request.gpus.empty() || !request.upstream.empty()))
    return usage_error("mirror uninstall takes back what was installed for the engine, all of it",
                       "leave --registry, --gpu and --upstream out");
  const cdi::HostFiles files(places_of(request.places).root);
  Json about = Json::object()
                   .set("schema", "flense/mirror/v1")
                   .set("flense", kVersion)
                   .set("action", action)
                   .set("engine", request.engine);
  if (!install) {
    TRY(const mirror::Report report, mirror::uninstall(request.engine, files, request.dry_run));
    TRY_DO(tell(request, report, std::move(about), io));
    return 0;
  }
  const bool before = mirror::is_installed(request.engine, files);
  Result<mirror::Report> report = install_mirror(request, files, about, io);
  if (!report) {
    Error error = std::move(report.error());
    // A mirror of other GPUs than these may be worse than none.
    if (before)
      error.hint += fmt::format(
          "{}the mirror installed before stays until flense mirror uninstall --engine {}",
          error.hint.empty() ? "" : "; ", request.engine);
    return std::unexpected(std::move(error));
  }
  TRY_DO(tell(request, *report, std::move(about), io));
  return 0;
}

}  // namespace

const Command& mirror_command() {
  static const Command kCommand{.name = "mirror",
                                .group = "Devices",
                                .summary = "have an engine pull the images for this node's GPUs",
                                .positionals = "ACTION",
                                .min_positionals = 1,
                                .max_positionals = 1,
                                .help = kMirrorHelp,
                                .words = kMirrorActions,
                                .call = [] { return call_of(run_mirror); }};
  return kCommand;
}

}  // namespace flense::cli
