// flense cdi install and uninstall: an engine made to offer this machine's GPUs, and back.
#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "cdi/generate/generate.h"
#include "cdi/install/install.h"
#include "cdi/spec/registry.h"
#include "cli/cdi/cdi.h"
#include "cli/shared/common.h"
#include "cli/shared/places.h"
#include "host/probe.h"

namespace flense::cli {

namespace {

constexpr std::array<std::string_view, 4> kEngines = {"docker", "podman", "containerd", "crio"};

constexpr std::string_view kInstallHelp =
    R"(Writes the specification of this machine's GPUs (or --spec FILE) to /etc/cdi, or with --user to
$XDG_CONFIG_HOME/cdi, and switches CDI on where the engine's version has it off: one key, every other
byte of its configuration stays. --refresh adds systemd units and a udev rule that make the
specification anew when a driver is loaded and when MIG instances change. Nothing is restarted.
  flense cdi install --engine docker --refresh
  flense cdi install --engine podman --user
  flense cdi install --engine docker --vendor flense.dev)";

constexpr std::string_view kUninstallHelp =
    R"(Takes back what cdi install did for the engine, and nothing else: a configuration that nobody has
touched since is byte for byte what it was; of one that was changed only our keys go.
  flense cdi uninstall --engine docker)";

/// Where things lie for root, or for the user who asks.
struct Setting {
  bool user = false;
  std::string config_home, record, spec_directory;
};

/// What install and uninstall both take.
struct CdiEngineRequest : Request {
  std::string engine;
  bool user = false;
  PlaceOptions places;
};

void add_engine(Options& options, std::string& engine) {
  options.add("--engine", "ENGINE", "docker, podman, containerd or crio", engine).one_of(kEngines);
}

void add_user(Options& options, bool& user) {
  options.flag("--user", "the rootless engine of this user", user);
}

void declare(Options& options, CdiEngineRequest& request) {
  add_engine(options, request.engine);
  add_user(options, request.user);
  add_root(options, request.places);
}

struct CdiInstallRequest : CdiEngineRequest {
  std::string spec, engine_config, vendor;
  bool refresh = false;
};

Result<std::string> absolute_path(const std::string& word, std::string_view option) {
  if (!word.starts_with('/')) return fail(Code::kUsage, "{} takes an absolute path", option);
  return word;
}

void declare(Options& options, CdiInstallRequest& request) {
  add_engine(options, request.engine);
  options.add("--spec", "FILE", "install this specification (default: generate one)", request.spec)
      .file();
  options
      .add("--config", "FILE", "the engine's configuration (default: its own)",
           request.engine_config, absolute_path)
      .file();
  options.add("--vendor", "NAME", "of the kind, instead of the mode's", request.vendor,
              vendor_named);
  add_user(options, request.user);
  options.flag("--refresh", "units that make it anew when drivers or MIG change", request.refresh);
  declare(options, request.places);
}

Result<Setting> setting_of(bool user, const Io& io) {
  Setting out;
  out.user = user;
  out.record = "/var/lib/flense/cdi-install.json";
  out.spec_directory = "/etc/cdi";
  if (!out.user) return out;
  const std::string home = io.variable("HOME");
  const auto place = [&](std::string_view variable, std::string_view below) {
    const std::string set = io.variable(variable);
    return set.starts_with('/') ? set : fmt::format("{}/{}", home, below);
  };
  if (!home.starts_with('/'))
    return fail(Code::kEnvironment, "HOME is not set: there is no place for a user's files");
  out.config_home = place("XDG_CONFIG_HOME", ".config");
  out.record = place("XDG_STATE_HOME", ".local/state") + "/flense/cdi-install.json";
  out.spec_directory = out.config_home + "/cdi";
  return out;
}

Result<std::string> engine_of(const CdiEngineRequest& request, std::string_view action) {
  if (!request.engine.empty()) return request.engine;
  return fail(Code::kUsage, "cdi {} needs --engine: {}", action, fmt::join(kEngines, ", "));
}

