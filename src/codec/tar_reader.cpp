#include <algorithm>
#include <array>
#include <cstring>
#include <utility>

#include "codec/tar.h"
#include "codec/tar_format.h"
#include "codec/tar_sparse.h"

namespace flense::codec {

namespace {

using tar::kBlockSize;
constexpr std::size_t kChunk = 1u << 20;
using PaxRecords = std::map<std::string, std::string>;

MemberType member_type(char flag, std::string_view name) {
  switch (flag) {
    case '0':
    case '7':
    case 'S':
      return MemberType::kFile;
    // Version 7 archives mark directories by a trailing slash alone.
    case '\0':
      return name.ends_with('/') ? MemberType::kDirectory : MemberType::kFile;
    case '1':
      return MemberType::kHardLink;
    case '2':
      return MemberType::kSymlink;
    case '3':
      return MemberType::kCharDevice;
    case '4':
      return MemberType::kBlockDevice;
    case '5':
      return MemberType::kDirectory;
    case '6':
      return MemberType::kFifo;
    default:
      return MemberType::kOther;
  }
}

/// Links, devices and directories carry no payload, whatever their size field says (as in Docker's
/// reader).
bool has_payload(MemberType type) {
  return type == MemberType::kFile || type == MemberType::kOther;
}

std::optional<std::string> take(PaxRecords& records, const char* key) {
  const auto found = records.find(key);
  if (found == records.end()) return std::nullopt;
  std::string value = std::move(found->second);
  records.erase(found);
  return value;
}

}  // namespace

struct TarReader::State {
  State(Source& from, std::string archive, Limits bounds)
      : source(from), name(std::move(archive)), limits(bounds), all(from.direct()) {
    mapped = !all.empty();
  }

  Source& source;
  std::string name;
  Limits limits;
  Bytes all;  ///< the whole archive when it lies in memory
  bool mapped = false;
  std::uint64_t position = 0;  ///< bytes taken from the stream

  std::vector<std::byte> header;   ///< raw header blocks, when not mapped
  std::uint64_t header_begin = 0;  ///< position of the first header block
  std::uint64_t header_end = 0;
  std::uint64_t stored_left = 0;  ///< payload not yet taken
  std::uint64_t padding_left = 0;
  PaxRecords global;
  std::uint64_t members = 0, total = 0, header_bytes = 0;
  bool ended = false;

  struct Content final : Source {
    explicit Content(State& owner) : state(owner) {}
    Result<Bytes> next(std::size_t max) override { return state.content_next(max); }
    Bytes direct() const override { return state.content_direct(); }
    State& state;
  };
  struct RawContent final : Source {
    explicit RawContent(State& owner) : state(owner) {}
    Result<Bytes> next(std::size_t max) override { return state.raw_next(max); }
    State& state;
  };
  Content content{*this};
  RawContent raw_content{*this};

  bool sparse = false;
  std::vector<tar::SparseSpan> spans;
  std::size_t span = 0;
  std::uint64_t logical = 0, logical_size = 0;

  template <class... Args>
  std::unexpected<Error> bad(fmt::format_string<Args...> text, Args&&... args) const {
    return bad_input("{}: {} at offset {:#x}", name, fmt::format(text, std::forward<Args>(args)...),
                     position);
  }

  /// Up to `max` bytes; empty at the end of the stream.
  Result<Bytes> take_some(std::size_t max) {
    if (mapped) {
      const std::uint64_t left = all.size() - position;
      const Bytes out = all.subspan(position, std::min<std::uint64_t>(max, left));
      position += out.size();
      return out;
    }
    TRY(const Bytes out, source.next(max));
    position += out.size();
    return out;
  }

  /// One header block; nullopt at a clean end of the stream.
  Result<std::optional<Bytes>> take_block() {
    if (mapped) {
      const std::uint64_t left = all.size() - position;
      if (left == 0) return std::optional<Bytes>();
      if (left < kBlockSize) return bad("the archive ends inside a header block");
      position += kBlockSize;
      return std::optional(all.subspan(position - kBlockSize, kBlockSize));
    }
    const std::size_t begin = header.size();
    while (header.size() < begin + kBlockSize) {
      TRY(const Bytes chunk, take_some(begin + kBlockSize - header.size()));
      if (chunk.empty()) {
        if (header.size() == begin) return std::optional<Bytes>();
        return bad("the archive ends inside a header block");
      }
      header.insert(header.end(), chunk.begin(), chunk.end());
    }
    return std::optional(Bytes(header).subspan(begin, kBlockSize));
  }

