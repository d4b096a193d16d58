#include "image/output/documents.h"

#include <utility>

#include "codec/sha256.h"
#include "image/model/model.h"
#include "image/model/reference.h"

namespace flense::image {

using text::Json;

ManifestDocuments make_manifest(const Json& config, const Json& annotations,
                                const std::vector<ImageWriter::LayerResult>& layers) {
  ManifestDocuments out;
  out.config = text::dump_json(config);
  out.config_digest = codec::sha256_digest(as_bytes(out.config));
  Json manifest = Json::object();
  manifest.set("schemaVersion", 2);
  manifest.set("mediaType", kOciManifestType);
  manifest.set("config", descriptor_json(kOciConfigType, out.config_digest, out.config.size()));
  Json list = Json::array();
  for (const ImageWriter::LayerResult& layer : layers) {
    Json one = descriptor_json(layer.blob.media_type, layer.blob.digest, layer.blob.size);
    if (!layer.blob.annotations.empty()) {
      Json all = Json::object();
      for (const auto& [key, value] : layer.blob.annotations) all.set(key, value);
      one.set("annotations", std::move(all));
    }
    list.push(std::move(one));
  }
  manifest.set("layers", std::move(list));
  if (!annotations.members().empty()) manifest.set("annotations", annotations);
  out.manifest = text::dump_json(manifest);
  out.manifest_digest = codec::sha256_digest(as_bytes(out.manifest));
  return out;
}

Json descriptor_json(std::string_view media_type, const std::string& digest, std::uint64_t size) {
  Json out = Json::object();
  out.set("mediaType", media_type);
  out.set("digest", digest);
  out.set("size", size);
  return out;
}

std::string_view short_tag(std::string_view tag) {
  const auto slash = tag.rfind('/');
  const auto colon = tag.rfind(':');
  const bool tagged =
      colon != std::string_view::npos && (slash == std::string_view::npos || colon > slash);
  return tagged ? tag.substr(colon + 1) : tag;
}

Json name_annotations(const std::string& tag) {
  Json out = Json::object();
  if (const auto full = normalise_reference(tag)) out.set("io.containerd.image.name", *full);
  out.set("org.opencontainers.image.ref.name", short_tag(tag));
  return out;
}

Json index_json(std::vector<Json> entries) {
  Json out = Json::object();
  out.set("schemaVersion", 2);
  out.set("mediaType", kOciIndexType);
  out.set("manifests", Json(std::move(entries)));
  return out;
}

}  // namespace flense::image
