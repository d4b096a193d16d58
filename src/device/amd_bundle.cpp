#include "device/amd_bundle.h"

#include <algorithm>
#include <optional>

#include "codec/packed_block.h"
#include "codec/zstd_frame.h"
#include "device/amd_table.h"
#include "device/amd_target.h"

namespace flense::device {
namespace {

constexpr std::size_t kMostBundles = 100'000;
constexpr std::size_t kMostEntries = 1'000'000;
/// The table of entries is at the start of a bundle; nothing after it is decompressed.
constexpr std::size_t kMostTable = 64u << 10;
/// Each one costs a decoder.
constexpr std::size_t kMostUnpacked = 10'000;
/// Magics that turn out not to begin a bundle: each may cost a walk over a table.
constexpr std::size_t kMostFalseHits = 10'000;
/// What a frame without an end counts as: the walk over its blocks may reach the end of the file.
constexpr std::size_t kDamagedFrame = 100;

/// Of a table: what is code of a GPU.
std::vector<AmdEntry> entries_of(const AmdTable& table) {
  std::vector<AmdEntry> out;
  for (const AmdRow& row : table.rows)
    if (std::string target = amd_target_of_entry(row.id); !target.empty())
      out.push_back({std::move(target), row.offset, row.size});
  return out;
}

void read_compressed(Bytes packed, const AmdCompressed& header, std::size_t& budget,
                     AmdBundle& bundle) {
  const auto method = header.block_method();
  if (!method) {
    bundle.unread =
        fmt::format("compressed with method {}, which flense cannot read", header.method);
    return;
  }
  if (budget == 0) {
    bundle.unread = fmt::format("more than {} compressed bundles", kMostUnpacked);
    return;
  }
  --budget;
  const Result<std::string> start = codec::unpack_block_start(
      packed, *method,
      static_cast<std::size_t>(std::min<std::uint64_t>(header.unpacked, kMostTable)));
  if (!start) {
    bundle.unread = start.error().message;
    return;
  }
  const auto table = parse_amd_table(as_bytes(*start), header.unpacked);
  if (table)
    bundle.entries = entries_of(*table);
  else
    bundle.unread = "no offload bundle after unpacking";
}

/// Offset of the next bundle of either kind at or after `from`; the end when there is none. Looks
/// at a window at a time: where there is none of one kind, the search for it would otherwise read
/// everything again for each of the other.
std::size_t next_bundle(std::string_view text, std::size_t from) {
  constexpr std::size_t kWindow = 64u << 10;
  for (; from < text.size(); from += kWindow) {
    // A magic number that begins in the window may end after it.
    const std::string_view window = text.substr(from, kWindow + kBundleMagic.size() - 1);
    const std::size_t at = std::min(window.find(kBundleMagic), window.find(kCompressedMagic));
    if (at != std::string_view::npos) return from + at;
  }
  return text.size();
}

/// Version 1 does not state its size; the frame in it does. Without one it ends where the next
/// bundle begins.
std::size_t size_of_version_1(Bytes bytes, const AmdCompressed& header, std::size_t& false_hits) {
  if (header.block_method() == codec::BlockMethod::kZstd) {
    // Compressed data may contain the magic number of a plain bundle by chance, so searching for it
    // there is wrong.
    if (const auto frame = codec::zstd_frame_size(bytes.subspan(header.header)))
      return header.header + *frame;
    false_hits += kDamagedFrame;
  }
  return next_bundle(as_text(bytes), header.header);
}

}  // namespace

bool looks_like_amd_bundle(Bytes bytes) {
  const std::string_view text = as_text(bytes);
  if (text.starts_with(kBundleMagic)) return true;
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
    if (text.substr(at).starts_with(kBundleMagic)) {
      if (const auto table = parse_amd_table(rest, rest.size())) {
        bundle.entries = entries_of(*table);
        bundle.size = table->end;
        end = at + table->end;
        found = true;
      }
    } else if (const auto header = parse_amd_compressed(rest)) {
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

std::vector<std::uint64_t> stored_shares(const AmdBundle& bundle) {
  std::vector<std::uint64_t> out;
  long double unpacked = 0;
  for (const AmdEntry& entry : bundle.entries) unpacked += static_cast<long double>(entry.size);
  long double passed = 0;
  std::uint64_t given = 0;
  for (const AmdEntry& entry : bundle.entries) {
    if (bundle.compressed == 0 || unpacked == 0) {
      out.push_back(bundle.compressed == 0 ? entry.size : 0);
      continue;
    }
    passed += static_cast<long double>(entry.size);
    const auto until =
        static_cast<std::uint64_t>(static_cast<long double>(bundle.size) * (passed / unpacked));
    out.push_back(until - given);
    given = until;
  }
  return out;
}

}  // namespace flense::device
