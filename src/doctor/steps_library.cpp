// The user-space half of NVIDIA's driver: which libcuda the loader picks, whether it is a driver at
// all, and whether its version matches the kernel module's.
#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/path.h"
#include "base/version_numbers.h"
#include "doctor/groups.h"
#include "host/text_formats.h"

namespace flense::doctor {

namespace {

constexpr std::string_view kStem = "libcuda.so.";
constexpr std::uint64_t kLeastDriver = 1u
                                       << 20;  // drivers have tens of megabytes, stubs tens of kB
constexpr const char* kGuide = "NVIDIA CUDA Compatibility guide";

/// Of libcuda.so.550.54.15; empty where the name carries none, as on WSL2 and Jetson.
std::string version_of(const Candidate& library) {
  std::string_view name = base_name(library.real);
  if (!name.starts_with(kStem)) return {};
  name.remove_prefix(kStem.size());
  return host::is_driver_version(name) ? std::string(name) : std::string();
}

bool has_component(std::string_view path, std::string_view component) {
  return path.find(fmt::format("/{}/", component)) != std::string_view::npos;
}

bool is_compat(const Candidate& library) {
  return has_component(library.real, "compat") || has_component(library.path, "compat");
}

bool is_stub(const Scene& scene, const Candidate& library) {
  if (has_component(library.path, "stubs") || has_component(library.real, "stubs")) return true;
  return !scene.wsl && !scene.tegra && version_of(library).empty() && library.bytes < kLeastDriver;
}

bool usable(const Scene& scene) {
  const auto& found = scene.libcuda.found;
  return found && found->state == Candidate::State::kUsable && !is_stub(scene, *found);
}

/// The GPU operator and container-optimised systems keep the driver away from the host's loader.
bool kept_apart(const Scene& scene) {
  const auto& root = scene.profile.nvidia.driver_root.value;
  return !scene.in_container() && root && *root != "/" && !scene.libcuda.found;
}

void libc(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "driver-libc", "the C library is the one that the driver needs");
  const host::Text& fact = scene.profile.system.libc;
  step.saw(fact.value ? fmt::format("{}: {}", fact.evidence, *fact.value) : fact.evidence);
  if (fact.value == "musl")
    return step.broken("this system has musl, and NVIDIA's driver libraries need glibc",
                       "use an image with glibc: Debian, Ubuntu, UBI, Rocky; not Alpine");
  if (!fact.value) return step.skip("the C library is unknown");
  step.ok(*fact.value);
}

void findable(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "driver-library", "the loader finds libcuda.so.1");
  step.smi_unaffected = scene.nvml;
  const LibrarySearch& search = scene.libcuda;
  for (const std::string& line : search.looked_at) step.saw(line);
  if (search.found)
    return step.ok(fmt::format("{} ({})", search.found->path, search.found->origin));
  if (kept_apart(scene)) {
    step.saw(scene.profile.nvidia.driver_root.evidence);
    return step.ok(fmt::format("the driver lies in {}, for containers only",
                               *scene.profile.nvidia.driver_root.value));
  }
  if (!search.passed_over.empty())
    return step.broken(search.passed_over.front().path + " is for another processor",
                       "use an image of this machine's architecture (--platform), or install the "
                       "64-bit driver libraries");
  if (!search.not_cached.empty())
    return step.broken(
        fmt::format("libcuda.so.1 is in {}, but {}", search.not_cached.front(),
                    search.cache_problem.empty() ? "/etc/ld.so.cache does not name it"
                                                 : "the loader has no usable cache"),
        "as root: " + scene.tools.command("ldconfig"));
  if (const auto& elsewhere = scene.profile.nvidia.library_path.value) {
    step.saw("libcuda lies at " + *elsewhere);
    return step.broken(
        fmt::format("libcuda is at {}, where the loader does not look", *elsewhere),
        fmt::format(
            "put {} into a file of /etc/ld.so.conf.d, then {}; or set LD_LIBRARY_PATH",
            host::clean("/" + std::string(parent_path(std::string_view(*elsewhere).substr(1)))),
            scene.tools.command("ldconfig")));
  }
  if (scene.in_container())
    return step.broken(
        "there is no libcuda.so.1 in the container: the engine brought no driver library in",
        "start it with --gpus all or a CDI device and NVIDIA_DRIVER_CAPABILITIES="
        "compute,utility; do not install a driver in the image");
  step.broken("there is no libcuda.so.1: the user-space part of the driver is not installed",
              scene.tools.install("libcuda"));
}

