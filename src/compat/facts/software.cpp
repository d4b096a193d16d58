#include "compat/facts/software.h"

#include <algorithm>

#include "base/format.h"
#include "base/version_numbers.h"
#include "compat/facts/facts.h"

namespace flense::compat {

namespace {

using inventory::InstalledPackage;
using needs::CodeFile;
using needs::Needs;

const CodeFile* code_of(const Needs& image, std::string_view vendor) {
  for (const CodeFile& file : image.code)
    if (std::ranges::any_of(file.entries, [&](const auto& row) { return row.vendor == vendor; }))
      return &file;
  return nullptr;
}

std::string runtime_evidence(const Needs& image, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names)
    for (const inventory::Runtime& runtime : image.runtimes)
      if (runtime.name == name)
        return fmt::format("{}{}{} ({})", runtime.name, runtime.version.empty() ? "" : " ",
                           runtime.version, runtime.evidence);
  return {};
}

std::string variable_evidence(const Needs& image, std::initializer_list<std::string_view> names) {
  for (const std::string_view name : names) {
    const auto at = image.environment.find(std::string(name));
    if (at != image.environment.end() && !at->second.empty())
      return fmt::format("environment {}={}", name, at->second);
  }
  return {};
}

/// "cu124" of "12.4", "rocm6.2" of "6.2.41134".
std::string variant_of(std::string_view product, std::string_view version) {
  std::string number = major_minor(version);
  if (product == "ROCm") return "rocm" + number;
  std::erase(number, '.');
  return "cu" + number;
}

void name_variant(const Needs& image, const knowledge::Knowledge& tables, TorchBuild& build) {
  const std::string local = knowledge::local_version(build.version);
  if (local.starts_with("cu") || local.starts_with("rocm") || local.starts_with("cpu")) {
    build.variant = local.substr(0, local.find('-'));
    return;
  }
  for (const inventory::Runtime& runtime : image.runtimes) {
    if (runtime.name != "PyTorch") continue;
    for (const std::string_view product : {"CUDA", "ROCm"}) {
      const std::string version = built_for(runtime.evidence, product);
      if (version.empty()) continue;
      build.variant = variant_of(product, version);
      build.assumed = fmt::format("torch/version.py says {} {}", product, version);
      return;
    }
  }
  if (!image.contents) {
    // For an image that was not read, the variable is all there is.
    const auto at = image.environment.find("CUDA_VERSION");
    if (at == image.environment.end() || at->second.empty()) return;
    build.variant = variant_of("CUDA", at->second);
    build.assumed = "environment CUDA_VERSION=" + at->second;
    return;
  }
  const auto* row = tables.frameworks.default_variant(build.version);
  if (row == nullptr || architecture_of(image.platform) != "amd64" ||
      code_of(image, "nvidia") == nullptr)
    return;
  build.variant = row->variant;
  build.assumed = "the wheels on PyPI are of that variant: " + row->source;
}

}  // namespace

// Ollama, ml/backend/ggml: lib/ollama/cuda_v12, cuda_v13.
std::string variant_folders(std::string_view path) {
  constexpr std::string_view kBeginning = "/cuda_v";
  const std::size_t at = path.find(kBeginning);
  if (at == std::string_view::npos) return {};
  const std::size_t digits = at + kBeginning.size();
  const std::size_t end = path.find_first_not_of("0123456789", digits);
  if (end == digits || end == std::string_view::npos || path[end] != '/') return {};
  return fmt::format("{}*", path.substr(0, digits));
}

std::vector<Seen> versions_of(const Needs& image, std::string_view runtime) {
  std::vector<Seen> out;
  std::map<std::string, Seen> variants;
  for (const inventory::Runtime& one : image.runtimes) {
    if (one.name != runtime || one.version.empty()) continue;
    Seen seen{one.version, one.evidence};
    const std::string folders = variant_folders(one.evidence);
    if (folders.empty()) {
      out.push_back(std::move(seen));
      continue;
    }
    const auto [at, fresh] = variants.try_emplace(folders, seen);
    if (!fresh && !version_at_least(seen.version, at->second.version)) at->second = seen;
  }
  for (auto& [folders, seen] : variants) out.push_back(std::move(seen));
  return out;
}