  /// `size` bytes of extended header data, with its padding taken too.
  Result<std::string> take_extended(std::uint64_t size) {
    header_bytes += size;
    if (header_bytes > limits.max_header_bytes)
      return bad("the extended headers of one member exceed {} bytes", limits.max_header_bytes);
    std::string out;
    const std::uint64_t padded = (size + kBlockSize - 1) / kBlockSize * kBlockSize;
    for (std::uint64_t done = 0; done < padded; done += kBlockSize) {
      TRY(const std::optional<Bytes> block, take_block());
      if (!block) return bad("the archive ends inside an extended header");
      out += as_text(*block).substr(0, std::min<std::uint64_t>(kBlockSize, size - done));
    }
    return out;
  }

  Result<void> skip(std::uint64_t count) {
    if (mapped) {
      if (count > all.size() - position) return bad("the archive ends inside a member");
      position += count;
      return {};
    }
    while (count > 0) {
      TRY(const Bytes chunk, take_some(std::min<std::uint64_t>(count, kChunk)));
      if (chunk.empty()) return bad("the archive ends inside a member");
      count -= chunk.size();
    }
    return {};
  }

  Result<Bytes> stored_next(std::size_t max) {
    if (stored_left == 0) return Bytes{};
    TRY(const Bytes chunk, take_some(std::min<std::uint64_t>(max, stored_left)));
    if (chunk.empty()) return bad("the archive ends inside a member");
    stored_left -= chunk.size();
    return chunk;
  }

  Result<Bytes> raw_next(std::size_t max) {
    if (stored_left > 0) return stored_next(max);
    if (padding_left == 0) return Bytes{};
    TRY(const Bytes chunk, take_some(std::min<std::uint64_t>(max, padding_left)));
    if (chunk.empty()) return bad("the archive ends inside the padding of a member");
    padding_left -= chunk.size();
    return chunk;
  }

  Bytes content_direct() const {
    if (!mapped || sparse) return {};
    return all.subspan(position, stored_left);
  }

  Result<Bytes> content_next(std::size_t max) {
    if (!sparse) return stored_next(max);
    static constexpr std::array<std::byte, 65536> kZeros{};
    while (span < spans.size() && logical == spans[span].offset + spans[span].size) ++span;
    if (logical == logical_size) return Bytes{};
    const std::uint64_t data_begin = span < spans.size() ? spans[span].offset : logical_size;
    if (logical < data_begin) {
      const std::uint64_t count =
          std::min<std::uint64_t>({max, data_begin - logical, kZeros.size()});
      logical += count;
      return Bytes(kZeros).first(count);
    }
    const std::uint64_t left = spans[span].offset + spans[span].size - logical;
    TRY(const Bytes chunk, stored_next(std::min<std::uint64_t>(max, left)));
    logical += chunk.size();
    return chunk;
  }

