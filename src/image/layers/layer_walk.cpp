#include "image/layers/layer_walk.h"

#include <algorithm>
#include <atomic>
#include <functional>
#include <optional>
#include <thread>
#include <utility>

#include "base/clock.h"
#include "base/path.h"
#include "codec/sha256.h"
#include "image/layers/blob_walk.h"
#include "image/layers/counted_source.h"
#include "image/layers/entry_source.h"
#include "image/layers/layer_pump.h"

namespace flense::image {

namespace {

constexpr std::size_t kChunk = 1u << 20;
constexpr std::size_t kMaxPathBytes = 16384;
constexpr std::string_view kWhiteoutPrefix = ".wh.";
constexpr std::string_view kOpaqueName = ".wh..wh..opq";
constexpr std::string_view kAufsPrefix = ".wh..wh.";

/// Hashes a view on a thread of its own; destruction stops it early, and so does an interruption
/// that `progress` knows of.
class SpanHasher {
 public:
  explicit SpanHasher(Bytes bytes, Progress* progress)
      : thread_([this, bytes, progress] {
          codec::Sha256 hash;
          for (std::size_t at = 0; at < bytes.size() && !stop_.load(); at += kChunk) {
            if (progress != nullptr)
              if (const auto goes_on = progress->add(0); !goes_on) {
                digest_ = std::unexpected(goes_on.error());
                return;
              }
            hash.update(bytes.subspan(at, std::min(kChunk, bytes.size() - at)));
          }
          digest_ = hash.digest();
        }) {}
  SpanHasher(const SpanHasher&) = delete;
  SpanHasher& operator=(const SpanHasher&) = delete;
  ~SpanHasher() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
  }
  Result<std::string> digest() {
    thread_.join();
    return std::move(digest_);
  }

 private:
  std::atomic<bool> stop_ = false;
  Result<std::string> digest_;
  std::thread thread_;
};

/// Hashes what is pulled through it; for compressed layers that do not lie in memory.
class HashingSource final : public Source {
 public:
  HashingSource(std::unique_ptr<Source> from, std::shared_ptr<codec::Sha256> hash)
      : from_(std::move(from)), hash_(std::move(hash)) {}
  Result<Bytes> next(std::size_t max) override {
    TRY(const Bytes out, from_->next(max));
    hash_->update(out);
    return out;
  }

 private:
  std::unique_ptr<Source> from_;
  std::shared_ptr<codec::Sha256> hash_;
};

Result<LayerEntry> make_entry(codec::TarMember member) {
  LayerEntry entry;
  TRY(entry.path, normalise_member_path(member.name));
  if (entry.path.size() > kMaxPathBytes) {
    return bad_input("a member name has {} bytes; at most {} are read", entry.path.size(),
                     kMaxPathBytes);
  }
  if (member.type == codec::MemberType::kHardLink) {
    TRY(entry.link, normalise_member_path(member.link));
  } else {
    entry.link = member.link;
  }
  entry.member = std::move(member);
  return entry;
}

Result<void> visit_members(Source& tar, const std::string& name, const WalkOptions& options,
                           Progress* progress, const LayerVisitor& visit) {
  codec::TarReader::Limits limits;
  limits.max_total_bytes = options.max_unpacked_bytes;
  codec::TarReader reader(tar, name, limits);
  ContentScratch scratch(options.scratch_directory);
  std::uint64_t reported = 0;
  while (true) {
    TRY(auto member, reader.next());
    if (!member) break;
    if (progress != nullptr) {
      TRY_DO(progress->add(reader.content_offset() - reported));
      reported = reader.content_offset();
    }
    TRY(const LayerEntry entry, make_entry(std::move(*member)));
    if (entry.member.type != codec::MemberType::kFile) {
      TRY_DO(visit(entry, nullptr, &reader));
      continue;
    }
    EntryContent content(reader.content(), entry.member.size, scratch, options.progress);
    TRY_DO(visit(entry, &content, &reader));
  }
  // Digests cover what follows the end marker too.
  return reader.drain();
}

Result<void> expect_digest(std::string_view what, const std::string& actual,
                           const std::string& expected) {
  if (expected.empty() || actual == expected) return {};
  return bad_input("the {} has digest {}, expected {}", what, actual, expected);
}

/// Whether every later change shows in its times, whose grain is two seconds at most.
bool was_at_rest(const MappedFile& file, std::int64_t now) {
  constexpr std::int64_t kGrain = 2'000'000'000;
  const auto& identity = file.identity();
  return !identity || now - std::max(identity->modified, identity->changed) >= kGrain;
}

/// Whether a directory on the way is AUFS bookkeeping.
bool is_below_aufs(std::string_view path) {
  const std::string_view parent = parent_path(path);
  return parent.starts_with(kAufsPrefix) || parent.find("/.wh..wh.") != std::string_view::npos;
}

using Consumer = std::function<Result<void>(Source& tar, Progress* progress)>;

/// An uncompressed layer while it is hashed; the blob, and who takes the check, hold what the bytes
/// lie in, so the hasher goes first.
struct PlainLayer {
  LayerBlob blob;
  std::optional<SpanHasher> hasher;

