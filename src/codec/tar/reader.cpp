#include <algorithm>
#include <array>
#include <utility>

#include "codec/tar/format.h"
#include "codec/tar/member.h"
#include "codec/tar/sparse.h"
#include "codec/tar/tar.h"

namespace flense::codec {

namespace {

using tar::kBlockSize;
constexpr std::size_t kChunk = 1u << 20;

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

  // The current member.
  std::vector<std::byte> header;   ///< raw header blocks, when not mapped
  std::uint64_t header_begin = 0;  ///< position of the first header block
  std::uint64_t header_end = 0;
  std::uint64_t header_bytes = 0;  ///< of extended headers and sparse maps
  std::uint64_t stored_size = 0;   ///< payload after header_end
  std::uint64_t stored_left = 0;   ///< of it, not yet taken
  std::uint64_t padding_left = 0;
  bool sparse = false;
  std::vector<tar::SparseSpan> spans;
  std::size_t span = 0;
  std::uint64_t logical = 0, logical_size = 0;

  std::uint64_t members = 0, total = 0;
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

  Failure bad_at(std::uint64_t offset, std::string_view what) const {
    return bad_input("{}: {}, at offset {:#x}", name, what, offset);
  }
  Failure ends_inside(std::string_view what) const {
    return cut_off("{}: the archive ends inside {}, at offset {:#x}", name, what, position);
  }
  /// An error of the parsers below, which know neither archive nor offset.
  Failure bad_header(const Error& error) const { return bad_at(header_begin, error.message); }

  /// Up to `max` bytes; empty at the end of the stream.
  Result<Bytes> take_some(std::uint64_t max) {
    if (mapped) {
      const Bytes out = all.subspan(position, std::min<std::uint64_t>(max, all.size() - position));
      position += out.size();
      return out;
    }
    TRY(const Bytes out, source.next(std::min<std::uint64_t>(max, kChunk)));
    position += out.size();
    return out;
  }

  /// One header block; nullopt at a clean end of the stream.
  Result<std::optional<Bytes>> take_block() {
    if (mapped) {
      const std::uint64_t left = all.size() - position;
      if (left == 0) return std::optional<Bytes>();
      if (left < kBlockSize) return ends_inside("a header block");
      position += kBlockSize;
      return std::optional(all.subspan(position - kBlockSize, kBlockSize));
    }
    const std::size_t begin = header.size();
    while (header.size() < begin + kBlockSize) {
      TRY(const Bytes chunk, take_some(begin + kBlockSize - header.size()));
      if (chunk.empty()) {
        if (header.size() == begin) return std::optional<Bytes>();
        return ends_inside("a header block");
      }
      header.insert(header.end(), chunk.begin(), chunk.end());
    }
    return std::optional(Bytes(header).subspan(begin, kBlockSize));
  }

  /// The same where more headers must follow.
  Result<Bytes> take_more(std::string_view what) {
    header_bytes += kBlockSize;
    if (header_bytes > limits.max_header_bytes)
      return bad_at(header_begin, fmt::format("the extended headers of one member exceed {} bytes",
                                              limits.max_header_bytes));
    TRY(const std::optional<Bytes> block, take_block());
    if (!block) return ends_inside(what);
    return *block;
  }

  /// `size` bytes of extended header data; their padding is taken too.
  Result<std::string> take_extended(std::uint64_t size) {
    if (size > limits.max_header_bytes)
      return bad_at(position, fmt::format("an extended header claims {} bytes", size));
    std::string out;
    while (out.size() < size) {
      TRY(const Bytes block, take_more("an extended header"));
      out += as_text(block).substr(0, std::min<std::uint64_t>(kBlockSize, size - out.size()));
    }
    return out;
  }

  Result<void> skip(std::uint64_t count) {
    if (mapped && count <= all.size() - position) {
      position += count;
      return {};
    }
    while (count > 0) {
      TRY(const Bytes chunk, take_some(count));
      if (chunk.empty()) return ends_inside("a member");
      count -= chunk.size();
    }
    return {};
  }

  Result<Bytes> stored_next(std::uint64_t max) {
    if (stored_left == 0) return Bytes{};
    TRY(const Bytes chunk, take_some(std::min(max, stored_left)));
    if (chunk.empty()) return ends_inside("a member");
    stored_left -= chunk.size();
    return chunk;
  }

  Result<Bytes> raw_next(std::uint64_t max) {
    if (stored_left > 0) return stored_next(max);
    if (padding_left == 0) return Bytes{};
    TRY(const Bytes chunk, take_some(std::min(max, padding_left)));
    if (chunk.empty()) return ends_inside("the padding of a member");
    padding_left -= chunk.size();
    return chunk;
  }

