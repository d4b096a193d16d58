#include "image/sources/remote_config.h"

#include <utility>

#include "codec/sha256.h"
#include "image/model/model.h"
#include "image/model/platform.h"

namespace flense::image {

namespace {

class RemoteImage final : public Image {
 public:
  Result<std::unique_ptr<Source>> open_layer(std::size_t layer) const override {
    return fail(Code::kInternal, "layer {} of {} was not pulled", layer + 1, name);
  }
};

}  // namespace

Result<std::string> digest_in_index(const std::string& index, const Platform& platform) {
  TRY(const auto entries, parse_index(index, "the image index"));
  const ManifestRef* best = nullptr;
  int best_match = -1;
  for (const ManifestRef& entry : entries) {
    if (entry.attestation || entry.variant) continue;
    const auto match = platform_match(platform, entry.platform);
    if (match && *match > best_match) {
      best = &entry;
      best_match = *match;
    }
  }
  if (best == nullptr)
    return bad_input("the index has no image for {}", platform.text())
        .hint("--platform OS/ARCH names another one");
  return best->descriptor.digest;
}

Result<std::unique_ptr<Image>> open_registry_config(std::string text) {
  auto image = std::make_unique<RemoteImage>();
  image->config_text = std::move(text);
  image->config_digest = codec::sha256_digest(as_bytes(image->config_text));
  TRY(Config config, parse_config(image->config_text, "the configuration"));
  image->platform = config.platform;
  for (std::size_t i = 0; i < config.diff_ids.size(); ++i) {
    Layer layer;
    layer.diff_id = config.diff_ids[i];
    layer.instruction = config.instructions[i];
    image->layers.push_back(std::move(layer));
  }
  image->config = std::move(config.json);
  return std::unique_ptr<Image>(std::move(image));
}

Result<std::unique_ptr<Image>> open_engine_config(const std::string& inspected) {
  TRY(const text::Json told, text::parse_json(inspected, "the engine's reply"));
  text::Json layers = text::Json::object(), config = text::Json::object();
  layers.set("type", "layers");
  layers.set("diff_ids", told["RootFS"]["Layers"]);
  config.set("architecture", told["Architecture"]);
  config.set("os", told["Os"]);
  if (!told["Variant"].text().empty()) config.set("variant", told["Variant"]);
  config.set("config", told["Config"]);
  config.set("rootfs", std::move(layers));
  auto image = std::make_unique<RemoteImage>();
  image->config_text = text::dump_json(config);
  // With containerd's store the image is named by its manifest.
  if (told.find("Descriptor") == nullptr) image->config_digest = told["Id"].text();
  TRY(Config parsed, parse_config(image->config_text, "the engine's reply"));
  image->platform = parsed.platform;
  for (const std::string& diff_id : parsed.diff_ids) {
    Layer layer;
    layer.diff_id = layer.blob.digest = diff_id;  // what the engine saves is not compressed
    image->layers.push_back(std::move(layer));
  }
  image->config = std::move(parsed.json);
  return std::unique_ptr<Image>(std::move(image));
}

}  // namespace flense::image
