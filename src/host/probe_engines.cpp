// Container engines: what is installed, from files alone. Nothing is executed: programs on a
// mounted tree are not ours to run, and asking a daemon for its version may hang.
#include <array>

#include "base/format.h"
#include "base/version_numbers.h"
#include "host/probe.h"
#include "host/probe_support.h"
#include "text/json.h"

namespace flense::host {

namespace {

constexpr std::uint64_t kPackagesLimit = 64u << 20;
constexpr std::array<std::string_view, 7> kProgramFolders = {
    "usr/bin", "usr/local/bin", "usr/sbin", "usr/local/sbin", "bin", "sbin", "snap/bin"};

struct Known {
  std::string_view name, program;
  std::array<std::string_view, 4> packages;  ///< of dpkg and apk, the likeliest first
};
constexpr std::array<Known, 6> kEngines = {{
    {"docker", "dockerd", {"docker-ce", "docker.io", "moby-engine", "docker-engine"}},
    {"podman", "podman", {"podman", "", "", ""}},
    {"containerd", "containerd", {"containerd.io", "containerd", "moby-containerd", ""}},
    {"cri-o", "crio", {"cri-o", "", "", ""}},
    {"apptainer", "apptainer", {"apptainer", "apptainer-suid", "singularity-ce", ""}},
    {"enroot", "enroot", {"enroot", "enroot-hardened", "", ""}},
}};

Text find_program(const Tree& root, std::string_view program) {
  for (const std::string_view folder : kProgramFolders) {
    const std::string path = fmt::format("{}/{}", folder, program);
    if (root.exists(path)) return Text::known("/" + path, root.label(path));
  }
  return Text::unknown(fmt::format("no {} in the program directories", program));
}

/// "5:27.3.1-1~ubuntu.22.04" -> "27.3.1-1~ubuntu.22.04": without Debian's epoch.
std::string_view upstream(std::string_view version) {
  const std::size_t colon = version.find(':');
  return colon == std::string_view::npos ? version : version.substr(colon + 1);
}

/// The package databases, read once.
struct Packages {
  explicit Packages(const Tree& root)
      : dpkg(root.read("var/lib/dpkg/status", kPackagesLimit)),
        apk(root.read("lib/apk/db/installed", kPackagesLimit)),
        rpm(root.exists("var/lib/rpm") || root.exists("usr/lib/sysimage/rpm")) {}

  Text version(std::string_view package) const {
    if (dpkg)
      if (auto found = dpkg_version(*dpkg, package))
        return Text::known(std::string(upstream(*found)),
                           fmt::format("/var/lib/dpkg/status, {}", package));
    if (apk)
      if (auto found = apk_version(*apk, package))
        return Text::known(*found, fmt::format("/lib/apk/db/installed, {}", package));
    return Text::unknown(rpm && !dpkg ? "the rpm database is not read"
                                      : "no package database names it");
  }