  Result<std::optional<TarMember>> next_member();
  Result<TarMember> read_member(Bytes block, PaxRecords local, std::optional<std::string> long_name,
                                std::optional<std::string> long_link);
  Result<void> apply_pax(PaxRecords& records, TarMember& member);
  Result<void> set_up_sparse(Bytes block, char flag, PaxRecords& records, TarMember& member);
};

Result<void> TarReader::State::apply_pax(PaxRecords& records, TarMember& member) {
  if (auto value = take(records, "path")) member.name = std::move(*value);
  if (auto value = take(records, "linkpath")) member.link = std::move(*value);
  if (auto value = take(records, "uname")) member.user = std::move(*value);
  if (auto value = take(records, "gname")) member.group = std::move(*value);
  for (const auto& [key, field] : {std::pair{"size", &member.stored_size},
                                   std::pair{"uid", &member.uid}, std::pair{"gid", &member.gid}}) {
    const auto value = take(records, key);
    if (!value) continue;
    const auto number = tar::parse_decimal(*value);
    if (!number || *number > static_cast<std::uint64_t>(INT64_MAX))
      return bad("the PAX record {} holds '{}'", key, *value);
    *field = *number;
  }
  if (const auto value = take(records, "mtime")) {
    const auto time = tar::parse_pax_time(*value);
    if (!time) return bad("the PAX record mtime holds '{}'", *value);
    member.mtime = time->first;
    member.mtime_nanos = time->second;
  }
  constexpr std::string_view kXattr = "SCHILY.xattr.";
  for (auto record = records.begin(); record != records.end();) {
    if (record->first.starts_with(kXattr)) {
      member.xattrs[record->first.substr(kXattr.size())] = std::move(record->second);
      record = records.erase(record);
    } else {
      ++record;
    }
  }
  return {};
}

Result<void> TarReader::State::set_up_sparse(Bytes block, char flag, PaxRecords& records,
                                             TarMember& member) {
  std::uint64_t real_size = 0;
  if (flag == 'S') {
    TRY(auto old_map, tar::parse_old_sparse(block));
    spans = std::move(old_map.spans);
    bool more = old_map.more;
    while (more) {
      header_bytes += kBlockSize;
      if (header_bytes > limits.max_header_bytes) return bad("the sparse map is too long");
      TRY(const std::optional<Bytes> extension, take_block());
      if (!extension) return bad("the archive ends inside a sparse map");
      TRY(auto part, tar::parse_old_sparse_extension(*extension));
      spans.insert(spans.end(), part.spans.begin(), part.spans.end());
      more = part.more;
    }
    real_size = old_map.real_size;
  } else if (records.contains("GNU.sparse.major") && records["GNU.sparse.major"] != "0") {
    if (records["GNU.sparse.major"] != "1" || records["GNU.sparse.minor"] != "0")
      return bad("sparse format {}.{} is unknown", records["GNU.sparse.major"],
                 records["GNU.sparse.minor"]);
    // Format 1.0 keeps the map at the start of the payload: count, then pairs, one decimal a line.
    tar::SparseMapLines lines;
    while (!lines.complete()) {
      header_bytes += kBlockSize;
      if (header_bytes > limits.max_header_bytes || member.stored_size < kBlockSize)
        return bad("the sparse map is too long");
      TRY(const std::optional<Bytes> part, take_block());
      if (!part) return bad("the archive ends inside a sparse map");
      member.stored_size -= kBlockSize;
      TRY_DO(lines.feed(*part));
    }
    spans = lines.take();
    const auto number = tar::parse_decimal(records["GNU.sparse.realsize"]);
    if (!number) return bad("GNU.sparse.realsize is no number");
    real_size = *number;
  } else if (records.contains("GNU.sparse.map") || records.contains("GNU.sparse.size")) {
    TRY(spans, tar::parse_sparse_list(records["GNU.sparse.map"]));
    const auto number = tar::parse_decimal(records["GNU.sparse.size"]);
    if (!number) return bad("GNU.sparse.size is no number");
    real_size = *number;
  } else {
    return {};
  }
  if (auto real_name = take(records, "GNU.sparse.name")) member.name = std::move(*real_name);
  std::erase_if(records, [](const auto& r) { return r.first.starts_with("GNU.sparse."); });
  if (real_size > static_cast<std::uint64_t>(INT64_MAX)) return bad("the sparse size is negative");
  if (const char* why = tar::check_sparse(spans, real_size, member.stored_size); why != nullptr)
    return bad("{}", why);
  sparse = true;
  span = 0;
  logical = 0;
  logical_size = real_size;
  member.sparse = true;
  member.size = real_size;
  return {};
}

Result<TarMember> TarReader::State::read_member(Bytes block, PaxRecords local,
                                                std::optional<std::string> long_name,
                                                std::optional<std::string> long_link) {
  TarMember member;
  const std::string_view magic = as_text(block.subspan(tar::kMagic.offset, tar::kMagic.size));
  member.name = tar::text_field(block, tar::kName);
  // GNU headers ("ustar  ") reuse the prefix field for times and sparse maps.
  if (magic.starts_with(std::string_view("ustar\0", 6))) {
    const std::string_view prefix = tar::text_field(block, tar::kPrefix);
    if (!prefix.empty()) member.name = fmt::format("{}/{}", prefix, member.name);
  }
  member.link = tar::text_field(block, tar::kLink);
  if (magic.starts_with("ustar")) {
    member.user = tar::text_field(block, tar::kUser);
    member.group = tar::text_field(block, tar::kGroup);
  }
  const char flag = std::to_integer<char>(block[tar::kType.offset]);
  const auto size = tar::number_field(block, tar::kSize);
  const auto mode = tar::number_field(block, tar::kMode);
  const auto uid = tar::number_field(block, tar::kUid);
  const auto gid = tar::number_field(block, tar::kGid);
  const auto mtime = tar::number_field(block, tar::kMtime);
  if (!size || *size < 0) return bad("a member has no valid size");
  if (!mode || !uid || !gid || !mtime || *uid < 0 || *gid < 0)
    return bad("a header field of '{}' is no number", member.name);
  member.stored_size = static_cast<std::uint64_t>(*size);
  member.mode = static_cast<std::uint32_t>(*mode) & 07777U;
  member.uid = static_cast<std::uint64_t>(*uid);
  member.gid = static_cast<std::uint64_t>(*gid);
  member.mtime = *mtime;
  if (flag == '3' || flag == '4') {
    member.device_major =
        static_cast<std::uint32_t>(tar::number_field(block, tar::kDevMajor).value_or(0));
    member.device_minor =
        static_cast<std::uint32_t>(tar::number_field(block, tar::kDevMinor).value_or(0));
  }
  if (long_name) member.name = std::move(*long_name);
  if (long_link) member.link = std::move(*long_link);
  // Global records hold for every member unless it says otherwise.
  PaxRecords records = global;
  for (auto& [key, value] : local) records[key] = std::move(value);
  TRY_DO(apply_pax(records, member));
  member.type = member_type(flag, member.name);
  if (!has_payload(member.type)) member.stored_size = 0;
  // set_up_sparse may read on, after which `block` is gone.
  std::array<std::byte, kBlockSize> header_copy{};
  std::ranges::copy(block, header_copy.begin());
  const std::uint64_t stored_total = member.stored_size;
  TRY_DO(set_up_sparse(header_copy, flag, records, member));
  if (!member.sparse) member.size = member.stored_size;
  member.pax = std::move(records);
  padding_left = (kBlockSize - stored_total % kBlockSize) % kBlockSize;
  return member;
}

Result<std::optional<TarMember>> TarReader::State::next_member() {
  if (ended) return std::optional<TarMember>();
  TRY_DO(skip(stored_left));
  stored_left = 0;
  TRY_DO(skip(padding_left));
  padding_left = 0;
  header.clear();
  header_begin = position;
  header_bytes = 0;
  sparse = false;
  spans.clear();
  PaxRecords local;
  std::optional<std::string> long_name, long_link;
  while (true) {
    TRY(const std::optional<Bytes> block, take_block());
    if (!block || tar::is_zero_block(*block)) {
      ended = true;
      return std::optional<TarMember>();
    }
    if (!tar::checksum_matches(*block)) {
      position -= kBlockSize;
      return bad("expected a tar header, but its checksum does not match");
    }
    const char flag = std::to_integer<char>((*block)[tar::kType.offset]);
    if (flag != 'x' && flag != 'g' && flag != 'L' && flag != 'K') {
      if (++members > limits.max_members)
        return bad("the archive has more than {} members", limits.max_members);
      TRY(TarMember member,
          read_member(*block, std::move(local), std::move(long_name), std::move(long_link)));
      stored_left = member.stored_size;
      header_end = position;
      if (mapped && stored_left > all.size() - position)
        return bad("'{}' claims {} bytes, but the archive ends before", member.name, stored_left);
      const auto sum = checked_add(total, member.size);
      if (!sum || *sum > limits.max_total_bytes)
        return bad("the archive unpacks to more than {} bytes", limits.max_total_bytes);
      total = *sum;
      return std::optional(std::move(member));
    }
    const auto size = tar::number_field(*block, tar::kSize);
    if (!size || *size < 0) return bad("an extended header has no valid size");
    if (static_cast<std::uint64_t>(*size) > limits.max_header_bytes)
      return bad("an extended header claims {} bytes", *size);
    TRY(std::string data, take_extended(static_cast<std::uint64_t>(*size)));
    if (flag == 'L') {
      long_name = data.substr(0, data.find('\0'));
    } else if (flag == 'K') {
      long_link = data.substr(0, data.find('\0'));
    } else {
      Result<PaxRecords> records = tar::parse_pax(as_bytes(data));
      if (!records) return bad("{}", records.error().message);
      PaxRecords& into = flag == 'g' ? global : local;
      for (auto& [key, value] : *records) into[key] = std::move(value);
    }
  }
}

TarReader::TarReader(Source& source, std::string archive_name, Limits limits)
    : state_(std::make_unique<State>(source, std::move(archive_name), limits)) {}
TarReader::~TarReader() = default;

Result<std::optional<TarMember>> TarReader::next() {
  return state_->next_member();
}
Source& TarReader::content() {
  return state_->content;
}
Source& TarReader::raw_content() {
  return state_->raw_content;
}
std::uint64_t TarReader::content_offset() const {
  return state_->header_end;
}

Bytes TarReader::raw_header() const {
  if (state_->mapped)
    return state_->all.subspan(state_->header_begin, state_->header_end - state_->header_begin);
  return state_->header;
}

Result<void> TarReader::drain() {
  if (state_->mapped) {
    state_->position = state_->all.size();
    return {};
  }
  while (true) {
    TRY(const Bytes chunk, state_->take_some(kChunk));
    if (chunk.empty()) return {};
  }
}

}  // namespace flense::codec
