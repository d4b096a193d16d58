#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "base/file.h"
#include "codec/compression.h"
#include "codec/crc32.h"
#include "codec/zip.h"
#include "codec/zip_format.h"

namespace flense::codec {

namespace {

constexpr std::size_t kGzipHeader = 10, kGzipTrailer = 8;
/// Deflated, the content may grow by a little: sizes near the limit get a zip64 record, too.
constexpr std::uint64_t kNarrowSize = 0xf0000000;

class Fields {
 public:
  template <class T>
  Fields& add(T value) {
    for (std::size_t i = 0; i < sizeof(T); ++i)
      text_ += static_cast<char>(static_cast<std::uint64_t>(value) >> 8 * i & 0xffU);
    return *this;
  }
  Fields& add_text(std::string_view text) {
    text_ += text;
    return *this;
  }
  Bytes bytes() const { return as_bytes(text_); }
  const std::string& text() const { return text_; }

 private:
  std::string text_;
};

std::uint32_t narrow(std::uint64_t value) {
  return static_cast<std::uint32_t>(std::min<std::uint64_t>(value, kIn64));
}

std::string zip64_record(const std::vector<std::uint64_t>& values) {
  Fields wide;
  for (const std::uint64_t value : values) wide.add(value);
  return Fields()
      .add(kZip64Extra)
      .add(static_cast<std::uint16_t>(wide.text().size()))
      .add_text(wide.text())
      .text();
}

std::string local_header(const ZipMember& member, std::uint64_t packed, bool wide) {
  const std::string extra =
      (wide ? zip64_record({member.size, packed}) : std::string()) + member.local_extra;
  return Fields()
      .add(kZipLocal)
      .add(member.needed)
      .add(member.flags)
      .add(static_cast<std::uint16_t>(member.method))
      .add(member.time)
      .add(member.date)
      .add(member.crc)
      .add(wide ? kIn64 : narrow(packed))
      .add(wide ? kIn64 : narrow(member.size))
      .add(static_cast<std::uint16_t>(member.name.size()))
      .add(static_cast<std::uint16_t>(extra.size()))
      .add_text(member.name)
      .add_text(extra)
      .text();
}

std::string central_header(const ZipMember& member, std::uint64_t packed, std::uint64_t offset) {
  std::vector<std::uint64_t> wide;
  for (const std::uint64_t value : {member.size, packed, offset})
    if (value >= kIn64) wide.push_back(value);
  const std::string extra = (wide.empty() ? std::string() : zip64_record(wide)) + member.extra;
  return Fields()
      .add(kZipCentral)
      .add(member.made_by)
      .add(wide.empty() ? member.needed : std::max(member.needed, kZip64Version))
      .add(member.flags)
      .add(static_cast<std::uint16_t>(member.method))
      .add(member.time)
      .add(member.date)
      .add(member.crc)
      .add(narrow(packed))
      .add(narrow(member.size))
      .add(static_cast<std::uint16_t>(member.name.size()))
      .add(static_cast<std::uint16_t>(extra.size()))
      .add(static_cast<std::uint16_t>(member.comment.size()))
      .add(std::uint16_t{0})
      .add(member.internal)
      .add(member.external)
      .add(narrow(offset))
      .add_text(member.name)
      .add_text(extra)
      .add_text(member.comment)
      .text();
}

/// What a gzip member holds between its header and its trailer.
class DeflatedSink final : public Sink {
 public:
  explicit DeflatedSink(Sink& to) : to_(to) {}

  Result<void> write(Bytes bytes) override {
    const std::size_t skipped = std::min(bytes.size(), skip_);
    skip_ -= skipped;
    held_.append(as_text(bytes.subspan(skipped)));
    if (held_.size() <= kGzipTrailer) return {};
    const std::size_t ready = held_.size() - kGzipTrailer;
    TRY_DO(to_.write(as_bytes(held_).first(ready)));
    held_.erase(0, ready);
    size_ += ready;
    return {};
  }
  std::uint64_t size() const { return size_; }

 private:
  Sink& to_;
  std::size_t skip_ = kGzipHeader;
  std::string held_;
  std::uint64_t size_ = 0;
};

Result<void> write_at(int fd, std::uint64_t offset, Bytes bytes, const std::string& name) {
  while (!bytes.empty()) {
    const ssize_t put = ::pwrite(fd, bytes.data(), bytes.size(), static_cast<off_t>(offset));
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return system_error(errno, "cannot write " + name);
    bytes = bytes.subspan(static_cast<std::size_t>(put));
    offset += static_cast<std::uint64_t>(put);
  }
  return {};
}

}  // namespace

Result<void> ZipWriter::append(Bytes bytes) {
  TRY_DO(write_fully(fd_, bytes, name_));
  offset_ += bytes.size();
  return {};
}

Result<void> ZipWriter::copy(const ZipMember& member) {
  written_.push_back({member, offset_, member.packed.size()});
  return append(member.whole);
}

Result<void> ZipWriter::write(const ZipMember& like, Bytes content, unsigned threads) {
  ZipMember member = like;
  member.packed = member.whole = {};
  member.size = content.size();
  member.crc = crc32(0, content);
  // The sizes stand in front, and the effort was another's.
  member.flags &= kZipUtf8;
  const bool wide = content.size() >= kNarrowSize;
  if (wide) member.needed = std::max(member.needed, kZip64Version);
  const std::uint64_t offset = offset_;
  TRY_DO(append(as_bytes(local_header(member, 0, wide))));
  std::uint64_t packed = content.size();
  if (member.method == ZipMethod::kStored) {
    TRY_DO(append(content));
  } else {
    FdSink file(fd_, name_);
    DeflatedSink deflated(file);
    TRY(const auto sink, compress(deflated, Compression::kGzip, {.level = 0, .threads = threads}));
    TRY_DO(sink->write(content));
    TRY_DO(sink->finish());
    packed = deflated.size();
    offset_ += packed;
  }
  TRY_DO(write_at(fd_, offset, as_bytes(local_header(member, packed, wide)), name_));
  written_.push_back({std::move(member), offset, packed});
  return {};
}

Result<void> ZipWriter::finish(std::string_view comment) {
  const std::uint64_t begin = offset_;
  for (const Written& one : written_)
    TRY_DO(append(as_bytes(central_header(one.member, one.packed, one.offset))));
  const std::uint64_t size = offset_ - begin, count = written_.size(), end = offset_;
  if (count >= kCountIn64 || size >= kIn64 || begin >= kIn64) {
    TRY_DO(append(Fields()
                      .add(kZipEnd64)
                      .add(std::uint64_t{44})
                      .add(kZip64Version)
                      .add(kZip64Version)
                      .add(std::uint32_t{0})
                      .add(std::uint32_t{0})
                      .add(count)
                      .add(count)
                      .add(size)
                      .add(begin)
                      .add(kZipLocator)
                      .add(std::uint32_t{0})
                      .add(end)
                      .add(std::uint32_t{1})
                      .bytes()));
  }
  const auto members = static_cast<std::uint16_t>(std::min<std::uint64_t>(count, kCountIn64));
  TRY_DO(append(Fields()
                    .add(kZipEnd)
                    .add(std::uint16_t{0})
                    .add(std::uint16_t{0})
                    .add(members)
                    .add(members)
                    .add(narrow(size))
                    .add(narrow(begin))
                    .add(static_cast<std::uint16_t>(comment.size()))
                    .add_text(comment)
                    .bytes()));
  return {};
}

}  // namespace flense::codec