Packages packages_of(const Needs& image) {
  Packages out;
  for (const InstalledPackage& installed : image.packages) {
    const inventory::Package& package = installed.package;
    if (package.type == "pip")
      out.emplace(inventory::normalised_python_name(package.name), &installed);
    else if (package.type == "conda")
      out.emplace(package.name, &installed);
  }
  return out;
}

const InstalledPackage* find_package(const Packages& packages, std::string_view name) {
  const auto at = packages.find(name);
  return at == packages.end() ? nullptr : at->second;
}

bool is_published_wheel(const Needs& image, const InstalledPackage& installed) {
  const inventory::Package& package = installed.package;
  if (package.type != "pip" || !knowledge::local_version(package.version).empty() ||
      image.environment.contains("NVIDIA_TENSORFLOW_VERSION"))
    return false;
  // A package of conda leaves the metadata of a wheel too.
  const std::string stem = package.name.substr(0, package.name.find('-'));
  return std::ranges::none_of(image.packages, [&](const InstalledPackage& one) {
    return one.package.type == "conda" && one.package.name.starts_with(stem);
  });
}

bool has_package_like(const Packages& packages, std::initializer_list<std::string_view> stems) {
  return std::ranges::any_of(stems, [&](std::string_view stem) {
    const auto at = packages.lower_bound(stem);
    return at != packages.end() && at->first.starts_with(stem);
  });
}

std::string describe(const InstalledPackage& installed) {
  const inventory::Package& package = installed.package;
  return fmt::format("{} {} ({}{}{})", package.name, package.version, package.type,
                     installed.path.empty() ? "" : ", ", installed.path);
}

std::optional<TorchBuild> torch_build(const Needs& image, const Packages& packages,
                                      const knowledge::Knowledge& tables) {
  TorchBuild out;
  if (const InstalledPackage* installed = find_package(packages, "torch")) {
    out.version = installed->package.version;
    out.evidence = describe(*installed);
  } else if (const InstalledPackage* conda = find_package(packages, "pytorch")) {
    out.version = conda->package.version;
    out.evidence = describe(*conda);
  } else if (const std::vector<Seen> seen = versions_of(image, "PyTorch"); !seen.empty()) {
    out = {seen[0].version, {}, seen[0].evidence, {}};
  } else if (const std::string words = variable_evidence(image, {"PYTORCH_VERSION"});
             !words.empty()) {
    out.version = image.environment.at("PYTORCH_VERSION");
    out.evidence = words;
  } else {
    return std::nullopt;
  }
  name_variant(image, tables, out);
  return out;
}

const needs::Sighting* linked_driver(const Needs& image) {
  constexpr std::string_view kOfDriver[] = {"libcuda.so.1", "libnvidia-ml.so.1",
                                            "libnvidia-encode.so.1", "libnvcuvid.so.1"};
  const auto at =
      std::ranges::find_if(image.start.driver_libraries, [&](const needs::Sighting& one) {
        return std::ranges::find(kOfDriver, one.path) != std::end(kOfDriver);
      });
  return at == image.start.driver_libraries.end() ? nullptr : &*at;
}

std::string cuda_evidence(const Needs& image) {
  if (const CodeFile* file = code_of(image, "nvidia"))
    return fmt::format("CUDA device code in {}", file->path);
  std::string out =
      runtime_evidence(image, {"CUDA runtime", "cuBLAS", "cuDNN", "TensorRT", "CUDA toolkit"});
  if (out.empty())
    out = variable_evidence(image, {"CUDA_VERSION", "NV_CUDA_LIB_VERSION", "NVIDIA_REQUIRE_CUDA"});
  if (!out.empty()) return out;
  for (const InstalledPackage& installed : image.packages) {
    const inventory::Package& package = installed.package;
    if (package.type == "pip" && package.name == "torch" &&
        knowledge::local_version(package.version).starts_with("cu"))
      return describe(installed);
  }
  if (const needs::Sighting* one = linked_driver(image))
    return fmt::format("{}, with which {} is linked", one->path, one->what);
  return {};
}