void real_driver(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "library-usable", "libcuda is a driver, not a stub or a leftover");
  step.smi_unaffected = true;
  const auto& found = scene.libcuda.found;
  if (!found) return step.skip("there is none to look at");
  step.saw(fmt::format("{} is {}, {} bytes", found->path, found->real, found->bytes));
  switch (found->state) {
    case Candidate::State::kEmpty:
      return step.broken(found->path + " is an empty file",
                         "images made of running containers keep empty names of injected "
                         "libraries: delete it in the image and rebuild from a Dockerfile",
                         "NVIDIA/enroot#155");
    case Candidate::State::kNoElf:
      return step.broken(found->path + " is not a library",
                         "install the driver again; the file is damaged");
    case Candidate::State::kOtherMachine:
    case Candidate::State::kUnreadable:
    case Candidate::State::kUsable:
      break;
  }
  if (is_stub(scene, *found))
    return step.broken(
        fmt::format("{} is the toolkit's stub, which is for linking only: cuInit fails",
                    found->path),
        found->origin == "LD_LIBRARY_PATH"
            ? "take the stubs directory out of LD_LIBRARY_PATH"
            : "remove the link, and the stubs directory from /etc/ld.so.conf.d, then " +
                  scene.tools.command("ldconfig"),
        "CUDA_ERROR_STUB_LIBRARY (34)");
  step.ok(version_of(*found).empty() ? found->real : version_of(*found));
}

void compat(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "compat-library", "a compatibility package fits driver and GPU");
  step.smi_unaffected = true;
  if (!usable(scene) || !is_compat(*scene.libcuda.found))
    return step.skip("libcuda is the driver's own");
  const Candidate& found = *scene.libcuda.found;
  const std::string library = version_of(found), module = scene.module_version();
  step.saw(fmt::format("{} ({}): {}", found.path, found.origin, library));
  step.saw(scene.profile.nvidia.module_version.evidence + ": " + module);
  const std::string remedy =
      found.origin == "LD_LIBRARY_PATH"
          ? fmt::format("take {} out of LD_LIBRARY_PATH", parent_path(found.path))
          : fmt::format("remove {} from /etc/ld.so.conf.d, then {}", parent_path(found.path),
                        scene.tools.command("ldconfig"));
  for (const host::Gpu* gpu : scene.gpus("nvidia")) {
    const std::string name = gpu->name.value.value_or("");
    if (name.find("GeForce") == std::string::npos && name.find("TITAN") == std::string::npos)
      continue;
    step.saw(gpu->name.evidence + ": " + name);
    return step.broken("forward compatibility does not work on " + name + ": error 804",
                       remedy + ", and install a newer driver on the host instead", kGuide);
  }
  if (module.empty() || library.empty())
    return step.unknown("whether the package is newer than the driver cannot be told",
                        "compare its version with /proc/driver/nvidia/version", true);
  if (module == library) return step.ok(library + ", the version of the module");
  if (version_at_least(module, library))
    return step.broken(
        fmt::format("the compatibility package is of {}, and the driver is {}: error 803", library,
                    module),
        remedy, kGuide);
  step.ok(fmt::format("forward compatibility: {} over the module {}", library, module));
}

