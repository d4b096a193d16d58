#include "image/layers/extended_image.h"

#include <utility>

#include "base/stream.h"

namespace flense::image {

namespace {

Layer layer_of(const LayerFile& file) {
  Layer out;
  out.blob.digest = file.diff_id;
  out.blob.size = file.tar.bytes().size();
  out.diff_id = file.diff_id;
  out.instruction = file.instruction;
  out.added = true;
  return out;
}

class FileLayerImage final : public Image {
 public:
  explicit FileLayerImage(MappedFile tar) : tar_(std::move(tar)) {}
  Result<std::unique_ptr<Source>> open_layer(std::size_t) const override {
    return std::make_unique<MemorySource>(tar_.bytes());
  }
  const MappedFile* layer_mapping(std::size_t) const override { return &tar_; }

 private:
  MappedFile tar_;
};

class ExtendedImage final : public Image {
 public:
  ExtendedImage(const Image& base, MappedFile tar)
      : Image(base), base_(base), tar_(std::move(tar)) {}
  Result<std::unique_ptr<Source>> open_layer(std::size_t layer) const override {
    if (layer < base_.layers.size()) return base_.open_layer(layer);
    return std::make_unique<MemorySource>(tar_.bytes());
  }
  std::optional<std::filesystem::path> layer_file(std::size_t layer) const override {
    if (layer < base_.layers.size()) return base_.layer_file(layer);
    return std::nullopt;
  }
  const MappedFile* layer_mapping(std::size_t layer) const override {
    return layer < base_.layers.size() ? base_.layer_mapping(layer) : &tar_;
  }

 private:
  const Image& base_;
  MappedFile tar_;
};

/// Nothing is made up for an image without a history.
text::Json with_entry(const text::Json& config, const LayerFile& layer) {
  text::Json out = config;
  if (!config["history"].is_array() || config["history"].items().empty()) return out;
  text::Json entry = text::Json::object();
  if (const text::Json& created = config["history"].items().back()["created"]; created.is_string())
    entry.set("created", created);
  entry.set("created_by", layer.instruction);
  text::Json history = config["history"];
  history.push(std::move(entry));
  out.set("history", std::move(history));
  return out;
}

}  // namespace

std::unique_ptr<const Image> layer_image(const LayerFile& layer) {
  auto out = std::make_unique<FileLayerImage>(layer.tar);
  out->name = layer.instruction;
  out->layers.push_back(layer_of(layer));
  return out;
}

std::unique_ptr<const Image> extended_image(const Image& base, const LayerFile& layer) {
  auto out = std::make_unique<ExtendedImage>(base, layer.tar);
  out->config = with_entry(out->config, layer);
  out->layers.push_back(layer_of(layer));
  return out;
}

}  // namespace flense::image