std::string rocm_evidence(const Needs& image) {
  if (const CodeFile* file = code_of(image, "amd"))
    return fmt::format("AMD device code in {}", file->path);
  std::string out = runtime_evidence(image, {"HIP runtime", "ROCm"});
  if (out.empty()) out = variable_evidence(image, {"ROCM_PATH", "ROCM_VERSION"});
  if (!out.empty()) return out;
  for (const InstalledPackage& installed : image.packages) {
    const inventory::Package& package = installed.package;
    if ((package.type == "pip" && package.name == "torch" &&
         knowledge::local_version(package.version).starts_with("rocm")) ||
        package.name == "rocm-core" || package.name == "hip-runtime-amd")
      return describe(installed);
  }
  return {};
}

std::string built_for(std::string_view evidence, std::string_view product) {
  const std::string mark = fmt::format("(built for {} ", product);
  const std::size_t at = evidence.find(mark);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = evidence.substr(at + mark.size());
  return std::string(rest.substr(0, rest.find(')')));
}

Libc libc_of(const Needs& image, const knowledge::Glibc& tables) {
  Libc out;
  out.kind = image.libc;
  if (!image.libc_version.empty()) {
    out.version = image.libc_version;
    out.evidence = fmt::format("{} {}", image.libc, image.libc_version);
    out.source = "the image's C library";
    return out;
  }
  if (image.libc == "musl") {
    out.evidence = "musl, by its loader";
    out.source = "the image's C library";
    return out;
  }
  const knowledge::DistributionRow* row = nullptr;
  for (const Seen& seen : versions_of(image, "distribution")) {
    if (row == nullptr) row = tables.by_name(seen.version);
    out.evidence = fmt::format("distribution {} ({})", seen.version, seen.evidence);
  }
  const auto label = [&](const char* name) {
    const auto at = image.labels.find(name);
    return at == image.labels.end() ? std::string() : at->second;
  };
  // Carried by Canonical's images and all that are built on them.
  const std::string name = label("org.opencontainers.image.ref.name"),
                    version = label("org.opencontainers.image.version");
  if (row == nullptr && !name.empty()) {
    row = tables.by_id(name, version);
    out.evidence = fmt::format("labels org.opencontainers.image: {} {}", name, version);
  }
  if (row == nullptr) {
    out.evidence.clear();
    return out;
  }
  out.kind = "glibc";
  out.version = row->glibc;
  out.source = row->source;
  return out;
}

std::string unread_reason(const Needs& image) {
  return image.unread.empty() ? "the layers were not read" : image.unread;
}

std::string_view architecture_of(std::string_view platform) {
  const std::size_t slash = platform.find('/');
  if (slash == std::string_view::npos) return {};
  const std::string_view rest = platform.substr(slash + 1);
  return rest.substr(0, rest.find('/'));
}

std::string describe(const std::vector<const host::Gpu*>& gpus) {
  std::vector<std::pair<std::string, std::size_t>> counted;
  for (const host::Gpu* gpu : gpus) {
    const std::string name = gpu_text(*gpu);
    const auto at = std::ranges::find(counted, name, &std::pair<std::string, std::size_t>::first);
    if (at == counted.end())
      counted.emplace_back(name, 1);
    else
      ++at->second;
  }
  std::string out;
  for (const auto& [name, count] : counted) {
    out += (out.empty() ? "" : ", ") + name;
    if (count > 1) out += fmt::format(" ×{}", count);
  }
  return out;
}

}  // namespace flense::compat
