// flense run: an image as a container, without root and without a daemon.
#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <filesystem>
#include <set>

#include "base/file.h"
#include "cdi/spec/registry.h"
#include "cli/run/flag_table.h"
#include "cli/run/run_checks.h"
#include "cli/run/run_options.h"
#include "cli/run/run_trace.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/places.h"
#include "cli/shared/root_places.h"
#include "cli/shared/variants.h"
#include "launch/bundle.h"
#include "launch/container/numa.h"
#include "launch/container/other_id.h"
#include "launch/container/process_plan.h"
#include "launch/container/resource_limits.h"
#include "launch/gpus/devices.h"
#include "launch/gpus/preflight_host.h"
#include "launch/launch.h"
#include "launch/running.h"
#include "launch/sharing.h"

namespace flense::cli {

namespace {

constexpr std::string_view kRunImageHelp =
    R"(Starts a command in an image: as you, without root, daemon or overlay, through crun. The image is
unpacked once on this machine ($FLENSE_CACHE, else $SLURM_TMPDIR, else the cache directory unless it
is on a network file system, else $TMPDIR) and used read-only by every run.

Environment, entry point and working directory are the image's; the user is you, with your groups.
Your home directory, /tmp, /var/tmp and the working directory are writable and the same as outside,
unless the image has a directory of its own in that place; the network is the host's. --isolate
takes none of that along. What the command writes elsewhere fails: mount a directory there (-v), or
use --writable, which keeps changes in memory.

Options end at IMAGE; everything behind it belongs to the command.

Exit status: the command's own; 125 flense failed, 126 the command cannot be executed, 127 there is
no such command.

Examples:
  flense run app.tar
  flense run --gpus all docker://nvcr.io/nvidia/pytorch:25.01-py3 python train.py
  flense run -v /scratch/data:/data:ro -e EPOCHS=3 oci:./app python /app/train.py
  flense run --trace serve.trace --gpus all app.tar python /app/serve.py --selftest
  flense run --name job --gpus 0,1 app.sif sleep infinity &
  flense exec job nvidia-smi
  flense run -it --isolate debian.tar bash)";

Result<void> tell(Io& io, std::string_view prefix, const std::vector<std::string>& lines) {
  for (const std::string& line : lines) TRY_DO(io.err.line(fmt::format("{}{}", prefix, line)));
  return {};
}

/// One of the prepared libraries' places is enough to show that they are used.
std::vector<std::filesystem::path> kept_of(const launch::GpuDevices& devices,
                                           const std::filesystem::path& prepared) {
  const std::string above = prepared.string() + "/";
  for (const cdi::Mount& mount : devices.edits.mounts)
    if (mount.host_path.starts_with(above)) return {mount.host_path};
  return {};
}

/// Where flense keeps what containers trust. A home that is bound is within reach as a whole.
std::vector<std::filesystem::path> own_places(const launch::RunOptions& options,
                                              const launch::RuntimePlaces& places,
                                              const OpenedRoot& opened) {
  std::vector<std::filesystem::path> out = {places.base};
  if (options.home && !options.isolate) return out;
  if (opened.root.held) out.push_back(opened.root.path.parent_path().parent_path());
  if (!opened.prepared.empty()) out.push_back(opened.prepared);
  return out;
}

/// The root as a mount for an id that nobody has.
Result<launch::OtherId> give_to_another(launch::RootFs& root) {
  TRY(launch::OtherId out, launch::draw_other_id());
  TRY(root.directory, launch::mount_for(out, root.path));
  root.mounted = true;
  return out;
}

/// The prepared libraries, likewise.
Result<UniqueFd> libraries_for(const launch::OtherId& other, launch::LaunchInput& input) {
  if (input.kept.empty()) return UniqueFd();
  input.library_directory = input.kept.front().parent_path();
  TRY(UniqueFd out, launch::mount_for(other, input.library_directory));
  input.libraries = out.get();
  return out;
}

using Preflight = std::function<Result<bool>(const std::vector<std::string>&)>;

/// What --gpus and the like come to; nullopt when nothing was asked for.
Result<std::optional<launch::GpuDevices>> choose_devices(const launch::RunOptions& options,
                                                         OpenedRoot& opened,
                                                         const host::Machine& machine, Io& io,
                                                         const Preflight& preflight) {
  if (!launch::asks_for_devices(options.gpu)) {
    TRY_DO(preflight({}));
    return std::nullopt;
  }
  if (opened.prepared.empty()) {
    TRY(const OpenedRoots roots, open_root_store(io));
    opened.prepared = roots.prepared;
  }
  std::vector<std::filesystem::path> directories(options.cdi_directories.begin(),
                                                 options.cdi_directories.end());
  if (directories.empty()) directories = cdi::spec_directories(::geteuid() != 0, io.environment);
  TRY(const launch::ImageSettings settings, launch::image_settings(opened.image->config));
  launch::Environment env(settings.env);
  env.set(options.env);
  TRY(launch::GpuDevices devices,
      launch::plan_devices({options.gpu, machine, io.environment, directories,
                            options.rdma ? std::set<std::string>{"rdma"} : std::set<std::string>{},
                            opened.root, opened.prepared, env.get("LD_LIBRARY_PATH").value_or(""),
                            preflight}));
  return devices;
}

/// Where the command runs: beside its GPUs, or where the batch system has put us.
Result<void> choose_place(const RunRequest& request, Io& io, const launch::Engine& engine,
                          const host::Machine& machine, const launch::GpuDevices* devices,
                          launch::LaunchInput& input) {
  const std::set<unsigned> allowed = launch::allowed_cpus();
  const launch::RunOptions& options = input.options;
  if (!options.on_cpus.empty() || !options.on_nodes.empty()) {
    const std::set<unsigned> wanted = launch::parse_list(options.on_cpus).value_or(allowed);
    if (!std::ranges::includes(allowed, wanted))
      return fail(Code::kEnvironment, "--cpuset-cpus {}: not all of them are yours",
                  options.on_cpus)
          .hint(fmt::format("you have {}", launch::list_text(allowed)));
    input.placement = launch::Placement{
        launch::list_text(options.on_cpus.empty() ? allowed : wanted), options.on_nodes};
    return {};
  }
  if (input.options.bind_numa && devices != nullptr) {
    std::vector<std::string> nodes;
    for (const cdi::DeviceNode& node : devices->edits.device_nodes) nodes.push_back(node.path);
    launch::PlacementPlan plan =
        launch::plan_placement(launch::probe_gpus(machine), machine.sys, nodes, allowed);
    TRY_DO(tell(io, "notice: ", plan.notices));
    if (request.explain) TRY_DO(tell(io, "", plan.reasons));
    input.placement = std::move(plan.placement);
  }
  if (!input.placement) input.placement = launch::inherited_placement(engine, machine.sys, allowed);
  return {};
}

Result<int> bundle(const RunRequest& request, Io& io, const launch::LaunchInput& input,
                   const launch::Engine& engine, const launch::RuntimePlaces& places) {
  TRY(const launch::Bundle written, launch::write_bundle(input, engine, places, *request.bundle));
  if (request.explain) TRY_DO(tell(io, "", written.reasons));
  TRY_DO(io.out.exact(written.command + "\n"));
  return 0;
}

/// For scripts that find the container by it.
Result<void> write_name(const std::string& file, const std::string& id) {
  const UniqueFd fd(::open(file.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666));
  if (!fd)
    return errno == EEXIST
               ? fail(Code::kEnvironment, "--cidfile {} is there already", file)
                     .hint("remove it, or name another: it may be of a container that runs")
               : system_error(errno, "cannot write --cidfile " + file);
  return write_fully(fd.get(), as_bytes(id), file);
}

Result<Ending> run_image(const RunRequest& request, Io& io) {
  TRY(launch::RunOptions options, run_options(request, io));
  launch::ReachedLimits reached = launch::reach_limits(options.limits);
  options.limits = std::move(reached.limits);
  if (!request.quiet) TRY_DO(tell(io, "notice: ", reached.notices));
  TRY(const launch::RuntimePlaces places, launch::open_runtime_places(io.environment));
  if (!places.note.empty() && !request.quiet) TRY_DO(tell(io, "notice: ", {places.note}));
  TRY(const launch::Engine engine, launch::find_engine(places));
  launch::forget_dead(places);
  if (!options.name.empty() && !request.bundle) TRY_DO(launch::clear_dead(places, options.name));
  const VariantChoice choice = VariantChoice::here(request, request.image, request.places, io);
  TRY(OpenedRoot opened,
      open_root(request.words.front(), request, choice.options(), request.mount_image, io));
  TRY_DO(choice.tell(request, io));
  TRY_DO(tell(io, "notice: ", opened.image->notices));
  if (opened.root.unpacked_now && request.verbose)
    TRY_DO(tell(io, "notice: ", opened.root.notices));

  std::optional<launch::OtherId> other;
  if (options.other_id) {
    TRY(other, give_to_another(opened.root));
  }
  const host::Machine machine(places_of(request.places));
  const Preflight preflight = [&](const std::vector<std::string>& names) {
    return check_image(request, io, *opened.image, machine, opened.root, names);
  };
  TRY(auto devices, choose_devices(options, opened, machine, io, preflight));
  launch::LaunchInput input{options, opened.image->config, opened.root, io.variables, machine.dev};
  if (request.trace) input.traced = traced_call_names();
  input.own = own_places(options, places, opened);
  if (devices) {
    TRY_DO(tell(io, "notice: ", devices->notices));
    if (request.explain) TRY_DO(tell(io, "", devices->reasons));
    input.devices = devices->edits;
    input.kept = kept_of(*devices, opened.prepared);
  }
  UniqueFd libraries;
  if (other) {
    input.other = &*other;
    TRY(libraries, libraries_for(*other, input));
  }
  TRY_DO(choose_place(request, io, engine, machine, devices ? &*devices : nullptr, input));
  if (request.bundle) return bundle(request, io, input, engine, places);
  TRY(launch::Launch plan, launch::plan_launch(input, engine, places));
  if (request.explain) {
    TRY_DO(tell(io, "", {fmt::format("image: {} ({})", opened.image->name, opened.place)}));
    TRY_DO(tell(io, "", plan.reasons));
  }
  if (!request.quiet) TRY_DO(tell(io, "notice: ", plan.notices));
  if (devices && !request.quiet)
    TRY_DO(
        tell(io, "notice: ", launch::sharing_notices(launch::sharing_of(plan.oci, machine.root))));
  TRY_DO(check_data(request, io, plan.oci, opened.root,
                    opened.image->form == image::Form::kDirectory));
  TRY(const auto refused, refuse_command(plan.command, plan.program, opened.image->name, io));
  if (refused) return *refused;
  if (request.cidfile) TRY_DO(write_name(*request.cidfile, plan.id));
  if (request.trace)
    return run_and_trace({plan, opened.root, fmt::format("{}", fmt::join(plan.oci.args, " ")),
                          *request.trace, request.quiet},
                         io);
  // The root and the prepared libraries stay held until they are mounted.
  return
      [stage = std::move(plan.stage), root = std::move(opened.root), trees = std::move(libraries),
       held = std::move(devices)] { return launch::start_stage(stage); };
}

}  // namespace

const Command& run_image_command() {
  static const Command kCommand{.name = "run",
                                .group = "Run",
                                .summary = "start a command in an image, without root",
                                .positionals = "IMAGE [COMMAND ARGUMENT…]",
                                .min_positionals = 1,
                                .max_positionals = SIZE_MAX,
                                .help = kRunImageHelp,
                                .takes_command = true,
                                .flags = flags_of_run(),
                                .settings_of_user = true,
                                .failure_status = 125,
                                .call = [] { return call_of(run_image); }};
  return kCommand;
}

}  // namespace flense::cli
