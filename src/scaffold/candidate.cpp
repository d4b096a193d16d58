#include "scaffold/candidate.h"

#include <algorithm>

#include "base/format.h"
#include "base/version_numbers.h"

namespace flense::scaffold {

using inventory::ArchCount;
using knowledge::Knowledge;
using needs::CodeFile;
using needs::Needs;

namespace {

constexpr std::string_view kPackages = "opt/venv/lib/python3.12/site-packages";

/// Of "rocm6.2.4": "6.2".
std::string rocm_of(std::string_view variant) {
  return major_minor(variant.substr(std::string_view("rocm").size()));
}

/// Images are kept up for the two newest majors, and while the driver branch of their CUDA lives by
/// the table's own date.
bool has_ended(std::string_view cuda, const Knowledge& tables) {
  const knowledge::CudaImageRow* image = tables.images.cuda_version(cuda);
  if (image == nullptr || !image->state.empty()) return true;
  const knowledge::ToolkitRow* newest = tables.drivers.newest_toolkit();
  const auto major = first_number(cuda).value_or(0);
  if (newest != nullptr && major + 1 < first_number(newest->cuda).value_or(0)) return true;
  for (const knowledge::BranchRow& row : tables.drivers.branches)
    if (row.cuda == major_minor(cuda)) return !row.end.empty() && row.end < tables.drivers.date;
  return false;
}

/// Of the distributions of a toolkit's image, that of the template or else the first.
std::string distribution_for(const knowledge::ToolkitImage& image, const Template& chosen) {
  if (chosen.build_on.empty())
    return image.distributions.empty() ? std::string() : image.distributions.front();
  const bool has =
      std::ranges::find(image.distributions, chosen.build_on) != image.distributions.end();
  return has ? chosen.build_on : std::string();
}

ArchCount code(std::string_view vendor, std::string_view kind, std::string arch) {
  ArchCount out;
  out.vendor = vendor;
  out.kind = kind;
  out.arch = std::move(arch);
  out.count = 1;
  out.bytes = 1u << 20;
  return out;
}

/// "90" of "9.0", "100f" of "10.0f".
std::string number_of(std::string_view architecture) {
  std::string out(architecture);
  std::erase(out, '.');
  return out;
}

std::string ptx_version(std::string_view cuda, const Knowledge& tables) {
  const knowledge::PtxRow* row = tables.architectures.ptx_of_cuda(major_minor(cuda));
  return row == nullptr ? std::string() : row->isa;
}

CodeFile cuda_file(std::string path, const std::vector<std::string>& cubins,
                   const std::vector<std::string>& ptx, std::string_view cuda,
                   const Knowledge& tables) {
  CodeFile out;
  out.path = std::move(path);
  for (const std::string& one : cubins)
    out.entries.push_back(code("nvidia", "cubin", "sm_" + number_of(one)));
  for (const std::string& one : ptx) {
    out.entries.push_back(code("nvidia", "ptx", "compute_" + number_of(one)));
    out.entries.back().version = ptx_version(cuda, tables);
  }
  out.device_bytes = out.entries.size() << 20;
  return out;
}

CodeFile amd_file(std::string path, const std::vector<std::string>& targets) {
  CodeFile out;
  out.path = std::move(path);
  for (const std::string& one : targets) out.entries.push_back(code("amd", "code-object", one));
  out.device_bytes = out.entries.size() << 20;
  return out;
}

void add_package(Needs& image, std::string type, std::string name, std::string version) {
  inventory::InstalledPackage out;
  out.package = {std::move(type), std::move(name), std::move(version)};
  image.packages.push_back(std::move(out));
}

/// "nvidia-cuda-runtime" of CUDA 13, "nvidia-cuda-runtime-cu12" before.
std::string runtime_wheel(std::string_view cuda) {
  const auto major = first_number(cuda).value_or(0);
  return major >= 13 ? "nvidia-cuda-runtime" : fmt::format("nvidia-cuda-runtime-cu{}", major);
}

/// The names of the table's rows: the plug-in is what holds JAX's device code.
std::string jax_plugin(const Candidate& candidate) {
  return fmt::format("jax-{}-plugin", candidate.variant);
}

void describe_framework(const Candidate& candidate, std::string_view package,
                        std::string_view variant, std::string path, std::string_view platform,
                        const Knowledge& tables, Needs& image) {
  const std::string_view machine = platform.substr(platform.find('/') + 1);
  const knowledge::FrameworkBuild* build =
      tables.frameworks.build(package, candidate.version, variant, machine);
  if (build == nullptr) return;
  if (!candidate.rocm.empty())
    image.code.push_back(amd_file(std::move(path), build->gfx));
  else
    image.code.push_back(
        cuda_file(std::move(path), build->cubin, build->ptx, candidate.cuda, tables));
}

void describe_torch(const Candidate& candidate, std::string_view platform, const Knowledge& tables,
                    Needs& image) {
  const bool amd = !candidate.rocm.empty();
  const std::string version = fmt::format("{}+{}", candidate.version, candidate.variant);
  add_package(image, "pip", "torch", version);
  image.runtimes.push_back({"PyTorch", version,
                            fmt::format("torch/version.py (built for {} {})", amd ? "ROCm" : "CUDA",
                                        amd ? candidate.variant.substr(4) : candidate.cuda)});
  if (!amd) {
    add_package(image, "pip", runtime_wheel(candidate.cuda), candidate.cuda);
    image.compilers.push_back({"NVRTC", "libnvrtc, which torch loads", {}});
  }
  describe_framework(candidate, "torch", candidate.variant,
                     fmt::format("{}/torch/lib/libtorch_{}.so", kPackages, amd ? "hip" : "cuda"),
                     platform, tables, image);
}

/// conda-forge's build of a CUDA has no row of its own: that of the wheels for the same minor.
void describe_conda(const Candidate& candidate, std::string_view platform, const Knowledge& tables,
                    Needs& image) {
  add_package(image, "conda", "pytorch", candidate.version);
  add_package(image, "conda", "cuda-cudart", candidate.cuda);
  image.runtimes.push_back({"PyTorch", candidate.version,
                            fmt::format("torch/version.py (built for CUDA {})", candidate.cuda)});
  describe_framework(candidate, "torch", "cu" + number_of(candidate.cuda),
                     "opt/conda/envs/app/lib/libtorch_cuda.so", platform, tables, image);
}

void describe_jax(const Candidate& candidate, std::string_view platform, const Knowledge& tables,
                  Needs& image) {
  for (const std::string& name : {std::string("jax"), std::string("jaxlib"), jax_plugin(candidate)})
    add_package(image, "pip", name, candidate.version);
  add_package(image, "pip", runtime_wheel(candidate.cuda), candidate.cuda);
  describe_framework(
      candidate, jax_plugin(candidate), "",
      fmt::format("{}/jax_plugins/xla_{}/xla_cuda_plugin.so", kPackages, candidate.variant),
      platform, tables, image);
}

/// nvcc makes a cubin for each GPU and PTX for the newest.
void describe_program(const Candidate& candidate, std::vector<std::string> architectures,
                      const Knowledge& tables, Needs& image) {
  image.runtimes.push_back({"CUDA runtime", candidate.cuda, "linked into srv/bin/saxpy"});
  std::ranges::sort(architectures, [](const std::string& a, const std::string& b) {
    return compare_versions(a, b) < 0;
  });
  std::vector<std::string> newest;
  if (!architectures.empty()) newest.push_back(architectures.back());
  image.code.push_back(cuda_file("srv/bin/saxpy", architectures, newest, candidate.cuda, tables));
}

}  // namespace

std::vector<Candidate> candidates(const Template& chosen, const Knowledge& tables) {
  std::vector<Candidate> out;
  const knowledge::Releases& releases = tables.releases;
  switch (chosen.stack) {
    case Stack::kTorch:
      for (const knowledge::TorchRelease& row : releases.torch)
        for (const std::string& variant : row.variants)
          out.push_back({fmt::format("torch {}+{}", row.version, variant), row.version, variant,
                         knowledge::cuda_of_variant(variant), "", false, row.source});
      break;
    case Stack::kRocm:
      for (const knowledge::TorchRelease& row : releases.torch)
        for (const std::string& variant : row.rocm)
          if (variant.starts_with("rocm"))
            out.push_back({fmt::format("torch {}+{}", row.version, variant), row.version, variant,
                           "", rocm_of(variant), false, row.rocm_source});
      break;
    case Stack::kJax:
      for (const knowledge::JaxRelease& row : releases.jax)
        out.push_back({fmt::format("jax[{}] {}", row.variant, row.version), row.version,
                       row.variant, row.cuda, "", false, row.source});
      break;
    case Stack::kConda:
      for (const knowledge::CondaRelease& row : releases.conda)
        for (const std::string& cuda : row.cuda)
          out.push_back({fmt::format("pytorch {} for CUDA {}", row.version, cuda), row.version,
                         "cuda" + number_of(cuda), cuda, "", false, row.source});
      break;
    case Stack::kToolkit:
      for (const knowledge::ToolkitImage& row : releases.toolkits)
        if (const std::string on = distribution_for(row, chosen); !on.empty())
          out.push_back({fmt::format("CUDA toolkit {}", row.cuda), "", on, row.cuda, "",
                         has_ended(row.cuda, tables), row.source});
      break;
  }
  std::ranges::stable_sort(out, [](const Candidate& a, const Candidate& b) {
    return compare_versions(a.version, b.version) > 0;
  });
  return out;
}

Needs described_image(const Template& chosen, const Candidate& candidate,
                      const std::vector<std::string>& architectures, std::string_view platform,
                      const Knowledge& tables) {
  Needs out;
  out.name = candidate.name;
  out.platform = platform;
  out.libc = "glibc";
  if (chosen.vendor == "nvidia")
    out.environment = {{"NVIDIA_VISIBLE_DEVICES", "void"},
                       {"NVIDIA_DRIVER_CAPABILITIES", "compute,utility"}};
  const std::string_view distribution = chosen.stack == Stack::kToolkit && chosen.build_on.empty()
                                            ? std::string_view(candidate.variant)
                                            : std::string_view("debian12");
  const std::size_t digit = distribution.find_first_of("0123456789");
  if (const auto* row = tables.glibc.by_id(
          distribution.substr(0, digit), distribution.substr(std::min(digit, distribution.size()))))
    out.libc_version = row->glibc;
  switch (chosen.stack) {
    case Stack::kTorch:
    case Stack::kRocm:
      describe_torch(candidate, platform, tables, out);
      break;
    case Stack::kJax:
      describe_jax(candidate, platform, tables, out);
      break;
    case Stack::kConda:
      describe_conda(candidate, platform, tables, out);
      break;
    case Stack::kToolkit:
      describe_program(candidate, architectures, tables, out);
      break;
  }
  return out;
}

std::string least_driver(std::string_view cuda, const Knowledge& tables) {
  const auto major = first_number(cuda);
  if (const auto* row = major ? tables.drivers.minor_version(*major) : nullptr) return row->driver;
  const auto* toolkit = tables.drivers.toolkit(major_minor(cuda));
  return toolkit == nullptr ? std::string() : toolkit->driver;
}

std::string least_driver(std::string_view cuda, const std::vector<std::string>& architectures,
                         const Knowledge& tables) {
  std::string out = least_driver(cuda, tables);
  for (const std::string& one : architectures) {
    const auto* row = tables.architectures.find(one);
    if (row == nullptr || row->least_driver.empty()) continue;
    // A bare branch means its first driver, the one that came with its CUDA toolkit.
    std::string floor = row->least_driver;
    if (floor.find('.') == std::string::npos) {
      const auto* branch = tables.drivers.branch(first_number(floor).value_or(0));
      const auto* toolkit = branch == nullptr ? nullptr : tables.drivers.toolkit(branch->cuda);
      if (toolkit == nullptr) continue;
      floor = toolkit->driver;
    }
    if (out.empty() || compare_versions(floor, out) > 0) out = floor;
  }
  return out;
}

}  // namespace flense::scaffold
