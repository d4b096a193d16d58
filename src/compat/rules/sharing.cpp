// Several jobs on one GPU: what divides its memory and what does not, and what a client of an MPS
// daemon needs.
#include <array>

#include "base/format.h"
#include "base/version_numbers.h"
#include "compat/facts/facts.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

constexpr const char* kMps = "NVIDIA, Multi-Process Service";
constexpr const char* kPlugin = "NVIDIA, Kubernetes device plugin: shared access to GPUs";

/// Contexts of one GPU under MPS: its document, "Client-Server Connection Limits".
std::uint64_t most_clients(const host::Gpu& gpu, const std::optional<DriverCuda>& driver) {
  const auto major = first_number(gpu.architecture.value.value_or("7.0"));
  if (major && *major < 7) return 16;
  return driver && compare_versions(driver->cuda, "13.1") >= 0 ? 60 : 48;
}

/// How each launcher gives a job the daemon's pipes and the host's IPC namespace.
struct Way {
  Launcher launcher;
  const char* words;  ///< {0}: the pipe directory; {1}: the limits
};
constexpr auto kWays = std::to_array<Way>(
    {{Launcher::kNone, "set {1}"},
     {Launcher::kDocker, "docker run --ipc=host -v {0}:/tmp/nvidia-mps, with {1}"},
     {Launcher::kDockerCdi,
      "docker run --ipc=host (flense cdi generate puts {0} into the specification), with {1}"},
     {Launcher::kPodman,
      "podman run --ipc=host (flense cdi generate puts {0} into the specification), with {1}"},
     {Launcher::kKubernetes,
      "hostIPC: true and a hostPath volume of {0} at /tmp/nvidia-mps, with {1}; or let NVIDIA's "
      "device plugin share by MPS, which mounts them"},
     {Launcher::kApptainer, "apptainer shares both; bind {0} if it lies outside of /tmp, with {1}"},
     {Launcher::kEnroot, "enroot start --mount {0}:/tmp/nvidia-mps, with {1}"},
     {Launcher::kFlense, "flense run mounts {0}; leave --isolate out, and set {1}"}});
constexpr const char* kLimits =
    "CUDA_MPS_PINNED_DEVICE_MEM_LIMIT and CUDA_MPS_ACTIVE_THREAD_PERCENTAGE";

std::string way_of(Launcher launcher, const std::string& directory) {
  for (const Way& way : kWays)
    if (way.launcher == launcher) return fmt::format(fmt::runtime(way.words), directory, kLimits);
  return {};
}

std::string of_memory(const host::Gpu& gpu, std::uint64_t parts) {
  return gpu.memory_bytes.value ? " of " + human_bytes(*gpu.memory_bytes.value / parts)
                                : std::string();
}

void judge_daemon(const Question& question, const host::Gpu& gpu, const std::string& directory,
                  Check& check) {
  // `flense run` mounts the pipes, and says what is left by the options of that start.
  check.verdict = question.launcher == Launcher::kFlense ? Verdict::kOk : Verdict::kWarn;
  check.message = fmt::format(
      "an MPS daemon serves the GPUs, for at most {} CUDA contexts on each: a job needs its pipe "
      "directory {}, the host's IPC namespace, and limits of its own, since a container's memory "
      "limit is of the machine's memory alone",
      most_clients(gpu, driver_cuda(question)), directory);
  check.fix = way_of(question.launcher, directory);
  check.source = kMps;
}

void judge_replicas(const Question& question, const host::Gpu& gpu, std::uint64_t jobs,
                    Check& check) {
  check.verdict = Verdict::kWarn;
  check.source = kPlugin;
  if (gpu.sharing.value != "mps") {
    check.message = fmt::format(
        "up to {} jobs take turns on each GPU, and nothing divides its memory{}: a container's "
        "memory limit is of the machine's memory alone",
        jobs, of_memory(gpu, 1));
    check.fix =
        "bound the program itself (vLLM: --gpu-memory-utilization, PyTorch: "
        "set_per_process_memory_fraction, JAX: XLA_PYTHON_CLIENT_MEM_FRACTION), or share by MPS "
        "or MIG";
    return;
  }
  check.source = fmt::format("{}; {}", kPlugin, kMps);
  const std::uint64_t most = most_clients(gpu, driver_cuda(question));
  check.message = fmt::format(
      "up to {} jobs share each GPU by MPS: each may allocate{} and use {}% of its processors, "
      "whatever the container's memory limit says, and all of them together make at most {} CUDA "
      "contexts{}",
      jobs,
      gpu.memory_bytes.value ? " " + human_bytes(*gpu.memory_bytes.value / jobs)
                             : fmt::format(" 1/{} of its memory", jobs),
      100 / jobs, most, jobs > most ? ", fewer than there are jobs" : "");
  check.fix =
      "let the program ask for that much (vLLM and JAX take a part of the whole GPU unless told "
      "otherwise); the device plugin mounts the pipe directory and /dev/shm, so a pod sets "
      "neither hostIPC nor CUDA_MPS_PIPE_DIRECTORY";
}

}  // namespace

void rule_gpu_sharing(const Question& question, std::vector<Check>& checks) {
  if (!concerns_nvidia(question)) return;
  const host::Text& daemon = question.host.nvidia.mps_directory;
  Check check;
  check.id = "gpu-sharing";
  check.decisive = false;
  check.evidence = {{"image", question.facts->cuda_evidence}};
  for (const host::Gpu* gpu : nvidia_gpus(question.host)) {
    const std::uint64_t jobs = gpu->replicas.value.value_or(0);
    if (gpu->sharing.value && jobs > 1) {
      judge_replicas(question, *gpu, jobs, check);
      check.evidence.push_back(
          {"host",
           fmt::format("{} of each {} for {} ({}, {})", jobs, gpu_text(*gpu), *gpu->sharing.value,
                       gpu->replicas.evidence, gpu->sharing.evidence)});
    } else if (daemon.value) {
      judge_daemon(question, *gpu, *daemon.value, check);
      check.evidence.push_back({"host", fmt::format("{} ({})", *daemon.value, daemon.evidence)});
    } else {
      continue;
    }
    checks.push_back(std::move(check));
    return;
  }
}

}  // namespace flense::compat
