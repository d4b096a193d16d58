// flense run: an image as a container, without root and without a daemon.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>
#include <set>

#include "base/numbers.h"
#include "cdi/spec/registry.h"
#include "cli/run_checks.h"
#include "cli/run_trace.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/places.h"
#include "cli/shared/root_places.h"
#include "image/model/reference.h"
#include "launch/bundle.h"
#include "launch/container/other_id.h"
#include "launch/container/process_plan.h"
#include "launch/gpus/devices.h"
#include "launch/gpus/preflight_host.h"
#include "launch/launch.h"
#include "launch/rootfs/mounted_root.h"
#include "launch/running.h"

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

std::string current_directory() {
  std::error_code error;
  const std::filesystem::path out = std::filesystem::current_path(error);
  return error ? "/" : out.string();
}

Result<double> parse_cpus(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  constexpr double kMost = 100'000;
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0.01) || value > kMost)
    return fail(Code::kUsage, "--cpus {} is no number of processors", text);
  return value;
}

Result<std::optional<std::uint64_t>> parse_bytes(const ParsedArgs& args, std::string_view option) {
  if (!args.has(option)) return std::nullopt;
  std::string text = args.value(option);
  // As docker writes them: 64m, 2g are binary units.
  if (!text.empty() && std::string_view("kmg").find(text.back()) != std::string_view::npos) {
    text.back() = static_cast<char>(text.back() - 'a' + 'A');
    text += "iB";
  }
  TRY(const std::uint64_t bytes, with_context(parse_size(text), "reading {}", option));
  return bytes;
}

Result<void> read_mounts(const ParsedArgs& args, launch::RunOptions& out) {
  const std::string directory = current_directory();
  for (const char* option : {"--volume", "--bind"})
    for (const std::string& text : args.values(option)) {
      TRY(launch::MountRequest mount, launch::parse_volume(text, directory));
      out.mounts.push_back(std::move(mount));
    }
  for (const std::string& text : args.values("--mount")) {
    TRY(launch::MountRequest mount, launch::parse_mount(text, directory));
    out.mounts.push_back(std::move(mount));
  }
  return {};
}

Result<void> read_environment(const ParsedArgs& args, const Io& io, launch::RunOptions& out) {
  constexpr std::uint64_t kMaxEnvFile = 1u << 20;
  for (const std::string& file : args.values("--env-file")) {
    TRY(const std::string text, read_file(file, kMaxEnvFile));
    TRY(const std::vector<std::string> items, launch::parse_env_file(text, file, io.environment));
    out.env.insert(out.env.end(), items.begin(), items.end());
  }
  for (const std::string& text : args.values("--env")) {
    TRY(auto item, launch::parse_variable(text, io.environment));
    if (item) out.env.push_back(std::move(*item));
  }
  return {};
}

/// As docker and podman write it. What they switch off by the others is off, or cannot be on.
Result<void> read_security(const ParsedArgs& args, launch::RunOptions& out) {
  static constexpr std::array<std::string_view, 5> kAccepted = {
      "no-new-privileges", "no-new-privileges:true", "no-new-privileges=true", "label=disable",
      "apparmor=unconfined"};
  for (const std::string& value : args.values("--security-opt")) {
    if (value == "seccomp=unconfined" || value == "seccomp:unconfined")
      out.filter = false;
    else if (std::ranges::find(kAccepted, value) == kAccepted.end())
      return fail(Code::kUsage, "--security-opt {} is not known", value)
          .hint("seccomp=unconfined allows all system calls; no-new-privileges always holds");
  }
  return {};
}

Result<void> read_network(const ParsedArgs& args, launch::RunOptions& out) {
  const std::string network = args.value("--network", out.isolate ? "none" : "host");
  out.host_network = network == "host";
  return {};
}

void read_gpus(const ParsedArgs& args, launch::RunOptions& out) {
  out.gpu.gpus = args.values("--gpus");
  out.gpu.devices = args.values("--device");
  out.gpu.nvidia = args.has("--nv");
  out.gpu.rocm = args.has("--rocm");
  out.cdi_directories = args.values("--cdi-spec-dir");
  out.rdma = args.has("--rdma");
  out.bind_numa = args.has("--bind-numa");
}

