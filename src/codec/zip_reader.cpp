#include <algorithm>
#include <map>
#include <utility>

#include "base/path.h"
#include "codec/compression.h"
#include "codec/crc32.h"
#include "codec/zip.h"
#include "codec/zip_format.h"

namespace flense::codec {

namespace {

constexpr std::size_t kEndSize = 22, kEnd64Size = 56, kLocatorSize = 20;
constexpr std::size_t kMostComment = 0xffff;
constexpr std::uint64_t kMostMembers = 1'000'000;
/// Deflate cannot say more with a byte.
constexpr std::uint64_t kMostRatio = 1032;
constexpr std::size_t kUnpackedPiece = 1U << 20;

/// Where the central directory lies.
struct Directory {
  std::uint64_t offset = 0, size = 0, members = 0;
  std::string comment;
};

/// The record that ends the file; its comment fills the rest.
Result<std::size_t> find_end(Bytes file, const std::string& name) {
  if (file.size() >= kEndSize) {
    const std::size_t last = file.size() - kEndSize;
    const std::size_t first = last - std::min(last, kMostComment);
    for (std::size_t at = last + 1; at-- > first;)
      if (load_le<std::uint32_t>(file, at) == kZipEnd &&
          at + kEndSize + load_le<std::uint16_t>(file, at + 20) == file.size())
        return at;
  }
  return bad_input("{}: no zip archive: expected an end record in the last {} of {} bytes", name,
                   kEndSize + kMostComment, file.size());
}

Result<Directory> find_directory(Bytes file, const std::string& name) {
  TRY(const std::size_t end, find_end(file, name));
  const auto u16 = [&](std::size_t at) { return load_le<std::uint16_t>(file, at); };
  const auto u32 = [&](std::size_t at) { return load_le<std::uint32_t>(file, at); };
  Directory out{u32(end + 16), u32(end + 12), u16(end + 10), {}};
  out.comment = as_text(file.subspan(end + kEndSize));
  if (u16(end + 4) != u16(end + 6) || (u16(end + 4) != 0 && u16(end + 4) != kCountIn64) ||
      u16(end + 8) != u16(end + 10))
    return bad_input("{}: offset {:#x}: the archive is one of several disks", name, end);
  std::uint64_t directory_end = end;
  if (end >= kLocatorSize && u32(end - kLocatorSize) == kZipLocator) {
    const std::uint64_t at = load_le<std::uint64_t>(file, end - kLocatorSize + 8);
    TRY(const Bytes record, slice(file, at, kEnd64Size, name + ": zip64 end record"));
    if (load_le<std::uint32_t>(record, 0) != kZipEnd64 || at + kEnd64Size > end - kLocatorSize ||
        load_le<std::uint64_t>(record, 24) != load_le<std::uint64_t>(record, 32))
      return bad_input("{}: offset {:#x}: expected the zip64 end record of one archive", name, at);
    const auto agrees = [&](std::uint64_t& value, std::uint64_t marker, std::size_t field) {
      const std::uint64_t wide = load_le<std::uint64_t>(record, field);
      const std::uint64_t narrow = std::exchange(value, wide);
      return narrow == marker || narrow == wide;
    };
    if (!agrees(out.members, kCountIn64, 32) || !agrees(out.size, kIn64, 40) ||
        !agrees(out.offset, kIn64, 48))
      return bad_input("{}: offset {:#x}: the end record and the zip64 one differ", name, end);
    directory_end = at;
  }
  const auto sum = checked_add(out.offset, out.size);
  if (!sum || *sum != directory_end)
    return bad_input(
        "{}: the central directory is said to take {} bytes from offset {:#x} and must end at "
        "{:#x}",
        name, out.size, out.offset, directory_end);
  if (out.members > kMostMembers)
    return bad_input("{}: {} members; at most {} are read", name, out.members, kMostMembers);
  return out;
}

/// Of the fields that say so, in the order of the specification.
struct Wide {
  std::uint64_t size = 0, packed = 0, offset = 0;
};

/// Fills `wide` from the zip64 record in `extra` and returns the rest.
Result<std::string> take_zip64(Bytes extra, Wide& wide, const std::string& what) {
  std::string rest;
  bool found = false;
  ByteReader reader(extra, what + ": extra field");
  // Some writers pad with less than a record.
  while (reader.remaining() >= 4) {
    const std::size_t begin = reader.position();
    TRY(const std::uint16_t id, reader.read<std::uint16_t>("id"));
    TRY(const std::uint16_t size, reader.read<std::uint16_t>("size"));
    TRY(const Bytes content, reader.read_bytes(size, "content"));
    if (id != kZip64Extra || found) {
      rest += as_text(extra.subspan(begin, 4U + size));
      continue;
    }
    found = true;
    ByteReader fields(content, what + ": zip64 field");
    for (std::uint64_t* value : {&wide.size, &wide.packed, &wide.offset}) {
      if (*value != kIn64) continue;
      TRY(*value, fields.read<std::uint64_t>("value"));
    }
  }
  return rest;
}

/// A name that means the same to every tool.
Result<void> check_name(const std::string& name, const std::string& archive) {
  const std::string_view path = std::string_view(name).substr(0, name.size() - name.ends_with('/'));
  const auto normal = normalise_member_path(path);
  if (normal && !path.empty() && *normal == path && path.find('\\') == std::string_view::npos)
    return {};
  return bad_input("{}: the member '{}' has a name that leads outside or is no plain path", archive,
                   name);
}

/// How long the record behind the content is: with or without a signature, narrow or wide.
Result<std::size_t> descriptor_size(Bytes rest, const ZipMember& member, std::uint64_t packed) {
  for (const std::size_t signature : {std::size_t{4}, std::size_t{0}}) {
    if (rest.size() < signature + 12) continue;
    if (signature > 0 && load_le<std::uint32_t>(rest, 0) != kZipDescriptor) continue;
    if (load_le<std::uint32_t>(rest, signature) != member.crc) continue;
    if (rest.size() >= signature + 20 && load_le<std::uint64_t>(rest, signature + 4) == packed &&
        load_le<std::uint64_t>(rest, signature + 12) == member.size)
      return signature + 20;
    if (load_le<std::uint32_t>(rest, signature + 4) == packed &&
        load_le<std::uint32_t>(rest, signature + 8) == member.size)
      return signature + 12;
  }
  return bad_input("expected a data descriptor that says what the directory says");
}

/// Reads the local header, which must say what `member` says, and finds the content.
Result<void> read_local(Bytes file, const Directory& directory, std::uint64_t offset,
                        std::uint64_t packed, ZipMember& member) {
  if (offset > directory.offset)
    return bad_input("offset {:#x}: expected a local header before the directory", offset);
  ByteReader reader(file.subspan(offset, directory.offset - offset), "local header", offset);
  TRY(const std::uint32_t signature, reader.read<std::uint32_t>("signature"));
  if (signature != kZipLocal)
    return bad_input("offset {:#x}: expected a local header, found {:#x}", offset, signature);
  TRY_DO(reader.skip(2, "version"));
  TRY(const std::uint16_t flags, reader.read<std::uint16_t>("flags"));
  TRY(const std::uint16_t method, reader.read<std::uint16_t>("method"));
  TRY_DO(reader.skip(4, "time"));
  TRY(const std::uint32_t crc, reader.read<std::uint32_t>("checksum"));
  Wide sizes;
  TRY(sizes.packed, reader.read<std::uint32_t>("packed size"));
  TRY(sizes.size, reader.read<std::uint32_t>("size"));
  TRY(const std::uint16_t name_size, reader.read<std::uint16_t>("size of the name"));
  TRY(const std::uint16_t extra_size, reader.read<std::uint16_t>("size of the extra field"));
  TRY(const Bytes name, reader.read_bytes(name_size, "name"));
  TRY(const Bytes extra, reader.read_bytes(extra_size, "extra field"));
  const bool follow = (flags & kZipSizesFollow) != 0;
  TRY(member.local_extra, take_zip64(extra, sizes, "local header"));
  const bool sizes_agree =
      follow || (crc == member.crc && sizes.packed == packed && sizes.size == member.size);
  if (as_text(name) != member.name || method != static_cast<std::uint16_t>(member.method) ||
      flags != member.flags || !sizes_agree)
    return bad_input("offset {:#x}: the local header and the central directory differ", offset);
  TRY(member.packed, reader.read_bytes(packed, "content"));
  if (follow) {
    TRY(const std::size_t size,
        descriptor_size(file.subspan(offset + reader.position(), reader.remaining()), member,
                        packed));
    TRY_DO(reader.skip(size, "data descriptor"));
  }
  member.whole = file.subspan(offset, reader.position());
  return {};
}

Result<ZipMember> read_member(ByteReader& reader, Bytes file, const Directory& directory,
                              const std::string& archive) {
  TRY(const std::uint32_t signature, reader.read<std::uint32_t>("signature"));
  if (signature != kZipCentral)
    return bad_input("{}: offset {:#x}: expected a member of the central directory, found {:#x}",
                     archive, directory.offset + reader.position() - 4, signature);
  ZipMember out;
  TRY(out.made_by, reader.read<std::uint16_t>("version"));
  TRY(out.needed, reader.read<std::uint16_t>("version needed"));
  TRY(out.flags, reader.read<std::uint16_t>("flags"));
  TRY(const std::uint16_t method, reader.read<std::uint16_t>("method"));
  TRY(out.time, reader.read<std::uint16_t>("time"));
  TRY(out.date, reader.read<std::uint16_t>("date"));
  TRY(out.crc, reader.read<std::uint32_t>("checksum"));
  Wide wide;
  TRY(wide.packed, reader.read<std::uint32_t>("packed size"));
  TRY(wide.size, reader.read<std::uint32_t>("size"));
  TRY(const std::uint16_t name_size, reader.read<std::uint16_t>("size of the name"));
  TRY(const std::uint16_t extra_size, reader.read<std::uint16_t>("size of the extra field"));
  TRY(const std::uint16_t comment_size, reader.read<std::uint16_t>("size of the comment"));
  TRY(const std::uint16_t disk, reader.read<std::uint16_t>("disk"));
  TRY(out.internal, reader.read<std::uint16_t>("attributes"));
  TRY(out.external, reader.read<std::uint32_t>("attributes"));
  TRY(wide.offset, reader.read<std::uint32_t>("offset"));
  TRY(const Bytes name, reader.read_bytes(name_size, "name"));
  TRY(const Bytes extra, reader.read_bytes(extra_size, "extra field"));
  TRY(const Bytes comment, reader.read_bytes(comment_size, "comment"));
  out.name = as_text(name);
  out.comment = as_text(comment);
  TRY_DO(check_name(out.name, archive));
  TRY(out.extra, take_zip64(extra, wide, fmt::format("{}: {}", archive, out.name)));
  out.size = wide.size;
  out.method = static_cast<ZipMethod>(method);
  constexpr std::uint16_t kKnownFlags = kZipSizesFollow | kZipUtf8 | kZipEffort;
  if ((out.flags & ~kKnownFlags) != 0 || disk != 0)
    return bad_input("{}: {} is encrypted, a patch or on another disk (flags {:#x})", archive,
                     out.name, out.flags);
  if (out.method != ZipMethod::kStored && out.method != ZipMethod::kDeflated)
    return bad_input("{}: {} is packed by method {}; stored and deflated ones are read", archive,
                     out.name, method);
  if (out.is_directory() && out.size > 0)
    return bad_input("{}: the directory {} has {} bytes of content", archive, out.name, out.size);
  const bool fits = out.method == ZipMethod::kStored ? out.size == wide.packed
                                                     : out.size / kMostRatio <= wide.packed;
  if (!fits)
    return bad_input("{}: {} cannot have {} bytes: {} are stored", archive, out.name, out.size,
                     wide.packed);
  TRY_DO(with_context(read_local(file, directory, wide.offset, wide.packed, out),
                      "reading {} of {}", out.name, archive));
  return out;
}

/// Each name once, and nothing below a file.
Result<void> check_names(const std::vector<ZipMember>& members, const std::string& name) {
  std::map<std::string_view, bool> directories;
  for (const ZipMember& member : members) {
    const auto path =
        std::string_view(member.name).substr(0, member.name.find_last_not_of('/') + 1);
    if (!directories.emplace(path, member.is_directory()).second)
      return bad_input("{}: two members are named {}", name, path);
  }
  for (const auto& [path, directory] : directories)
    for (auto parent = parent_path(path); !parent.empty(); parent = parent_path(parent))
      if (const auto found = directories.find(parent); found != directories.end() && !found->second)
        return bad_input("{}: {} lies below a file", name, path);
  return {};
}

/// One after the other, from the start of the file.
Result<void> check_places(const std::vector<ZipMember>& members, Bytes file,
                          const std::string& name) {
  std::vector<const ZipMember*> order;
  for (const ZipMember& member : members) order.push_back(&member);
  std::ranges::sort(order, {}, [](const ZipMember* member) { return member->whole.data(); });
  if (!order.empty() && order.front()->whole.data() != file.data())
    return bad_input(
        "{}: expected a member at the start of the file; the first, {}, lies behind "
        "other bytes",
        name, order.front()->name);
  for (std::size_t i = 1; i < order.size(); ++i)
    if (order[i]->whole.data() < order[i - 1]->whole.data() + order[i - 1]->whole.size())
      return bad_input("{}: {} and {} lie over each other", name, order[i - 1]->name,
                       order[i]->name);
  return {};
}

/// The deflated bytes with the frame of gzip around them, which says the same of them.
class AsGzip final : public Source {
 public:
  explicit AsGzip(const ZipMember& member) : parts_{as_bytes(kHeader), member.packed, trailer_} {
    store_le<std::uint32_t>(trailer_, 0, member.crc);
    store_le<std::uint32_t>(trailer_, 4, static_cast<std::uint32_t>(member.size));
  }
  Result<Bytes> next(std::size_t max) override {
    while (part_ < std::size(parts_) && parts_[part_].empty()) ++part_;
    if (part_ == std::size(parts_)) return Bytes();
    const Bytes out = parts_[part_].first(std::min(max, parts_[part_].size()));
    parts_[part_] = parts_[part_].subspan(out.size());
    return out;
  }