void match(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "driver-match", "libcuda and the kernel module have the same version");
  const host::Nvidia& nvidia = scene.profile.nvidia;
  std::string library, where;
  if (scene.libcuda.found) {
    if (!usable(scene)) return step.skip("libcuda is not a driver");
    if (is_compat(*scene.libcuda.found)) return step.skip("a compatibility package is in use");
    library = version_of(*scene.libcuda.found);
    where = scene.libcuda.found->real;
  } else if (nvidia.library_version.value) {
    library = *nvidia.library_version.value;
    where = nvidia.library_version.evidence;
  } else {
    return step.skip("there is no libcuda to compare");
  }
  const std::string module = scene.module_version();
  step.saw(fmt::format("{}: {}", where, library.empty() ? "carries no version" : library));
  step.saw(fmt::format("{}: {}", nvidia.module_version.evidence, module.empty() ? "?" : module));
  if (library.empty() || module.empty())
    return step.unknown("one of the two versions is unknown",
                        module.empty() ? "flense doctor compares them once the module is loaded"
                                       : "compare them in /proc/driver/nvidia/version and the "
                                         "list of packages",
                        false);
  if (library == module) return step.ok(module);
  step.broken(
      fmt::format(
          "the kernel module is {}, and libcuda is {}: error 803, Driver/library version mismatch",
          module, library),
      scene.in_container()
          ? "remove the image's own libcuda (libnvidia-compute, cuda-drivers) so that the host's "
            "is "
            "found, and generate a stale CDI specification again on the host"
          : "the driver was upgraded while its module stayed loaded: reboot, or stop all GPU "
            "programs, then " +
                scene.tools.command("modprobe -r nvidia_uvm nvidia_drm nvidia_modeset nvidia") +
                "; modprobe nvidia",
      "CUDA_ERROR_SYSTEM_DRIVER_MISMATCH (803)");
}

void path_order(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "library-path", "LD_LIBRARY_PATH leads to no stub");
  const std::string* path = scene.variable("LD_LIBRARY_PATH");
  if (path == nullptr || path->empty()) return step.skip("LD_LIBRARY_PATH is not set");
  step.saw("LD_LIBRARY_PATH=" + host::clean(*path));
  for (const std::string& folder : directories_of(*path)) {
    const std::string name = folder + "/libcuda.so";
    if (!has_component(folder + "/", "stubs") || !scene.machine.root.exists(name)) continue;
    step.saw(scene.machine.root.label(name) + ": there");
    return step.warn(
        fmt::format("{} is on LD_LIBRARY_PATH: programs that open libcuda.so get the stub", folder),
        "take it out; linking needs it on LIBRARY_PATH, not on LD_LIBRARY_PATH",
        "CUDA_ERROR_STUB_LIBRARY (34)");
  }
  step.ok("no directory of stubs");
}

void compiler(const Scene& scene, std::vector<Step>& steps) {
  Step& step = ask(steps, "jit-compiler", "the driver can compile PTX");
  step.smi_unaffected = true;
  if (!usable(scene) || is_compat(*scene.libcuda.found) || scene.wsl || scene.tegra)
    return step.skip("only asked of a Linux driver's own libraries");
  const std::string* path = scene.variable("LD_LIBRARY_PATH");
  const LibrarySearch search =
      find_library(scene.machine.root, "libnvidia-ptxjitcompiler.so.1", path ? *path : "",
                   elf_machine(scene.profile.system.architecture.value.value_or("")));
  step.saw(search.found ? search.found->path : "libnvidia-ptxjitcompiler.so.1: not found");
  if (search.found) return step.ok(search.found->path);
  step.warn(
      "libnvidia-ptxjitcompiler.so.1 is missing: code that is only there as PTX fails with error "
      "221",
      scene.in_container()
          ? "ask for the compute capability (NVIDIA_DRIVER_CAPABILITIES=compute,utility), or "
            "generate the CDI specification again"
          : scene.tools.install("libnvidia-ptxjitcompiler"),
      "CUDA_ERROR_JIT_COMPILER_NOT_FOUND (221)");
}

}  // namespace

void steps_library(const Scene& scene, std::vector<Step>& steps) {
  if (!scene.nvidia) return;
  libc(scene, steps);
  if (scene.profile.system.libc.value == "musl") return;
  findable(scene, steps);
  real_driver(scene, steps);
  path_order(scene, steps);
  if (scene.wsl || scene.tegra) return;
  compat(scene, steps);
  match(scene, steps);
  compiler(scene, steps);
}

}  // namespace flense::doctor
