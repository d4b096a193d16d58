#include "image/output/blob_stage.h"

#include <fcntl.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include <algorithm>
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

/// The file of a layer, hashed behind the writer. What is written goes to the disk at once, so that
/// the sync at the end finds little to wait for.
class StoredFile final : public Sink {
 public:
  StoredFile(int fd, const std::string& name) : fd_(fd), file_(fd, name), hash_(fd, name) {}
  Result<void> write(Bytes bytes) override {
    constexpr std::uint64_t kPart = 16U << 20;
    TRY_DO(file_.write(bytes));
    hash_.grow(bytes.size());
    if (size() - begun_ < kPart) return {};
    // A file system that cannot is one that the sync waits for.
    static_cast<void>(::sync_file_range(fd_, static_cast<off_t>(begun_),
                                        static_cast<off_t>(size() - begun_),
                                        SYNC_FILE_RANGE_WRITE));
    begun_ = size();
    return {};
  }
  std::uint64_t size() const { return hash_.size(); }
  /// "sha256:…" of the whole file. Once, at the end.
  Result<std::string> digest() { return hash_.digest(); }

 private:
  int fd_;
  FdSink file_;
  TrailingHash hash_;
  std::uint64_t begun_ = 0;
};

/// tar -> hash -> encoder -> file; of a tar that is stored as it is, the file's digest is its own.
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
    out->file_ = std::make_unique<StoredFile>(out->fd_.get(), out->temporary_.string());
    if (compression != codec::Compression::kNone) {
      TRY(out->encoder_, codec::compress(*out->file_, compression, options));
      out->tar_ = std::make_unique<codec::HashingSink>(*out->encoder_);
    }
    return out;
  }
  ~StagedLayer() override {
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
  }

  Result<void> write(Bytes bytes) override {
    return tar_ ? tar_->write(bytes) : file_->write(bytes);
  }
  Result<void> finish() override {
    if (tar_) TRY_DO(tar_->finish());
    result_.blob.media_type = layer_media_type(compression_);
    TRY(result_.blob.digest, file_->digest());
    result_.blob.size = file_->size();
    result_.diff_id = tar_ ? tar_->digest() : result_.blob.digest;
    result_.unpacked_bytes = tar_ ? tar_->size() : result_.blob.size;
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
  std::unique_ptr<StoredFile> file_;
  std::unique_ptr<Sink> encoder_;
  std::unique_ptr<codec::HashingSink> tar_;
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
  // A link changes the file's times, by which whoever reads it as another layer sees it change.
  const std::string& digest = from.layers[index].blob.digest;
  const auto same = [&](const Layer& layer) { return layer.blob.digest == digest; };
  if (std::ranges::count_if(from.layers, same) < 2) blob.file = from.layer_file(index);
  if (blob.file) TRY_DO(from.verified->settle());
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