 private:
  static constexpr std::string_view kHeader{"\x1f\x8b\x08\0\0\0\0\0\0\xff", 10};
  std::byte trailer_[8];
  Bytes parts_[3];
  std::size_t part_ = 0;
};

/// What a member unpacks to, no more and no less than it says.
class MemberSource final : public Source {
 public:
  MemberSource(const ZipMember& member, std::unique_ptr<Decoder> decoder)
      : member_(member), stored_(member.packed), decoder_(std::move(decoder)) {
    if (decoder_) buffer_ = std::make_unique_for_overwrite<std::byte[]>(kUnpackedPiece);
  }

  Result<Bytes> next(std::size_t max) override {
    if (begin_ == end_) TRY_DO(refill());
    const Bytes rest = decoder_ ? Bytes(buffer_.get() + begin_, end_ - begin_)
                                : stored_.subspan(begin_, end_ - begin_);
    const Bytes out = rest.first(std::min(max, rest.size()));
    begin_ += out.size();
    return out;
  }

 private:
  Result<void> refill() {
    if (ended_) return {};
    Bytes piece;
    if (decoder_) {
      TRY(end_, decoder_->read(MutableBytes(buffer_.get(), kUnpackedPiece)));
      begin_ = 0;
      piece = Bytes(buffer_.get(), end_);
    } else {
      end_ += std::min(kUnpackedPiece, stored_.size() - end_);
      piece = stored_.subspan(begin_, end_ - begin_);
    }
    done_ += piece.size();
    crc_ = crc32(crc_, piece);
    ended_ = piece.empty();
    if (done_ > member_.size || (ended_ && (done_ < member_.size || crc_ != member_.crc)))
      return bad_input("{}: the content is not of the size and checksum that the archive says",
                       member_.name);
    return {};
  }

