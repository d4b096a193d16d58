// The bridge from the host to its containers: NVIDIA's toolkit, each engine's connection to it, CDI
// specifications, and what can get in the way (SELinux, rootless engines).
#include <algorithm>

#include "base/format.h"
#include "base/path.h"
#include "base/version_numbers.h"
#include "doctor/cdi_spec.h"
#include "doctor/groups.h"
#include "host/container_toolkit.h"
#include "host/text_formats.h"
#include "text/json.h"

namespace flense::doctor {

namespace {

constexpr std::uint64_t kMaxSpec = 4u << 20;
constexpr const char* kToolkitGuide = "NVIDIA Container Toolkit documentation, installation guide";

struct Spec {
  std::string path;
  CdiSpec content;
};

struct Bridge {
  explicit Bridge(const Scene& scene) : hook(scene.tools.path("nvidia-container-runtime-hook")) {
    if (hook.empty()) hook = scene.tools.path("nvidia-container-toolkit");
    if (scene.profile.cdi_specs.value)
      for (const std::string& path : *scene.profile.cdi_specs.value) {
        const Result<std::string> text = scene.machine.root.read(path, kMaxSpec);
        auto spec = text ? parse_cdi_spec(*text) : std::nullopt;
        if (!spec)
          unreadable.push_back(path);
        else if (spec->kind.starts_with("nvidia.com/"))
          specs.push_back({path, *std::move(spec)});
      }
  }
  bool has_spec() const { return !specs.empty(); }