Result<launch::RunOptions> run_options(const ParsedArgs& args, const Io& io) {
  launch::RunOptions out;
  out.command.assign(args.positionals().begin() + 1, args.positionals().end());
  TRY_DO(read_mounts(args, out));
  TRY_DO(read_environment(args, io, out));
  if (args.has("--workdir")) out.workdir = args.value("--workdir");
  if (args.has("--user")) out.user = args.value("--user");
  if (args.has("--entrypoint")) out.entrypoint = args.value("--entrypoint");
  out.tty = args.has("--tty");
  out.home = !args.has("--no-home");
  out.isolate = args.has("--isolate");
  TRY_DO(read_network(args, out));
  out.fake_root = args.has("--fake-root");
  if (out.fake_root && out.user)
    return fail(Code::kUsage, "--fake-root and --user do not go together");
  out.die_with_parent = args.has("--die-with-parent");
  out.other_id = args.value("--userns", "host") == "auto";
  if (out.other_id)
    for (const char* option : {"--sub-ids", "--name", "--bundle", "--mount-image", "--overlay",
                               "--memory", "--cpus", "--trace"})
      if (args.has(option))
        return fail(Code::kUsage, "--userns auto and {} do not go together", option);
  TRY_DO(read_security(args, out));
  out.sub_ids = args.has("--sub-ids");
  if (out.fake_root && out.sub_ids)
    return fail(Code::kUsage, "--fake-root and --sub-ids do not go together");
  if (args.has("--overlay")) out.overlay = args.value("--overlay");
  out.writable = args.has("--writable") || out.overlay.has_value();
  TRY(out.shm_size, parse_bytes(args, "--shm-size"));
  TRY(out.memory, parse_bytes(args, "--memory"));
  if (args.has("--cpus")) {
    TRY(const double cpus, parse_cpus(args.value("--cpus")));
    out.cpus = cpus;
  }
  read_gpus(args, out);
  if (out.bind_numa && !launch::asks_for_devices(out.gpu))
    return fail(Code::kUsage, "--bind-numa binds to GPUs, and none was asked for")
        .hint("--gpus all, or --nv, --rocm, --device");
  if (out.die_with_parent && args.has("--name"))
    return fail(Code::kUsage,
                "--die-with-parent and --name do not go together: flense exec cannot join a "
                "container that may end at any time");
  if (args.has("--name")) {
    TRY(out.name, launch::check_name(args.value("--name")));
  }
  return out;
}

struct Opened {
  std::unique_ptr<image::Image> image;
  launch::RootFs root;
  std::optional<launch::OtherId> other;  ///< --userns auto
  std::string place;               ///< where roots are kept, and complaints about other places
  std::filesystem::path prepared;  ///< where prepared driver libraries are kept
};

/// A directory is used where it lies; anything else is unpacked.
Result<Opened> open_root(const ParsedArgs& args, Io& io) {
  const std::string& target = args.positionals().front();
  Opened out;
  TRY(out.image, open_target(target, args, io));
  if (out.image->form == image::Form::kElfFile)
    return bad_input("{} is a program, no image", target);
  if (args.has("--mount-image")) {
    TRY(out.root, launch::mount_image(*out.image, image::parse_target(target).path));
    out.place = "mounted by the kernel, nothing is unpacked";
    return out;
  }
  if (out.image->form == image::Form::kDirectory) {
    const std::string path = image::parse_target(target).path;
    TRY(out.root, launch::RootStore::in_place(path));
    out.place = "used where it lies, nothing is unpacked";
    return out;
  }
  TRY(OpenedRoots roots, open_root_store(io));
  out.prepared = roots.prepared;
  const std::unique_ptr<Progress> progress = make_progress(args, io);
  TRY(out.root, roots.store.obtain(*out.image, *progress));
  progress->clear();
  out.place = fmt::format("{}{}", out.root.unpacked_now ? "unpacked now" : "unpacked before",
                          roots.note.empty() ? "" : "; " + roots.note);
  return out;
}

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
                                              const Opened& opened) {
  std::vector<std::filesystem::path> out = {places.base};
  if (options.home && !options.isolate) return out;
  if (opened.root.held) out.push_back(opened.root.path.parent_path().parent_path());
  if (!opened.prepared.empty()) out.push_back(opened.prepared);
  return out;
}