struct NewSpec {
  cdi::Spec spec;
  std::string mode;  ///< of generation; empty: it came in a file
};

/// One for each vendor whose GPUs are here.
Result<std::vector<NewSpec>> specs_to_install(const CdiInstallRequest& request,
                                              const host::Machine& machine, Io& io) {
  std::vector<NewSpec> out;
  if (!request.spec.empty()) {
    TRY(const cdi::SpecText file, cdi::read_spec_text(request.spec));
    TRY(cdi::Spec spec, cdi::read_spec(file.text, request.spec));
    out.push_back({std::move(spec), ""});
    return out;
  }
  std::vector<cdi::Mode> modes = cdi::modes_here(machine);
  // Says what is missing.
  if (modes.empty()) modes = {cdi::Mode::kAuto};
  for (const cdi::Mode mode : modes) {
    cdi::GenerateOptions options;
    options.mode = mode;
    options.vendor = request.vendor;
    TRY(cdi::Generated made, cdi::generate(machine, options));
    for (const std::string& notice : made.notices)
      TRY_DO(io.err.line(fmt::format("note: {}", notice)));
    out.push_back({std::move(made.spec), std::string(cdi::mode_word(mode))});
  }
  return out;
}

/// Of two files in one directory engines take neither device; of two directories the later one's,
/// so that one of the two specifications would be there in vain.
Result<void> check_conflicts(const cdi::Spec& spec,
                             const std::vector<std::filesystem::path>& directories,
                             const std::string& own) {
  // As engines read them.
  const cdi::Registry registry = cdi::read_registry(directories, cdi::Trust::kAnybody);
  for (const cdi::SpecFile& file : registry.files) {
    if (file.path.filename() == own || file.spec.kind != spec.kind) continue;
    for (const cdi::Device& device : file.spec.devices)
      if (std::ranges::find(spec.devices, device.name, &cdi::Device::name) != spec.devices.end())
        return fail(Code::kEnvironment, "{} has the device {}={} already", file.path.string(),
                    spec.kind, device.name)
            .hint(
                "--vendor flense.dev gives ours names of their own; or remove that file and what "
                "refreshes it (nvidia-cdi-refresh)");
  }
  return {};
}

/// Where engines look, below the root.
std::vector<std::filesystem::path> directories_of(const Setting& setting,
                                                  const host::Places& places,
                                                  const host::Machine& machine) {
  std::vector<std::filesystem::path> out;
  for (const std::string& directory :
       {std::string("/etc/cdi"), std::string("/var/run/cdi"), setting.spec_directory})
    if (const auto inside = machine.root.resolve(directory))
      if (std::ranges::find(out, places.root / *inside) == out.end())
        out.push_back(places.root / *inside);
  return out;
}

cdi::EngineScene scene_of(const std::string& engine, const std::string& config,
                          const Setting& setting, const host::Machine& machine,
                          const cdi::HostFiles& files) {
  cdi::EngineScene scene;
  scene.name = engine;
  scene.user = setting.user;
  scene.config = config;
  scene.config_home = setting.config_home;
  scene.spec_directory = setting.spec_directory;
  scene.read = [&files](const std::string& path) { return files.read(path); };
  scene.list = [&files](const std::string& path) { return files.list(path); };
  for (const host::Engine& known : host::probe_engines(machine)) {
    if (known.name != (engine == "crio" ? "cri-o" : engine) || !known.version.value) continue;
    const std::string& version = *known.version.value;
    // Debian's epoch is no part of the engine's version.
    scene.version =
        version.substr(version.find(':') == std::string::npos ? 0 : version.find(':') + 1);
  }
  return scene;
}

std::string own_program() {
  std::error_code error;
  const std::filesystem::path self = std::filesystem::read_symlink("/proc/self/exe", error);
  return error ? "/usr/bin/flense" : self.string();
}

