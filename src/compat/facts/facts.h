// What several rules need to know about the image and the machine.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compat/facts/image_facts.h"
#include "compat/facts/question.h"

namespace flense::compat {

inline const std::optional<ImageCuda>& image_cuda(const Question& question) {
  return question.facts->cuda;
}
inline Answer needs_cuda(const Question& question) {
  return question.facts->needs_cuda;
}

std::vector<const host::Gpu*> gpus_of(const host::Profile& host, std::string_view vendor);
inline std::vector<const host::Gpu*> nvidia_gpus(const host::Profile& host) {
  return gpus_of(host, "nvidia");
}
bool has_gpus_of_others(const host::Profile& host);
/// "H100 (9.0)", "GPU of architecture 9.0", "unknown GPU".
std::string gpu_text(const host::Gpu& gpu);

/// A Jetson or DRIVE machine, whose driver line is its own: by its release file or by its GPU.
bool is_tegra(const host::Profile& host);
/// Windows's driver below. Unknown where it was asked and not found; a described host is none.
Answer on_wsl(const host::Profile& host);

/// The rules about drivers and device code apply: CUDA may be needed, and there is a GPU to judge.
bool concerns_nvidia(const Question& question);

struct HostDriver {
  std::string version;  ///< "550.54.15"
  std::uint64_t branch = 0;
  std::string evidence;
};
/// Of the user-space library, else of the kernel module.
std::optional<HostDriver> host_driver(const host::Profile& host);

/// Its row in the table of branches. Windows's drivers, which WSL2 shows, have two numbers of which
/// the first may be higher: 581.42 is of branch 580. Null for a branch that the table does not
/// know.
const knowledge::BranchRow* branch_row(const knowledge::Drivers& drivers, const HostDriver& driver);

/// The newest CUDA that the host's driver supports itself.
struct DriverCuda {
  std::string cuda;
  bool exact = true;  ///< false: a lower bound, as the table has no row of its own for the driver
  std::string statement;  ///< "driver 550.54.15 supports CUDA 12.4"
  std::string source;
};
std::optional<DriverCuda> driver_cuda(const Question& question);

/// Why the driver is unknown, and what settles it.
std::string driver_unknown_reason(const host::Profile& host);
std::string driver_unknown_fix(const host::Profile& host);

/// Text of a verdict that speaks of something newer than the tables: "newer than the table of
/// 2026-11".
std::string newer_than_table(std::string_view date);

/// Environment variable of the image; nullopt when it is not set.
std::optional<std::string_view> variable(const needs::Needs& image, const std::string& name);
/// As the driver reads its switches.
bool is_on(const needs::Needs& image, const std::string& name);

}  // namespace flense::compat
