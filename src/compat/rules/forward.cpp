// Forward compatibility: the image's own libcuda on an older driver.
#include <algorithm>

#include "base/format.h"
#include "base/version_numbers.h"
#include "compat/facts/driver_mode.h"
#include "compat/facts/require.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

using knowledge::CompatCell;
using knowledge::GpuClass;
using needs::CompatPackage;
using State = CompatUse::State;

/// One aspect of the question; the worst of them is the verdict.
struct Finding {
  Verdict verdict = Verdict::kOk;
  std::string message, fix, source;
};

constexpr const char* kExcluded =
    "update the driver: forward compatibility is for data centre GPUs";

std::string brand_list(const knowledge::ForwardCompat& tables,
                       const std::vector<std::uint64_t>& brands) {
  std::vector<std::string_view> names;
  for (const std::uint64_t brand : brands) names.push_back(tables.brand_name(brand));
  return fmt::format("{}", fmt::join(names, ", "));
}

Finding judge_note_brands(const knowledge::ForwardCompat& tables, const CompatPackage& package,
                          const GpuClass& gpu_class, const std::string& gpu) {
  const auto listed = [&](std::uint64_t brand) {
    return std::ranges::find(package.brands, brand) != package.brands.end();
  };
  const auto count = std::ranges::count_if(gpu_class.brands, listed);
  const std::string source = fmt::format("note of /{}; {}", package.path, gpu_class.source);
  if (count == 0)
    return {Verdict::kFail,
            fmt::format("the compat library does not run on {}: its note lists {} and no {} GPU "
                        "(error 804)",
                        gpu, brand_list(tables, package.brands), gpu_class.name),
            kExcluded, source};
  if (static_cast<std::size_t>(count) != gpu_class.brands.size())
    return {Verdict::kUnknown,
            fmt::format("whether the compat library runs on {} depends on the brand that NVML "
                        "reports; its note lists {}",
                        gpu, brand_list(tables, package.brands)),
            "try cuInit in the container on such a host", source};
  return {};
}

/// By its name; of an architecture that only one class has, by that.
const GpuClass* class_of(const knowledge::Knowledge& all, const host::Gpu& gpu) {
  const knowledge::ForwardCompat& tables = all.forward_compat;
  if (gpu.name.value) return tables.class_of(*gpu.name.value);
  const GpuClass* out = nullptr;
  for (const knowledge::GpuProduct& product : all.gpus.products) {
    if (!gpu.architecture.value || product.architecture != *gpu.architecture.value) continue;
    const GpuClass* of_product = tables.class_of(product.name);
    if (of_product == nullptr || (out != nullptr && out != of_product)) return nullptr;
    out = of_product;
  }
  return out;
}

Finding judge_gpu(const Question& question, const CompatPackage& package, const host::Gpu& gpu) {
  const knowledge::ForwardCompat& tables = question.tables.forward_compat;
  const std::string text = gpu_text(gpu);
  const GpuClass* gpu_class = class_of(question.tables, gpu);
  if (gpu_class == nullptr)
    return {
        Verdict::kUnknown,
        fmt::format("whether {} is a data centre GPU, for which alone the compat library is, is "
                    "unknown",
                    text),
        "name the product, --host h100@550.54.15",
        "forward_compat.json, classes (" + tables.date + ")"};
  if (gpu_class->guide == GpuClass::Guide::kNo)
    return {Verdict::kFail,
            fmt::format("the compat library does not run on {}: GeForce and Titan are excluded "
                        "(error 804)",
                        text),
            kExcluded, gpu_class->source};
  const bool own_package = is_for_tegra(package);
  if (gpu_class->guide == GpuClass::Guide::kOwnPackages && own_package) return {};
  if (own_package)
    return {Verdict::kFail,
            fmt::format("the compat library /{} is for Jetson, and {} is none", package.path, text),
            "take the compat package for servers (cuda-compat)", gpu_class->source};
  if (gpu_class->guide == GpuClass::Guide::kOwnPackages)
    return {Verdict::kUnknown,
            fmt::format("{} takes compat packages of Jetson's own line, and whether this is one is "
                        "unknown",
                        text),
            "install the cuda-compat package of the JetPack release", gpu_class->source};
  if (package.note && !package.brands.empty() && !gpu_class->brands.empty())
    if (Finding by_note = judge_note_brands(tables, package, *gpu_class, text);
        by_note.verdict != Verdict::kOk)
      return by_note;
  if (gpu_class->guide == GpuClass::Guide::kYes) return {};
  return {
      Verdict::kUnsupported,
      fmt::format("{} is not a data centre GPU, and the guide promises forward compatibility for "
                  "select server cards only",
                  text),
      "update the driver", gpu_class->source};
}

