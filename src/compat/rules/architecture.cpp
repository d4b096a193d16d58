// The GPU's architecture against the host's driver and the image's toolkit.
#include <algorithm>

#include "base/format.h"
#include "base/version_numbers.h"
#include "compat/facts/code_service.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

using knowledge::ArchitectureRow;

std::string dotted(device::CudaArch arch) {
  return fmt::format("{}.{}", arch.major(), arch.minor());
}

const ArchitectureRow* row_of(const Question& question, const GpuKind& kind) {
  return kind.arch ? question.tables.architectures.find(dotted(*kind.arch)) : nullptr;
}

Check check_of(std::string id, const GpuKind& kind, std::string source) {
  return {std::move(id),
          Verdict::kOk,
          "",
          {{"host", fmt::format("{} ({})", gpu_text(*kind.gpu), kind.gpu->architecture.evidence)}},
          "",
          std::move(source)};
}

/// True when a verdict was found.
bool judge_toolkit(const Question& question, const GpuKind& kind, const ArchitectureRow& row,
                   Check& check) {
  if (!dropped_by_toolkit(question, row)) return false;
  const auto& wanted = image_cuda(question);
  const std::string minor = major_minor(wanted->version);
  check.verdict = Verdict::kFail;
  check.message = fmt::format("CUDA {} has no code for {}: {} was last compiled for by CUDA {}",
                              minor, gpu_text(*kind.gpu), row.codename, row.last_cuda);
  check.evidence.push_back({"image", wanted->evidence});
  check.fix = fmt::format("take an image built for CUDA {} or older", row.last_cuda);
  return true;
}

/// Of a driver whose CUDA alone is known: it is not newer than the last branch.
bool surely_driven(const Question& question, const ArchitectureRow& row) {
  const auto cuda = driver_cuda(question);
  const knowledge::BranchRow* last = question.tables.drivers.branch(row.last_driver_branch);
  return row.last_driver_branch == 0 ||
         (cuda && cuda->exact && last != nullptr && version_at_least(last->cuda, cuda->cuda));
}

std::uint64_t branch_of(const knowledge::Drivers& drivers, const HostDriver& driver) {
  const knowledge::BranchRow* row = branch_row(drivers, driver);
  return row == nullptr ? driver.branch : row->branch;
}

void judge_dropped(const Question& question, const GpuKind& kind, std::vector<Check>& checks) {
  const ArchitectureRow* row = row_of(question, kind);
  if (row == nullptr) return;
  Check check = check_of("arch-dropped", kind, row->source);
  const auto driver = host_driver(question.host);
  const bool tegra = is_tegra(question.host);
  const knowledge::BranchRow* newest = question.tables.drivers.newest_branch();
  if (driver && !tegra) check.evidence.push_back({"host", driver->evidence});
  if (judge_toolkit(question, kind, *row, check)) {
  } else if (driver && !tegra && row->last_driver_branch != 0 &&
             branch_of(question.tables.drivers, *driver) > row->last_driver_branch) {
    check.verdict = Verdict::kFail;
    check.message =
        fmt::format("driver {} does not drive {}: branch {} was the last for {}", driver->version,
                    gpu_text(*kind.gpu), row->last_driver_branch, row->codename);
    check.fix = fmt::format("install a driver of branch {}", row->last_driver_branch);
  } else if (driver && !tegra && row->last_driver_branch == 0 && newest != nullptr &&
             driver->branch > newest->branch) {
    check.verdict = Verdict::kUnknown;
    check.decisive = false;
    check.message =
        fmt::format("driver {} is {}, which cannot tell whether it still drives {}",
                    driver->version, newer_than_table(question.tables.drivers.date), row->codename);
    check.fix = "see whether nvidia-smi lists the GPU there, or add the driver's row (--data)";
  } else if (row->last_cuda.empty() && row->last_driver_branch == 0) {
    return;
  } else if (!driver && !tegra && !surely_driven(question, *row)) {
    check.verdict = Verdict::kUnknown;
    check.decisive = false;
    check.message = fmt::format(
        "whether the driver still drives {} is unknown: branch {} was the "
        "last for {}",
        gpu_text(*kind.gpu), row->last_driver_branch, row->codename);
    check.fix = driver_unknown_fix(question.host);
  } else {
    check.message = fmt::format(
        "{} is still driven by branches up to {} and compiled for by CUDA up "
        "to {}",
        row->codename, row->last_driver_branch, row->last_cuda);
  }
  checks.push_back(std::move(check));
}

