#include "device/amd_bundle.h"

#include <algorithm>
#include <memory>
#include <optional>

#include "base/checked.h"
#include "base/stream.h"
#include "codec/compression.h"
#include "codec/zstd_frame.h"
#include "device/amd_target.h"

namespace flense::device {
namespace {

constexpr std::string_view kMagic = "__CLANG_OFFLOAD_BUNDLE__";
constexpr std::string_view kCompressedMagic = "CCOB";
constexpr std::size_t kMostBundles = 100'000;
constexpr std::size_t kMostEntries = 1'000'000;
constexpr std::uint64_t kMostEntriesPerBundle = 4096;
constexpr std::uint64_t kMostId = 4096;
/// The table of entries stands at the start of a bundle; nothing behind it is unpacked.
constexpr std::size_t kMostTable = 64u << 10;
/// Each one costs a decoder.
constexpr std::size_t kMostUnpacked = 10'000;
/// Magics that turn out not to begin a bundle: each may cost a walk over a table.
constexpr std::size_t kMostFalseHits = 10'000;
/// What a frame without an end counts as: the walk over its blocks may reach the end of the file.
constexpr std::size_t kDamagedFrame = 100;
/// Method of a compressed bundle.
constexpr std::uint16_t kZstd = 1;

struct Table {
  std::vector<AmdEntry> entries;
  std::uint64_t end = 0;  ///< of the table and of all entries, from the bundle's start
};

/// The table of a plain bundle; nullopt when it is damaged or does not fit `bytes`. Entries may
/// reach beyond `bytes`, up to `limit`: of an unpacked bundle only the start is at hand.
std::optional<Table> parse_table(Bytes bytes, std::uint64_t limit) {
  constexpr std::uint64_t kEntryHeader = 24;
  std::uint64_t at = kMagic.size();
  if (!range_fits(at, 8, bytes.size()) || !as_text(bytes).starts_with(kMagic)) return std::nullopt;
  const auto count = load_le<std::uint64_t>(bytes, at);
  if (count > kMostEntriesPerBundle) return std::nullopt;
  at += 8;
  Table table;
  std::uint64_t claimed = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!range_fits(at, kEntryHeader, bytes.size())) return std::nullopt;
    AmdEntry entry;
    entry.offset = load_le<std::uint64_t>(bytes, at);
    entry.size = load_le<std::uint64_t>(bytes, at + 8);
    const auto id_size = load_le<std::uint64_t>(bytes, at + 16);
    at += kEntryHeader;
    if (id_size > kMostId || !range_fits(at, id_size, bytes.size()) ||
        !range_fits(entry.offset, entry.size, limit) || entry.size > limit - claimed)
      return std::nullopt;
    // Code objects lie apart: together they hold no more than the bundle does.
    claimed += entry.size;
    table.end = std::max(table.end, entry.offset + entry.size);
    entry.target = amd_target_of_entry(as_text(bytes.subspan(at, id_size)));
    at += id_size;
    if (!entry.target.empty()) table.entries.push_back(std::move(entry));
  }
  table.end = std::max(table.end, at);
  return table;
}

/// The header of a compressed bundle.
struct Compressed {
  unsigned version = 0;
  std::uint16_t method = 0;
  std::uint64_t header = 0, total = 0, unpacked = 0;
};

/// `bytes` begin with the magic. A version 1 header does not state its size: `total` is then 0.
std::optional<Compressed> parse_compressed(Bytes bytes) {
  Compressed out;
  if (bytes.size() < 8) return std::nullopt;
  out.version = load_le<std::uint16_t>(bytes, 4);
  out.method = load_le<std::uint16_t>(bytes, 6);
  switch (out.version) {
    case 1:
      out.header = 20;
      if (bytes.size() < out.header) return std::nullopt;
      out.unpacked = load_le<std::uint32_t>(bytes, 8);
      return out;
    case 2:
      out.header = 24;
      if (bytes.size() < out.header) return std::nullopt;
      out.total = load_le<std::uint32_t>(bytes, 8);
      out.unpacked = load_le<std::uint32_t>(bytes, 12);
      break;
    case 3:
      out.header = 32;
      if (bytes.size() < out.header) return std::nullopt;
      out.total = load_le<std::uint64_t>(bytes, 8);
      out.unpacked = load_le<std::uint64_t>(bytes, 16);
      break;
    default:
      return std::nullopt;
  }
  if (out.total < out.header || out.total > bytes.size()) return std::nullopt;
  return out;
}

/// The first bytes of what a zstd stream unpacks to; the decoder stops when they are there.
Result<std::string> unpack_start(Bytes packed, std::uint64_t size) {
  TRY(const auto decoder,
      codec::open_decoder(std::make_unique<MemorySource>(packed), codec::Compression::kZstd, {}));
  std::string out(static_cast<std::size_t>(std::min<std::uint64_t>(size, kMostTable)), '\0');
  const MutableBytes room = std::as_writable_bytes(std::span(out));
  std::size_t filled = 0;
  while (filled < out.size()) {
    TRY(const std::size_t got, decoder->read(room.subspan(filled)));
    if (got == 0) break;
    filled += got;
  }
  out.resize(filled);
  return out;
}