/// NVIDIA's images name the branches that their compat library was made for, also those that have
/// ended since: "brand=tesla,driver>=550,driver<551".
std::string stated_for(const Question& question, std::uint64_t branch) {
  const std::string term = fmt::format("driver>={},driver<{}", branch, branch + 1);
  for (const auto& [variable, expression] : requirements_of(question.image))
    if (expression.contains(term)) return fmt::format("{} of the image: {}", variable, term);
  return {};
}

/// NVIDIA's table: which driver branches are supported below this package.
Finding judge_by_guide(const Question& question, const CompatUse& use, const HostDriver& driver) {
  const knowledge::ForwardCompat& tables = question.tables.forward_compat;
  const std::string cuda = major_minor(use.cuda);
  const knowledge::CompatRow* row = use.cuda.empty() ? nullptr : tables.row(cuda);
  if (row == nullptr) {
    const bool newer =
        !use.cuda.empty() && std::ranges::all_of(tables.matrix, [&](const knowledge::CompatRow& r) {
          return compare_versions(cuda, r.cuda) > 0;
        });
    const std::string why =
        use.cuda.empty() ? "its CUDA version is unknown"
        : newer          ? fmt::format("CUDA {} is {}", cuda, newer_than_table(tables.date))
                         : fmt::format("the table of {} has no row for CUDA {}", tables.date, cuda);
    // The note is the library's own statement that it loads; without it nothing tells.
    return {
        use.package->note ? Verdict::kUnsupported : Verdict::kUnknown,
        fmt::format("whether NVIDIA supports compat library {} on driver branch {} is not told: "
                    "{}",
                    use.package->version, driver.branch, why),
        "try cuInit in the container on such a host, or update the driver",
        "forward_compat.json, matrix (" + tables.date + ")"};
  }
  const auto cell = row->cells.find(driver.branch);
  if (cell == row->cells.end())
    if (const std::string stated = stated_for(question, driver.branch); !stated.empty())
      return {Verdict::kWarn,
              fmt::format("the image's compat library {} gives CUDA {} on driver {}, a branch that "
                          "has ended",
                          use.package->version, cuda, driver.version),
              "move the host to a long-term or production branch", stated + "; " + row->source};
  if (cell == row->cells.end())
    return {Verdict::kUnsupported,
            fmt::format("NVIDIA's guide does not support compat library {} (CUDA {}) on driver "
                        "branch {}, which has ended or is a feature branch{}",
                        use.package->version, cuda, driver.branch,
                        use.package->drivers.empty()
                            ? ""
                            : ", though its note lists the branch, on which it loads"),
            "move the host to a long-term or production branch", row->source};
  if (cell->second == CompatCell::kTooOld)
    return {Verdict::kFail,
            fmt::format("compat library {} (CUDA {}) is older than driver {}, which refuses it "
                        "(error 803)",
                        use.package->version, cuda, driver.version),
            "take the compat folder off LD_LIBRARY_PATH, or remove the package", row->source};
  return {Verdict::kOk,
          fmt::format("the image's compat library {} gives CUDA {} on driver {}",
                      use.package->version, cuda, driver.version),
          "", row->source};
}

/// Jetson's packages are told by their CUDA, and from JetPack 6 on by no list of releases.
Finding judge_tegra(const Question& question, const CompatUse& use) {
  const auto own = driver_cuda(question);
  const std::string source = "/" + use.package->path + "; NVIDIA, CUDA for Tegra: upgradable CUDA";
  const std::string fix = "install the cuda-compat package of the JetPack release";
  const auto release = first_number(question.host.system.jetson.value.value_or("0"));
  constexpr std::uint64_t kJetPack6 = 36;
  if (use.cuda.empty() || !own || release < kJetPack6)
    return {Verdict::kUnknown,
            fmt::format("whether the image's compat library of CUDA {} runs on this release of "
                        "Jetson Linux is not told",
                        use.cuda.empty() ? "unknown" : use.cuda),
            fix, source};
  if (compare_versions(use.cuda, own->cuda) < 0)
    return {Verdict::kUnknown,
            fmt::format("the image's compat library gives CUDA {}, and {} itself", use.cuda,
                        own->statement),
            "take the compat folder off LD_LIBRARY_PATH", source};
  return {Verdict::kOk,
          fmt::format("the image's compat library for Jetson gives CUDA {}", use.cuda), "", source};
}

