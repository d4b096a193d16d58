#include "image/sources/stored_image.h"

#include <utility>

#include "codec/sha256.h"

namespace flense::image {

std::string_view to_string(Form form) {
  switch (form) {
    case Form::kOciLayout:
      return "oci";
    case Form::kOciArchive:
      return "oci-archive";
    case Form::kDockerArchive:
      return "docker-archive";
    case Form::kDirectory:
      return "directory";
    case Form::kElfFile:
      return "elf";
    case Form::kSquashfs:
      return "squashfs";
    case Form::kSif:
      return "sif";
    case Form::kWheel:
      return "wheel";
  }
  return "unknown";
}

Result<std::unique_ptr<Source>> StoredImage::open_layer(std::size_t layer) const {
  if (layer >= blobs_.size()) {
    return fail(Code::kInternal, "{}: layer {} of {} asked for", name, layer, blobs_.size());
  }
  return std::unique_ptr<Source>(std::make_unique<BlobSource>(blobs_[layer]));
}

std::optional<std::filesystem::path> StoredImage::layer_file(std::size_t layer) const {
  return layer < blobs_.size() ? blobs_[layer].path : std::nullopt;
}

const MappedFile* StoredImage::layer_mapping(std::size_t layer) const {
  return layer < blobs_.size() && blobs_[layer].mapping ? &*blobs_[layer].mapping : nullptr;
}

Result<std::optional<StoredBlob>> StoredImage::find_blob(const std::string& digest) const {
  TRY_DO(check_digest(digest, name));
  TRY(auto blob, tree->find(blob_path(digest)));
  if (!blob) return std::nullopt;
  const auto path = blob->path;
  return StoredBlob{std::make_unique<BlobSource>(std::move(*blob)), path};
}

Result<void> StoredImage::set_layers(const Config& model, std::vector<Descriptor> descriptors,
                                     std::vector<Blob> blobs) {
  if (descriptors.size() != model.diff_ids.size() || blobs.size() != descriptors.size()) {
    return bad_input("the manifest lists {} layers but the configuration {}", descriptors.size(),
                     model.diff_ids.size());
  }
  config = model.json;
  platform = model.platform;
  if (!model.history_matches) {
    notices.push_back("the history does not account for every layer; instructions are left out");
  }
  for (std::size_t i = 0; i < descriptors.size(); ++i) {
    Layer layer;
    layer.blob = std::move(descriptors[i]);
    layer.diff_id = model.diff_ids[i];
    layer.instruction = model.instructions[i];
    layer.compression = codec::detect_compression(blobs[i].bytes);
    // A media type may lie; the content decides, as it does for the engines.
    if (!layer.blob.media_type.empty()) {
      TRY(const LayerType type, parse_layer_type(layer.blob.media_type));
      if (type.compression != layer.compression) {
        notices.push_back(fmt::format("layer {} says {} but holds {}", i + 1, layer.blob.media_type,
                                      codec::to_string(layer.compression)));
        // skopeo gives Docker's type of gzip to what it copies uncompressed.
        if (layer.blob.media_type.starts_with("application/vnd.oci."))
          contradictions.push_back(notices.back());
      }
    } else {
      layer.blob.media_type = layer_media_type(layer.compression);
    }
    if (layer.compression == codec::Compression::kNone) {
      if (layer.blob.digest.empty()) layer.blob.digest = layer.diff_id;
      if (layer.blob.digest != layer.diff_id) {
        return bad_input(
            "layer {} is an uncompressed tar of digest {}, but the configuration "
            "expects {}",
            i + 1, layer.blob.digest, layer.diff_id);
      }
    }
    layers.push_back(std::move(layer));
  }
  blobs_ = std::move(blobs);
  return {};
}

Result<void> verify_digest(Bytes bytes, std::string_view digest, std::string_view what) {
  const std::string actual = codec::sha256_digest(bytes);
  if (actual == digest) return {};
  return bad_input("{}: content has digest {}, expected {}", what, actual, digest);
}

Result<std::optional<std::string>> read_document(const FileTree& tree, std::string_view path) {
  TRY(auto blob, tree.find(path));
  if (!blob) return std::optional<std::string>();
  if (blob->bytes.size() > kMaxDocumentBytes) {
    return bad_input("{}: {} has {} bytes; at most {} are read", tree.name(), path,
                     blob->bytes.size(), kMaxDocumentBytes);
  }
  return std::optional<std::string>(as_text(blob->bytes));
}

Result<std::optional<std::string>> read_document(const FileTree& tree,
                                                 const Descriptor& descriptor) {
  const std::string path = blob_path(descriptor.digest);
  TRY(auto text, read_document(tree, path));
  if (!text) return text;
  if (text->size() != descriptor.size) {
    return bad_input("{}: {} has {} bytes, its descriptor says {}", tree.name(), path, text->size(),
                     descriptor.size);
  }
  TRY_DO(
      verify_digest(as_bytes(*text), descriptor.digest, fmt::format("{}: {}", tree.name(), path)));
  return text;
}

}  // namespace flense::image
