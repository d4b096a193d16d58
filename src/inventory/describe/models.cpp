#include "inventory/describe/models.h"

#include <algorithm>
#include <map>
#include <string_view>

#include "base/ascii.h"
#include "base/path.h"
#include "inventory/names/weight_names.h"

namespace flense::inventory {

namespace {

/// Why loaders of the directory leave this pickle aside; empty when they do not.
std::string instead_of(const image::MergedTree& tree, std::string_view path) {
  const std::string_view directory = parent_path(path), name = base_name(path);
  for (const WeightNames& pair : weight_names()) {
    if (!part_of(name, pair.pickled)) continue;
    for (const std::string& other : tree.list(directory)) {
      const bool index = other == std::string(pair.safe) + ".index.json";
      if (index || part_of(other, pair.safe))
        return fmt::format("{} is there: loaders take safetensors first", other);
    }
  }
  return {};
}

/// "nmp" of "nmp.onnx"; empty where the ending is of no form.
std::string_view stem_of(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  return dot != name.npos && is_one_of(name.substr(dot),
                                       {".onnx", ".tflite", ".h5", ".keras", ".jit", ".torchscript",
                                        ".pt", ".pth", ".safetensors", ".gguf", ".engine", ".plan"})
             ? name.substr(0, dot)
             : std::string_view();
}

/// Converters keep the name: nmp.onnx and nmp.tflite beside nmp/saved_model.pb.
std::string namesake_of(const image::MergedTree& tree, std::string_view path) {
  constexpr std::string_view kSavedModel = "saved_model.pb";
  std::string_view directory = parent_path(path), name = base_name(path), stem = stem_of(name);
  if (base_name(directory) == "variables") {
    directory = parent_path(directory);
    name = kSavedModel;
  }
  if (name == kSavedModel) {
    stem = name = base_name(directory);
    directory = parent_path(directory);
  }
  if (stem.empty()) return {};
  for (const std::string& other : tree.list(directory)) {
    if (other == name) continue;
    if (stem_of(other) == stem) return other;
    if (other == stem && tree.find(fmt::format("{}/{}/{}", directory, other, kSavedModel)))
      return fmt::format("{}/{}", other, kSavedModel);
  }
  return {};
}

/// The same model in another form, by its place: under the same name, beside safetensors or pickles
/// under the names that loaders know, or in a folder below them that is called for the form (onnx/,
/// tensorrt/).
std::string twin_of(const image::MergedTree& tree, std::string_view path) {
  constexpr const char* kTwin = "another form of the model in {}: one of them is enough";
  if (const std::string other = namesake_of(tree, path); !other.empty())
    return fmt::format(kTwin, other);
  for (std::string_view directory = parent_path(path);;) {
    for (const std::string& other : tree.list(directory))
      for (const WeightNames& pair : weight_names())
        if (part_of(other, pair.safe) || part_of(other, pair.pickled))
          return fmt::format(kTwin, other);
    if (!is_one_of(base_name(directory), {"onnx", "gguf", "tensorrt", "engines", "openvino",
                                          "variables", "tensorflow", "saved_model"}))
      return {};
    directory = parent_path(directory);
  }
}

/// The cache of the Hugging Face hub shows blobs under the names of links.
std::map<std::string, std::string> names_of_blobs(const Contents& contents) {
  std::map<std::string, std::string> out;
  const image::MergedTree& tree = contents.tree();
  // Nothing here fails.
  static_cast<void>(tree.for_each(
      [&](const std::string& path, const image::MergedTree::Found& found) -> Result<void> {
        if (found.type != codec::MemberType::kSymlink || !found.entry ||
            tree.entry(*found.entry).link.find("blobs/") == std::string_view::npos)
          return {};
        if (auto blob = tree.resolve(path)) out.try_emplace(std::move(*blob), path);
        return {};
      }));
  return out;
}

}  // namespace

std::vector<ModelEntry> find_models(const Contents& contents) {
  std::vector<ModelEntry> out;
  const std::map<std::string, std::string> names = names_of_blobs(contents);
  contents.for_each_file([&](const VisibleFile& file) {
    if (!file.first) return;
    const auto& models = contents.scan(file.content).models;
    const auto found = models.find(file.content.index);
    // Small pickles are test data and settings of packages.
    constexpr std::uint64_t kMinPickle = 1U << 20;
    if (found == models.end() || (found->second.format == "pickle" && file.size < kMinPickle))
      return;
    const auto link = names.find(std::string(file.path));
    const std::string path = link == names.end() ? std::string(file.path) : link->second;
    const ModelFile& model = found->second;
    const bool main = model.format == "safetensors" || model.format == "pickle";
    out.push_back({std::string(file.path), file.content.layer, file.size, model,
                   half_precision_saves(model), instead_of(contents.tree(), path),
                   main ? std::string() : twin_of(contents.tree(), path),
                   link == names.end() ? std::string() : path, tensor_groups(model)});
  });
  std::ranges::stable_sort(
      out, [](const ModelEntry& a, const ModelEntry& b) { return a.size_bytes > b.size_bytes; });
  return out;
}

}  // namespace flense::inventory