Finding judge_driver(const Question& question, const CompatUse& use, const HostDriver& driver) {
  const CompatPackage& package = *use.package;
  if (is_for_tegra(package)) {
    if (is_tegra(question.host)) return judge_tegra(question, use);
    return {};  // the GPU decides
  }
  if (compare_versions(package.version, driver.version) < 0)
    return {Verdict::kFail,
            fmt::format("compat library {} is older than driver {}, which refuses it (error 803)",
                        package.version, driver.version),
            "take the compat folder off LD_LIBRARY_PATH, or remove the package",
            "forward_compat.json, matrix: a package must be newer than the driver"};
  if (package.note && !package.drivers.empty() &&
      std::ranges::find(package.drivers, driver.branch) == package.drivers.end())
    return {Verdict::kFail,
            fmt::format("compat library {} does not load on driver branch {}: its note lists {}",
                        package.version, driver.branch, fmt::join(package.drivers, ", ")),
            "update the driver, or take an image whose compat package lists the branch",
            "note of /" + package.path};
  return judge_by_guide(question, use, driver);
}

/// The package itself must reach the image's CUDA.
Finding judge_reach(const Question& question, const CompatUse& use) {
  const auto wanted = image_cuda(question);
  if (!wanted || use.cuda.empty()) return {};
  const std::string driver = is_for_tegra(*use.package) ? std::string() : use.package->version;
  if (mode_of(question.tables.drivers, driver, use.cuda, wanted->version) != DriverMode::kTooOld)
    return {};
  return {Verdict::kFail,
          fmt::format("the image needs CUDA {}, and its compat library {} gives CUDA {} only",
                      major_minor(wanted->version), use.package->version, use.cuda),
          fmt::format("install cuda-compat for CUDA {}", major_minor(wanted->version)),
          "/" + use.package->path};
}

Finding judge_use(const CompatUse& use, Launcher launcher) {
  if (use.state == State::kUsed) return {};
  const std::string_view who =
      launcher == Launcher::kNone ? "the host's loader" : to_string(launcher);
  const std::string folder(use.package->path.substr(0, use.package->path.rfind('/')));
  if (use.state == State::kUnknown)
    return {
        Verdict::kUnknown,
        fmt::format("whether {} uses the image's compat library is unknown: {}", who, use.reason),
        fmt::format("LD_LIBRARY_PATH=/{} makes sure", folder), use.source};
  return {Verdict::kFail,
          fmt::format("{} does not use the image's compat library: {}", who, use.reason),
          fmt::format("set LD_LIBRARY_PATH=/{}, or update the driver", folder), use.source};
}

}  // namespace

void rule_forward_compat(const Question& question, std::vector<Check>& checks) {
  if (!concerns_nvidia(question)) return;
  const CompatUse use = compat_use(question);
  if (use.state == State::kNone) return;
  const DriverMode mode = driver_mode(question);
  const bool needed = mode == DriverMode::kTooOld;
  // A library that is not used causes no trouble; whether an old driver needs it is reported by
  // driver-cuda where it is unknown.
  if (!needed && use.state == State::kNotUsed) return;
  const auto driver = host_driver(question.host);
  // The libcuda of the kernel module itself, twice.
  if (driver && driver->version == use.package->version) return;

  std::vector<Finding> findings;
  findings.push_back(
      driver ? judge_driver(question, use, *driver)
             : Finding{Verdict::kUnknown, "which driver the compat library meets is unknown",
                       driver_unknown_fix(question.host), "unknown facts are not judged"});
  for (const host::Gpu* gpu : nvidia_gpus(question.host))
    findings.push_back(judge_gpu(question, *use.package, *gpu));
  if (needed) findings.push_back(judge_reach(question, use));
  if (needed) findings.push_back(judge_use(use, question.launcher));

  auto worst = std::ranges::max_element(findings, {}, &Finding::verdict);
  // Being first in the search order matters only if it does not work and nobody needs it.
  const bool open = !needed && use.state == State::kUnknown;
  if (open && worst->verdict == Verdict::kOk) return;
  if (open) {
    worst->message += fmt::format(", and whether {} uses it is unknown: {}",
                                  to_string(question.launcher), use.reason);
    worst->verdict = Verdict::kUnknown;
  }
  Check check{"forward-compat", worst->verdict, worst->message, {}, worst->fix, worst->source};
  if (!needed && worst->verdict != Verdict::kOk)
    check.message += ", though the driver supports the image's CUDA without it";
  check.decisive = needed || use.state == State::kUsed;
  check.evidence = {{"image", fmt::format("/{}{}", use.package->path,
                                          use.cuda.empty() ? std::string() : ", CUDA " + use.cuda)},
                    {"host", driver ? driver->evidence : driver_unknown_reason(question.host)},
                    {"launcher", fmt::format("{}: {}", to_string(question.launcher), use.reason)}};
  checks.push_back(std::move(check));
}

}  // namespace flense::compat
