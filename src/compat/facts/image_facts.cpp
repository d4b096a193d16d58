#include "compat/facts/image_facts.h"

#include <algorithm>
#include <array>
#include <limits>
#include <map>

#include "base/format.h"
#include "base/path.h"
#include "base/version_numbers.h"

namespace flense::compat {

namespace {

using inventory::ArchCount;
using inventory::InstalledPackage;
using needs::CodeFile;
using needs::Needs;

/// The numbers a version begins with: "12.4.127" of "12.4.127-1".
std::string numbers_of(std::string_view text) {
  return std::string(text.substr(0, text.find_first_not_of("0123456789.")));
}

/// The most demanding of several: the newest, and of one minor the one with more numbers.
void consider(std::optional<ImageCuda>& best, ImageCuda candidate) {
  if (!is_version(candidate.version)) return;
  if (best) {
    const bool same = major_minor(best->version) == major_minor(candidate.version);
    const bool better = same ? std::pair(candidate.exact, candidate.version.size()) >
                                   std::pair(best->exact, best->version.size())
                             : compare_versions(candidate.version, best->version) > 0;
    if (!better) return;
  }
  best = std::move(candidate);
}

bool is_runtime_package(const InstalledPackage& installed) {
  const auto& [type, name, version, torch, cudnn] = installed.package;
  if (type == "pip") return name.starts_with("nvidia-cuda-runtime");
  return type == "conda" && (name == "cuda-cudart" || name == "cudatoolkit");
}

std::optional<ImageCuda> framework_cuda(const Needs& image) {
  std::optional<ImageCuda> best;
  const auto of_wheel = [](std::string_view version) {
    return knowledge::cuda_of_variant(knowledge::local_version(version));
  };
  for (const inventory::Runtime& runtime : image.runtimes) {
    if (runtime.name != "PyTorch") continue;
    consider(best, {numbers_of(built_for(runtime.evidence, "CUDA")), true,
                    fmt::format("{} {}: {}", runtime.name, runtime.version, runtime.evidence)});
    consider(best, {of_wheel(runtime.version), true,
                    fmt::format("{} {}", runtime.name, runtime.version)});
  }
  for (const InstalledPackage& installed : image.packages) {
    const auto& [type, name, version, torch, cudnn] = installed.package;
    const bool framework = name == "torch" || name == "jaxlib" || name == "pytorch";
    if (framework) consider(best, {of_wheel(version), true, describe(installed)});
    if (is_runtime_package(installed))
      consider(best, {numbers_of(version), true, describe(installed)});
  }
  return best;
}

std::optional<ImageCuda> runtime_cuda(const Needs& image, std::string_view name) {
  std::optional<ImageCuda> best;
  for (const Seen& runtime : versions_of(image, name)) {
    std::string version = numbers_of(runtime.version);
    // libcudart.so.11.0 is the name of every CUDA 11; 11.0 itself is 11.0.NNN.
    if (name == "CUDA runtime" && version == "11.0") version = "11";
    consider(best, {std::move(version), true,
                    fmt::format("{} {}: {}", name, runtime.version, runtime.evidence)});
  }
  return best;
}

/// "bitsandbytes/libbitsandbytes_cuda*.so" of the file for CUDA 11.8, of which a package has one
/// for each CUDA and opens the one that fits; empty for other files.
std::string variants_of(std::string_view path) {
  if (const std::string folders = variant_folders(path); !folders.empty())
    return folders + std::string(path.substr(path.find('/', folders.size())));
  const std::size_t name = path.size() - base_name(path).size();
  for (std::size_t at = path.find("cu", name); at != std::string_view::npos;
       at = path.find("cu", at + 1)) {
    const std::size_t digits = at + (path.substr(at).starts_with("cuda") ? 4 : 2);
    const std::size_t end = std::min(path.find_first_not_of("0123456789", digits), path.size());
    const std::size_t count = end - std::min(digits, end);
    if (count != 2 && count != 3) continue;
    return fmt::format("{}*{}", path.substr(0, digits), path.substr(end));
  }
  return {};
}

/// Device code was compiled by a CUDA that knew its architecture and its PTX version. Of variants
/// the oldest counts: the package runs where one of them does.
std::optional<ImageCuda> cuda_of_code(const std::vector<CudaFile>& code,
                                      const knowledge::Architectures& tables) {
  std::optional<ImageCuda> best;
  std::map<std::string, ImageCuda> oldest;
  const auto see = [&](const CudaFile& file, const CudaFile::Entry& entry,
                       std::optional<ImageCuda>& newest) {
    const knowledge::ArchitectureRow* row =
        tables.find(fmt::format("{}.{}", entry.arch.major(), entry.arch.minor()));
    if (row != nullptr)
      consider(newest,
               {row->first_cuda, false, fmt::format("{} of {}", entry.row->arch, file.file->path)});
    const std::string& version = entry.row->version;
    if (entry.row->kind == "cubin" && !version.empty())
      consider(newest, {version, true,
                        fmt::format("{} of {}, compiled by CUDA {}", entry.row->arch,
                                    file.file->path, version)});
    const std::string& isa = entry.row->kind == "ptx" ? version : std::string();
    const knowledge::PtxRow* ptx = isa.empty() ? nullptr : tables.ptx_of_isa(isa);
    if (ptx != nullptr)
      consider(newest, {ptx->cuda, false, fmt::format("PTX ISA {} of {}", isa, file.file->path)});
  };
  for (const CudaFile& file : code) {
    std::optional<ImageCuda> newest;
    for (const CudaFile::Entry& entry : file.cubins) see(file, entry, newest);
    for (const CudaFile::Entry& entry : file.ptx) see(file, entry, newest);
    if (!newest) continue;
    if (file.variants.empty()) {
      consider(best, *std::move(newest));
      continue;
    }
    const auto [at, fresh] = oldest.try_emplace(file.variants, *newest);
    if (!fresh && compare_versions(newest->version, at->second.version) < 0) at->second = *newest;
  }
  for (auto& [variants, cuda] : oldest) consider(best, std::move(cuda));
  return best;
}

/// A runtime that is asked for and not in the image must come from elsewhere, in this version.
std::optional<ImageCuda> needed_cuda(const Needs& image) {
  constexpr std::string_view kCudart = "libcudart.so.";
  std::optional<ImageCuda> best;
  for (const needs::MissingLibrary& missing : image.missing_libraries) {
    if (!missing.library.starts_with(kCudart)) continue;
    std::string version = numbers_of(missing.library.substr(kCudart.size()));
    if (version == "11.0") version = "11";
    consider(best,
             {std::move(version), true, fmt::format("{} needs {}", missing.user, missing.library)});
  }
  return best;
}

std::optional<ImageCuda> cuda_of(const Needs& image, const std::vector<CudaFile>& code,
                                 const knowledge::Architectures& tables) {
  if (auto own = framework_cuda(image)) return own;
  if (auto runtime = runtime_cuda(image, "CUDA runtime")) return runtime;
  if (auto toolkit = runtime_cuda(image, "CUDA toolkit")) return toolkit;
  std::optional<ImageCuda> out;
  if (const auto at = image.environment.find("CUDA_VERSION"); at != image.environment.end())
    consider(out, {numbers_of(at->second), true,
                   fmt::format("environment CUDA_VERSION={}", at->second.substr(0, 32))});
  if (out) return out;
  // A SONAME tells only the major; device code of that major often tells more.
  const std::optional<ImageCuda> needed = needed_cuda(image);
  std::optional<ImageCuda> of_code = cuda_of_code(code, tables);
  const bool finer = needed && of_code && of_code->version.starts_with(needed->version + ".");
  return needed && !finer ? needed : of_code;
}

bool has_code_of(const Needs& image, std::string_view vendor) {
  return std::ranges::any_of(image.code, [&](const CodeFile& file) {
    return std::ranges::any_of(file.entries,
                               [&](const ArchCount& entry) { return entry.vendor == vendor; });
  });
}

std::uint64_t device_bytes(const CodeFile& file) {
  if (file.device_bytes != 0) return file.device_bytes;
  std::uint64_t out = 0;
  for (const ArchCount& entry : file.entries) out += entry.bytes;
  return out;
}

std::vector<CudaFile> cuda_code_of(const Needs& image, const knowledge::Frameworks& frameworks) {
  std::vector<CudaFile> out;
  for (const CodeFile& file : image.code) {
    CudaFile made{&file,
                  device_bytes(file),
                  frameworks.is_core_library(file.path),
                  frameworks.is_feature_library(file.path),
                  false,
                  variants_of(file.path),
                  {},
                  {}};
    for (const ArchCount& entry : file.entries) {
      if (entry.vendor != "nvidia" || entry.kind == "ltoir") continue;
      if (entry.count > 0 && entry.hollow == entry.count) continue;
      const auto arch = code_arch(entry.arch);
      if (arch && entry.kind == "cubin")
        made.cubins.push_back({&entry, *arch});
      else if (arch && entry.kind == "ptx")
        made.ptx.push_back({&entry, *arch});
      else
        made.unreadable = true;
    }
    if (made.unreadable || !made.cubins.empty() || !made.ptx.empty())
      out.push_back(std::move(made));
  }
  return out;
}

AmdCode amd_code_of(const Needs& image) {
  AmdCode out;
  std::map<std::string_view, std::size_t> known;
  for (const CodeFile& file : image.code) {
    AmdCode::File made{&file, {}};
    for (const ArchCount& entry : file.entries) {
      if (entry.vendor != "amd") continue;
      const auto [at, added] = known.emplace(entry.arch, out.names.size());
      if (added) {
        out.names.push_back(entry.arch);
        out.targets.push_back(parse_amd_target(entry.arch));
      }
      made.targets.push_back(at->second);
    }
    if (!made.targets.empty()) out.files.push_back(std::move(made));
  }
  return out;
}

/// NCCL or MPI in the image: what would use several machines.
std::string multi_node_evidence(const Needs& image) {
  for (const Seen& seen : versions_of(image, "NCCL"))
    return fmt::format("NCCL {} ({})", seen.version, seen.evidence);
  constexpr std::array<std::string_view, 9> kNames = {
      "openmpi", "libopenmpi",  "mpich", "libmpich",      "mpi4py",
      "libnccl", "nvidia-nccl", "rccl",  "nvidia-nvshmem"};
  for (const InstalledPackage& installed : image.packages) {
    const std::string name = inventory::normalised_python_name(installed.package.name);
    if (std::ranges::any_of(kNames, [&](std::string_view stem) { return name.starts_with(stem); }))
      return describe(installed);
  }
  return {};
}

ModelWeights largest_model(const Needs& image) {
  std::map<std::string, ModelWeights, std::less<>> folders;
  for (const needs::Sighting& file : image.weights) {
    const std::string folder(parent_path(file.path));
    ModelWeights& sum = folders[folder];
    sum.folder = folder;
    sum.bytes += std::min(file.bytes, std::numeric_limits<std::uint64_t>::max() - sum.bytes);
    ++sum.files;
  }
  ModelWeights out;
  for (const auto& [folder, sum] : folders)
    if (sum.bytes > out.bytes) out = sum;
  return out;
}

}  // namespace

ImageFacts::ImageFacts(const Needs& image, const knowledge::Knowledge& tables)
    : packages(packages_of(image)),
      cuda_evidence(compat::cuda_evidence(image)),
      rocm_evidence(compat::rocm_evidence(image)),
      torch(torch_build(image, packages, tables)),
      rocm(image_rocm(image, torch)),
      libc(libc_of(image, tables.glibc)),
      multi_node(multi_node_evidence(image)),
      cuda_code(cuda_code_of(image, tables.frameworks)),
      amd_code(amd_code_of(image)),
      weights(largest_model(image)) {
  cuda = cuda_of(image, cuda_code, tables.architectures);
  if (cuda || has_code_of(image, "nvidia") || !image.compat.empty() ||
      image.environment.contains("NVIDIA_REQUIRE_CUDA") || linked_driver(image) != nullptr)
    needs_cuda = Answer::kYes;
  else
    needs_cuda = image.contents ? Answer::kNo : Answer::kUnknown;
}

std::optional<device::CudaArch> code_arch(std::string_view text) {
  auto out = device::parse_cuda_arch(text);
  if (!out) return out;
  if (text.back() == 'a' || text.back() == 'A')
    out->variant = device::CudaArch::Variant::kArchitecture;
  if (text.back() == 'f' || text.back() == 'F') out->variant = device::CudaArch::Variant::kFamily;
  return out;
}

std::optional<needs::CpuNeed> stated_cpu(const needs::Needs& image) {
  constexpr const char* kLabel = "dev.flense.requires.cpu";
  const auto label = image.labels.find(kLabel);
  if (label == image.labels.end()) return image.cpu;
  const unsigned stated = knowledge::cpu_level_number(label->second);
  const unsigned file = image.cpu ? knowledge::cpu_level_number(image.cpu->level) : 0;
  if (stated <= file) return image.cpu;
  return needs::CpuNeed{label->second, std::string("label ") + kLabel};
}

}  // namespace flense::compat