  Bytes content_direct() const {
    if (!mapped || sparse) return {};
    return all.subspan(position, stored_left);
  }

  Result<Bytes> content_next(std::uint64_t max) {
    if (!sparse) return stored_next(max);
    // Not const: a constant would lie in the program's file, all 64 KiB of it.
    static constinit std::array<std::byte, 65536> zeros{};
    while (span < spans.size() && logical == spans[span].offset + spans[span].size) ++span;
    if (logical == logical_size) return Bytes{};
    const std::uint64_t data_begin = span < spans.size() ? spans[span].offset : logical_size;
    if (logical < data_begin) {
      const std::uint64_t count =
          std::min<std::uint64_t>({max, data_begin - logical, zeros.size()});
      logical += count;
      return Bytes(zeros).first(count);
    }
    const std::uint64_t left = spans[span].offset + spans[span].size - logical;
    TRY(const Bytes chunk, stored_next(std::min(max, left)));
    logical += chunk.size();
    return chunk;
  }

  Result<std::optional<TarMember>> next_member();
  Result<TarMember> read_member(Bytes block, tar::Extended extended);
  Result<void> set_up_sparse(Bytes block, TarMember& member);
  Result<std::uint64_t> read_old_map(Bytes block);
  Result<void> read_new_map(TarMember& member);
  Result<void> check_end(const tar::Extended& extended, bool blank_block);
};

/// The map in the header and in blocks that follow it; returns the real size.
Result<std::uint64_t> TarReader::State::read_old_map(Bytes block) {
  // Reading further invalidates the block.
  auto map = tar::parse_old_sparse(block);
  if (!map) return bad_header(map.error());
  spans = std::move(map->spans);
  const std::uint64_t real_size = map->real_size;
  for (bool more = map->more; more;) {
    TRY(const Bytes extension, take_more("a sparse map"));
    auto part = tar::parse_old_sparse_extension(extension);
    if (!part) return bad_header(part.error());
    spans.insert(spans.end(), part->spans.begin(), part->spans.end());
    more = part->more;
  }
  return real_size;
}

/// Format 1.0: the map is at the start of the payload.
Result<void> TarReader::State::read_new_map(TarMember& member) {
  tar::SparseMapLines lines;
  while (!lines.complete()) {
    if (member.stored_size < kBlockSize)
      return bad_at(header_begin, "a sparse map is longer than its member");
    member.stored_size -= kBlockSize;
    TRY(const Bytes block, take_more("a sparse map"));
    if (auto status = lines.feed(block); !status) return bad_header(status.error());
  }
  spans = lines.take();
  return {};
}

Result<void> TarReader::State::set_up_sparse(Bytes block, TarMember& member) {
  std::map<std::string, std::string>& records = member.pax;
  const auto record = [&](const char* key) {
    const auto found = records.find(key);
    return found == records.end() ? std::string() : found->second;
  };
  std::uint64_t real_size = 0;
  std::optional<std::string> real_size_text;
  if (std::to_integer<char>(block[tar::kType.offset]) == 'S') {
    TRY(real_size, read_old_map(block));
  } else if (member.type != MemberType::kFile) {
    // Records without meaning here.
    std::erase_if(records, [](const auto& r) { return r.first.starts_with("GNU.sparse."); });
    return {};
  } else if (const std::string major = record("GNU.sparse.major"); !major.empty() && major != "0") {
    if (major != "1" || record("GNU.sparse.minor") != "0")
      return bad_at(header_begin, fmt::format("the sparse format {}.{} is unknown", major,
                                              record("GNU.sparse.minor")));
    TRY_DO(read_new_map(member));
    real_size_text = record("GNU.sparse.realsize");
  } else if (records.contains("GNU.sparse.map") || records.contains("GNU.sparse.size")) {
    auto list = tar::parse_sparse_list(record("GNU.sparse.map"));
    if (!list) return bad_header(list.error());
    spans = std::move(*list);
    real_size_text = record("GNU.sparse.size");
  } else {
    const bool claims = std::ranges::any_of(
        records, [](const auto& r) { return r.first.starts_with("GNU.sparse."); });
    if (claims) return bad_at(header_begin, "the sparse records of a member have no map");
    return {};
  }
  if (real_size_text) {
    const auto number = tar::parse_decimal(*real_size_text);
    if (!number || *number > static_cast<std::uint64_t>(INT64_MAX))
      return bad_at(header_begin, "the real size of a sparse member is not a number");
    real_size = *number;
  }
  if (std::string real_name = record("GNU.sparse.name"); !real_name.empty())
    member.name = std::move(real_name);
  std::erase_if(records, [](const auto& r) { return r.first.starts_with("GNU.sparse."); });
  if (const char* why = tar::check_sparse(spans, real_size, member.stored_size); why != nullptr)
    return bad_at(header_begin, why);
  sparse = true;
  logical_size = real_size;
  member.sparse = true;
  member.size = real_size;
  return {};
}

Result<TarMember> TarReader::State::read_member(Bytes block, tar::Extended extended) {
  auto made = tar::make_member(block, std::move(extended));
  if (!made) return bad_header(made.error());
  TarMember member = std::move(*made);
  const std::uint64_t payload = member.stored_size;
  padding_left = (kBlockSize - payload % kBlockSize) % kBlockSize;
  TRY_DO(set_up_sparse(block, member));
  stored_size = stored_left = member.stored_size;
  header_end = position;
  if (mapped && !range_fits(position, stored_left, all.size()))
    return cut_off("{}: '{}' claims {} bytes, but the archive ends after {}, at offset {:#x}", name,
                   member.name, payload, all.size() - position, all.size());
  const auto sum = checked_add(total, member.size);
  if (!sum || *sum > limits.max_total_bytes)
    return bad_at(header_begin,
                  fmt::format("the archive unpacks to more than {} bytes", limits.max_total_bytes));
  total = *sum;
  return member;
}

/// The archive ends with two zero blocks, with one at the end of the stream, or with none.
Result<void> TarReader::State::check_end(const tar::Extended& extended, bool blank_block) {
  ended = true;
  if (!extended.records.empty() || extended.long_name || extended.long_link)
    return bad_at(position, "the archive ends after an extended header");
  if (!blank_block) return {};
  TRY(const std::optional<Bytes> second, take_block());
  // Readers disagree on the meaning of a lone zero block; nobody writes one on purpose.
  if (second && !tar::is_zero_block(*second))
    return bad_at(position - kBlockSize, "data follows a lone zero block");
  return {};
}

Result<std::optional<TarMember>> TarReader::State::next_member() {
  if (ended) return std::optional<TarMember>();
  TRY_DO(skip(std::exchange(stored_left, 0)));
  TRY_DO(skip(std::exchange(padding_left, 0)));
  header.clear();
  header_begin = position;
  header_bytes = 0;
  sparse = false;
  spans.clear();
  span = 0;
  logical = logical_size = 0;
  tar::Extended extended;
  while (true) {
    TRY(const std::optional<Bytes> block, take_block());
    if (!block || tar::is_zero_block(*block)) {
      TRY_DO(check_end(extended, block.has_value()));
      return std::optional<TarMember>();
    }
    const std::uint64_t block_begin = position - kBlockSize;
    if (!tar::checksum_matches(*block))
      return bad_at(block_begin, "expected a tar header, but its checksum does not match");
    const char flag = std::to_integer<char>((*block)[tar::kType.offset]);
    if (flag != 'x' && flag != 'X' && flag != 'g' && flag != 'L' && flag != 'K') {
      if (++members > limits.max_members)
        return bad_at(block_begin,
                      fmt::format("the archive has more than {} members", limits.max_members));
      TRY(TarMember member, read_member(*block, std::move(extended)));
      return std::optional(std::move(member));
    }
    const auto size = tar::number_field(*block, tar::kSize);
    if (!size || *size < 0) return bad_at(block_begin, "an extended header has no valid size");
    TRY(std::string data, take_extended(static_cast<std::uint64_t>(*size)));
    if (flag == 'L') {
      extended.long_name = data.substr(0, data.find('\0'));
    } else if (flag == 'K') {
      extended.long_link = data.substr(0, data.find('\0'));
    } else {
      auto records = tar::parse_pax(as_bytes(data));
      if (!records) return bad_at(block_begin, records.error().message);
      // Global records are ignored, see TarMember::pax.
      if (flag == 'g') continue;
      for (auto& [key, value] : *records) extended.records[key] = std::move(value);
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
bool TarReader::rewind() {
  State& state = *state_;
  if (state.mapped && !state.ended) {
    state.position = state.header_end;
    state.stored_left = state.stored_size;
    state.padding_left = (kBlockSize - state.stored_size % kBlockSize) % kBlockSize;
    state.span = 0;
    state.logical = 0;
  }
  return state.position == state.header_end;
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
  State& state = *state_;
  state.ended = true;
  state.stored_left = state.padding_left = 0;
  while (true) {
    TRY(const Bytes chunk, state.take_some(state.mapped ? state.all.size() : kChunk));
    if (chunk.empty()) return {};
  }
}

}  // namespace flense::codec
