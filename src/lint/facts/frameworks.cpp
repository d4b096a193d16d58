// GPU frameworks in package lists: the CUDA or ROCm that their wheels are built for, and the
// source.

#include <algorithm>
#include <array>
#include <map>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/gpu_image.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr auto kTorchFamily =
    std::to_array<std::string_view>({"torch", "torchvision", "torchaudio"});

constexpr auto kGpuPackages = [] {
  auto out = std::to_array<std::string_view>({
      "torch",
      "torchvision",
      "torchaudio",
      "pytorch",
      "pytorch-gpu",
      "pytorch-cuda",
      "triton",
      "tensorflow",
      "tensorflow-gpu",
      "tf-nightly",
      "jax",
      "jaxlib",
      "onnxruntime-gpu",
      "vllm",
      "sglang",
      "flash-attn",
      "flash-attention",
      "xformers",
      "deepspeed",
      "bitsandbytes",
      "apex",
      "auto-gptq",
      "autoawq",
      "exllamav2",
      "flashinfer-python",
      "tensorrt",
      "tensorrt-llm",
      "torch-tensorrt",
      "paddlepaddle-gpu",
      "transformer-engine",
      "cudf",
      "cuml",
      "pycuda",
      "cudatoolkit",
      "cuda-version",
      "cuda-toolkit",
      "cuda-runtime",
      "causal-conv1d",
      "mamba-ssm",
      "torch-scatter",
      "torch-sparse",
      "torch-cluster",
      "pytorch3d",
      "faiss-gpu",
      "spconv",
      "detectron2",
      "mmcv",
      "cupy",
      "nvidia-dali",
  });
  std::ranges::sort(out);
  return out;
}();

constexpr auto kGpuPrefixes = std::to_array<std::string_view>(
    {"nvidia-", "cupy-cuda", "cupy-rocm", "jax-cuda", "jax-rocm", "mxnet-cu", "faiss-gpu-",
     "cudf-cu", "cuml-cu", "tensorrt-cu", "spconv-cu", "flashinfer-"});

template <std::size_t N>
bool holds(const std::array<std::string_view, N>& list, std::string_view name) {
  return std::ranges::find(list, name) != list.end();
}

bool is_variant(std::string_view word) {
  if (word == "cpu" || word == "xpu") return true;
  if (word.starts_with("cu") && word.size() >= 4 && word.size() <= 5)
    return word.find_first_not_of("0123456789", 2) == std::string_view::npos;
  return word.starts_with("rocm") && is_version(word.substr(4));
}

/// "12" of "…-cu12" and "…-cuda12x"; empty for anything else.
std::string major_behind(std::string_view name, std::string_view mark) {
  const std::size_t at = name.rfind(mark);
  if (at == std::string_view::npos) return {};
  const std::string_view rest = name.substr(at + mark.size());
  const std::string_view digits = rest.substr(0, rest.find_first_not_of("0123456789"));
  const std::string_view behind = rest.substr(digits.size());
  if (digits.size() < 2 || digits.size() > 4 ||
      (!behind.empty() && behind.front() != '-' && behind.front() != 'x'))
    return {};
  if (digits.size() == 2) return std::string(digits);
  // cupy-cuda117, mxnet-cu112: the last digit is the minor.
  return fmt::format("{}.{}", digits.substr(0, digits.size() - 1), digits.back());
}

}  // namespace

std::string variant_of_index(std::string_view url) {
  url = url.substr(0, url.find_first_of("?#"));
  while (!url.empty()) {
    while (url.ends_with('/')) url.remove_suffix(1);
    const std::size_t slash = url.rfind('/');
    if (slash == std::string_view::npos) return {};
    std::string_view part = url.substr(slash + 1);
    if (part.ends_with(".html")) part.remove_suffix(5);
    // data.pyg.org/whl/torch-2.4.0+cu124.html
    if (const std::size_t plus = part.find('+'); plus != std::string_view::npos)
      part.remove_prefix(plus + 1);
    if (is_variant(part)) return std::string(part);
    url = url.substr(0, slash);
  }
  return {};
}

std::string torch_of_links(std::string_view url) {
  const std::size_t at = url.find("/torch-");
  if (at == url.npos || !url.contains("://")) return {};
  const std::string_view rest = url.substr(at + 7);
  const std::string_view number = rest.substr(0, rest.find('+'));
  return is_version(number) && rest.size() > number.size() ? std::string(number) : std::string();
}

