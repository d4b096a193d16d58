#include "device/amd_table.h"

#include <algorithm>

#include "base/checked.h"
#include "codec/legacy_digest.h"

namespace flense::device {
namespace {

constexpr std::uint64_t kMostRows = 4096;
constexpr std::uint64_t kMostId = 4096;
constexpr std::uint64_t kRowHeader = 24;

template <class T>
void append(std::vector<std::byte>& out, T value) {
  const std::size_t at = out.size();
  out.resize(at + sizeof value);
  store_le(out, at, value);
}

void append(std::vector<std::byte>& out, std::string_view text) {
  const Bytes bytes = as_bytes(text);
  out.insert(out.end(), bytes.begin(), bytes.end());
}

}  // namespace

std::optional<AmdTable> parse_amd_table(Bytes bytes, std::uint64_t limit) {
  std::uint64_t at = kBundleMagic.size();
  if (!range_fits(at, 8, bytes.size()) || !as_text(bytes).starts_with(kBundleMagic))
    return std::nullopt;
  const auto count = load_le<std::uint64_t>(bytes, at);
  if (count > kMostRows) return std::nullopt;
  at += 8;
  AmdTable table;
  std::uint64_t claimed = 0;
  for (std::uint64_t i = 0; i < count; ++i) {
    if (!range_fits(at, kRowHeader, bytes.size())) return std::nullopt;
    AmdRow row;
    row.offset = load_le<std::uint64_t>(bytes, at);
    row.size = load_le<std::uint64_t>(bytes, at + 8);
    const auto id_size = load_le<std::uint64_t>(bytes, at + 16);
    at += kRowHeader;
    if (id_size > kMostId || !range_fits(at, id_size, bytes.size()) ||
        !range_fits(row.offset, row.size, limit) || row.size > limit - claimed)
      return std::nullopt;
    // Code objects do not overlap: together they are no larger than the bundle.
    claimed += row.size;
    table.end = std::max(table.end, row.end());
    row.id = as_text(bytes.subspan(at, id_size));
    at += id_size;
    table.rows.push_back(std::move(row));
  }
  table.header = at;
  table.end = std::max(table.end, at);
  return table;
}

std::vector<std::byte> amd_table_bytes(const std::vector<AmdRow>& rows) {
  std::vector<std::byte> out;
  append(out, kBundleMagic);
  append(out, std::uint64_t{rows.size()});
  for (const AmdRow& row : rows) {
    append(out, row.offset);
    append(out, row.size);
    append(out, std::uint64_t{row.id.size()});
    append(out, std::string_view(row.id));
  }
  return out;
}

std::optional<codec::BlockMethod> AmdCompressed::block_method() const {
  // llvm::compression::Format: Zlib, Zstd.
  if (method == 0) return codec::BlockMethod::kZlib;
  if (method == 1) return codec::BlockMethod::kZstd;
  return std::nullopt;
}

std::optional<AmdCompressed> parse_amd_compressed(Bytes bytes) {
  AmdCompressed out;
  if (bytes.size() < 8 || !as_text(bytes).starts_with(kCompressedMagic)) return std::nullopt;
  out.version = load_le<std::uint16_t>(bytes, 4);
  out.method = load_le<std::uint16_t>(bytes, 6);
  if (out.version < 1 || out.version > 3) return std::nullopt;
  out.header = out.version == 1 ? 20 : out.version == 2 ? 24 : 32;
  if (bytes.size() < out.header) return std::nullopt;
  if (out.version == 3) {
    out.total = load_le<std::uint64_t>(bytes, 8);
    out.unpacked = load_le<std::uint64_t>(bytes, 16);
  } else {
    if (out.version == 2) out.total = load_le<std::uint32_t>(bytes, 8);
    out.unpacked = load_le<std::uint32_t>(bytes, out.header - 12);
  }
  out.hash = load_le<std::uint64_t>(bytes, out.header - 8);
  if (out.version != 1 && (out.total < out.header || out.total > bytes.size())) return std::nullopt;
  return out;
}

std::optional<std::vector<std::byte>> amd_compressed_bytes(const AmdCompressed& header) {
  const auto narrow = [&](std::uint64_t value) { return value <= UINT32_MAX; };
  if (header.version != 3 && (!narrow(header.total) || !narrow(header.unpacked)))
    return std::nullopt;
  std::vector<std::byte> out;
  append(out, kCompressedMagic);
  append(out, static_cast<std::uint16_t>(header.version));
  append(out, header.method);
  if (header.version == 3) {
    append(out, header.total);
    append(out, header.unpacked);
  } else {
    if (header.version == 2) append(out, static_cast<std::uint32_t>(header.total));
    append(out, static_cast<std::uint32_t>(header.unpacked));
  }
  append(out, header.hash);
  return out;
}

std::uint64_t amd_bundle_hash(Bytes plain) {
  codec::Md5 md5;
  md5.update(plain);
  return load_le<std::uint64_t>(md5.take(), 0);
}

}  // namespace flense::device
