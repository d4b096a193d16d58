#include "inventory/describe/runtimes.h"

#include <algorithm>
#include <array>
#include <optional>
#include <span>
#include <utility>

#include "base/ascii.h"
#include "base/path.h"
#include "inventory/names/file_names.h"

namespace flense::inventory {

namespace {

using Names = std::span<const std::string_view>;
using Name = std::string_view;

/// One product and the traces it leaves. `deb` and `pypi` names may end in '*'.
struct Product {
  std::string_view name;
  Names libraries;  ///< stems: "libcudart" for libcudart.so.12.4.127
  Names pypi;
  Names deb;
  Names conda;
  std::string_view environment;
};

constexpr Name kCudartLib[] = {"libcudart"};
constexpr Name kCudartPypi[] = {"nvidia-cuda-runtime*"};
constexpr Name kCudartDeb[] = {"cuda-cudart-1*", "libcudart1*"};
constexpr Name kCudartConda[] = {"cuda-cudart", "cudatoolkit"};
constexpr Name kCublasLib[] = {"libcublas"};
constexpr Name kCublasPypi[] = {"nvidia-cublas*"};
constexpr Name kCublasDeb[] = {"libcublas-1*", "libcublas1*"};
constexpr Name kCublasConda[] = {"libcublas"};
constexpr Name kCudnnLib[] = {"libcudnn"};
// Not nvidia-cudnn-frontend, which has versions of its own.
constexpr Name kCudnnPypi[] = {"nvidia-cudnn", "nvidia-cudnn-cu*"};
constexpr Name kCudnnDeb[] = {"libcudnn8", "libcudnn9-cuda*", "libcudnn7"};
constexpr Name kCudnnConda[] = {"cudnn"};
constexpr Name kNcclLib[] = {"libnccl"};
constexpr Name kNcclPypi[] = {"nvidia-nccl*"};
constexpr Name kNcclDeb[] = {"libnccl2"};
constexpr Name kNcclConda[] = {"nccl"};
constexpr Name kTrtLib[] = {"libnvinfer"};
constexpr Name kTrtPypi[] = {"tensorrt", "tensorrt-cu1*"};
constexpr Name kTrtDeb[] = {"libnvinfer8", "libnvinfer10", "libnvinfer1*"};
constexpr Name kTorchPypi[] = {"torch"};
constexpr Name kTorchConda[] = {"pytorch"};
constexpr Name kTfPypi[] = {"tensorflow", "tensorflow-gpu", "tensorflow-cpu", "tf-nightly"};
constexpr Name kTfConda[] = {"tensorflow"};
constexpr Name kJaxPypi[] = {"jax"};
constexpr Name kJaxConda[] = {"jax"};
constexpr Name kOrtLib[] = {"libonnxruntime"};
constexpr Name kOrtPypi[] = {"onnxruntime", "onnxruntime-gpu"};
constexpr Name kTritonPypi[] = {"triton", "pytorch-triton", "triton-windows"};
constexpr Name kTritonServer[] = {"libtritonserver"};
constexpr Name kVllmPypi[] = {"vllm"};
constexpr Name kSglangPypi[] = {"sglang"};
constexpr Name kCupyPypi[] = {"cupy", "cupy-cuda*", "cupy-rocm*"};
constexpr Name kRocmLib[] = {"libamdhip64"};

constexpr std::array<Product, 15> kProducts = {{
    {"CUDA runtime", kCudartLib, kCudartPypi, kCudartDeb, kCudartConda, ""},
    {"cuBLAS", kCublasLib, kCublasPypi, kCublasDeb, kCublasConda, ""},
    {"cuDNN", kCudnnLib, kCudnnPypi, kCudnnDeb, kCudnnConda, ""},
    {"NCCL", kNcclLib, kNcclPypi, kNcclDeb, kNcclConda, ""},
    {"TensorRT", kTrtLib, kTrtPypi, kTrtDeb, {}, ""},
    {"HIP runtime", kRocmLib, {}, {}, {}, ""},
    {"PyTorch", {}, kTorchPypi, {}, kTorchConda, ""},
    {"TensorFlow", {}, kTfPypi, {}, kTfConda, ""},
    {"JAX", {}, kJaxPypi, {}, kJaxConda, ""},
    {"ONNX Runtime", kOrtLib, kOrtPypi, {}, {}, ""},
    {"Triton", {}, kTritonPypi, {}, {}, ""},
    {"Triton Inference Server", kTritonServer, {}, {}, {}, "TRITON_SERVER_VERSION"},
    {"vLLM", {}, kVllmPypi, {}, {}, ""},
    {"SGLang", {}, kSglangPypi, {}, {}, ""},
    {"CuPy", {}, kCupyPypi, {}, {}, ""},
}};

bool name_matches(std::string_view pattern, std::string_view name) {
  if (pattern.ends_with('*')) return name.starts_with(pattern.substr(0, pattern.size() - 1));
  return name == pattern;
}

bool any_matches(Names patterns, std::string_view name) {
  return std::any_of(patterns.begin(), patterns.end(),
                     [&](std::string_view pattern) { return name_matches(pattern, name); });
}

/// "12.4.127" of "libcudart.so.12.4.127" and of its names in wheels; nullopt when the file is
/// another library, empty text when it has no version.
std::optional<std::string_view> library_version(std::string_view file, std::string_view stem) {
  if (!file.starts_with(stem)) return std::nullopt;
  const std::string plain = plain_library_name(file);
  if (plain.size() < stem.size()) return std::nullopt;
  file = file.substr(file.size() - (plain.size() - stem.size()));
  if (!file.starts_with(".so")) return std::nullopt;
  file.remove_prefix(3);
  if (file.empty()) return file;
  if (file.size() < 2 || file.front() != '.' || !is_digit(file[1])) return std::nullopt;
  file.remove_prefix(1);
  const bool numbers =
      std::all_of(file.begin(), file.end(), [](char c) { return is_digit(c) || c == '.'; });
  if (!numbers) return std::nullopt;
  return file;
}

/// "3.11" of "usr/bin/python3.11"; empty for anything else.
std::string_view python_of(std::string_view path) {
  if (base_name(parent_path(path)) != "bin") return {};
  std::string_view name = base_name(path);
  if (!name.starts_with("python3.")) return {};
  name.remove_prefix(6);
  const bool plain = std::all_of(name.begin() + 2, name.end(), is_digit);
  return plain && name.size() > 2 ? name : std::string_view{};
}

/// Collects (version, evidence) pairs of one product; a version that is the beginning of another
/// ("12" and "12.4.127") is the same thing seen less exactly.
class Sightings {
 public:
  void add(std::string version, std::string evidence) {
    for (Sighting& known : sightings_) {
      if (!same(known.version, version)) continue;
      if (version.size() > known.version.size()) {
        known.version = std::move(version);
        known.evidence.insert(known.evidence.begin(), std::move(evidence));
      } else {
        known.evidence.push_back(std::move(evidence));
      }
      return;
    }
    sightings_.push_back({std::move(version), {std::move(evidence)}});
  }
  void flush(std::string_view name, std::vector<Runtime>& out) {
    merge();
    for (const Sighting& sighting : sightings_) {
      // Virtual environments hold the same packages, which say the same.
      std::vector<std::string_view> told;
      for (const std::string& one : sighting.evidence)
        if (std::ranges::find(told, one) == told.end()) told.push_back(one);
      std::string evidence;
      constexpr std::size_t kShown = 3;
      for (std::size_t i = 0; i < std::min(kShown, told.size()); ++i)
        evidence.append(i == 0 ? "" : "; ").append(told[i]);
      if (told.size() > kShown) evidence += fmt::format("; and {} more", told.size() - kShown);
      out.push_back({std::string(name), sighting.version, std::move(evidence)});
    }
  }