/// The root as a mount for an id that nobody has.
Result<void> give_to_another(Opened& opened) {
  TRY(opened.other, launch::draw_other_id());
  TRY(opened.root.directory, launch::mount_for(*opened.other, opened.root.path));
  opened.root.mounted = true;
  return {};
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
                                                         Opened& opened,
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
Result<void> choose_place(const ParsedArgs& args, Io& io, const launch::Engine& engine,
                          const host::Machine& machine, const launch::GpuDevices* devices,
                          launch::LaunchInput& input) {
  const std::set<unsigned> allowed = launch::allowed_cpus();
  if (input.options.bind_numa && devices != nullptr) {
    std::vector<std::string> nodes;
    for (const cdi::DeviceNode& node : devices->edits.device_nodes) nodes.push_back(node.path);
    launch::PlacementPlan plan =
        launch::plan_placement(launch::probe_gpus(machine), machine.sys, nodes, allowed);
    TRY_DO(tell(io, "notice: ", plan.notices));
    if (args.has("--explain")) TRY_DO(tell(io, "", plan.reasons));
    input.placement = std::move(plan.placement);
  }
  if (!input.placement) input.placement = launch::inherited_placement(engine, machine.sys, allowed);
  return {};
}

Result<int> bundle(const ParsedArgs& args, Io& io, const launch::LaunchInput& input,
                   const launch::Engine& engine, const launch::RuntimePlaces& places) {
  TRY(const launch::Bundle written,
      launch::write_bundle(input, engine, places, args.value("--bundle")));
  if (args.has("--explain")) TRY_DO(tell(io, "", written.reasons));
  TRY_DO(tell(io, "notice: ", written.notices));
  std::string line;
  for (const std::string& word : written.command)
    line += (line.empty() ? "" : " ") + launch::shell_word(word);
  TRY_DO(io.out.exact(line + "\n"));
  return 0;
}

Result<int> run_image(const ParsedArgs& args, Io& io) {
  TRY(const launch::RunOptions options, run_options(args, io));
  TRY(const launch::RuntimePlaces places, launch::open_runtime_places(io.environment));
  if (!places.note.empty() && !args.has("--quiet")) TRY_DO(tell(io, "notice: ", {places.note}));
  TRY(const launch::Engine engine, launch::find_engine(places));
  launch::forget_dead(places);
  if (!options.name.empty() && !args.has("--bundle"))
    TRY_DO(launch::clear_dead(places, options.name));
  TRY(Opened opened, open_root(args, io));
  TRY_DO(tell(io, "notice: ", opened.image->notices));
  if (opened.root.unpacked_now && args.has("--verbose"))
    TRY_DO(tell(io, "notice: ", opened.root.notices));

  if (options.other_id) TRY_DO(give_to_another(opened));
  TRY(const host::Places where, places_of(args));
  const host::Machine machine(where);
  const Preflight preflight = [&](const std::vector<std::string>& names) {
    return check_image(args, io, *opened.image, machine, opened.root, names);
  };
  TRY(auto devices, choose_devices(options, opened, machine, io, preflight));
  launch::LaunchInput input{options, opened.image->config, opened.root, io.variables, machine.dev};
  if (devices) {
    TRY_DO(tell(io, "notice: ", devices->notices));
    if (args.has("--explain")) TRY_DO(tell(io, "", devices->reasons));
  }
  const bool traced = args.has("--trace");
  if (traced && args.has("--bundle"))
    return fail(Code::kUsage, "--trace and --bundle do not go together: a bundle starts nothing");
  if (traced) input.traced = traced_call_names();
  input.own = own_places(options, places, opened);
  if (devices) {
    input.devices = devices->edits;
    input.kept = kept_of(*devices, opened.prepared);
  }
  UniqueFd libraries;
  if (opened.other) {
    input.other = &*opened.other;
    TRY(libraries, libraries_for(*opened.other, input));
  }
  TRY_DO(choose_place(args, io, engine, machine, devices ? &*devices : nullptr, input));
  if (args.has("--bundle")) return bundle(args, io, input, engine, places);
  TRY(launch::Launch plan, launch::plan_launch(input, engine, places));
  if (args.has("--explain")) {
    TRY_DO(tell(io, "", {fmt::format("image: {} ({})", opened.image->name, opened.place)}));
    TRY_DO(tell(io, "", plan.reasons));
  }
  if (!args.has("--quiet")) TRY_DO(tell(io, "notice: ", plan.notices));
  TRY_DO(
      check_data(args, io, plan.oci, opened.root, opened.image->form == image::Form::kDirectory));
  TRY(const auto refused, refuse_command(plan.command, plan.program, opened.image->name, io));
  if (refused) return *refused;
  if (traced)
    return run_and_trace({plan, opened.root, fmt::format("{}", fmt::join(plan.oci.args, " ")),
                          args.value("--trace"), args.has("--quiet")},
                         io);
  // The root and the prepared libraries stay held until they are mounted.
  io.last_step = [stage = std::move(plan.stage),
                  held = std::make_shared<launch::RootFs>(std::move(opened.root)),
                  trees = std::make_shared<UniqueFd>(std::move(libraries)),
                  libraries = std::make_shared<std::optional<launch::GpuDevices>>(
                      std::move(devices))] { return launch::start_stage(stage); };
  return 0;
}

}  // namespace

