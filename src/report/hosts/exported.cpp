#include "report/hosts/exported.h"

#include <algorithm>
#include <functional>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "host/processor.h"

namespace flense::report {

namespace {

using host::Gpu;
using host::Profile;

/// At most 63 of [A-Za-z0-9._-], alphanumeric at both ends: Kubernetes' rule for label values, and
/// safe in every shell.
std::string label_value(std::string_view text) {
  constexpr std::size_t kMost = 63;
  std::string out;
  for (const char c : text) {
    const bool kept = is_alphanumeric(c) || c == '.' || c == '_' || c == '-';
    if (kept)
      out += c;
    else if (!out.empty() && out.back() != '-')
      out += '-';
    if (out.size() == kMost) break;
  }
  while (!out.empty() && !is_alphanumeric(out.back())) out.pop_back();
  const auto first = std::find_if(out.begin(), out.end(), is_alphanumeric);
  out.erase(out.begin(), first);
  return out;
}

/// The architectures of one vendor's GPUs, each once, ascending.
std::vector<std::string> architectures(std::span<const Profile> hosts, std::string_view vendor) {
  std::vector<std::string> out;
  for (const Profile& host : hosts)
    for (const Gpu& gpu : host.gpus) {
      if (gpu.vendor != vendor || !gpu.architecture.value) continue;
      std::string architecture = label_value(*gpu.architecture.value);
      if (!architecture.empty() && std::find(out.begin(), out.end(), architecture) == out.end())
        out.push_back(std::move(architecture));
    }
  std::ranges::sort(out, [](const std::string& a, const std::string& b) {
    const int order = compare_versions(a, b);
    return order != 0 ? order < 0 : a < b;
  });
  return out;
}

bool has_nvidia(const Profile& host) {
  return std::ranges::any_of(host.gpus, [](const Gpu& gpu) { return gpu.vendor == "nvidia"; });
}

/// "9.0" -> "90".
std::string without_dot(std::string architecture) {
  std::erase(architecture, '.');
  return architecture;
}

std::string joined(const std::vector<std::string>& words, std::string_view between) {
  return fmt::format("{}", fmt::join(words, between));
}

std::string driver_version(const Profile& profile) {
  const host::Nvidia& nvidia = profile.nvidia;
  return label_value(
      nvidia.module_version.value.value_or(nvidia.library_version.value.value_or("")));
}

}  // namespace

namespace {

/// The oldest version on the machines with NVIDIA's GPUs; empty where one of them does not tell.
std::string oldest(std::span<const Profile> hosts, const char* name,
                   const std::function<std::string(const Profile&)>& of, BuildArgs& out) {
  std::string least;
  const Profile* silent = nullptr;
  for (const Profile& host : hosts) {
    if (!has_nvidia(host)) continue;
    const std::string version = of(host);
    if (version.empty()) {
      silent = &host;
    } else if (least.empty() || compare_versions(version, least) < 0) {
      least = version;
    }
  }
  if (silent == nullptr || least.empty()) return least;
  out.left_out.push_back(fmt::format("{}: that of '{}' is unknown", name, silent->source));
  return {};
}

}  // namespace

BuildArgs build_args(std::span<const Profile> hosts) {
  BuildArgs out;
  const auto add = [&](const char* name, std::string value, const std::string& unknown = {}) {
    if (!value.empty()) out.words.emplace_back(name, std::move(value));
    if (!unknown.empty()) out.left_out.push_back(fmt::format("{}: {}", name, unknown));
  };
  const std::vector<std::string> cuda = architectures(hosts, "nvidia");
  const std::vector<std::string> amd = architectures(hosts, "amd");
  std::vector<std::string> numbers, targets;
  for (const std::string& architecture : cuda) {
    numbers.push_back(without_dot(architecture));
    targets.push_back("sm_" + numbers.back());
  }
  targets.insert(targets.end(), amd.begin(), amd.end());
  if (targets.empty()) return out;
  add("FLENSE_GPU", joined(targets, ","));
  if (!cuda.empty()) {
    add("CUDAARCHS", joined(numbers, ";"));
    add("CMAKE_CUDA_ARCHITECTURES", joined(numbers, ";"));
    add("TORCH_CUDA_ARCH_LIST", joined(cuda, ";"));
    add("CUDA_VERSION",
        oldest(
            hosts, "CUDA_VERSION",
            [](const Profile& host) { return label_value(host.nvidia.cuda.value.value_or("")); },
            out));
    add("NVIDIA_DRIVER_VERSION", oldest(hosts, "NVIDIA_DRIVER_VERSION", driver_version, out));
  }
  if (!amd.empty()) {
    add("PYTORCH_ROCM_ARCH", joined(amd, ";"));
    add("AMDGPU_TARGETS", joined(amd, ";"));
  }
  const host::Processor processor = host::weakest_processor(hosts);
  add("CPU_MARCH", processor.march, processor.march_unknown);
  add("CPU_AVX", processor.avx, processor.avx_unknown);
  const host::BuildJobs jobs = host::build_jobs(hosts);
  add("MAX_JOBS", jobs.jobs == 0 ? std::string() : std::to_string(jobs.jobs), jobs.unknown);
  return out;
}

HostWords node_labels(const Profile& profile) {
  HostWords out;
  const auto add = [&](const std::string& name, std::string_view value) {
    if (std::string label = label_value(value); !label.empty())
      out.emplace_back("flense.dev/" + name, std::move(label));
  };
  if (profile.gpu_count.value) add("gpu.count", std::to_string(*profile.gpu_count.value));
  // A label holds one value, so a machine with several architectures has several labels, and a
  // node selector can ask for any of them.
  for (const std::string& architecture : architectures({&profile, 1}, "nvidia"))
    add("gpu.sm_" + without_dot(architecture), "true");
  for (const std::string& architecture : architectures({&profile, 1}, "amd"))
    add("gpu." + architecture, "true");
  std::vector<std::string> names;
  for (const Gpu& gpu : profile.gpus)
    if (gpu.name.value && std::find(names.begin(), names.end(), *gpu.name.value) == names.end())
      names.push_back(*gpu.name.value);
  if (names.size() == 1) add("gpu.product", names.front());
  if (std::any_of(profile.gpus.begin(), profile.gpus.end(),
                  [](const Gpu& gpu) { return gpu.mig.value == true; }))
    add("gpu.mig", "true");
  add("nvidia.driver", driver_version(profile));
  add("nvidia.cuda", profile.nvidia.cuda.value.value_or(""));
  if (profile.nvidia.agree.value == false) add("nvidia.driver-mismatch", "true");
  add("amd.driver", profile.amd.driver_version.value.value_or(""));
  add("cpu", profile.system.cpu_level.value.value_or(""));
  if (profile.system.libc.value && profile.system.libc_version.value)
    add("libc", *profile.system.libc.value + "-" + *profile.system.libc_version.value);
  return out;
}

std::vector<std::string> gpus_without_architecture(const Profile& profile) {
  std::vector<std::string> out;
  for (const Gpu& gpu : profile.gpus)
    if (!gpu.architecture.value)
      out.push_back(gpu.name.value.value_or(gpu.pci_id.value.value_or(gpu.vendor)));
  return out;
}

}  // namespace flense::report
