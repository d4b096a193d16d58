#include "image/model/model.h"

#include <algorithm>
#include <limits>

#include "codec/estargz.h"
#include "image/model/variant.h"

namespace flense::image {

namespace {

using text::Json;

constexpr std::uint64_t kNoSize = std::numeric_limits<std::uint64_t>::max();

bool is_hex64(std::string_view text) {
  return text.size() == 64 && std::ranges::all_of(text, [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
         });
}

Result<Descriptor> parse_descriptor(const Json& json, std::string_view what) {
  if (!json.is_object()) return bad_input("{}: expected a descriptor object", what);
  Descriptor out;
  out.media_type = json["mediaType"].text();
  out.digest = json["digest"].text();
  out.size = json["size"].unsigned_or(kNoSize);
  TRY_DO(check_digest(out.digest, what));
  if (out.size >= kNoSize / 2) {
    return bad_input("{}: \"size\" is missing or not a number of bytes", what);
  }
  return out;
}

Platform platform_member(const Json& json) {
  return {std::string(json["os"].text()), std::string(json["architecture"].text()),
          std::string(json["variant"].text())};
}

void strip_prefix(std::string_view& text, std::string_view prefix) {
  if (text.starts_with(prefix)) text.remove_prefix(prefix.size());
}

void trim_spaces(std::string_view& text) {
  constexpr std::string_view kSpaces = " \t\r\n";
  auto begin = text.find_first_not_of(kSpaces);
  if (begin == std::string_view::npos) {
    text = {};
    return;
  }
  text = text.substr(begin, text.find_last_not_of(kSpaces) - begin + 1);
}

}  // namespace

std::string_view layer_media_type(codec::Compression compression) {
  switch (compression) {
    case codec::Compression::kGzip:
      return "application/vnd.oci.image.layer.v1.tar+gzip";
    case codec::Compression::kZstd:
      return "application/vnd.oci.image.layer.v1.tar+zstd";
    case codec::Compression::kNone:
      break;
  }
  return "application/vnd.oci.image.layer.v1.tar";
}

bool is_estargz(const Layer& layer) {
  return layer.compression == codec::Compression::kGzip &&
         layer.blob.annotations.contains(codec::kTocDigestAnnotation);
}

DocumentKind document_kind(std::string_view media_type) {
  if (media_type == kOciIndexType ||
      media_type == "application/vnd.docker.distribution.manifest.list.v2+json") {
    return DocumentKind::kIndex;
  }
  if (media_type == kOciManifestType ||
      media_type == "application/vnd.docker.distribution.manifest.v2+json") {
    return DocumentKind::kManifest;
  }
  return DocumentKind::kOther;
}

bool is_image_config(std::string_view media_type) {
  return media_type.empty() || media_type == kOciConfigType ||
         media_type == "application/vnd.docker.container.image.v1+json";
}

Result<LayerType> parse_layer_type(std::string_view media_type) {
  if (media_type.ends_with("+encrypted")) {
    return bad_input("layer media type {} is encrypted; decrypt the image first", media_type);
  }
  std::string_view rest = media_type;
  LayerType out;
  if (rest.starts_with("application/vnd.docker.image.rootfs.")) {
    strip_prefix(rest, "application/vnd.docker.image.rootfs.");
    out.foreign = rest.starts_with("foreign.");
    strip_prefix(rest, "foreign.");
    if (rest == "diff.tar") return out;
    if (rest == "diff.tar.gzip") {
      out.compression = codec::Compression::kGzip;
      return out;
    }
    if (rest == "diff.tar.zstd") {
      out.compression = codec::Compression::kZstd;
      return out;
    }
  } else if (rest.starts_with("application/vnd.oci.image.layer.")) {
    strip_prefix(rest, "application/vnd.oci.image.layer.");
    out.foreign = rest.starts_with("nondistributable.");
    strip_prefix(rest, "nondistributable.");
    if (rest == "v1.tar") return out;
    if (rest == "v1.tar+gzip") {
      out.compression = codec::Compression::kGzip;
      return out;
    }
    if (rest == "v1.tar+zstd") {
      out.compression = codec::Compression::kZstd;
      return out;
    }
  }
  return bad_input("unknown layer media type \"{}\"; expected a tar, tar+gzip or tar+zstd layer",
                   media_type);
}

Result<void> check_digest(std::string_view digest, std::string_view what) {
  if (digest.starts_with("sha256:") && is_hex64(digest.substr(7))) return {};
  if (digest.starts_with("sha512:") || digest.starts_with("sha384:")) {
    return bad_input("{}: digest algorithm of {} is not supported; only sha256 is", what, digest);
  }
  return bad_input("{}: \"{}\" is not a sha256 digest", what, digest.substr(0, 100));
}

std::string blob_path(std::string_view digest) {
  return "blobs/sha256/" + std::string(digest.substr(7));
}

Result<std::vector<ManifestRef>> parse_index(std::string_view text, std::string_view what) {
  TRY(Json json, text::parse_json(text, what));
  const Json& manifests = json["manifests"];
  if (!manifests.is_array()) {
    return bad_input("{}: not an image index: \"manifests\" is missing", what);
  }
  if (manifests.items().size() > kMaxManifests) {
    return bad_input("{}: {} manifests; at most {} are read", what, manifests.items().size(),
                     kMaxManifests);
  }
  std::vector<ManifestRef> out;
  out.reserve(manifests.items().size());
  for (const Json& item : manifests.items()) {
    ManifestRef ref;
    TRY(ref.descriptor, parse_descriptor(item, what));
    ref.platform = platform_member(item["platform"]);
    const Json& annotations = item["annotations"];
    ref.ref_name = annotations["org.opencontainers.image.ref.name"].text();
    ref.image_name = annotations["io.containerd.image.name"].text();
    // BuildKit stores attestations as manifests of platform unknown/unknown.
    ref.attestation = !annotations["vnd.docker.reference.type"].is_null() ||
                      (ref.platform.os == "unknown" && ref.platform.architecture == "unknown");
    ref.variant = parse_variant(item);
    out.push_back(std::move(ref));
  }
  return out;
}

Json platform_json(const Platform& platform) {
  Json out = Json::object();
  out.set("architecture", platform.architecture).set("os", platform.os);
  if (!platform.variant.empty()) out.set("variant", platform.variant);
  return out;
}

Result<Manifest> parse_manifest(std::string_view text, std::string_view what) {
  TRY(Json json, text::parse_json(text, what));
  if (json["schemaVersion"].unsigned_or(2) == 1) {
    return bad_input(
        "{}: a Docker schema 1 manifest; pull and save the image with a current engine", what);
  }
  Manifest out;
  if (!json["config"].is_object() || !json["layers"].is_array()) {
    return bad_input("{}: not an image manifest: \"config\" or \"layers\" is missing", what);
  }
  TRY(out.config, parse_descriptor(json["config"], what));
  const Json::Array& layers = json["layers"].items();
  if (layers.size() > kMaxLayers) {
    return bad_input("{}: {} layers; at most {} are read", what, layers.size(), kMaxLayers);
  }
  out.layers.reserve(layers.size());
  for (const Json& layer : layers) {
    TRY(Descriptor descriptor, parse_descriptor(layer, what));
    for (const auto& [key, value] : layer["annotations"].members())
      if (value.is_string()) descriptor.annotations.emplace(key, value.text());
    out.layers.push_back(std::move(descriptor));
  }
  out.annotations = json["annotations"];
  return out;
}

Result<Config> parse_config(std::string_view text, std::string_view what) {
  Config out;
  TRY(out.json, text::parse_json(text, what));
  if (!out.json.is_object()) return bad_input("{}: expected a JSON object", what);
  out.platform = platform_member(out.json);
  const Json& diff_ids = out.json["rootfs"]["diff_ids"];
  if (!diff_ids.is_array()) {
    return bad_input("{}: not an image configuration: \"rootfs.diff_ids\" is missing", what);
  }
  if (diff_ids.items().size() > kMaxLayers) {
    return bad_input("{}: {} layers; at most {} are read", what, diff_ids.items().size(),
                     kMaxLayers);
  }
  for (const Json& id : diff_ids.items()) {
    TRY_DO(check_digest(id.text(), what));
    out.diff_ids.emplace_back(id.text());
  }
  std::vector<std::string> instructions;
  for (const Json& step : out.json["history"].items()) {
    if (step["empty_layer"].bool_or(false)) continue;
    instructions.push_back(trim_instruction(step["created_by"].text()));
  }
  out.history_matches = instructions.empty() || instructions.size() == out.diff_ids.size();
  if (instructions.size() == out.diff_ids.size()) out.instructions = std::move(instructions);
  out.instructions.resize(out.diff_ids.size());
  return out;
}

Result<std::vector<DockerEntry>> parse_docker_manifest(std::string_view text,
                                                       std::string_view what) {
  TRY(Json json, text::parse_json(text, what));
  if (!json.is_array()) return bad_input("{}: expected an array of images", what);
  if (json.items().size() > kMaxManifests) {
    return bad_input("{}: {} images; at most {} are read", what, json.items().size(),
                     kMaxManifests);
  }
  std::vector<DockerEntry> out;
  for (const Json& item : json.items()) {
    DockerEntry entry;
    entry.config = item["Config"].text();
    if (entry.config.empty()) return bad_input("{}: an image without \"Config\"", what);
    for (const Json& tag : item["RepoTags"].items()) entry.tags.emplace_back(tag.text());
    if (item["Layers"].items().size() > kMaxLayers) {
      return bad_input("{}: {} layers; at most {} are read", what, item["Layers"].items().size(),
                       kMaxLayers);
    }
    for (const Json& layer : item["Layers"].items()) {
      if (layer.text().empty()) return bad_input("{}: a layer without a file name", what);
      entry.layers.emplace_back(layer.text());
    }
    out.push_back(std::move(entry));
  }
  return out;
}

std::string trim_instruction(std::string_view created_by) {
  std::string_view text = created_by;
  trim_spaces(text);
  if (text.ends_with("# buildkit")) text.remove_suffix(std::string_view("# buildkit").size());
  trim_spaces(text);
  bool run = false;
  if (text.starts_with("RUN ")) {
    run = true;
    text.remove_prefix(4);
    trim_spaces(text);
  }
  // "|2 A=1 B=2 /bin/sh -c …": build arguments in front of the shell.
  if (text.starts_with("|")) {
    auto shell = text.find("/bin/sh -c ");
    if (shell != std::string_view::npos) text.remove_prefix(shell);
  }
  for (std::string_view shell : {"/bin/sh -c ", "/bin/bash -c "}) {
    if (!text.starts_with(shell)) continue;
    text.remove_prefix(shell.size());
    trim_spaces(text);
    if (text.starts_with("#(nop)")) {
      text.remove_prefix(std::string_view("#(nop)").size());
      trim_spaces(text);
      return std::string(text);
    }
    run = true;
    break;
  }
  return run ? "RUN " + std::string(text) : std::string(text);
}

}  // namespace flense::image
