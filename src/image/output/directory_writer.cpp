#include "image/output/directory_writer.h"

#include <map>
#include <mutex>
#include <utility>

#include "image/layers/blob_walk.h"
#include "image/layers/entry_source.h"
#include "image/layers/extract.h"
#include "image/output/blob_stage.h"
#include "image/sources/stored_image.h"

namespace flense::image {

namespace {

/// New layers wait as plain tars beside the output until all are there; then every layer is applied
/// in order.
class DirectoryWriter final : public ImageWriter {
 public:
  DirectoryWriter(AtomicDirectory output, AtomicDirectory spool, const OutputSpec& spec)
      : output_(std::move(output)),
        spool_(std::move(spool)),
        stage_(spool_.staging()),
        limit_(spec.limit) {
    walk_.progress = spec.progress;
  }

  Result<std::unique_ptr<LayerSink>> begin_layer(codec::Compression,
                                                 const codec::EncodeOptions& options) override {
    return stage_.begin(codec::Compression::kNone, options);
  }

  Result<LayerResult> copy_layer(const Image& from, std::size_t index) override {
    if (from.entries() != nullptr) {
      TRY(auto sink, stage_.begin(codec::Compression::kNone, {}));
      TRY_DO(pack_entries(from, *sink));
      TRY_DO(sink->finish());
      return sink->result();
    }
    if (index >= from.layers.size()) {
      return fail(Code::kInternal, "layer {} of {} asked for", index, from.layers.size());
    }
    LayerResult result;
    result.blob = from.layers[index].blob;
    result.diff_id = from.layers[index].diff_id;
    const std::lock_guard lock(mutex_);
    taken_.insert_or_assign(result.diff_id, Taken{&from, index});
    return result;
  }

  Result<std::string> commit(const text::Json&, const text::Json&,
                             const std::vector<LayerResult>& layers) override {
    TRY(Extractor extractor, Extractor::create(output_.staging(), Ownership::kAsStored, limit_));
    for (const LayerResult& layer : layers) {
      TRY_DO(extractor.begin_layer());
      TRY(LayerBlob blob, open(layer));
      TRY_DO(walk_blob(std::move(blob), walk_,
                       [&](const LayerEntry& entry, EntryContent* content, codec::TarReader*) {
                         return extractor.add(entry, content);
                       }));
    }
    TRY_DO(extractor.finish());
    notices_ = extractor.notices();
    TRY_DO(output_.commit());
    return std::string();
  }

 private:
  struct Taken {
    const Image* image;
    std::size_t index;
  };

  Result<LayerBlob> open(const LayerResult& layer) {
    LayerBlob blob;
    blob.diff_id = layer.diff_id;
    blob.name = "layer " + layer.diff_id;
    if (const auto taken = taken_.find(layer.diff_id); taken != taken_.end()) {
      const auto& [image, index] = taken->second;
      TRY(blob.raw, image->open_layer(index));
      blob.compression = image->layers[index].compression;
      return blob;
    }
    TRY(UniqueFd fd, open_read(stage_.path(layer.diff_id)));
    TRY(MappedFile file, MappedFile::map(fd.get(), blob.name));
    const Bytes bytes = file.bytes();
    blob.raw = std::make_unique<BlobSource>(Blob{bytes, std::move(file), {}});
    return blob;
  }

  AtomicDirectory output_, spool_;
  BlobStage stage_;
  UnpackLimit limit_;
  WalkOptions walk_;
  std::mutex mutex_;
  std::map<std::string, Taken> taken_;
};

}  // namespace

Result<std::unique_ptr<ImageWriter>> create_directory_writer(const OutputSpec& spec) {
  TRY(AtomicDirectory output, AtomicDirectory::create(spec.path));
  std::filesystem::path beside = spec.path;
  if (!beside.has_filename()) beside = beside.parent_path();
  beside += ".flense-layers";
  TRY(AtomicDirectory spool, AtomicDirectory::create(beside));
  return std::unique_ptr<ImageWriter>(
      std::make_unique<DirectoryWriter>(std::move(output), std::move(spool), spec));
}

}  // namespace flense::image
