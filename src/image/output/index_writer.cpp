#include "image/output/index_writer.h"

#include <filesystem>
#include <system_error>
#include <utility>

#include "base/file.h"
#include "codec/sha256.h"
#include "image/model/model.h"
#include "image/output/blob_stage.h"
#include "image/output/documents.h"
#include "image/sources/stored_image.h"

namespace flense::image {

namespace {

using text::Json;

constexpr int kMaxDepth = 4;
constexpr std::size_t kMaxBlobs = 100'000;

/// An image among others: the layout is not its own to finish.
class PoolWriter final : public ImageWriter {
 public:
  explicit PoolWriter(BlobStage& stage) : stage_(stage) {}

  Result<std::unique_ptr<LayerSink>> begin_layer(codec::Compression compression,
                                                 const codec::EncodeOptions& options) override {
    return stage_.begin(compression, options);
  }
  Result<LayerResult> copy_layer(const Image& from, std::size_t index) override {
    return stage_.take_layer(from, index);
  }
  Result<std::string> commit(const Json& config, const Json& annotations,
                             const std::vector<LayerResult>& layers) override {
    const ManifestDocuments documents = make_manifest(config, annotations, layers);
    TRY_DO(stage_.put(documents.config));
    TRY_DO(stage_.put(documents.manifest));
    manifest_size_ = documents.manifest.size();
    return documents.manifest_digest;
  }
  std::uint64_t manifest_size() const { return manifest_size_; }

 private:
  BlobStage& stage_;
  std::uint64_t manifest_size_ = 0;
};

class LayoutIndexWriter final : public IndexWriter {
 public:
  LayoutIndexWriter(AtomicDirectory directory, std::filesystem::path blobs, std::string tag)
      : directory_(std::move(directory)),
        stage_(std::move(blobs)),
        images_(stage_),
        tag_(std::move(tag)) {}

  ImageWriter& images() override { return images_; }
  std::uint64_t manifest_size() const override { return images_.manifest_size(); }

  Result<bool> take_over(const Image& from, const Json& entry) override {
    TRY_DO(from.verified->settle());
    std::vector<Blob> found;
    TRY(const bool whole, collect(from, entry, 0, found));
    if (!whole) return false;
    for (Blob& one : found)
      TRY_DO(stage_.adopt(std::move(one.blob), one.digest,
                          fmt::format("{} of {}", one.digest, from.name)));
    entries_.push_back(entry);
    return true;
  }

  void add(Json entry, const std::string& ending) override {
    if (!ending.empty()) {
      Json named = entry;
      Json annotations = entry["annotations"].is_object() ? entry["annotations"] : Json::object();
      const Json names = name_annotations(tag_ + "-" + ending);
      for (const auto& [key, value] : names.members()) annotations.set(key, value);
      named.set("annotations", std::move(annotations));
      named_.push_back(std::move(named));
    }
    entries_.push_back(std::move(entry));
  }

  Result<void> hang(const Artefact& artefact, const Subject& on) override {
    TRY(Json entry, put_artefact(artefact, on, stage_));
    hanging_.push_back(std::move(entry));
    return {};
  }

  Result<std::string> commit(const Json& annotations) override {
    Json index = index_json(entries_);
    if (!annotations.members().empty()) index.set("annotations", annotations);
    const std::string text = text::dump_json(index);
    TRY(const std::string digest, stage_.put(text));
    Json top = descriptor_json(kOciIndexType, digest, text.size());
    top.set("annotations", name_annotations(tag_));
    std::vector<Json> list = {std::move(top)};
    list.insert(list.end(), named_.begin(), named_.end());
    list.insert(list.end(), hanging_.begin(), hanging_.end());
    TRY_DO(write_new_file(directory_.staging() / "oci-layout", kLayoutText));
    TRY_DO(write_new_file(directory_.staging() / "index.json",
                          text::dump_json(index_json(std::move(list)))));
    TRY_DO(directory_.commit());
    return digest;
  }

 private:
  struct Blob {
    std::string digest;
    StoredBlob blob;
  };

  /// False where a blob is not there.
  static Result<bool> add_blob(const Image& from, const Json& descriptor,
                               std::vector<Blob>& found) {
    std::string digest(descriptor["digest"].text());
    TRY(auto blob, from.find_blob(digest));
    if (!blob) return false;
    if (found.size() == kMaxBlobs)
      return bad_input("{}: an entry of its index has more than {} blobs", from.name, kMaxBlobs);
    found.push_back({std::move(digest), std::move(*blob)});
    return true;
  }

  static Result<bool> collect(const Image& from, const Json& entry, int depth,
                              std::vector<Blob>& found) {
    if (depth > kMaxDepth)
      return bad_input("{}: indexes are nested more than {} deep", from.name, kMaxDepth);
    const std::string digest(entry["digest"].text());
    TRY(auto document, from.find_blob(digest));
    if (!document) return false;
    if (document_kind(entry["mediaType"].text()) != DocumentKind::kOther) {
      TRY(const std::string text, read_all(*document->stream, kMaxDocumentBytes, digest));
      TRY_DO(verify_digest(as_bytes(text), digest, from.name));
      TRY(const Json json, text::parse_json(text, digest));
      for (const Json& one : json["manifests"].items()) {
        TRY(const bool whole, collect(from, one, depth + 1, found));
        if (!whole) return false;
      }
      std::vector<Json> parts = json["layers"].items();
      if (json["config"].is_object()) parts.push_back(json["config"]);
      for (const Json& one : parts) {
        const auto layer = parse_layer_type(one["mediaType"].text());
        // Kept elsewhere by design.
        const bool foreign = layer && layer->foreign;
        TRY(const bool there, add_blob(from, one, found));
        if (!there && !foreign) return false;
      }
    }
    return add_blob(from, entry, found);
  }

  AtomicDirectory directory_;
  BlobStage stage_;
  PoolWriter images_;
  std::string tag_;
  std::vector<Json> entries_, named_, hanging_;
};

}  // namespace

Result<std::unique_ptr<IndexWriter>> IndexWriter::create(const OutputSpec& spec) {
  TRY(AtomicDirectory directory, AtomicDirectory::create(spec.path));
  const std::filesystem::path blobs = directory.staging() / "blobs" / "sha256";
  std::error_code error;
  std::filesystem::create_directories(blobs, error);
  if (error) return system_error(error.value(), "cannot create " + blobs.string());
  return std::unique_ptr<IndexWriter>(
      std::make_unique<LayoutIndexWriter>(std::move(directory), blobs, spec.tag));
}

}  // namespace flense::image
