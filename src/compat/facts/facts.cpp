#include "compat/facts/facts.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "base/version_numbers.h"

namespace flense::compat {

namespace {

DriverCuda of_unlisted_driver(const HostDriver& driver, const knowledge::Drivers& drivers,
                              const knowledge::BranchRow& below) {
  const bool newest = drivers.newest_branch() == &below;
  return {
      below.cuda, false,
      newest ? fmt::format("driver {} is {} and supports at least CUDA {} of branch {}",
                           driver.version, newer_than_table(drivers.date), below.cuda, below.branch)
             : fmt::format("the table has no branch {}; it supports at least CUDA {} of branch "
                           "{}",
                           driver.branch, below.cuda, below.branch),
      below.source + "; a newer driver runs every older CUDA"};
}

}  // namespace

std::vector<const host::Gpu*> gpus_of(const host::Profile& host, std::string_view vendor) {
  std::vector<const host::Gpu*> out;
  for (const host::Gpu& gpu : host.gpus)
    if (gpu.vendor == vendor) out.push_back(&gpu);
  return out;
}

bool has_gpus_of_others(const host::Profile& host) {
  return std::ranges::any_of(host.gpus,
                             [](const host::Gpu& gpu) { return gpu.vendor != "nvidia"; });
}

std::string gpu_text(const host::Gpu& gpu) {
  if (gpu.name.value && gpu.architecture.value)
    return fmt::format("{} ({})", *gpu.name.value, *gpu.architecture.value);
  if (gpu.name.value) return *gpu.name.value;
  return gpu.architecture.value ? "GPU of architecture " + *gpu.architecture.value : "unknown GPU";
}

bool is_tegra(const host::Profile& host) {
  if (host.system.jetson.value) return true;
  constexpr std::array<std::string_view, 7> kEmbedded = {"3.2", "5.3",  "6.2", "7.2",
                                                         "8.7", "10.1", "11.0"};
  return std::ranges::any_of(host.gpus, [&](const host::Gpu& gpu) {
    return gpu.architecture.value &&
           std::ranges::find(kEmbedded, *gpu.architecture.value) != kEmbedded.end();
  });
}

Answer on_wsl(const host::Profile& host) {
  const host::Flag& fact = host.system.wsl2;
  if (fact.value) return *fact.value ? Answer::kYes : Answer::kNo;
  return fact.evidence.empty() ? Answer::kNo : Answer::kUnknown;
}

bool concerns_nvidia(const Question& question) {
  if (needs_cuda(question) == Answer::kNo) return false;
  if (!nvidia_gpus(question.host).empty()) return true;
  // WSL2 lists no GPU, and a profile without a list of GPUs tells nothing about them.
  return !has_gpus_of_others(question.host) && question.host.gpu_count.value.value_or(1) != 0;
}

std::optional<HostDriver> host_driver(const host::Profile& host) {
  const host::Text& fact =
      host.nvidia.library_version.value ? host.nvidia.library_version : host.nvidia.module_version;
  if (!fact.value) return std::nullopt;
  const auto branch = first_number(*fact.value);
  if (!branch) return std::nullopt;
  return HostDriver{*fact.value, *branch,
                    fmt::format("driver {} ({})", *fact.value, fact.evidence)};
}

const knowledge::BranchRow* branch_row(const knowledge::Drivers& drivers,
                                       const HostDriver& driver) {
  const knowledge::BranchRow* row = drivers.branch(driver.branch);
  if (row != nullptr || std::ranges::count(driver.version, '.') != 1) return row;
  const knowledge::BranchRow* below = drivers.branch_below(driver.branch);
  return below == drivers.newest_branch() ? nullptr : below;
}

namespace {

/// By the release file, else by the module's version.
std::optional<DriverCuda> tegra_cuda(const host::Profile& host, const knowledge::Drivers& drivers) {
  const host::Text& release = host.system.jetson;
  const auto driver = host_driver(host);
  for (const knowledge::TegraRow& row : drivers.tegra) {
    const bool by_release = release.value && (*release.value + '.').starts_with(row.release + '.');
    const bool by_driver =
        !release.value && driver && !row.driver.empty() && driver->version == row.driver;
    if (by_release || by_driver)
      return DriverCuda{row.cuda, true,
                        fmt::format("Jetson Linux {} supports CUDA {}",
                                    release.value.value_or(row.release), row.cuda),
                        row.source};
  }
  return std::nullopt;
}

}  // namespace

std::optional<DriverCuda> driver_cuda(const Question& question) {
  const auto driver = host_driver(question.host);
  const knowledge::Drivers& drivers = question.tables.drivers;
  const host::Text& told = question.host.nvidia.cuda;
  // Linux for Tegra has its own driver line, whose numbers are not in the branch table.
  const bool tegra = is_tegra(question.host);
  const knowledge::BranchRow* row = driver && !tegra ? branch_row(drivers, *driver) : nullptr;
  if (row != nullptr)
    return DriverCuda{row->cuda, true,
                      fmt::format("driver {} supports CUDA {}", driver->version, row->cuda),
                      row->source};
  if (told.value && is_version(*told.value))
    return DriverCuda{*told.value, true,
                      fmt::format("the driver supports CUDA {} ({})", *told.value, told.evidence),
                      "the host's own facts"};
  if (tegra) return tegra_cuda(question.host, drivers);
  if (!driver) return std::nullopt;
  const knowledge::BranchRow* below = drivers.branch_below(driver->branch);
  if (below == nullptr) return std::nullopt;
  return of_unlisted_driver(*driver, drivers, *below);
}

std::string driver_unknown_reason(const host::Profile& host) {
  for (const host::Text* fact : {&host.nvidia.library_version, &host.nvidia.module_version})
    if (!fact->value && !fact->evidence.empty()) return fact->evidence;
  return "not queried";
}

std::string driver_unknown_fix(const host::Profile& host) {
  if (is_tegra(host) && (host_driver(host) || host.system.jetson.value))
    return "put the CUDA that nvidia-smi or the release notes of JetPack name there into the "
           "profile, as nvidia.cuda";
  if (host.system.kernel.value) return "run flense host on the machine itself, where the driver is";
  return "name the driver, --host h100@550.54.15, or take the profile that flense host --json "
         "writes there";
}

std::string newer_than_table(std::string_view date) {
  return fmt::format("newer than the table of {}", date);
}

std::optional<std::string_view> variable(const needs::Needs& image, const std::string& name) {
  const auto at = image.environment.find(name);
  if (at == image.environment.end()) return std::nullopt;
  return at->second;
}

bool is_on(const needs::Needs& image, const std::string& name) {
  const auto value = variable(image, name);
  return value && !value->empty() && *value != "0";
}

}  // namespace flense::compat