 private:
  struct Sighting {
    std::string version;
    std::vector<std::string> evidence;
  };
  static bool extends(std::string_view longer, std::string_view shorter) {
    if (!longer.starts_with(shorter)) return false;
    if (longer.size() == shorter.size() || shorter.empty()) return true;
    const char next = longer[shorter.size()];
    return next == '.' || next == '+' || next == '-' || next == '~';
  }
  static bool same(std::string_view a, std::string_view b) {
    return extends(a, b) || extends(b, a);
  }
  /// "12" may have come before both "12.4.127" and "12.8.90": fold what now coincides.
  void merge() {
    std::stable_sort(sightings_.begin(), sightings_.end(), [](const auto& a, const auto& b) {
      return a.version.size() > b.version.size();
    });
    std::vector<Sighting> kept;
    for (Sighting& one : sightings_) {
      const auto at = std::find_if(kept.begin(), kept.end(), [&](const Sighting& known) {
        return extends(known.version, one.version);
      });
      if (at == kept.end())
        kept.push_back(std::move(one));
      else
        at->evidence.insert(at->evidence.end(), one.evidence.begin(), one.evidence.end());
    }
    sightings_ = std::move(kept);
  }

  std::vector<Sighting> sightings_;
};

std::string package_evidence(const InstalledPackage& installed) {
  const Package& package = installed.package;
  const std::string_view kind = package.type == "pip" ? "Python" : std::string_view(package.type);
  return fmt::format("{} package {} {}", kind, package.name, package.version);
}

const std::string* find_text(const RuntimeClues& clues, std::string_view suffix) {
  for (const auto& [path, text] : clues.texts)
    if (path == suffix || path.ends_with("/" + std::string(suffix))) return &text;
  return nullptr;
}

void add_distribution(const RuntimeClues& clues, std::vector<Runtime>& out) {
  for (const std::string_view path : {"etc/os-release", "usr/lib/os-release"}) {
    const auto at = clues.texts.find(std::string(path));
    if (at == clues.texts.end()) continue;
    if (const auto release = parse_os_release(at->second)) {
      std::string version = release->pretty_name;
      if (version.empty()) version = release->id + " " + release->version_id;
      out.push_back({"distribution", std::move(version), std::string(path)});
      return;
    }
  }
}

void add_libc(const RuntimeClues& clues, std::vector<Runtime>& out) {
  Sightings glibc, musl;
  for (const auto& [path, version] : clues.libc_releases)
    glibc.add(version, fmt::format("version banner of {}", path));
  for (const InstalledPackage& installed : clues.packages) {
    const Package& package = installed.package;
    if (package.type == "deb" && package.name == "libc6")
      glibc.add(upstream_version(package.version), package_evidence(installed));
    if (package.type == "apk" && package.name == "musl")
      musl.add(package.version, package_evidence(installed));
  }
  for (const std::string& path : clues.paths)
    if (base_name(path).starts_with("ld-musl-")) musl.add("", path);
  glibc.flush("glibc", out);
  musl.flush("musl", out);
}

void add_python(const RuntimeClues& clues, std::vector<Runtime>& out) {
  Sightings python;
  if (const auto at = clues.environment.find("PYTHON_VERSION"); at != clues.environment.end())
    python.add(at->second, "environment PYTHON_VERSION");
  for (const InstalledPackage& installed : clues.packages) {
    const Package& package = installed.package;
    const bool deb = package.type == "deb" && package.name.starts_with("python3.") &&
                     std::all_of(package.name.begin() + 8, package.name.end(), is_digit);
    if (deb) python.add(upstream_version(package.version), package_evidence(installed));
    const bool whole = package.name == "python" || package.name == "python3";
    if (whole && (package.type == "conda" || package.type == "apk"))
      python.add(package.version, package_evidence(installed));
  }
  for (const std::string& path : clues.paths)
    if (const std::string_view version = python_of(path); !version.empty())
      python.add(std::string(version), path);
  for (const auto& [path, text] : clues.texts) {
    if (base_name(path) != "pyvenv.cfg") continue;
    for (const std::string_view key : {"version_info = ", "version = "}) {
      const std::size_t at = text.find(key);
      if (at == std::string::npos) continue;
      std::string_view version = std::string_view(text).substr(at + key.size(), 16);
      version = version.substr(0, version.find_first_not_of("0123456789."));
      if (!version.empty()) python.add(std::string(version), path);
      break;
    }
  }
  python.flush("Python", out);
}

void add_toolkit(const RuntimeClues& clues, std::vector<Runtime>& out) {
  Sightings cuda, rocm;
  if (const auto at = clues.environment.find("CUDA_VERSION"); at != clues.environment.end())
    cuda.add(at->second, "environment CUDA_VERSION");
  for (const auto& [path, text] : clues.texts) {
    const std::string_view name = base_name(path);
    if (name == "version" && path.find(".info/") != std::string::npos) {
      const std::string_view line = std::string_view(text).substr(0, text.find_first_of("\r\n"));
      if (line.size() <= 32) rocm.add(std::string(line.substr(0, line.find('-'))), path);
    }
    if (name != "version.json") continue;
    // {"cuda": {"name": "CUDA SDK", "version": "12.4.20240301"}, …}: the date is no patch level.
    const Result<text::Json> json = text::parse_json(text, path);
    if (!json) continue;
    const std::string_view version = (*json)["cuda"]["version"].text();
    if (!version.empty() && version.size() <= 32) {
      const std::size_t dot = version.rfind('.');
      const bool dated = dot != std::string_view::npos && version.size() - dot > 5;
      cuda.add(std::string(dated ? version.substr(0, dot) : version), path);
    }
  }
  cuda.flush("CUDA toolkit", out);
  rocm.flush("ROCm", out);
}

void add_product(const Product& product, const RuntimeClues& clues, std::vector<Runtime>& out) {
  Sightings seen;
  for (const InstalledPackage& installed : clues.packages) {
    const Package& package = installed.package;
    const bool hit = (package.type == "pip" &&
                      any_matches(product.pypi, normalised_python_name(package.name))) ||
                     (package.type == "deb" && any_matches(product.deb, package.name) &&
                      !package.name.ends_with("-dev")) ||
                     (package.type == "conda" && any_matches(product.conda, package.name));
    if (!hit) continue;
    seen.add(package.type == "deb" ? upstream_version(package.version) : package.version,
             package_evidence(installed));
  }
  for (const std::string& path : clues.paths) {
    for (const std::string_view stem : product.libraries) {
      if (const auto version = library_version(base_name(path), stem))
        seen.add(std::string(*version), path);
    }
  }
  if (const auto at = clues.environment.find(std::string(product.environment));
      !product.environment.empty() && at != clues.environment.end())
    seen.add(at->second, fmt::format("environment {}", product.environment));
  if (product.name == "PyTorch") {
    if (const std::string* text = find_text(clues, "torch/version.py")) {
      const std::string version = python_assignment(*text, "__version__");
      const std::string cuda = python_assignment(*text, "cuda");
      const std::string hip = python_assignment(*text, "hip");
      std::string evidence = "torch/version.py";
      if (!cuda.empty()) evidence += fmt::format(" (built for CUDA {})", cuda);
      if (!hip.empty()) evidence += fmt::format(" (built for ROCm {})", hip);
      seen.add(version, std::move(evidence));
    }
  }
  seen.flush(product.name, out);
}

}  // namespace

bool is_runtime_clue(std::string_view path) {
  const std::string_view name = base_name(path);
  if (name.starts_with("lib")) {
    for (const Product& product : kProducts)
      for (const std::string_view stem : product.libraries)
        if (library_version(name, stem)) return true;
    return false;
  }
  return name.starts_with("ld-musl-") || !python_of(path).empty();
}

std::vector<Runtime> find_runtimes(const RuntimeClues& clues) {
  std::vector<Runtime> out;
  add_distribution(clues, out);
  add_libc(clues, out);
  add_python(clues, out);
  add_toolkit(clues, out);
  for (const Product& product : kProducts) add_product(product, clues, out);
  return out;
}

}  // namespace flense::inventory
