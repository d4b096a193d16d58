// What several steps need to know, determined once: who runs this, where, and which libcuda the
// loader would use.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "doctor/loader.h"
#include "doctor/step.h"
#include "doctor/tools.h"
#include "host/profile.h"
#include "host/tree.h"
#include "knowledge/knowledge.h"

namespace flense::doctor {

/// Of the process that the GPU does not work for. Only the names of variables() are looked at.
using Environment = std::map<std::string, std::string, std::less<>>;

std::span<const std::string_view> variables();

struct User {
  bool known = false;
  std::uint32_t uid = 0, gid = 0;
  std::vector<std::uint32_t> groups;
  std::string evidence;
};

struct Scene {
  Scene(const host::Machine& machine, const host::Profile& profile, const Environment& environment,
        const knowledge::Knowledge& tables);

  const host::Machine& machine;
  const host::Profile& profile;
  const Environment& environment;
  const knowledge::Knowledge& tables;
  const Tools tools;

  std::string container;  ///< the mark that tells a container; empty: a host
  bool wsl = false, tegra = false;
  /// Such a GPU is on the bus, or its nodes are in /dev; not one that a container was not given.
  bool nvidia = false;
  bool amd = false;  ///< the same, displays aside
  /// AMD's display controllers beside NVIDIA GPUs: nobody expects them to compute.
  std::vector<const host::Gpu*> displays;
  User user;
  LibrarySearch libcuda;
  bool nvml = false;  ///< the loader finds libnvidia-ml.so.1, all that nvidia-smi needs
  /// Major numbers of character devices by driver; empty when /proc/devices cannot be read.
  std::map<std::string, std::uint32_t, std::less<>> majors;

  bool in_container() const { return !container.empty(); }
  /// nullptr when it is not set.
  const std::string* variable(std::string_view name) const;
  /// Module version, else empty.
  std::string module_version() const { return profile.nvidia.module_version.value.value_or(""); }
  /// Displays aside.
  std::vector<const host::Gpu*> gpus(std::string_view vendor) const;
  /// Minors of /dev/nvidiaN, sorted.
  std::vector<std::uint64_t> nvidia_nodes() const;
};

/// "2 GPUs", "1 GPU".
std::string counted(std::size_t count, std::string_view one, std::string_view many);
std::string gpu_name(const host::Gpu& gpu);

/// Adds the steps of one group, in order.
using Group = void (*)(const Scene& scene, std::vector<Step>& steps);

/// The step of that id, added at the end. References to earlier steps end.
Step& ask(std::vector<Step>& steps, std::string id, std::string title);

}  // namespace flense::doctor