void judge_unlisted(const Question& question, const GpuKind& kind, std::vector<Check>& checks) {
  const knowledge::Architectures& tables = question.tables.architectures;
  const bool newer = std::ranges::all_of(tables.rows, [&](const ArchitectureRow& row) {
    return compare_versions(dotted(*kind.arch), row.architecture) > 0;
  });
  Check check =
      check_of("arch-too-new", kind, "gpu_arch.json, architectures (" + tables.date + ")");
  check.verdict = Verdict::kUnknown;
  check.message =
      fmt::format("which driver architecture {} needs is unknown: it is {}", dotted(*kind.arch),
                  newer ? newer_than_table(tables.date) : "not in the table of " + tables.date);
  check.fix = "add the architecture's row to a table of your own (--data)";
  checks.push_back(std::move(check));
}

/// Of a driver whose CUDA alone is known: the first toolkit for the architecture bounds it.
void judge_without_version(const Question& question, const GpuKind& kind,
                           const ArchitectureRow& row, std::vector<Check>& checks) {
  const auto cuda = driver_cuda(question);
  if (cuda && version_at_least(cuda->cuda, row.first_cuda)) return;
  Check check = check_of("arch-too-new", kind, row.source);
  check.verdict = Verdict::kUnknown;
  check.decisive = false;
  check.message = fmt::format("whether the driver knows {} is unknown: it needs {} or newer",
                              gpu_text(*kind.gpu), row.least_driver);
  check.fix = driver_unknown_fix(question.host);
  checks.push_back(std::move(check));
}

/// A toolkit that is older than the GPU makes code that runs there only for an older minor of the
/// same major, else PTX.
void judge_toolkit_age(const Question& question, const GpuKind& kind, std::vector<Check>& checks) {
  const ArchitectureRow* row = row_of(question, kind);
  const auto wanted = image_cuda(question);
  if (row == nullptr || row->first_cuda.empty() || !wanted || !wanted->exact) return;
  const std::string cuda = major_minor(wanted->version);
  // "12" leaves the minor open.
  if (cuda.find('.') == std::string::npos) return;
  const auto compiles = [&](const ArchitectureRow& one) {
    const auto code = device::parse_cuda_arch(one.architecture);
    return code && device::cubin_runs_on(*code, *kind.arch) && !one.first_cuda.empty() &&
           version_at_least(cuda, one.first_cuda);
  };
  if (std::ranges::any_of(question.tables.architectures.rows, compiles)) return;
  const std::vector<FileService> code = code_services(question, *kind.arch);
  const auto native = [](const FileService& one) {
    return one.how == Served::kCubin || one.how == Served::kDoubtful;
  };
  if (std::ranges::any_of(code, native)) return;
  Check check = check_of("arch-too-new", kind, row->source);
  check.evidence.push_back({"image", wanted->evidence});
  check.evidence.push_back({"table", fmt::format("first CUDA {} for architecture {}",
                                                 row->first_cuda, row->architecture)});
  check.verdict = code.empty() ? Verdict::kUnknown : Verdict::kWarn;
  check.message = fmt::format(
      "CUDA {} is older than {}, for which CUDA {} was the first to compile{}", cuda,
      gpu_text(*kind.gpu), row->first_cuda,
      code.empty() ? ": only PTX can serve it, and none was seen" : ": only PTX can serve it");
  check.fix = fmt::format("take an image built for CUDA {} or newer", row->first_cuda);
  checks.push_back(std::move(check));
}

/// Below a floor that is derived from the first toolkit's driver: of medium confidence it is
/// certain for older branches, of low confidence for what is older than that toolkit.
bool surely_older(const Question& question, const HostDriver& driver, const ArchitectureRow& row) {
  if (row.least_driver_confidence == "medium")
    return driver.branch < first_number(row.least_driver).value_or(0);
  const knowledge::ToolkitRow* first = question.tables.drivers.toolkit(row.first_cuda);
  return row.least_driver_confidence != "low" || first == nullptr ||
         !version_at_least(driver.version, first->driver);
}