  Result<std::string> check() {
    TRY(std::string digest, hasher->digest());
    TRY_DO(expect_digest("uncompressed tar", digest, blob.diff_id));
    TRY_DO(expect_digest("blob", digest, blob.blob_digest));
    return digest;
  }
};

Result<WalkResult> run_plain(Bytes tar, LayerBlob blob, const WalkOptions& options,
                             const Consumer& consume) {
  const auto layer = std::make_shared<PlainLayer>(std::move(blob));
  if (options.verify_digests) layer->hasher.emplace(tar, options.progress);
  MemorySource source(tar);
  TRY_DO(consume(source, options.progress));
  WalkResult result;
  result.unpacked_bytes = tar.size();
  result.diff_id = layer->blob.diff_id;
  if (layer->hasher && layer->blob.later) {
    layer->blob.later([layer]() -> Result<void> {
      TRY_DO(with_context(layer->check(), "reading {}", layer->blob.name));
      return {};
    });
  } else if (layer->hasher) {
    TRY(result.diff_id, layer->check());
  }
  return result;
}

Result<WalkResult> run_stream(LayerBlob blob, const WalkOptions& options, const Consumer& consume) {
  const Bytes stored = blob.raw->direct();
  const bool hash_blob = options.verify_digests && !blob.blob_digest.empty() &&
                         blob.compression != codec::Compression::kNone;
  // The mapping behind `stored` lives as long as the source, which the pump owns: the hasher must
  // go first.
  std::shared_ptr<codec::Sha256> pulled;
  std::unique_ptr<Source> raw = std::move(blob.raw);
  if (hash_blob && stored.empty()) {
    pulled = std::make_shared<codec::Sha256>();
    raw = std::make_unique<HashingSource>(std::move(raw), pulled);
  }
  if (options.progress != nullptr)
    raw = std::make_unique<CountedSource>(std::move(raw), *options.progress);
  TRY(auto decoder, codec::open_decoder(std::move(raw), blob.compression));
  LayerPump pump(std::move(decoder),
                 {options.verify_digests, options.max_unpacked_bytes, options.progress});
  std::optional<SpanHasher> hasher;
  if (hash_blob && !stored.empty()) hasher.emplace(stored, options.progress);
  TRY_DO(consume(pump, nullptr));
  while (true) {
    TRY(const Bytes rest, pump.next(kChunk));
    if (rest.empty()) break;
  }
  WalkResult result;
  result.diff_id = options.verify_digests ? pump.digest() : blob.diff_id;
  result.unpacked_bytes = pump.total();
  if (!options.verify_digests) return result;
  if (hasher) {
    TRY(const std::string digest, hasher->digest());
    TRY_DO(expect_digest("blob", digest, blob.blob_digest));
  }
  if (pulled) TRY_DO(expect_digest("blob", pulled->digest(), blob.blob_digest));
  TRY_DO(expect_digest("uncompressed tar", result.diff_id, blob.diff_id));
  return result;
}

Result<WalkResult> run(LayerBlob blob, const WalkOptions& options, const Consumer& consume) {
  const std::string name = blob.name;
  const Bytes stored = blob.raw->direct();
  if (blob.compression == codec::Compression::kNone && !stored.empty()) {
    return with_context(run_plain(stored, std::move(blob), options, consume), "reading {}", name);
  }
  return with_context(run_stream(std::move(blob), options, consume), "reading {}", name);
}

}  // namespace