const Command& run_image_command() {
  static constexpr std::array<std::string_view, 2> kNetworks = {"host", "none"};
  static constexpr std::array<std::string_view, 2> kUserNamespaces = {"host", "auto"};
  static const std::array<OptionSpec, 43> kOptions = {
      OptionSpec{"--volume", "-v", "SRC:DST", "bind SRC of the host at DST; :ro for read-only",
                 true},
      OptionSpec{"--bind", "-B", "SRC:DST", "the same, as apptainer calls it", true},
      OptionSpec{"--mount", "", "SPEC", "type=bind,src=…,dst=…[,ro] or type=tmpfs,dst=…[,size=…]",
                 true},
      OptionSpec{"--env", "-e", "NAME=VALUE", "set a variable; NAME alone takes it along", true},
      OptionSpec{"--env-file", "", "FILE", "the same, a line each", true, {}, Completion::kFile},
      OptionSpec{"--workdir", "-w", "DIR", "working directory (default: the image's)"},
      OptionSpec{"--user", "-u", "USER", "the id you have in the container: uid[:gid] or a name"},
      OptionSpec{"--entrypoint", "", "PROGRAM", "instead of the image's entry point"},
      OptionSpec{"--interactive", "-i", "", "accepted: standard input is always connected"},
      OptionSpec{"--tty", "-t", "", "give the command a terminal of its own"},
      OptionSpec{"--rm", "", "", "accepted: nothing remains of a container"},
      OptionSpec{"--name", "", "NAME", "for flense exec and flense shell"},
      OptionSpec{"--shm-size", "", "SIZE", "a /dev/shm of its own (default: the host's)"},
      OptionSpec{"--memory", "-m", "SIZE", "limit, where control groups are delegated"},
      OptionSpec{"--cpus", "", "N", "limit, where control groups are delegated"},
      OptionSpec{"--writable", "", "", "let the command change the image, in memory"},
      OptionSpec{"--overlay",
                 "",
                 "DIR",
                 "the same, changes are kept in DIR",
                 false,
                 {},
                 Completion::kDirectory},
      OptionSpec{"--mount-image", "", "",
                 "as root: have the kernel mount a squashfs or SIF, unpack nothing"},
      OptionSpec{"--isolate", "", "",
                 "own process, ipc, host name and network namespaces, nothing of the host bound"},
      OptionSpec{"--network", "", "KIND", "host (default) or none", false, kNetworks},
      OptionSpec{"--no-home", "", "", "do not bind the home directory"},
      OptionSpec{"--fake-root", "", "", "be uid 0 in the container; chown and the like pretend"},
      OptionSpec{"--die-with-parent", "", "",
                 "all of the container ends with flense, and flense with what started it"},
      OptionSpec{"--userns", "", "KIND",
                 "host (default), or auto: as root, an id of the host that nobody has", false,
                 kUserNamespaces},
      OptionSpec{"--security-opt", "", "WORD",
                 "seccomp=unconfined: no filter of system calls, as profilers need", true},
      OptionSpec{"--sub-ids", "", "", "be the image's user (or -u), with the ids of /etc/subuid"},
      OptionSpec{"--gpus", "", "GPUS",
                 "all, 0,1, device=UUID, MIG instances, CDI names, a number, none", true},
      OptionSpec{"--nv", "", "", "NVIDIA GPUs, if there are any"},
      OptionSpec{"--rocm", "", "", "AMD GPUs, if there are any"},
      OptionSpec{"--device", "", "NAME", "a CDI device or a node of /dev", true},
      OptionSpec{"--rdma", "", "", "the InfiniBand and RoCE cards beside the GPUs"},
      OptionSpec{"--bind-numa", "", "", "run on the processors and in the memory beside the GPUs"},
      OptionSpec{"--cdi-spec-dir",
                 "",
                 "DIR",
                 "CDI specifications (default: /etc/cdi, /var/run/cdi)",
                 true,
                 {},
                 Completion::kDirectory},
      OptionSpec{"--bundle",
                 "",
                 "DIR",
                 "write the OCI bundle, print how it is started, and stop",
                 false,
                 {},
                 Completion::kDirectory},
      OptionSpec{"--trace",
                 "",
                 "FILE",
                 "write the image paths that the command meets, for slim --trace-file",
                 false,
                 {},
                 Completion::kFile},
      OptionSpec{"--no-preflight", "", "", "start without asking whether the image runs here"},
      OptionSpec{"--explain", "", "", "say every decision on standard error"},
      kRootOption,
      kProcOption,
      kSysOption,
      kDevOption,
      kPlatformOption,
      kTmpdirOption};
  static const Command kCommand{.name = "run",
                                .group = "Run",
                                .summary = "start a command in an image, without root",
                                .positionals = "IMAGE [COMMAND ARGUMENT…]",
                                .min_positionals = 1,
                                .max_positionals = SIZE_MAX,
                                .options = kOptions,
                                .help = kRunImageHelp,
                                .function = run_image,
                                .takes_command = true,
                                .failure_status = 125};
  return kCommand;
}

}  // namespace flense::cli