void read_compressed(Bytes packed, const Compressed& header, std::size_t& budget,
                     AmdBundle& bundle) {
  if (header.method != kZstd) {
    bundle.unread =
        fmt::format("compressed by method {}, which flense does not read", header.method);
    return;
  }
  if (budget == 0) {
    bundle.unread = fmt::format("more than {} compressed bundles", kMostUnpacked);
    return;
  }
  --budget;
  const Result<std::string> start = unpack_start(packed, header.unpacked);
  if (!start) {
    bundle.unread = start.error().message;
    return;
  }
  std::optional<Table> table = parse_table(as_bytes(*start), header.unpacked);
  if (!table)
    bundle.unread = "no offload bundle after unpacking";
  else
    bundle.entries = std::move(table->entries);
}

/// Offset of the next bundle of either kind at or after `from`; the end when there is none. Looks
/// at a window at a time: where there is none of one kind, the search for it would otherwise read
/// everything again for each of the other.
std::size_t next_bundle(std::string_view text, std::size_t from) {
  constexpr std::size_t kWindow = 64u << 10;
  for (; from < text.size(); from += kWindow) {
    // A magic that begins in the window may end behind it.
    const std::string_view window = text.substr(from, kWindow + kMagic.size() - 1);
    const std::size_t at = std::min(window.find(kMagic), window.find(kCompressedMagic));
    if (at != std::string_view::npos) return from + at;
  }
  return text.size();
}

/// Version 1 does not state its size; the frame in it does. Without one it ends where the next
/// bundle begins.
std::size_t size_of_version_1(Bytes bytes, const Compressed& header, std::size_t& false_hits) {
  if (header.method == kZstd) {
    // What is packed may hold the magic of a plain bundle as it is, so that looking for it is
    // wrong.
    if (const auto frame = codec::zstd_frame_size(bytes.subspan(header.header)))
      return header.header + *frame;
    false_hits += kDamagedFrame;
  }
  return next_bundle(as_text(bytes), header.header);
}

}  // namespace

bool looks_like_amd_bundle(Bytes bytes) {
  const std::string_view text = as_text(bytes);
  if (text.starts_with(kMagic)) return true;
  return text.starts_with(kCompressedMagic) && bytes.size() >= 8 &&
         load_le<std::uint16_t>(bytes, 4) >= 1 && load_le<std::uint16_t>(bytes, 4) <= 3;
}

Result<std::vector<AmdBundle>> read_amd_bundles(Bytes bytes) {
  const std::string_view text = as_text(bytes);
  std::vector<AmdBundle> out;
  std::size_t entries = 0, budget = kMostUnpacked, false_hits = 0;
  std::size_t at = next_bundle(text, 0);
  while (at < bytes.size()) {
    const Bytes rest = bytes.subspan(at);
    AmdBundle bundle;
    bundle.offset = at;
    std::size_t end = at + 1;
    bool found = false;
    if (text.substr(at).starts_with(kMagic)) {
      if (auto table = parse_table(rest, rest.size())) {
        bundle.entries = std::move(table->entries);
        bundle.size = table->end;
        end = at + table->end;
        found = true;
      }
    } else if (const auto header = parse_compressed(rest)) {
      end =
          at + (header->total != 0 ? header->total : size_of_version_1(rest, *header, false_hits));
      bundle.size = end - at;
      bundle.compressed = header->version;
      read_compressed(rest.subspan(header->header, bundle.size - header->header), *header, budget,
                      bundle);
      found = true;
    }
    false_hits += found ? 0 : 1;
    if (false_hits > kMostFalseHits)
      return bad_input("too many broken offload bundles; the last at offset {:#x}", at);
    if (found) {
      entries += bundle.entries.size();
      if (out.size() >= kMostBundles || entries > kMostEntries)
        return bad_input("more offload bundles or entries than flense handles, at offset {:#x}",
                         at);
      out.push_back(std::move(bundle));
    }
    at = next_bundle(text, end);
  }
  return out;
}

Result<AmdCode> find_amd_code(const elf::File& file) {
  constexpr std::uint64_t kFlagCompressed = 0x800;
  AmdCode out;
  for (const elf::Section& section : file.sections()) {
    if (section.name != ".hip_fatbin" || (section.flags & kFlagCompressed) != 0) continue;
    const Bytes bytes = file.section_bytes(section);
    if (bytes.size() > file.bytes().size() - out.section_bytes)
      return bad_input("{}: sections .hip_fatbin overlap", file.name());
    TRY(std::vector<AmdBundle> bundles,
        with_context(read_amd_bundles(bytes), "reading section {} of {}", section.name,
                     file.name()));
    if (out.bundles.size() + bundles.size() > kMostBundles)
      return bad_input("{}: more offload bundles than flense handles", file.name());
    for (AmdBundle& bundle : bundles) {
      bundle.offset += section.offset;
      out.bundles.push_back(std::move(bundle));
    }
    out.section_bytes += bytes.size();
  }
  return out;
}

}  // namespace flense::device
