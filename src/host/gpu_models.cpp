#include "host/gpu_models.h"

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "host/text_formats.h"
#include "host/tree.h"
#include "knowledge/spelling.h"

namespace flense::host {

namespace {

/// "NVIDIA A100-SXM4-40GB" -> "nvidia", "a100", "sxm4", "40gb".
std::vector<std::string> words_of(std::string_view model) {
  std::vector<std::string> words;
  while (!model.empty()) {
    const std::size_t end = model.find_first_of(" -_()/");
    std::string word = knowledge::plain_spelling(model.substr(0, end));
    if (!word.empty()) words.push_back(std::move(word));
    if (end == std::string_view::npos) break;
    model.remove_prefix(end + 1);
  }
  return words;
}

/// True when `name` is some consecutive words run together: "rtx4090" of "RTX", "4090". Parts of
/// words do not count, or an RTX A1000 would be an A100.
bool holds(const std::vector<std::string>& words, std::string_view name) {
  for (std::size_t first = 0; first < words.size(); ++first) {
    std::string joined;
    for (std::size_t i = first; i < words.size() && joined.size() < name.size(); ++i) {
      joined += words[i];
      if (joined == name) return true;
    }
  }
  return false;
}

}  // namespace

std::vector<std::string> nvidia_models(const std::filesystem::path& proc) {
  std::set<std::string> models;
  const Tree tree(proc, "/proc");
  for (const std::string& slot : tree.list("driver/nvidia/gpus")) {
    const Result<std::string> text = tree.read("driver/nvidia/gpus/" + slot + "/information");
    if (!text) continue;
    const std::string model = clean(value_of(colon_pairs(*text), "Model"));
    if (!model.empty()) models.insert(model);
  }
  return {models.begin(), models.end()};
}

namespace {

/// Null when the table has no such product.
const knowledge::GpuProduct* product_of_model(const knowledge::Gpus& gpus, std::string_view model) {
  const std::vector<std::string> words = words_of(model.substr(0, 256));
  const knowledge::GpuProduct* best = nullptr;
  std::size_t length = 0;
  for (const knowledge::GpuProduct& product : gpus.products) {
    const auto consider = [&](const std::string& name) {
      if (name.size() <= length || !holds(words, name)) return;
      best = &product;
      length = name.size();
    };
    consider(product.name);
    for (const std::string& alias : product.aliases) consider(alias);
  }
  return best;
}

/// "aarch64" of a GPU that is only beside such a processor; empty for others.
std::string cpu_beside(const knowledge::Knowledge& tables, const Gpu& gpu) {
  const knowledge::GpuProduct* product =
      gpu.name.value ? product_of_model(tables.gpus, *gpu.name.value) : nullptr;
  if (product != nullptr) return product->cpu;
  const knowledge::ArchitectureRow* row =
      gpu.architecture.value ? tables.architectures.find(*gpu.architecture.value) : nullptr;
  return row == nullptr ? std::string() : row->cpu;
}

}  // namespace

Result<std::string> architecture_of_model(const knowledge::Gpus& gpus, std::string_view model) {
  const knowledge::GpuProduct* product = product_of_model(gpus, model);
  if (product == nullptr)
    return fail(Code::kEnvironment, "the GPU '{}' is not in the product table", model)
        .hint("name its architecture: --gpu sm_90");
  return product->architecture;
}

Text architecture_by_name(const knowledge::Gpus& gpus, std::string_view model) {
  const Result<std::string> architecture = architecture_of_model(gpus, model);
  return architecture
             ? Text::known(*architecture, fmt::format("product table, by the name '{}'", model))
             : Text::unknown(architecture.error().message);
}

void infer_processors(const knowledge::Knowledge& tables, std::span<Profile> profiles) {
  std::map<std::pair<std::optional<std::string>, std::optional<std::string>>, std::string>
      known;  // GPUs are many, kinds few
  for (Profile& profile : profiles) {
    Text& fact = profile.system.architecture;
    if (fact.value || profile.gpus.empty()) continue;
    const auto cpu_of = [&](const Gpu& gpu) -> const std::string& {
      const auto [at, fresh] = known.try_emplace({gpu.name.value, gpu.architecture.value});
      if (fresh) at->second = cpu_beside(tables, gpu);
      return at->second;
    };
    const Gpu& first = profile.gpus.front();
    const std::string& cpu = cpu_of(first);
    if (cpu.empty() ||
        !std::ranges::all_of(profile.gpus, [&](const Gpu& gpu) { return cpu_of(gpu) == cpu; }))
      continue;
    fact =
        Text::known(cpu, fmt::format("product table: {} is only beside such a processor",
                                     first.name.value.value_or(
                                         "architecture " + first.architecture.value.value_or(""))));
  }
}

}  // namespace flense::host