  Result<std::string> dpkg, apk;
  bool rpm;
};

void configure_docker(const Tree& root, Engine& engine) {
  constexpr std::string_view kFile = "etc/docker/daemon.json";
  constexpr std::string_view kOnByDefault = "28.2.0";
  const std::string label = root.label(kFile);
  const Result<std::string> text = root.read(kFile);
  text::Json config;
  if (text) {
    Result<text::Json> parsed = text::parse_json(*text, label);
    if (!parsed) {
      engine.cdi = engine.nvidia_runtime = Flag::unknown(parsed.error().message);
      return;
    }
    config = *std::move(parsed);
  } else if (root.exists(kFile)) {
    engine.cdi = engine.nvidia_runtime = Flag::unknown(text.error().message);
    return;
  }
  engine.nvidia_runtime = Flag::known(config["runtimes"].find("nvidia") != nullptr,
                                      text ? label + ", runtimes" : "no " + label);
  if (const text::Json* cdi = config["features"].find("cdi"); cdi != nullptr && cdi->is_bool())
    engine.cdi = Flag::known(cdi->bool_or(false), label + ", features.cdi");
  else if (engine.version.value)
    engine.cdi = Flag::known(version_at_least(*engine.version.value, kOnByDefault),
                             "Docker's default from 28.2.0 on");
  else
    engine.cdi = Flag::unknown("on by default from 28.2.0 on, and the version is unknown");
}

/// One TOML file and the drop-ins beside it, in the order in which the engine reads them.
std::string configuration(const Tree& root, std::string_view file, std::string_view drop_ins) {
  std::string out = root.read(file).value_or("");
  for (const std::string& name : root.list(drop_ins))
    if (name.ends_with(".toml") || name.ends_with(".conf"))
      out += "\n" + root.read(fmt::format("{}/{}", drop_ins, name)).value_or("");
  return out;
}

void configure_containerd(const Tree& root, Engine& engine) {
  const std::string label = root.label("etc/containerd/config.toml");
  const std::string text =
      configuration(root, "etc/containerd/config.toml", "etc/containerd/conf.d");
  engine.nvidia_runtime = Flag::known(mentions(text, "nvidia-container-runtime"), label);
  const auto value = toml_value(text, "enable_cdi");
  if (value == "true" || value == "false")
    engine.cdi = Flag::known(value == "true", label + ", enable_cdi");
  else if (engine.version.value)
    engine.cdi = Flag::known(version_at_least(*engine.version.value, "2.0"),
                             "containerd's default from 2.0 on");
  else
    engine.cdi = Flag::unknown("on by default from 2.0 on, and the version is unknown");
}

void configure(const Tree& root, Engine& engine) {
  if (engine.name == "docker") {
    configure_docker(root, engine);
  } else if (engine.name == "containerd") {
    configure_containerd(root, engine);
  } else if (engine.name == "cri-o") {
    const std::string text = configuration(root, "etc/crio/crio.conf", "etc/crio/crio.conf.d");
    engine.cdi = Flag::known(true, "CRI-O's default");
    engine.nvidia_runtime = Flag::known(mentions(text, "nvidia-container-runtime"),
                                        root.label("etc/crio/crio.conf") + " and crio.conf.d");
  } else if (engine.name == "podman") {
    engine.cdi = engine.version.value ? Flag::known(version_at_least(*engine.version.value, "4.1"),
                                                    "Podman's default from 4.1 on")
                                      : Flag::unknown("on from 4.1 on, and the version is unknown");
    const std::string hook = "usr/share/containers/oci/hooks.d/oci-nvidia-hook.json";
    engine.nvidia_runtime = Flag::known(
        root.exists(hook), root.exists(hook) ? root.label(hook) : "no " + root.label(hook));
  } else if (engine.name == "enroot") {
    engine.cdi = Flag::known(false, "enroot has its own hooks");
    const std::string hook = "etc/enroot/hooks.d/98-nvidia.sh";
    engine.nvidia_runtime = Flag::known(
        root.exists(hook), root.exists(hook) ? root.label(hook) : "no " + root.label(hook));
  } else {
    engine.cdi = Flag::unknown("depends on how it was built");
    engine.nvidia_runtime = Flag::unknown("requested per run, with --nv or --nvccli");
  }
}

}  // namespace

std::vector<Engine> probe_engines(const Machine& machine) {
  const Packages packages(machine.root);
  std::vector<Engine> out;
  for (const Known& known : kEngines) {
    Text path = find_program(machine.root, known.program);
    if (!path.value) continue;
    Engine engine;
    engine.name = known.name;
    engine.path = std::move(path);
    for (const std::string_view package : known.packages) {
      if (package.empty()) continue;
      engine.version = packages.version(package);
      if (engine.version.value) break;
    }
    configure(machine.root, engine);
    out.push_back(std::move(engine));
  }
  return out;
}

Text probe_container_toolkit(const Machine& machine) {
  const Text program = find_program(machine.root, "nvidia-ctk");
  if (!program.value) return Text::unknown("nvidia-container-toolkit is not installed");
  const Packages packages(machine.root);
  for (const std::string_view name : {"nvidia-container-toolkit-base", "nvidia-container-toolkit"})
    if (Text version = packages.version(name); version.value) return version;
  return Text::unknown("installed, but " + packages.version("nvidia-container-toolkit").evidence);
}

Flag probe_toolkit_programs(const Machine& machine) {
  // Enroot's hook starts nvidia-container-cli itself.
  for (const std::string_view name :
       {"nvidia-ctk", "nvidia-container-runtime-hook", "nvidia-container-cli"})
    if (const Text program = find_program(machine.root, name); program.value)
      return Flag::known(true, program.evidence);
  return Flag::known(false,
                     "no nvidia-ctk, no nvidia-container-runtime-hook and no nvidia-container-cli");
}

List probe_cdi_specs(const Machine& machine) {
  std::vector<std::string> out;
  for (const std::string_view folder : {"etc/cdi", "var/run/cdi"})
    for (const std::string& name : machine.root.list(folder))
      if (name.ends_with(".json") || name.ends_with(".yaml"))
        out.push_back(clean(fmt::format("/{}/{}", folder, name)));
  return List::known(std::move(out), "/etc/cdi and /var/run/cdi");
}

}  // namespace flense::host