  std::string hook;
  std::vector<Spec> specs;  ///< NVIDIA's
  std::vector<std::string> unreadable;
};

const host::Engine* engine(const Scene& scene, std::string_view name) {
  for (const host::Engine& one : scene.profile.engines)
    if (one.name == name) return &one;
  return nullptr;
}

/// As the options of nvidia-ctk and flense call it.
std::string option_of(const host::Engine& engine) {
  return engine.name == "cri-o" ? "crio" : engine.name;
}

/// Writes a specification at that path; the toolkit's own where it is installed.
std::string generate(const Scene& scene, std::string_view path) {
  return scene.tools.has("nvidia-ctk") ? fmt::format("nvidia-ctk cdi generate --output={}", path)
                                       : fmt::format("flense cdi generate -o {}", path);
}

/// Has the engine give out GPUs: by NVIDIA's runtime where the toolkit is there, else by CDI, which
/// Docker has from 25 on.
std::string connect(const Scene& scene, const host::Engine& engine) {
  const std::string name = option_of(engine);
  // Debian's versions begin with an epoch: "5:27.3.1".
  const std::string version = engine.version.value.value_or("25");
  const bool old =
      name == "docker" && !version_at_least(version.substr(version.find(':') + 1), "25");
  const std::string line =
      old || scene.tools.has("nvidia-ctk")
          ? scene.tools.command("nvidia-ctk runtime configure --runtime=" + name)
          : "flense cdi install --engine " + name;
  return fmt::format("{}, then {}", line, scene.tools.restart(name));
}

Step& ask_engine(const host::Engine& engine, const char* title, std::vector<Step>& steps) {
  Step& step = ask(steps, "engine-" + engine.name, title);
  step.saw(fmt::format("{}, version {}", engine.path.evidence,
                       engine.version.value.value_or("unknown")));
  step.saw(engine.nvidia_runtime.evidence);
  step.saw(engine.cdi.evidence);
  return step;
}

void toolkit(const Scene& scene, const Bridge& bridge, std::vector<Step>& steps) {
  Step& step = ask(steps, "toolkit", "NVIDIA's container toolkit is installed");
  const host::Text& version = scene.profile.nvidia.toolkit_version;
  const std::string tool = scene.tools.path("nvidia-ctk");
  step.saw(version.evidence);
  if (version.value)
    if (std::string warning = host::toolkit_warning(scene.tables.container_toolkit, *version.value);
        !warning.empty())
      return step.warn(std::move(warning), "upgrade nvidia-container-toolkit",
                       "data/container_toolkit.json; NVIDIA security bulletins");
  if (!tool.empty() || !bridge.hook.empty())
    return step.ok(version.value.value_or(tool.empty() ? bridge.hook : tool));
  if (bridge.has_spec())
    return step.ok("not installed, and not needed: there is a CDI specification");
  std::vector<std::string> installs;
  for (const char* name : {"docker", "podman", "containerd", "cri-o"})
    // Docker brings a containerd that nobody asks.
    if (const host::Engine* one = engine(scene, name);
        one != nullptr && (one->name != "containerd" || installs.empty()))
      installs.push_back("flense cdi install --engine " + option_of(*one));
  if (installs.empty()) return step.skip("not installed; the engines here do not ask for it");
  step.broken(
      "containers get no GPU: nvidia-container-toolkit is not installed, and there is no CDI "
      "specification either",
      fmt::format("{}, which needs no toolkit; or {} (from NVIDIA's package repository)",
                  fmt::join(installs, " and "), scene.tools.install("nvidia-container-toolkit")),
      kToolkitGuide);
}

void cdi_specs(const Scene& scene, const Bridge& bridge, std::vector<Step>& steps) {
  Step& step = ask(steps, "cdi-spec", "CDI specifications are of this driver and this boot");
  step.saw(scene.profile.cdi_specs.evidence);
  const std::string module = scene.module_version();
  for (const Spec& spec : bridge.specs) {
    const std::string remedy = "generate it again: " + generate(scene, spec.path);
    step.saw(fmt::format("{}: {}, {}, {}", spec.path, spec.content.kind,
                         counted(spec.content.files.size(), "file", "files"),
                         counted(spec.content.nodes.size(), "node", "nodes")));
    for (const CdiNode& node : spec.content.nodes) {
      if (!scene.machine.dev.exists(std::string_view(node.path).substr(5)))
        return step.broken(fmt::format("{} names {}, which does not exist", spec.path, node.path),
                           remedy, "NVIDIA/nvidia-container-toolkit#1934");
      const auto uvm = scene.majors.find("nvidia-uvm");
      if (node.major && node.path.starts_with("/dev/nvidia-uvm") && uvm != scene.majors.end() &&
          *node.major != uvm->second)
        return step.broken(
            fmt::format(
                "{} gives {} the major number {}, and the kernel uses {}: CUDA error 999 in "
                "containers",
                spec.path, node.path, *node.major, uvm->second),
            remedy, "NVIDIA/nvidia-container-toolkit#1934");
    }
    for (const std::string& file : spec.content.files) {
      if (!scene.machine.root.exists(file))
        return step.broken(
            fmt::format("{} names {}, which does not exist", spec.path, host::clean(file)), remedy,
            "CDI specification, hostPath");
      const std::size_t at = file.rfind(".so.");
      const std::string version = at == std::string::npos ? "" : file.substr(at + 4);
      if (!module.empty() && host::is_driver_version(version) && version != module &&
          base_name(file).starts_with("libcuda."))
        return step.broken(
            fmt::format("{} is of driver {}, and the module is {}", spec.path, version, module),
            remedy, "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)");
    }
  }
  for (const std::string& path : bridge.unreadable)
    step.saw(path + ": cannot be read as a specification");
  if (!bridge.unreadable.empty())
    return step.warn(bridge.unreadable.front() + " is not a readable CDI specification",
                     "generate it again: " + generate(scene, bridge.unreadable.front()));
  if (bridge.specs.empty()) return step.skip("none of NVIDIA's");
  step.ok(counted(bridge.specs.size(), "specification", "specifications"));
}

bool rootless_docker(const Scene& scene) {
  const std::string* host = scene.variable("DOCKER_HOST");
  if (host != nullptr && host->find("/run/user/") != std::string::npos) return true;
  return scene.user.known && scene.user.uid != 0 &&
         scene.machine.root.exists(fmt::format("run/user/{}/docker.sock", scene.user.uid));
}

void docker(const Scene& scene, const Bridge& bridge, std::vector<Step>& steps) {
  const host::Engine* found = engine(scene, "docker");
  if (found == nullptr) return;
  Step& step = ask_engine(*found, "Docker can give containers a GPU", steps);
  const host::Tree& root = scene.machine.root;
  if (!found->nvidia_runtime.value)
    return step.broken("Docker's configuration cannot be read: " + found->nvidia_runtime.evidence,
                       "correct it, then " + scene.tools.restart("docker"));
  step.saw(bridge.hook.empty() ? "no nvidia-container-runtime-hook in the program directories"
                               : bridge.hook);
  if (*found->nvidia_runtime.value) {
    const Result<std::string> text = root.read("etc/docker/daemon.json");
    const Result<text::Json> config = text::parse_json(text ? *text : "{}", "daemon.json");
    const std::string path(config ? (*config)["runtimes"]["nvidia"]["path"].text() : "");
    const bool there = path.starts_with('/') ? root.exists(path) : scene.tools.has(path);
    step.saw(fmt::format("runtimes.nvidia.path: '{}', {}", host::clean(path),
                         there ? "there" : "missing"));
    if (!path.empty() && !there)
      return step.broken(
          fmt::format("Docker's runtime nvidia is {}, which does not exist", host::clean(path)),
          "install nvidia-container-toolkit again, or correct runtimes.nvidia.path in "
          "/etc/docker/daemon.json; then " +
              scene.tools.restart("docker"),
          kToolkitGuide);
  }
  const bool by_cdi = found->cdi.value == true && bridge.has_spec();
  if (*found->nvidia_runtime.value || by_cdi)
    return step.ok(*found->nvidia_runtime.value ? "the runtime nvidia is registered"
                                                : "--device nvidia.com/gpu=all, by CDI");
  if (!bridge.hook.empty())
    return step.warn(
        "--gpus works, but the runtime nvidia is not registered: --runtime=nvidia and "
        "Compose files that name it fail",
        connect(scene, *found), kToolkitGuide);
  if (bridge.has_spec())
    return step.broken(
        "there is a CDI specification, but Docker has CDI turned off",
        R"(put "features": {"cdi": true} into /etc/docker/daemon.json (Docker 25 or newer), then )" +
            scene.tools.restart("docker"),
        "Docker documentation, CDI devices");
  step.broken("Docker knows neither NVIDIA's runtime nor a CDI specification",
              connect(scene, *found), kToolkitGuide);
}

void rootless(const Scene& scene, const Bridge& bridge, std::vector<Step>& steps) {
  const host::Engine* found = engine(scene, "docker");
  if (found == nullptr || found->nvidia_runtime.value != true) return;
  Step& step = ask(steps, "docker-cgroups", "the toolkit handles control groups as Docker runs");
  constexpr std::string_view kFile = "etc/nvidia-container-runtime/config.toml";
  const Result<std::string> text = scene.machine.root.read(kFile);
  const auto value = text ? host::toml_value(*text, "no-cgroups") : std::nullopt;
  const bool own = rootless_docker(scene);
  step.saw(fmt::format("{}: no-cgroups = {}", scene.machine.root.label(kFile),
                       value.value_or("(not set)")));
  step.saw(own ? "Docker runs rootless for this user" : "Docker runs as root");
  if (own && value != "true" && !(found->cdi.value == true && bridge.has_spec()))
    return step.broken(
        "rootless Docker may not set device rules, and the toolkit tries to",
        "set no-cgroups = true in /etc/nvidia-container-runtime/config.toml, or use CDI",
        "NVIDIA/nvidia-container-toolkit#154");
  if (!own && value == "true")
    return step.broken(
        "no-cgroups is on, so containers of the system's Docker are not allowed the devices: "
        "Failed to initialize NVML: Unknown Error",
        "set no-cgroups = false in /etc/nvidia-container-runtime/config.toml",
        "NVIDIA Container Toolkit documentation, rootless mode");
  step.ok(own ? "rootless, and set up so" : "as root");
}

void podman(const Scene& scene, const Bridge& bridge, std::vector<Step>& steps) {
  const host::Engine* found = engine(scene, "podman");
  if (found == nullptr) return;
  Step& step = ask_engine(*found, "Podman can give containers a GPU", steps);
  if (found->cdi.value == true && bridge.has_spec())
    return step.ok("--device nvidia.com/gpu=all, by CDI");
  if (found->nvidia_runtime.value == true) return step.ok("by NVIDIA's OCI hook");
  if (found->cdi.value == false)
    return step.broken("this Podman is too old for CDI, and NVIDIA's hook is not there",
                       "upgrade to 4.1 or newer", "Podman release notes 4.1");
  const std::string text = "there is no CDI specification of NVIDIA's GPUs, which Podman needs";
  const std::string remedy =
      "as root: " +
      (scene.tools.has("nvidia-ctk")
           ? generate(scene, "/etc/cdi/nvidia.yaml")
           : "flense cdi install --engine podman --refresh, which keeps it up to date");
  constexpr const char* kSource = "NVIDIA Container Toolkit documentation, CDI";
  // Where another engine serves GPUs, Podman may be there for other purposes.
  for (const host::Engine& other : scene.profile.engines)
    if (other.name != "podman" && other.nvidia_runtime.value == true)
      return step.warn(fmt::format("{}; {} can give them out", text, other.name), remedy, kSource);
  step.broken(text, remedy, kSource);
}

/// containerd and CRI-O, as Kubernetes uses them. Docker brings a containerd that nobody asks.
void kubernetes(const Scene& scene, const Bridge& bridge, const char* name, const char* title,
                std::vector<Step>& steps) {
  const host::Engine* found = engine(scene, name);
  if (found == nullptr) return;
  const host::Tree& root = scene.machine.root;
  const bool kubelet =
      scene.tools.has("kubelet") || root.exists("var/lib/kubelet") || root.exists("etc/rancher");
  if (!kubelet && engine(scene, "docker") != nullptr) return;
  Step& step = ask_engine(*found, title, steps);
  if (found->nvidia_runtime.value == true) return step.ok("NVIDIA's runtime is registered");
  if (found->cdi.value == true && bridge.has_spec()) return step.ok("by CDI");
  const std::string remedy = connect(scene, *found) + "; or let the GPU operator do it";
  if (found->cdi.value == true)
    return step.warn(
        "NVIDIA's runtime is not registered and no CDI specification is there: only a device "
        "plugin that writes one can give out GPUs",
        remedy, kToolkitGuide);
  if (!found->cdi.value)
    return step.unknown("whether CDI is on is unknown: " + found->cdi.evidence, remedy, false);
  step.broken(fmt::format("{} knows neither NVIDIA's runtime nor CDI devices", found->name), remedy,
              kToolkitGuide);
}

void enroot(const Scene& scene, std::vector<Step>& steps) {
  const host::Engine* found = engine(scene, "enroot");
  if (found == nullptr) return;
  Step& step = ask_engine(*found, "enroot can give containers a GPU", steps);
  const std::string cli = scene.tools.path("nvidia-container-cli");
  step.saw(cli.empty() ? "no nvidia-container-cli in the program directories" : cli);
  if (found->nvidia_runtime.value != true)
    return step.broken("enroot's hook for NVIDIA GPUs is missing",
                       "install the complete enroot package", "NVIDIA/enroot, hooks/98-nvidia.sh");
  if (cli.empty())
    return step.broken("enroot's hook needs nvidia-container-cli, which is not installed",
                       scene.tools.install("nvidia-container-cli"),
                       "NVIDIA/enroot, hooks/98-nvidia.sh");
  step.ok("by its hook");
}

void selinux(const Scene& scene, std::vector<Step>& steps) {
  const host::Tree& sys = scene.machine.sys;
  const Result<std::string> enforce = sys.read("fs/selinux/enforce");
  if (!enforce) return;
  Step& step = ask(steps, "selinux", "SELinux lets containers use devices");
  const Result<std::string> allowed = sys.read("fs/selinux/booleans/container_use_devices");
  step.saw(sys.label("fs/selinux/enforce") + ": " + host::clean(*enforce));
  step.saw(sys.label("fs/selinux/booleans/container_use_devices") + ": " +
           (allowed ? host::clean(*allowed) : allowed.error().message));
  if (host::clean(*enforce) != "1") return step.ok("not enforcing");
  if (allowed && allowed->starts_with('1')) return step.ok("container_use_devices is on");
  step.warn(
      "SELinux is enforcing and container_use_devices is off: containers get EACCES from device "
      "nodes",
      scene.tools.command("setsebool -P container_use_devices on") +
          ", or run with --security-opt label=disable",
      "container-selinux; NVIDIA/nvidia-container-runtime#42");
}

}  // namespace

void steps_engines(const Scene& scene, std::vector<Step>& steps) {
  if (scene.in_container() || scene.profile.engines.empty()) return;
  if (scene.nvidia && !scene.wsl && !scene.tegra) {
    const Bridge bridge(scene);
    toolkit(scene, bridge, steps);
    cdi_specs(scene, bridge, steps);
    docker(scene, bridge, steps);
    rootless(scene, bridge, steps);
    podman(scene, bridge, steps);
    kubernetes(scene, bridge, "containerd", "containerd can give containers a GPU", steps);
    kubernetes(scene, bridge, "cri-o", "CRI-O can give containers a GPU", steps);
    enroot(scene, steps);
  }
  selinux(scene, steps);
}

}  // namespace flense::doctor
