#include "codec/estargz.h"

#include <algorithm>
#include <array>
#include <deque>
#include <memory>
#include <optional>
#include <utility>

#include "base/checked.h"
#include "codec/compression.h"
#include "codec/estargz_toc.h"
#include "codec/gzip_member.h"
#include "codec/ordered_jobs.h"
#include "codec/sha256.h"
#include "codec/tar/tar.h"

namespace flense::codec {

namespace {

constexpr const char* kTocName = "stargz.index.json";
constexpr const char* kPrefetchLandmark = ".prefetch.landmark";
constexpr const char* kNoPrefetchLandmark = ".no.prefetch.landmark";
constexpr std::array<std::byte, 1> kLandmarkContent = {std::byte{0x0f}};
/// Bounds what a thread holds: members without content have no gzip member of their own.
constexpr std::size_t kMostInMember = 8u << 20;

/// A gzip member on its way.
struct GzipMember {
  std::vector<Bytes> parts;
  std::deque<std::string> owned;  ///< bytes of parts that lie nowhere else
  std::size_t size = 0;
  std::size_t chunk = 0;  ///< this many bytes of the first part are a chunk of a file
  std::vector<std::byte> packed;
  std::string digest;  ///< of the chunk
  std::optional<Error> error;

  void add(Bytes bytes) {
    size += bytes.size();
    // They are usually adjacent in the archive.
    if (!parts.empty() && parts.back().data() + parts.back().size() == bytes.data()) {
      parts.back() = Bytes(parts.back().data(), parts.back().size() + bytes.size());
    } else {
      parts.push_back(bytes);
    }
  }
};

/// Where a member lies in the archive: headers, then content with padding.
struct MemberSpan {
  std::uint64_t begin = 0, content = 0, end = 0;
};

Result<std::vector<MemberSpan>> member_spans(Bytes tar, const std::string& name) {
  MemorySource source(tar);
  TarReader reader(source, name, {});
  std::vector<MemberSpan> out;
  while (true) {
    TRY(const auto member, reader.next());
    if (!member) return out;
    MemberSpan one;
    one.content = reader.content_offset();
    one.begin = one.content - reader.raw_header().size();
    const auto padded = align_up(member->stored_size, 512);
    if (!padded || !range_fits(one.content, *padded, tar.size()))
      return bad_input("{}: the archive ends inside {}", name, member->name);
    one.end = one.content + *padded;
    out.push_back(one);
  }
}

/// The gzip layer ends after its table of contents, the stream does not.
class TocStream final : public Sink {
 public:
  explicit TocStream(Sink& to) : to_(to) {}
  Result<void> write(Bytes bytes) override { return to_.write(bytes); }
  Result<void> finish() override { return {}; }

 private:
  Sink& to_;
};

/// An empty gzip member whose extra field says where the table of contents begins.
std::string footer(std::uint64_t toc_offset) {
  const std::string field = fmt::format("{:016x}STARGZ", toc_offset);
  std::string out = {0x1f, static_cast<char>(0x8b), 8, 4, 0, 0, 0, 0, 0, static_cast<char>(0xff)};
  out += {26, 0, 'S', 'G', 22, 0};
  out += field;
  out += {1, 0, 0, static_cast<char>(0xff), static_cast<char>(0xff)};
  return out.append(8, '\0');
}

/// As the reference makes them, except that their owner may read them: a copy of the tree by
/// anybody but root would fail at a file of mode 0.
TarMember added_file(const char* name, std::uint64_t size) {
  TarMember out;
  out.name = name;
  out.mode = 0444;
  out.size = out.stored_size = size;
  return out;
}

class EstargzWriter {
 public:
  EstargzWriter(const EstargzOptions& options, Sink& to)
      : level_(gzip_level(options.level)),
        threads_(std::max(1U, options.threads)),
        to_(to),
        toc_(options.scratch_directory),
        jobs_(threads_, [this] {
          return [packer = std::make_shared<GzipMemberPacker>(level_)](GzipMember& one) {
            pack(*packer, one);
          };
        }) {}

  Result<void> add(const TarMember& member, Bytes header, Bytes content) {
    TRY_DO(put(header));
    const std::uint64_t size = member.type == MemberType::kFile ? member.size : 0;
    TRY_DO(toc_.add(member));
    Sha256 whole;
    for (std::uint64_t at = 0; at < size; at += kEstargzChunk) {
      TRY_DO(end_member());
      const Bytes chunk = content.subspan(at, std::min(kEstargzChunk, size - at));
      current_->add(chunk);
      current_->chunk = chunk.size();
      if (size > kEstargzChunk) whole.update(chunk);
    }
    // The last chunk is still in the buffer, so the file's entry waits for it.
    if (size > kEstargzChunk) toc_.set_digest(whole.digest());
    return put(content.subspan(size));
  }

