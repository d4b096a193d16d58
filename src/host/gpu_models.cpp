#include "host/gpu_models.h"

#include <algorithm>
#include <set>
#include <system_error>

#include "base/file.h"
#include "knowledge/gpus.h"

namespace flense::host {

namespace {

constexpr std::uint64_t kInformationLimit = 64u << 10;

std::string lower_without_blanks(std::string_view text) {
  std::string out;
  for (const char c : text)
    if (c != ' ' && c != '-' && c != '_')
      out += c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  return out;
}

}  // namespace

std::vector<std::string> nvidia_models(const std::filesystem::path& proc) {
  std::set<std::string> models;
  std::error_code error;
  for (const auto& gpu : std::filesystem::directory_iterator(proc / "driver/nvidia/gpus", error)) {
    const Result<std::string> text = read_file(gpu.path() / "information", kInformationLimit);
    if (!text) continue;
    constexpr std::string_view kModel = "Model:";
    const std::size_t at = text->find(kModel);
    if (at == std::string::npos) continue;
    std::string_view line = std::string_view(*text).substr(at + kModel.size());
    line = line.substr(0, line.find('\n'));
    while (!line.empty() && (line.front() == ' ' || line.front() == '\t')) line.remove_prefix(1);
    while (!line.empty() && line.back() == ' ') line.remove_suffix(1);
    if (!line.empty()) models.emplace(line);
  }
  return {models.begin(), models.end()};
}

Result<std::string> architecture_of_model(std::string_view model) {
  const std::string text = lower_without_blanks(model);
  const knowledge::GpuProduct* best = nullptr;
  for (const knowledge::GpuProduct& product : knowledge::gpu_products()) {
    if (product.vendor != "nvidia" || !text.contains(lower_without_blanks(product.name))) continue;
    if (best == nullptr || product.name.size() > best->name.size()) best = &product;
  }
  if (best == nullptr)
    return with_hint(Result<std::string>(fail(Code::kEnvironment,
                                              "the GPU '{}' is not in the product table", model)),
                     "name its architecture: --gpu sm_90");
  return best->architecture;
}

}  // namespace flense::host