bool is_pypi(std::string_view url) {
  // mirrors.aliyun.com, mirrors.ustc.edu.cn, mirrors.cloud.tencent.com, mirror.baidu.com, …
  return !url.contains('$') &&
         ((url.contains("://mirror") && url.contains("/pypi/")) || url.contains("://pypi.org/") ||
          url.contains("://pypi.tuna.") || url.contains("://pypi.ngc.nvidia.com") ||
          url.contains("://pypi.douban") || url.contains("://pypi.mirrors.") ||
          url.contains("://repo.huaweicloud.com/repository/pypi/"));
}

std::uint64_t cuda_of_feed(std::string_view url) {
  for (std::size_t at = url.find("cuda"); at != url.npos; at = url.find("cuda", at + 4)) {
    std::string_view rest = url.substr(at + 4);
    if (rest.starts_with('-') || rest.starts_with('_')) rest.remove_prefix(1);
    const std::string_view digits =
        rest.substr(0, std::min(rest.find_first_not_of("0123456789"), rest.size()));
    if (digits.size() == 2) return first_number(digits).value_or(0);
  }
  return 0;
}

std::string cuda_of_package(const PackageRequest& request) {
  const std::string local = knowledge::cuda_of_variant(knowledge::local_version(request.version));
  if (!local.empty()) return local;
  for (const std::string& extra : request.extras) {
    if (!extra.starts_with("cuda")) continue;
    const std::string_view digits = std::string_view(extra).substr(4);
    const std::string_view number = digits.substr(0, digits.find_first_not_of("0123456789"));
    if (number.size() == 2) return std::string(number);
  }
  if (holds(kTorchFamily, request.name)) return {};
  for (const std::string_view mark : {"-cuda", "-cu"})
    if (std::string major = major_behind(request.name, mark); !major.empty()) return major;
  return {};
}

bool is_gpu_package(std::string_view name) {
  if (name.starts_with("nvidia-ml-py") || name == "nvidia-pyindex") return false;
  return std::ranges::binary_search(kGpuPackages, name) ||
         std::ranges::any_of(kGpuPrefixes, [&](std::string_view p) { return name.starts_with(p); });
}

std::vector<Framework> frameworks_of(const PackageList& list, const knowledge::Frameworks& tables) {
  // Variants named by the indexes of the list, each once; two of them leave a choice.
  std::vector<std::pair<std::string, std::string>> variants;
  // Links of extensions hold no torch.
  const bool links_alone = std::ranges::all_of(
      list.indexes, [](const Word& index) { return !torch_of_links(index.text).empty(); });
  for (const Word& index : list.indexes)
    if (std::string variant = variant_of_index(index.text);
        !variant.empty() && torch_of_links(index.text).empty())
      if (std::ranges::find(variants, variant, [](const auto& v) { return v.first; }) ==
          variants.end())
        variants.emplace_back(std::move(variant), index.text);
  for (const std::string& option : list.options)
    if (option.starts_with("--torch-backend=") && is_variant(std::string_view(option).substr(16)))
      variants.emplace_back(option.substr(16), option);

  std::map<std::string_view, std::size_t> entries;
  if (list.program.empty())
    for (const PackageRequest& request : list.packages) ++entries[request.name];

  std::vector<Framework> out;
  for (const PackageRequest& request : list.packages) {
    if (!is_gpu_package(request.name)) continue;
    Framework found;
    found.package = request.name;
    found.version = request.version;
    found.request = &request;
    if (const std::string cuda = cuda_of_package(request); !cuda.empty())
      found.cuda = {cuda, fmt::format("{}{}", request.name, request.specifier)};
    // Which of several entries in a lock, or of several extras, is used is not known here.
    const bool alternatives = list.program.empty() && entries[request.name] > 1;
    if (alternatives) found.cuda = {};
    const bool python = request.manager != PackageManager::kConda && !alternatives;
    if (python && holds(kTorchFamily, request.name)) {
      const std::string local = knowledge::local_version(request.version);
      if (is_variant(local)) {
        found.variant = {local, request.name + request.specifier};
      } else if (std::string bound = variant_of_index(request.index); !bound.empty()) {
        found.variant = {std::move(bound), request.index};
        found.from_index = true;
      } else if (variants.size() == 1) {
        found.variant = {variants[0].first, variants[0].second};
        found.from_index = true;
      } else if (variants.empty() && links_alone && request.url.empty() &&
                 !request.version.empty()) {
        if (const auto* row = tables.default_variant(request.version);
            row != nullptr && request.name == "torch")
          found.variant = {row->variant, row->source};
      }
      if (const std::string cuda = knowledge::cuda_of_variant(found.variant.value); !cuda.empty())
        found.cuda = {cuda, found.variant.evidence};
    }
    out.push_back(std::move(found));
  }
  return out;
}

}  // namespace flense::lint