Whiteout whiteout_kind(std::string_view path) {
  const std::string_view name = base_name(path);
  if (is_below_aufs(path)) return Whiteout::kNone;
  if (name == kOpaqueName) return Whiteout::kOpaque;
  if (!name.starts_with(kWhiteoutPrefix) || name.starts_with(kAufsPrefix)) return Whiteout::kNone;
  // ".wh." alone names nothing; ".wh..." would hide the parent.
  const std::string_view hidden = name.substr(kWhiteoutPrefix.size());
  if (hidden.empty() || hidden == "." || hidden == "..") return Whiteout::kNone;
  return Whiteout::kFile;
}

std::string whiteout_of(std::string_view path) {
  const std::string_view parent = parent_path(path);
  return fmt::format("{}{}{}{}", parent, parent.empty() ? "" : "/", kWhiteoutPrefix,
                     base_name(path));
}

std::string whiteout_target(std::string_view path) {
  std::string dir(parent_path(path));
  if (whiteout_kind(path) != Whiteout::kFile) return dir;
  const std::string_view hidden = base_name(path).substr(kWhiteoutPrefix.size());
  return dir.empty() ? std::string(hidden) : dir + "/" + std::string(hidden);
}

bool is_aufs_metadata(std::string_view path) {
  const std::string_view name = base_name(path);
  return is_below_aufs(path) ||
         (name.starts_with(kWhiteoutPrefix) && whiteout_kind(path) == Whiteout::kNone);
}

bool is_aufs_link_content(std::string_view path, codec::MemberType type) {
  return type == codec::MemberType::kFile && path.starts_with(kAufsLinks) &&
         path.substr(kAufsLinks.size()).starts_with('/');
}

Result<WalkResult> walk_blob(LayerBlob blob, const WalkOptions& options,
                             const LayerVisitor& visit) {
  const std::string name = blob.name;
  return run(std::move(blob), options, [&](Source& tar, Progress* progress) {
    return visit_members(tar, name, options, progress, visit);
  });
}

Result<WalkResult> unpack_blob(LayerBlob blob, const WalkOptions& options, Sink& to) {
  return run(std::move(blob), options, [&](Source& tar, Progress*) -> Result<void> {
    TRY_DO(copy_all(tar, to));
    return {};
  });
}

Result<WalkResult> walk_layer(const Image& image, std::size_t index, const WalkOptions& options,
                              const LayerVisitor& visit) {
  if (index >= image.layers.size()) {
    return fail(Code::kInternal, "layer {} of {} asked for", index, image.layers.size());
  }
  if (const EntrySource* entries = image.entries()) return entries->walk(options, visit);
  const Layer& layer = image.layers[index];
  LayerBlob blob;
  TRY(blob.raw, image.open_layer(index));
  blob.compression = layer.compression;
  blob.name = fmt::format("layer {} of {}", index + 1, image.name);
  blob.blob_digest = layer.blob.digest;
  blob.diff_id = layer.diff_id;
  const MappedFile* file = image.layer_mapping(index);
  if (!options.verify_digests || file == nullptr || layer.diff_id.empty())
    return walk_blob(std::move(blob), options, visit);
  const std::string name = blob.name;
  const std::int64_t started = wall_clock();
  WalkOptions reading = options;
  reading.verify_digests = !image.verified->contains(index) || !file->unchanged();
  const bool at_rest = was_at_rest(*file, started);
  bool late = false;
  // Of standard input it can never be said that it is what it was.
  if (options.late_digests && at_rest && file->unchanged())
    blob.later = [&, mapped = *file](std::function<Result<void>()> check) {
      late = true;
      image.verified->add_later(index, [check = std::move(check), mapped, name]() -> Result<void> {
        TRY_DO(check());
        if (!mapped.unchanged()) return bad_input("{}: the file changed while it was read", name);
        return {};
      });
    };
  TRY(WalkResult out, walk_blob(std::move(blob), reading, visit));
  if (late) return out;
  if (reading.verify_digests) {
    if (at_rest && file->unchanged()) image.verified->add(index);
  } else if (!file->unchanged()) {
    return bad_input("{}: the file changed while it was read", name);
  }
  return out;
}

}  // namespace flense::image
