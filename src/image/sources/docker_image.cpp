#include "image/sources/docker_image.h"

#include <mutex>
#include <optional>
#include <utility>

#include "codec/sha256.h"
#include "image/model/model.h"
#include "image/model/platform.h"
#include "image/sources/docker_engine.h"
#include "image/sources/remote_config.h"
#include "text/json.h"

namespace flense::image {

namespace {

using Opened = Result<std::unique_ptr<Image>>;

text::Json list(const std::vector<std::string>& items) {
  text::Json out = text::Json::array();
  for (const std::string& item : items) out.push(item);
  return out;
}

std::vector<std::string> texts(const text::Json& list) {
  std::vector<std::string> out;
  for (const text::Json& item : list.items()) out.emplace_back(item.text());
  return out;
}

/// All of a saved image but its layers' bytes.
std::string describe(const Image& image) {
  text::Json layers = text::Json::array();
  for (const Layer& layer : image.layers) {
    text::Json annotations = text::Json::object();
    for (const auto& [name, value] : layer.blob.annotations) annotations.set(name, value);
    layers.push(text::Json::object()
                    .set("media_type", layer.blob.media_type)
                    .set("digest", layer.blob.digest)
                    .set("size", layer.blob.size)
                    .set("annotations", std::move(annotations))
                    .set("diff_id", layer.diff_id)
                    .set("instruction", layer.instruction)
                    .set("compression", static_cast<std::uint64_t>(layer.compression)));
  }
  return text::dump_json(text::Json::object()
                             .set("oci", image.form == Form::kOciArchive)
                             .set("tags", list(image.tags))
                             .set("manifest", image.manifest_text)
                             .set("manifest_digest", image.manifest_digest)
                             .set("config", image.config_text)
                             .set("config_digest", image.config_digest)
                             .set("annotations", image.manifest_annotations)
                             .set("contradictions", list(image.contradictions))
                             .set("notices", list(image.notices))
                             .set("layers", std::move(layers)));
}

class DockerImage final : public Image {
 public:
  explicit DockerImage(std::function<Opened()> save) : save_(std::move(save)) {}

  Result<std::unique_ptr<Source>> open_layer(std::size_t layer) const override {
    const Opened& image = saved();
    if (!image) return std::unexpected(image.error());
    return (*image)->open_layer(layer);
  }
  const MappedFile* layer_mapping(std::size_t layer) const override {
    const Opened& image = saved();
    return image ? (*image)->layer_mapping(layer) : nullptr;
  }

 private:
  /// Several threads read layers.
  const Opened& saved() const {
    const std::lock_guard lock(mutex_);
    if (!saved_) saved_ = save_();
    return *saved_;
  }

  std::function<Opened()> save_;
  mutable std::mutex mutex_;
  mutable std::optional<Opened> saved_;
};

/// nullopt for what is no description.
std::optional<std::unique_ptr<Image>> described(const std::string& text,
                                                std::function<Opened()> save) {
  const auto json = text::parse_json(text, "a description");
  if (!json) return std::nullopt;
  auto image = std::make_unique<DockerImage>(std::move(save));
  image->form = (*json)["oci"].bool_or(false) ? Form::kOciArchive : Form::kDockerArchive;
  image->tags = texts((*json)["tags"]);
  image->manifest_text = (*json)["manifest"].text();
  image->manifest_digest = (*json)["manifest_digest"].text();
  image->config_text = (*json)["config"].text();
  image->config_digest = (*json)["config_digest"].text();
  image->manifest_annotations = (*json)["annotations"];
  image->contradictions = texts((*json)["contradictions"]);
  image->notices = texts((*json)["notices"]);
  auto config = parse_config(image->config_text, "a description");
  if (!config || codec::sha256_digest(as_bytes(image->config_text)) != image->config_digest)
    return std::nullopt;
  image->platform = config->platform;
  image->config = std::move(config->json);
  for (const text::Json& one : (*json)["layers"].items()) {
    Layer layer;
    layer.blob.media_type = one["media_type"].text();
    layer.blob.digest = one["digest"].text();
    layer.blob.size = one["size"].unsigned_or(0);
    for (const auto& [name, value] : one["annotations"].members())
      layer.blob.annotations.emplace(name, value.text());
    layer.diff_id = one["diff_id"].text();
    layer.instruction = one["instruction"].text();
    layer.compression = static_cast<codec::Compression>(one["compression"].unsigned_or(0));
    image->layers.push_back(std::move(layer));
  }
  return image;
}

/// By what the engine is asked to save, and what it has under that name now; empty where it names
/// no image.
std::string key_of(const std::string& inspected, const std::string& reference,
                   const std::string& platform) {
  const auto told = text::parse_json(inspected, "the engine's reply");
  if (!told || !(*told)["Id"].is_string()) return {};
  return fmt::format("{}\n{}\n{}", (*told)["Id"].text(), reference, platform);
}

/// Null where the engine has to look for another platform of the image.
Opened told_image(const std::string& inspected, const OpenOptions& options) {
  TRY(auto image, open_engine_config(inspected));
  if (!options.platform.empty()) {
    TRY(const Platform wanted, parse_platform(options.platform));
    if (!platform_match(wanted, image->platform)) return nullptr;
  }
  return image;
}

}  // namespace

Result<std::unique_ptr<Image>> open_docker_image(const std::string& reference,
                                                 const OpenOptions& options,
                                                 const OpenSaved& open_saved) {
  TRY(const Engine engine, docker_engine(options.broker));
  TRY(const auto inspected, docker_inspect(engine, reference));
  if (!inspected) return bad_input("Docker has no image {}", reference);
  const auto known = [&](std::unique_ptr<Image> image) -> Opened {
    image->name = "docker-daemon:" + reference;
    image->vouched_for = true;
    return image;
  };
  if (options.config_only || options.told_enough) {
    TRY(auto image, told_image(*inspected, options));
    if (image && (options.config_only || options.told_enough(*image)))
      return known(std::move(image));
  }
  OpenOptions later = options;
  later.progress = nullptr;
  const auto save = [engine, reference, later, open_saved]() -> Opened {
    TRY(MappedFile file, docker_save(engine, reference, later));
    return open_saved(std::move(file));
  };
  const std::string key = key_of(*inspected, reference, options.platform);
  if (!key.empty() && options.memory.recall)
    if (const auto text = options.memory.recall(key))
      if (auto image = described(*text, save)) return known(std::move(*image));
  TRY(auto image, save());
  if (!key.empty() && options.memory.keep) options.memory.keep(key, describe(*image));
  return known(std::move(image));
}

}  // namespace flense::image
