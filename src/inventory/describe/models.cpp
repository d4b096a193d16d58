#include "inventory/describe/models.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string_view>

#include "base/path.h"

namespace flense::inventory {

namespace {

/// Names under which transformers and diffusers look for weights of one kind, in their order of
/// preference: modeling_utils.py takes safetensors where it finds them.
struct Loaded {
  std::string_view safe, pickled;
};
constexpr Loaded kNames[] = {
    {"model.safetensors", "pytorch_model.bin"},
    {"diffusion_pytorch_model.safetensors", "diffusion_pytorch_model.bin"},
    {"adapter_model.safetensors", "adapter_model.bin"},
};

/// "model-00001-of-00004.safetensors" is a part of "model.safetensors".
bool is_part_of(std::string_view name, std::string_view whole) {
  if (name == whole) return true;
  const std::size_t dot = whole.rfind('.');
  if (!name.starts_with(whole.substr(0, dot)) || !name.ends_with(whole.substr(dot))) return false;
  const std::string_view middle =
      name.substr(dot, name.size() - whole.size());  // "-00001-of-00004"
  return middle.starts_with('-') && middle.find("-of-") != std::string_view::npos &&
         middle.find_first_not_of("-of0123456789") == std::string_view::npos;
}

/// Why loaders of the directory leave this pickle aside; empty when they do not.
std::string instead_of(const image::MergedTree& tree, std::string_view path) {
  const std::string_view directory = parent_path(path), name = base_name(path);
  for (const Loaded& pair : kNames) {
    if (!is_part_of(name, pair.pickled)) continue;
    for (const std::string& other : tree.list(directory)) {
      const bool index = other == std::string(pair.safe) + ".index.json";
      if (index || is_part_of(other, pair.safe))
        return fmt::format("{} is there: loaders take safetensors first", other);
    }
  }
  return {};
}

}  // namespace

std::vector<ModelEntry> find_models(const Contents& contents) {
  std::vector<ModelEntry> out;
  contents.for_each_file([&](const VisibleFile& file) {
    if (!file.first) return;
    const auto& models = contents.scan(file.content).models;
    const auto found = models.find(file.content.index);
    // Small pickles are test data and settings of packages.
    constexpr std::uint64_t kMinPickle = 1U << 20;
    if (found == models.end() || (found->second.format == "pickle" && file.size < kMinPickle))
      return;
    out.push_back({std::string(file.path), file.content.layer, file.size, found->second,
                   half_precision_saves(found->second), instead_of(contents.tree(), file.path)});
  });
  std::ranges::stable_sort(
      out, [](const ModelEntry& a, const ModelEntry& b) { return a.size_bytes > b.size_bytes; });
  return out;
}

}  // namespace flense::inventory