  Result<void> add_landmark(const char* name) {
    const TarMember member = added_file(name, kLandmarkContent.size());
    StringSink header;
    TarWriter tar(header);
    TRY_DO(tar.begin(member));
    TRY_DO(put_owned(header.take()));
    TRY_DO(toc_.add(member));
    TRY_DO(end_member());
    current_->add(kLandmarkContent);
    current_->chunk = kLandmarkContent.size();
    return put_owned(std::string(512 - kLandmarkContent.size(), '\0'));
  }

  Result<EstargzLayer> finish() {
    TRY_DO(end_member());
    while (!jobs_.empty()) TRY_DO(write_oldest());
    TRY(const Bytes toc, toc_.finish());
    TocStream stored(to_);
    EncodeOptions encode;
    encode.level = level_;
    encode.threads = threads_;
    TRY(const auto encoder, compress(stored, Compression::kGzip, encode));
    StringSink plain;
    TarWriter tar(plain);
    TRY_DO(tar.begin(added_file(kTocName, toc.size())));
    const std::string header = plain.take();
    const std::string rest((512 - toc.size() % 512) % 512 + 1024, '\0');
    for (const Bytes part : {as_bytes(header), toc, as_bytes(rest)}) {
      hash_.update(part);
      unpacked_ += part.size();
      TRY_DO(encoder->write(part));
    }
    TRY_DO(encoder->finish());
    TRY_DO(to_.write(as_bytes(footer(position_))));
    TRY_DO(to_.finish());
    return EstargzLayer{hash_.digest(), toc_.digest(), unpacked_};
  }

 private:
  static void pack(GzipMemberPacker& packer, GzipMember& one) {
    if (one.chunk > 0) one.digest = sha256_digest(one.parts.front().first(one.chunk));
    if (auto outcome = packer.pack(one.parts, one.packed); !outcome)
      one.error = std::move(outcome).error();
  }

  Result<void> put(Bytes bytes) {
    while (!bytes.empty()) {
      if (current_->size >= kMostInMember) TRY_DO(end_member());
      const Bytes part = bytes.first(std::min(bytes.size(), kMostInMember - current_->size));
      current_->add(part);
      bytes = bytes.subspan(part.size());
    }
    return {};
  }

  Result<void> put_owned(std::string bytes) {
    if (current_->size + bytes.size() > kMostInMember) TRY_DO(end_member());
    current_->owned.push_back(std::move(bytes));
    current_->add(as_bytes(current_->owned.back()));
    return {};
  }

  Result<void> end_member() {
    if (current_->size == 0) return {};
    if (jobs_.full()) TRY_DO(write_oldest());
    // While it is being compressed on another thread.
    const std::vector<Bytes> parts = current_->parts;
    unpacked_ += current_->size;
    jobs_.push(std::exchange(current_, std::make_unique<GzipMember>()));
    for (const Bytes part : parts) hash_.update(part);
    return {};
  }

  Result<void> write_oldest() {
    const std::unique_ptr<GzipMember> one = jobs_.pop();
    if (one->error) return std::unexpected(*one->error);
    if (one->chunk > 0) TRY_DO(toc_.add_chunk(position_, one->digest));
    position_ += one->packed.size();
    return to_.write(one->packed);
  }

  int level_;
  unsigned threads_;
  Sink& to_;
  EstargzToc toc_;
  std::uint64_t position_ = 0;  ///< in the layer as stored
  std::uint64_t unpacked_ = 0;
  Sha256 hash_;
  std::unique_ptr<GzipMember> current_ = std::make_unique<GzipMember>();
  OrderedJobs<GzipMember> jobs_;
};

}  // namespace

bool is_estargz_file(std::string_view path) {
  return path == kTocName || path == kPrefetchLandmark || path == kNoPrefetchLandmark;
}

Result<EstargzLayer> write_estargz(Bytes tar, const std::string& name, const EstargzOrder& order,
                                   const EstargzOptions& options, Sink& to) {
  TRY(const std::vector<MemberSpan> spans, member_spans(tar, name));
  EstargzWriter writer(options, to);
  if (order.prefetch == 0) TRY_DO(writer.add_landmark(kNoPrefetchLandmark));
  std::size_t written = 0;
  for (const std::uint32_t position : order.members) {
    if (position >= spans.size())
      return fail(Code::kInternal, "{} has no member {}", name, position);
    const MemberSpan& span = spans[position];
    MemorySource source(tar.subspan(span.begin, span.end - span.begin));
    TarReader reader(source, name, {});
    TRY(const auto member, reader.next());
    if (!member || member->sparse || member->type == MemberType::kOther)
      return fail(Code::kInternal, "{}: member {} cannot be represented in an eStargz layer", name,
                  position);
    TRY_DO(writer.add(*member, tar.subspan(span.begin, span.content - span.begin),
                      tar.subspan(span.content, span.end - span.content)));
    if (++written == order.prefetch) TRY_DO(writer.add_landmark(kPrefetchLandmark));
  }
  return writer.finish();
}

}  // namespace flense::codec
