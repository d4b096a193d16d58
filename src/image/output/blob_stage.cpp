#include "image/output/blob_stage.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <cerrno>
#include <optional>
#include <system_error>
#include <utility>

#include "codec/sha256.h"
#include "codec/tar/tar.h"
#include "image/layers/entry_source.h"
#include "image/model/model.h"
#include "image/output/trailing_hash.h"

namespace flense::image {

namespace {

Result<UniqueFd> create_file(const std::filesystem::path& path) {
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (!fd) return system_error(errno, "cannot create " + path.string());
  return fd;
}

Result<void> rename_file(const std::filesystem::path& from, const std::filesystem::path& to) {
  if (::rename(from.c_str(), to.c_str()) != 0) {
    return system_error(errno, "cannot rename to " + to.string());
  }
  return {};
}

/// tar -> hash -> encoder -> hash -> file; a tar that is stored as it is, is hashed in the file,
/// behind the writer.
class StagedLayer final : public ImageWriter::LayerSink {
 public:
  static Result<std::unique_ptr<StagedLayer>> create(std::filesystem::path temporary,
                                                     std::filesystem::path directory,
                                                     codec::Compression compression,
                                                     const codec::EncodeOptions& options) {
    std::unique_ptr<StagedLayer> out(new StagedLayer());
    TRY(out->fd_, create_file(temporary));
    out->temporary_ = std::move(temporary);
    out->directory_ = std::move(directory);
    out->compression_ = compression;
    out->file_ = std::make_unique<FdSink>(out->fd_.get(), out->temporary_.string());
    if (compression != codec::Compression::kNone) {
      out->stored_ = std::make_unique<codec::HashingSink>(*out->file_);
      TRY(out->encoder_, codec::compress(*out->stored_, compression, options));
      out->tar_ = std::make_unique<codec::HashingSink>(*out->encoder_);
    } else {
      out->behind_ = std::make_unique<TrailingHash>(out->fd_.get(), out->temporary_.string());
    }
    return out;
  }
  ~StagedLayer() override {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  Result<void> write(Bytes bytes) override {
    if (tar_) return tar_->write(bytes);
    TRY_DO(file_->write(bytes));
    behind_->grow(bytes.size());
    return {};
  }
  Result<void> finish() override {
    if (tar_) {
      TRY_DO(tar_->finish());
      result_.diff_id = tar_->digest();
      result_.unpacked_bytes = tar_->size();
    } else {
      TRY(result_.diff_id, behind_->digest());
      result_.unpacked_bytes = behind_->size();
    }
    result_.blob.media_type = layer_media_type(compression_);
    result_.blob.digest = stored_ ? stored_->digest() : result_.diff_id;
    result_.blob.size = stored_ ? stored_->size() : result_.unpacked_bytes;
    fd_ = UniqueFd();
    TRY_DO(rename_file(temporary_, directory_ / result_.blob.digest.substr(7)));
    temporary_.clear();
    return {};
  }
  const ImageWriter::LayerResult& result() const override { return result_; }

 private:
  StagedLayer() = default;
  std::filesystem::path temporary_, directory_;
  codec::Compression compression_ = codec::Compression::kNone;
  UniqueFd fd_;
  std::unique_ptr<FdSink> file_;
  std::unique_ptr<codec::HashingSink> stored_;
  std::unique_ptr<Sink> encoder_;
  std::unique_ptr<codec::HashingSink> tar_;
  std::unique_ptr<TrailingHash> behind_;
  ImageWriter::LayerResult result_;
};

}  // namespace

std::filesystem::path BlobStage::temporary() {
  return directory_ / fmt::format(".part-{}", counter_.fetch_add(1));
}

std::filesystem::path BlobStage::path(std::string_view digest) const {
  return directory_ / digest.substr(7);
}

bool BlobStage::has(std::string_view digest) const {
  std::error_code ignored;
  return std::filesystem::exists(path(digest), ignored);
}

Result<std::unique_ptr<ImageWriter::LayerSink>> BlobStage::begin(
    codec::Compression compression, const codec::EncodeOptions& options) {
  TRY(auto layer, StagedLayer::create(temporary(), directory_, compression, options));
  return std::unique_ptr<ImageWriter::LayerSink>(std::move(layer));
}

Result<ImageWriter::LayerResult> BlobStage::write_estargz(Bytes tar, const std::string& name,
                                                          const codec::EstargzOrder& order,
                                                          const codec::EncodeOptions& options) {
  const std::filesystem::path part = temporary();
  TRY(const UniqueFd fd, create_file(part));
  const auto store = [&]() -> Result<ImageWriter::LayerResult> {
    FdSink file(fd.get(), part.string());
    codec::HashingSink stored(file);
    TRY(const codec::EstargzLayer made,
        codec::write_estargz(tar, name, order, {options.level, options.threads, directory_},
                             stored));
    ImageWriter::LayerResult out;
    out.diff_id = made.diff_id;
    out.unpacked_bytes = made.unpacked_bytes;
    out.blob = {std::string(layer_media_type(codec::Compression::kGzip)),
                stored.digest(),
                stored.size(),
                {{codec::kTocDigestAnnotation, made.toc_digest},
                 {codec::kTarSizeAnnotation, std::to_string(made.unpacked_bytes)}}};
    TRY_DO(rename_file(part, path(out.blob.digest)));
    return out;
  };
  auto out = store();
  if (!out) ::unlink(part.c_str());
  return out;
}

Result<ImageWriter::LayerResult> BlobStage::take_layer(const Image& from, std::size_t index) {
  if (from.entries() != nullptr) {
    TRY(auto sink, begin(codec::Compression::kNone, {}));
    TRY_DO(pack_entries(from, *sink));
    TRY_DO(sink->finish());
    return sink->result();
  }
  TRY(ImageWriter::LayerResult result, describe_layer(from, index));
  if (has(result.blob.digest)) return result;
  StoredBlob blob;
  TRY(blob.stream, from.open_layer(index));
  blob.file = from.layer_file(index);
  TRY_DO(adopt(std::move(blob), result.blob.digest,
               fmt::format("layer {} of {}", index + 1, from.name)));
  return result;
}

Result<void> BlobStage::adopt(StoredBlob blob, const std::string& digest, const std::string& name) {
  if (has(digest)) return {};
  const std::filesystem::path part = temporary();
  // AT_SYMLINK_FOLLOW: build systems lay out blobs as symbolic links.
  if (blob.file &&
      ::linkat(AT_FDCWD, blob.file->c_str(), AT_FDCWD, part.c_str(), AT_SYMLINK_FOLLOW) == 0) {
    return rename_file(part, path(digest));
  }
  TRY(const UniqueFd fd, create_file(part));
  if (blob.file) {
    TRY(const UniqueFd source, open_read(*blob.file));
    if (::ioctl(fd.get(), FICLONE, source.get()) == 0) return rename_file(part, path(digest));
  }
  FdSink sink(fd.get(), part.string());
  codec::HashingSink hash(sink);
  TRY_DO(copy_all(*blob.stream, hash));
  const std::string actual = hash.digest();
  if (actual != digest) return bad_input("{} has digest {}, expected {}", name, actual, digest);
  return rename_file(part, path(digest));
}

Result<std::string> BlobStage::put(std::string_view text) {
  std::string digest = codec::sha256_digest(as_bytes(text));
  if (has(digest)) return digest;
  const std::filesystem::path part = temporary();
  TRY(const UniqueFd fd, create_file(part));
  TRY_DO(write_fully(fd.get(), as_bytes(text), part.string()));
  TRY_DO(rename_file(part, path(digest)));
  return digest;
}

Result<ImageWriter::LayerResult> describe_layer(const Image& from, std::size_t index) {
  if (index >= from.layers.size())
    return fail(Code::kInternal, "layer {} of {} asked for", index, from.layers.size());
  const Layer& layer = from.layers[index];
  ImageWriter::LayerResult out;
  out.diff_id = layer.diff_id;
  out.blob = layer.blob;
  out.blob.media_type = layer_media_type(layer.compression);
  if (layer.compression == codec::Compression::kNone) out.unpacked_bytes = layer.blob.size;
  if (!out.blob.digest.empty()) return out;
  TRY(const auto source, from.open_layer(index));
  NullSink nowhere;
  codec::HashingSink hash(nowhere);
  TRY_DO(copy_all(*source, hash));
  out.blob.digest = hash.digest();
  return out;
}

Result<void> pack_entries(const Image& from, Sink& to) {
  codec::TarWriter tar(to);
  const LayerVisitor pack = [&tar](const LayerEntry& entry, EntryContent* content,
                                   codec::TarReader*) -> Result<void> {
    codec::TarMember member = entry.member;
    // Sockets have no form in a tar.
    if (member.type == codec::MemberType::kOther) return {};
    if (member.type == codec::MemberType::kDirectory) member.name += '/';
    TRY_DO(tar.begin(member));
    if (content != nullptr) {
      Source& stream = content->stream();
      while (true) {
        TRY(const Bytes chunk, stream.next(1u << 20));
        if (chunk.empty()) break;
        TRY_DO(tar.write_content(chunk));
      }
    }
    return tar.end();
  };
  TRY_DO(from.entries()->walk(WalkOptions{}, pack));
  return tar.finish();
}

}  // namespace flense::image