  const ZipMember& member_;
  Bytes stored_;
  std::unique_ptr<Decoder> decoder_;
  std::unique_ptr<std::byte[]> buffer_;
  std::size_t begin_ = 0, end_ = 0;
  std::uint64_t done_ = 0;
  std::uint32_t crc_ = 0;
  bool ended_ = false;
};

}  // namespace

bool is_zip(Bytes file) {
  return file.size() >= 4 && load_le<std::uint32_t>(file, 0) == kZipLocal;
}

Result<ZipArchive> read_zip(Bytes file, const std::string& name) {
  TRY(Directory directory, find_directory(file, name));
  ZipArchive out;
  ByteReader reader(file.subspan(directory.offset, directory.size), name + ": central directory",
                    directory.offset);
  out.members.reserve(std::min<std::size_t>(directory.members, directory.size / 46));
  for (std::uint64_t i = 0; i < directory.members; ++i) {
    TRY(ZipMember member, read_member(reader, file, directory, name));
    out.members.push_back(std::move(member));
  }
  if (reader.remaining() > 0)
    return bad_input("{}: {} bytes follow the last member of the central directory", name,
                     reader.remaining());
  TRY_DO(check_names(out.members, name));
  TRY_DO(check_places(out.members, file, name));
  out.comment = std::move(directory.comment);
  return out;
}

Result<std::unique_ptr<Source>> open_zip_member(const ZipMember& member) {
  std::unique_ptr<Decoder> decoder;
  if (member.method == ZipMethod::kDeflated) {
    TRY(decoder, open_decoder(std::make_unique<AsGzip>(member), Compression::kGzip));
  }
  return std::unique_ptr<Source>(std::make_unique<MemberSource>(member, std::move(decoder)));
}

}  // namespace flense::codec
