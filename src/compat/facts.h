// What several rules ask of the two sides of a question.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compat/judge.h"
#include "device/target.h"

namespace flense::compat {

enum class Answer : std::uint8_t { kNo, kUnknown, kYes };

/// The CUDA whose runtime the image brings.
struct ImageCuda {
  std::string version;  ///< "12.4", "12.4.127"
  bool exact = true;    ///< false: at least this
  std::string evidence;
};
/// A framework's own runtime wins over the base image's variable; nullopt when nothing tells.
std::optional<ImageCuda> image_cuda(const Question& question);
/// Does the image use CUDA? Unknown where the layers were not read and the configuration is silent.
Answer needs_cuda(const Question& question);

std::vector<const host::Gpu*> nvidia_gpus(const host::Profile& host);
bool has_gpus_of_others(const host::Profile& host);
/// "H100 (9.0)", "GPU of architecture 9.0", "unknown GPU".
std::string gpu_text(const host::Gpu& gpu);

/// The rules about drivers and device code apply: CUDA may be needed, and there is a GPU to judge.
bool concerns_nvidia(const Question& question);

struct HostDriver {
  std::string version;  ///< "550.54.15"
  std::uint64_t branch = 0;
  std::string evidence;
};
/// Of the user-space library, else of the kernel module.
std::optional<HostDriver> host_driver(const host::Profile& host);

/// The newest CUDA that the host's driver supports itself.
struct DriverCuda {
  std::string cuda;
  bool exact = true;  ///< false: at least this, as the table has no row of its own for the driver
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
std::optional<std::string_view> variable(const inventory::Needs& image, const std::string& name);

/// Code of "sm_90a", "compute_100f": with its variant, which GPU names do not have.
std::optional<device::CudaArch> code_arch(std::string_view text);

}  // namespace flense::compat