void judge_too_new(const Question& question, const GpuKind& kind, std::vector<Check>& checks) {
  if (!kind.arch) {
    Check check = check_of("arch-too-new", kind, "unknown facts are not judged");
    check.verdict = Verdict::kUnknown;
    check.message = kind.gpu->name.value
                        ? fmt::format("which architecture {} has is unknown", gpu_text(*kind.gpu))
                        : "which GPU it is, and of which architecture, is unknown";
    check.fix = "name its architecture: gpus[].architecture of a profile, or --host sm_90@DRIVER";
    checks.push_back(std::move(check));
    return;
  }
  const ArchitectureRow* row = row_of(question, kind);
  if (row == nullptr) return judge_unlisted(question, kind, checks);
  const auto driver = host_driver(question.host);
  if (row->least_driver.empty() || is_tegra(question.host)) return;
  if (!driver) return judge_without_version(question, kind, *row, checks);
  Check check = check_of("arch-too-new", kind, row->source);
  check.evidence.push_back({"host", driver->evidence});
  check.evidence.push_back({"table", fmt::format("minimum driver {} for architecture {}",
                                                 row->least_driver, row->architecture)});
  if (version_at_least(driver->version, row->least_driver)) {
    check.message = fmt::format("driver {} knows {}", driver->version, gpu_text(*kind.gpu));
  } else {
    const bool certain = surely_older(question, *driver, *row);
    check.verdict = certain ? Verdict::kFail : Verdict::kUnknown;
    check.message =
        certain ? fmt::format("driver {} is older than {}, which needs {} or newer",
                              driver->version, gpu_text(*kind.gpu), row->least_driver)
                : fmt::format(
                      "whether driver {} knows {} is unknown: it came with CUDA {} or shortly "
                      "after",
                      driver->version, gpu_text(*kind.gpu), row->first_cuda);
    check.fix = fmt::format("update the driver to {} or newer", row->least_driver);
  }
  checks.push_back(std::move(check));
}

}  // namespace

void rule_arch_too_new(const Question& question, std::vector<Check>& checks) {
  if (!concerns_nvidia(question)) return;
  const auto kinds = gpu_kinds(question.host);
  if (kinds.empty())
    checks.push_back({"arch-too-new",
                      Verdict::kUnknown,
                      "which GPUs the host has is unknown, and so is what they need of the driver",
                      {{"host", "no GPU is listed"}},
                      "name the GPU: --host rtx4090@550.54.15",
                      "unknown facts are not judged"});
  for (const GpuKind& kind : kinds) {
    judge_too_new(question, kind, checks);
    if (kind.arch) judge_toolkit_age(question, kind, checks);
  }
}

void rule_arch_dropped(const Question& question, std::vector<Check>& checks) {
  if (!concerns_nvidia(question)) return;
  for (const GpuKind& kind : gpu_kinds(question.host)) judge_dropped(question, kind, checks);
}

void rule_module_kind(const Question& question, std::vector<Check>& checks) {
  const host::Text& module = question.host.nvidia.module_kind;
  // For a described host nobody asked which kind it has.
  if (!concerns_nvidia(question) || (!module.value && module.evidence.empty()) ||
      on_wsl(question.host) == Answer::kYes || is_tegra(question.host))
    return;
  for (const GpuKind& kind : gpu_kinds(question.host)) {
    const ArchitectureRow* row = row_of(question, kind);
    for (const knowledge::ModuleKindRow& rule : question.tables.drivers.module_kinds) {
      const auto& excluded = rule.does_not_drive;
      // Of Hopper the one with a Grace processor alone: "NVIDIA GH200 480GB".
      const std::string product = kind.gpu->name.value.value_or("");
      if (row == nullptr || std::ranges::none_of(excluded, [&](const std::string& word) {
            return word == row->codename || product.contains(word);
          }))
        continue;
      if (module.value && *module.value != rule.kind) continue;
      Check check = check_of("module-kind", kind, rule.source);
      check.verdict = module.value ? Verdict::kFail : Verdict::kUnknown;
      check.decisive = module.value.has_value();
      check.message = module.value
                          ? fmt::format("the {} kernel module does not drive {}", rule.kind,
                                        gpu_text(*kind.gpu))
                          : fmt::format(
                                "which kernel module is loaded is unknown, and the {} one does "
                                "not drive {}",
                                rule.kind, gpu_text(*kind.gpu));
      check.evidence.push_back(
          {"host", fmt::format("kernel module {} ({})", module.value.value_or("unknown"),
                               module.evidence)});
      check.fix = fmt::format("install the driver with {} kernel modules",
                              rule.kind == "open" ? "proprietary" : "open");
      checks.push_back(std::move(check));
    }
  }
}

}  // namespace flense::compat
