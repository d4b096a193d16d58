#include "compat/facts.h"

#include <algorithm>
#include <array>

#include "base/format.h"
#include "knowledge/version.h"

namespace flense::compat {

namespace {

using inventory::InstalledPackage;
using inventory::Needs;
using knowledge::at_least;
using knowledge::compare_versions;
using knowledge::major_minor;

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_version(std::string_view text) {
  return !text.empty() && is_digit(text[0]) && text.size() <= 32 &&
         std::ranges::all_of(text, [](char c) { return is_digit(c) || c == '.'; });
}

/// The numbers a version begins with: "12.4.127" of "12.4.127-1".
std::string_view numbers_of(std::string_view text) {
  const std::size_t end = text.find_first_not_of("0123456789.");
  return text.substr(0, end);
}

/// "12.4" of "2.6.0+cu124": the local version by which wheels name their CUDA.
std::string cuda_of_wheel(std::string_view version) {
  const std::size_t at = version.find("+cu");
  if (at == std::string_view::npos) return {};
  std::string_view digits = version.substr(at + 3);
  digits = digits.substr(0, digits.find_first_not_of("0123456789"));
  if (digits.size() < 2 || digits.size() > 3) return {};
  return fmt::format("{}.{}", digits.substr(0, digits.size() - 1), digits.back());
}

/// "12.4" of "torch/version.py (built for CUDA 12.4)".
std::string_view built_for(std::string_view evidence) {
  constexpr std::string_view kWords = "(built for CUDA ";
  const std::size_t at = evidence.find(kWords);
  return at == std::string_view::npos ? std::string_view()
                                      : numbers_of(evidence.substr(at + kWords.size()));
}

/// The most demanding of several: the newest, and of one minor the one with more numbers.
void consider(std::optional<ImageCuda>& best, ImageCuda candidate) {
  if (!is_version(candidate.version)) return;
  if (best) {
    const bool same = major_minor(best->version) == major_minor(candidate.version);
    const bool better = same ? candidate.version.size() > best->version.size()
                             : compare_versions(candidate.version, best->version) > 0;
    if (!better) return;
  }
  best = std::move(candidate);
}

bool is_runtime_package(const InstalledPackage& installed) {
  const auto& [type, name, version] = installed.package;
  if (type == "pip") return name.starts_with("nvidia-cuda-runtime");
  return type == "conda" && (name == "cuda-cudart" || name == "cudatoolkit");
}

std::optional<ImageCuda> framework_cuda(const Needs& image) {
  std::optional<ImageCuda> best;
  for (const inventory::Runtime& runtime : image.runtimes) {
    if (runtime.name != "PyTorch") continue;
    consider(best, {std::string(built_for(runtime.evidence)), true,
                    fmt::format("{} {}: {}", runtime.name, runtime.version, runtime.evidence)});
    consider(best, {cuda_of_wheel(runtime.version), true,
                    fmt::format("{} {}", runtime.name, runtime.version)});
  }
  for (const InstalledPackage& installed : image.packages) {
    const auto& [type, name, version] = installed.package;
    const std::string text = fmt::format("{} package {} {}", type, name, version);
    if (name == "torch" || name == "jaxlib" || name == "pytorch")
      consider(best, {cuda_of_wheel(version), true, text});
    if (is_runtime_package(installed))
      consider(best, {std::string(numbers_of(version)), true, text});
  }
  return best;
}

std::optional<ImageCuda> runtime_cuda(const Needs& image, std::string_view name) {
  std::optional<ImageCuda> best;
  for (const inventory::Runtime& runtime : image.runtimes)
    if (runtime.name == name)
      consider(best, {std::string(numbers_of(runtime.version)), true,
                      fmt::format("{} {}: {}", runtime.name, runtime.version, runtime.evidence)});
  return best;
}

/// Device code was compiled by a CUDA that knew its architecture and its PTX version.
std::optional<ImageCuda> cuda_of_code(const Needs& image, const knowledge::Architectures& tables) {
  std::optional<ImageCuda> best;
  for (const inventory::CodeFile& file : image.code) {
    for (const inventory::ArchCount& entry : file.entries) {
      if (entry.vendor != "nvidia") continue;
      const auto arch = code_arch(entry.arch);
      const knowledge::ArchitectureRow* row =
          arch ? tables.find(fmt::format("{}.{}", arch->major(), arch->minor())) : nullptr;
      if (row != nullptr)
        consider(best, {row->first_cuda, false, fmt::format("{} of {}", entry.arch, file.path)});
      const knowledge::PtxRow* ptx =
          entry.version.empty() ? nullptr : tables.ptx_of_isa(entry.version);
      if (ptx != nullptr)
        consider(best,
                 {ptx->cuda, false, fmt::format("PTX ISA {} of {}", entry.version, file.path)});
    }
  }
  return best;
}

bool has_cuda_code(const Needs& image) {
  return std::ranges::any_of(image.code, [](const inventory::CodeFile& file) {
    return std::ranges::any_of(file.entries,
                               [](const auto& entry) { return entry.vendor == "nvidia"; });
  });
}

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

std::optional<ImageCuda> image_cuda(const Question& question) {
  const Needs& image = question.image;
  if (auto own = framework_cuda(image)) return own;
  if (auto runtime = runtime_cuda(image, "CUDA runtime")) return runtime;
  if (auto toolkit = runtime_cuda(image, "CUDA toolkit")) return toolkit;
  std::optional<ImageCuda> out;
  if (const auto text = variable(image, "CUDA_VERSION"))
    consider(out, {std::string(numbers_of(*text)), true,
                   fmt::format("environment CUDA_VERSION={}", text->substr(0, 32))});
  return out ? out : cuda_of_code(image, question.tables.architectures);
}

Answer needs_cuda(const Question& question) {
  const Needs& image = question.image;
  if (image_cuda(question) || has_cuda_code(image) || !image.compat.empty() ||
      variable(image, "NVIDIA_REQUIRE_CUDA"))
    return Answer::kYes;
  return image.contents ? Answer::kNo : Answer::kUnknown;
}

std::vector<const host::Gpu*> nvidia_gpus(const host::Profile& host) {
  std::vector<const host::Gpu*> out;
  for (const host::Gpu& gpu : host.gpus)
    if (gpu.vendor == "nvidia") out.push_back(&gpu);
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

bool concerns_nvidia(const Question& question) {
  if (needs_cuda(question) == Answer::kNo) return false;
  if (!nvidia_gpus(question.host).empty()) return true;
  // WSL2 lists no GPU, and of a profile without a list of GPUs nothing is known about them.
  return !has_gpus_of_others(question.host) && question.host.gpu_count.value.value_or(1) != 0;
}

std::optional<HostDriver> host_driver(const host::Profile& host) {
  const host::Text& fact =
      host.nvidia.library_version.value ? host.nvidia.library_version : host.nvidia.module_version;
  if (!fact.value) return std::nullopt;
  const auto branch = knowledge::first_number(*fact.value);
  if (!branch) return std::nullopt;
  return HostDriver{*fact.value, *branch,
                    fmt::format("driver {} ({})", *fact.value, fact.evidence)};
}

std::optional<DriverCuda> driver_cuda(const Question& question) {
  const auto driver = host_driver(question.host);
  const knowledge::Drivers& drivers = question.tables.drivers;
  const host::Text& told = question.host.nvidia.cuda;
  // Linux for Tegra has a driver line of its own, whose numbers the branch table does not know.
  const bool tegra = question.host.system.jetson.value.has_value();
  const knowledge::BranchRow* row = driver && !tegra ? drivers.branch(driver->branch) : nullptr;
  if (row != nullptr)
    return DriverCuda{row->cuda, true,
                      fmt::format("driver {} supports CUDA {}", driver->version, row->cuda),
                      row->source};
  if (told.value && is_version(*told.value))
    return DriverCuda{*told.value, true,
                      fmt::format("the driver supports CUDA {} ({})", *told.value, told.evidence),
                      "the host's own facts"};
  if (!driver || tegra) return std::nullopt;
  const knowledge::BranchRow* below = drivers.branch_below(driver->branch);
  if (below == nullptr) return std::nullopt;
  return of_unlisted_driver(*driver, drivers, *below);
}

std::string driver_unknown_reason(const host::Profile& host) {
  for (const host::Text* fact : {&host.nvidia.library_version, &host.nvidia.module_version})
    if (!fact->value && !fact->evidence.empty()) return fact->evidence;
  return "nobody asked for it";
}

std::string driver_unknown_fix(const host::Profile& host) {
  if (host.system.kernel.value) return "run flense host on the machine itself, where the driver is";
  return "name the driver, --host h100@550.54.15, or take the profile that flense host --json "
         "writes there";
}

std::string newer_than_table(std::string_view date) {
  return fmt::format("newer than the table of {}", date);
}

std::optional<std::string_view> variable(const Needs& image, const std::string& name) {
  const auto at = image.environment.find(name);
  if (at == image.environment.end()) return std::nullopt;
  return at->second;
}

std::optional<device::CudaArch> code_arch(std::string_view text) {
  auto out = device::parse_cuda_arch(text);
  if (!out) return out;
  if (text.back() == 'a' || text.back() == 'A')
    out->variant = device::CudaArch::Variant::kArchitecture;
  if (text.back() == 'f' || text.back() == 'F') out->variant = device::CudaArch::Variant::kFamily;
  return out;
}

}  // namespace flense::compat