/// `root` is where the machine's files lie.
std::string told(const cdi::InstallReport& report, const std::filesystem::path& root) {
  std::string out;
  for (const std::filesystem::path file : report.changed)
    out += fmt::format("changed {}\n", (root / file.relative_path()).string());
  if (report.changed.empty()) out = "nothing had to be changed\n";
  return out;
}

Result<void> tell_notices(const std::vector<std::string>& notices, Io& io) {
  for (const std::string& notice : notices) TRY_DO(io.err.line(fmt::format("note: {}", notice)));
  return {};
}

Result<int> run_cdi_install(const CdiInstallRequest& request, Io& io) {
  TRY(const std::string engine, engine_of(request, "install"));
  if (request.refresh && !request.spec.empty())
    return fail(Code::kUsage, "--refresh makes specifications anew: it has no use for --spec");
  if (!request.vendor.empty() && !request.spec.empty())
    return fail(Code::kUsage, "--vendor is for what is generated: --spec has its own");
  TRY(const Setting setting, setting_of(request.user, io));
  const host::Places places = places_of(request.places);
  const host::Machine machine(places);
  const cdi::HostFiles files(places.root);

  cdi::Installation what;
  what.engine = engine;
  const cdi::EngineScene scene = scene_of(engine, request.engine_config, setting, machine, files);
  TRY(what.plan, cdi::plan_engine(scene));
  if (!scene.version)
    what.plan.notices.push_back(
        fmt::format("the version of {} is unknown: CDI is switched on to be sure", engine));
  TRY(const std::vector<NewSpec> specs, specs_to_install(request, machine, io));
  std::vector<cdi::Refreshed> refreshed;
  for (const auto& [spec, mode] : specs) {
    std::string name = fmt::format("flense-{}.json", spec.kind);
    std::ranges::replace(name, '/', '-');
    const std::string path = fmt::format("{}/{}", setting.spec_directory, name);
    what.specs.emplace_back(path, cdi::spec_text(spec, cdi::Format::kJson));
    refreshed.push_back({mode, request.vendor, path});
    TRY_DO(check_conflicts(spec, directories_of(setting, places, machine), name));
  }
  if (request.refresh)
    what.units = cdi::refresh_units(own_program(), refreshed, setting.user, setting.config_home);
  TRY(const cdi::InstallReport report, cdi::install(what, files, setting.record));

  TRY_DO(tell_notices(report.notices, io));
  std::string out = told(report, places.root);
  if (request.refresh)
    out += fmt::format("then: systemctl{} daemon-reload\n", setting.user ? " --user" : "");
  if (!what.plan.restart.empty()) out += fmt::format("then: {}\n", what.plan.restart);
  TRY_DO(write_report(io, out));
  return 0;
}

Result<int> run_cdi_uninstall(const CdiEngineRequest& request, Io& io) {
  TRY(const std::string engine, engine_of(request, "uninstall"));
  TRY(const Setting setting, setting_of(request.user, io));
  const host::Places places = places_of(request.places);
  TRY(const cdi::InstallReport report,
      cdi::uninstall(engine, cdi::HostFiles(places.root), setting.record));
  TRY_DO(tell_notices(report.notices, io));
  TRY_DO(write_report(io, told(report, places.root)));
  return 0;
}

}  // namespace

const Command& cdi_install_action() {
  static const Command kAction{.name = "install",
                               .summary = "the specification, and CDI on in an engine",
                               .help = kInstallHelp,
                               .call = [] { return call_of(run_cdi_install); }};
  return kAction;
}

const Command& cdi_uninstall_action() {
  static const Command kAction{.name = "uninstall",
                               .summary = "exactly what install did, taken back",
                               .help = kUninstallHelp,
                               .call = [] { return call_of(run_cdi_uninstall); }};
  return kAction;
}

}  // namespace flense::cli
