#include "needs/collect.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/path.h"
#include "inventory/describe/runtimes.h"
#include "inventory/describe/slim_mark.h"
#include "inventory/describe/start.h"
#include "inventory/names/file_names.h"
#include "needs/collectors.h"

namespace flense::needs {

namespace {

constexpr std::uint64_t kLeastWeights = 64u << 20;
constexpr std::size_t kMostWeights = 50;

/// What the configuration alone tells.
Needs from_config(const image::Image& image) {
  Needs out;
  out.name = image.name;
  // Directories and single files name none.
  if (!image.platform.os.empty() || !image.platform.architecture.empty())
    out.platform = image.platform.text();
  out.environment = inventory::environment(image);
  for (const auto& [name, value] : image.config["config"]["Labels"].members())
    out.labels.emplace(name, value.text());
  const std::string_view user = image.config["config"]["User"].text();
  if (const auto who = user.substr(0, user.find(':')); who != "root" && who != "0") out.user = user;
  out.slim = inventory::mark_of_labels(out.labels);
  return out;
}

/// Distribution packages of CUDA, ROCm, their libraries, RDMA and the C library, by the beginnings
/// of their names in NVIDIA's and AMD's repositories and in Debian, Ubuntu and Alpine.
bool is_gpu_package(const inventory::Package& package) {
  static constexpr auto kBeginnings = std::to_array<std::string_view>({"cuda",
                                                                       "libcu",
                                                                       "libnv",
                                                                       "libnccl",
                                                                       "libnpp",
                                                                       "nvidia",
                                                                       "tensorrt",
                                                                       "python3-libnvinfer",
                                                                       "cudnn",
                                                                       "nsight",
                                                                       "datacenter-gpu",
                                                                       "rocm",
                                                                       "hip",
                                                                       "roc",
                                                                       "miopen",
                                                                       "migraphx",
                                                                       "rccl",
                                                                       "hsa",
                                                                       "amdgpu",
                                                                       "amdrocm",
                                                                       "comgr",
                                                                       "composable",
                                                                       "half",
                                                                       "rpp",
                                                                       "mivisionx",
                                                                       "libibverbs",
                                                                       "ibverbs",
                                                                       "librdmacm",
                                                                       "rdma",
                                                                       "mlnx",
                                                                       "efa",
                                                                       "libfabric",
                                                                       "libc6",
                                                                       "musl",
                                                                       "doca"});
  return std::ranges::any_of(
      kBeginnings, [&](std::string_view beginning) { return package.name.starts_with(beginning); });
}

void add_packages(const inventory::Inventory& inventory, Needs& needs) {
  for (const inventory::InstalledPackage& installed : inventory.packages) {
    const std::string& type = installed.package.type;
    if (type == "pip" || type == "conda" || is_gpu_package(installed.package))
      needs.packages.push_back(installed);
  }
}

void add_weights(const inventory::Survey& survey, Needs& needs) {
  for (const inventory::SurveyFile& file : survey.files)
    if (file.elf == nullptr && file.size >= kLeastWeights && inventory::is_weights_file(file.path))
      needs.weights.push_back({file.path, "model weights", file.size});
  std::stable_sort(needs.weights.begin(), needs.weights.end(),
                   [](const Sighting& a, const Sighting& b) { return a.bytes > b.bytes; });
  if (needs.weights.size() > kMostWeights) needs.weights.resize(kMostWeights);
}

void add_plans(const inventory::Inventory& inventory, Needs& needs) {
  for (const inventory::ModelEntry& model : inventory.models)
    if (model.file.format == "tensorrt" && needs.plans.size() < kMostWeights)
      needs.plans.push_back(
          {model.path, model.file.version,
           model.file.unreadable.empty() ? model.file.untold : model.file.unreadable});
}

/// rocBLAS opens its kernel files: they are used where the image's start loads it.
void use_kernel_files(const std::vector<std::string>& loaded, Needs& needs) {
  if (std::ranges::none_of(loaded, [](const std::string& path) {
        return base_name(path).starts_with("librocblas.so");
      }))
    return;
  for (CodeFile& file : needs.code)
    if (file.path.contains("rocblas/library/")) file.user = needs.start.program;
}

struct Variable {
  std::string_view name, runtime;
};

/// Variables of NVIDIA's, AMD's and the frameworks' images that state what the image holds.
constexpr Variable kVariables[] = {
    {"NV_CUDA_CUDART_VERSION", "CUDA runtime"},
    {"NV_LIBCUBLAS_VERSION", "cuBLAS"},
    {"CUBLAS_VERSION", "cuBLAS"},
    {"NV_CUDNN_VERSION", "cuDNN"},
    {"CUDNN_VERSION", "cuDNN"},
    {"NCCL_VERSION", "NCCL"},
    {"TRT_VERSION", "TensorRT"},
    {"PYTORCH_VERSION", "PyTorch"},
    {"TENSORFLOW_VERSION", "TensorFlow"},
    {"ROCM_VERSION", "ROCm"},
};

void add_stated_runtimes(const Needs& config, std::vector<inventory::Runtime>& out) {
  // "Ubuntu 22.04" of the base image, where it says so.
  const auto label = [&](const char* name) {
    const auto at = config.labels.find(name);
    return at == config.labels.end() ? std::string() : at->second;
  };
  const std::string distribution = label("org.opencontainers.image.ref.name");
  const std::string version = label("org.opencontainers.image.version");
  for (const char* known : {"ubuntu", "debian", "alpine"})
    if (distribution == known && !version.empty())
      out.push_back({"distribution", fmt::format("{} {}", distribution, version),
                     "label org.opencontainers.image.version"});
  for (const Variable& variable : kVariables) {
    const auto at = config.environment.find(std::string(variable.name));
    if (at == config.environment.end() || at->second.empty()) continue;
    const bool stated = std::ranges::any_of(
        out, [&](const inventory::Runtime& runtime) { return runtime.name == variable.runtime; });
    if (!stated)
      out.push_back({std::string(variable.runtime), inventory::upstream_version(at->second),
                     fmt::format("environment {}", variable.name)});
  }
}

}  // namespace

Needs collect_needs(const image::Image& image, const inventory::Contents& contents,
                    const inventory::Inventory& inventory) {
  Needs out = from_config(image);
  out.runtimes = inventory.runtimes;
  out.unpacked_bytes = inventory.unpacked_bytes;
  add_packages(inventory, out);

  const inventory::Survey seen = inventory::survey(image, contents);
  if (!out.slim) out.slim = inventory::mark_of_file(seen.text_at(inventory::kMarkerPath));
  add_weights(seen, out);
  add_plans(inventory, out);
  const LibraryUsers users(seen);
  collect_code(seen, inventory, users, out);
  const LinkingFiles linking = linking_files(seen);
  collect_links(seen, linking, out);
  collect_too_new(seen, linking, users, out);
  collect_providers(seen, out);
  collect_extensions(seen, linking, out);
  collect_foreign(seen, out);
  const std::vector<std::string> loaded = collect_start(seen, out);
  use_kernel_files(loaded, out);
  collect_capabilities(seen, inventory, out);
  collect_compilers(seen, inventory, out);
  collect_system(seen, inventory, loaded, out);
  return out;
}

Needs config_needs(const image::Image& image) {
  Needs out = from_config(image);
  out.contents = false;
  out.unread = "only the configuration was read";
  inventory::RuntimeClues clues;
  clues.environment = out.environment;
  out.runtimes = inventory::find_runtimes(clues);
  add_stated_runtimes(out, out.runtimes);
  // Alpine's root file system is the first layer of images on musl.
  for (const image::Layer& layer : image.layers)
    if (layer.instruction.find("alpine-minirootfs-") != std::string::npos) out.libc = "musl";
  return out;
}

}  // namespace flense::needs
