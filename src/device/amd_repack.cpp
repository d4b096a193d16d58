#include "device/amd_repack.h"

#include <algorithm>
#include <tuple>

#include "codec/legacy_digest.h"
#include "device/amd_target.h"

namespace flense::device {
namespace {

/// Of the levels that cost about as much time as unpacking the whole bundle, the one that gives
/// the most; LLVM writes level 3, and 6 for zlib.
constexpr int kZstdLevel = 9;
constexpr int kZlibLevel = 6;
/// Bundles are known to shrink to a fortieth: 28 targets with nearly the same code.
constexpr std::uint64_t kMostExpansion = 512;
constexpr std::uint64_t kMostUnpackedAtOnce = 4ULL << 30;

std::uint64_t alignment_of(std::uint64_t offset) {
  return offset == 0 ? kBundleAlignment : std::min(kBundleAlignment, offset & (~offset + 1));
}

/// Indices of rows in the order of their contents.
std::vector<std::size_t> by_offset(const std::vector<AmdRow>& rows) {
  std::vector<std::size_t> out(rows.size());
  for (std::size_t i = 0; i < out.size(); ++i) out[i] = i;
  std::ranges::sort(out, [&](std::size_t a, std::size_t b) {
    return std::tuple(rows[a].offset, rows[a].size, a) <
           std::tuple(rows[b].offset, rows[b].size, b);
  });
  return out;
}

Result<void> check_contents(const AmdTable& table) {
  std::uint64_t end = table.header;
  for (const std::size_t i : by_offset(table.rows)) {
    const AmdRow& row = table.rows[i];
    if (row.size == 0) continue;
    if (row.offset < end)
      return bad_input("the bundle's content {} begins inside another one or the table", row.id);
    end = row.end();
  }
  return {};
}

/// A row that stays, and where its content was.
struct KeptRow {
  AmdRow row;
  std::uint64_t from = 0;
};

/// The rows that stay, in the table's order, with their new places.
std::vector<KeptRow> lay_out(const AmdTable& table, const std::vector<bool>& keep) {
  std::vector<KeptRow> kept;
  std::size_t entry = 0;
  for (const AmdRow& row : table.rows) {
    const bool code = !amd_target_of_entry(row.id).empty();
    if (!code || keep[entry]) kept.push_back({row, row.offset});
    if (code) ++entry;
  }
  std::vector<AmdRow> rows;
  for (const KeptRow& one : kept) rows.push_back(one.row);
  std::uint64_t at = amd_table_bytes(rows).size();
  // Empty contents, such as the host's, share the offset of the next entry.
  std::vector<std::size_t> empty;
  for (const std::size_t i : by_offset(rows)) {
    if (rows[i].size == 0) {
      empty.push_back(i);
      continue;
    }
    AmdRow& row = kept[i].row;
    const std::uint64_t alignment = alignment_of(row.offset);
    row.offset = (at + alignment - 1) & ~(alignment - 1);
    at = row.end();
    for (const std::size_t before : empty) kept[before].row.offset = row.offset;
    empty.clear();
  }
  for (const std::size_t behind : empty) kept[behind].row.offset = at;
  return kept;
}

/// Calls `literal` and `copied` (with a range of the old bundle) for all bytes of the new one.
template <class Literal, class Copied>
Result<std::uint64_t> for_each_part(const std::vector<KeptRow>& kept, Literal literal,
                                    Copied copied) {
  std::vector<AmdRow> rows;
  for (const KeptRow& one : kept) rows.push_back(one.row);
  std::vector<std::byte> header = amd_table_bytes(rows);
  std::uint64_t at = header.size();
  TRY_DO(literal(std::move(header)));
  for (const std::size_t i : by_offset(rows)) {
    const AmdRow& row = rows[i];
    if (row.size == 0) continue;
    // Alignments are at most those of pages.
    if (row.offset > at) TRY_DO(literal(std::vector<std::byte>(row.offset - at)));
    TRY_DO(copied(kept[i].from, row.size));
    at = row.end();
  }
  return at;
}

/// Counts what comes, and keeps it as long as it is no more than `most` bytes.
class PackedSink final : public Sink {
 public:
  explicit PackedSink(std::uint64_t most) : most_(most) {}
  Result<void> write(Bytes bytes) override {
    size_ += bytes.size();
    if (size_ <= most_)
      bytes_.insert(bytes_.end(), bytes.begin(), bytes.end());
    else
      bytes_ = {};
    return {};
  }
  std::uint64_t size() const { return size_; }
  std::vector<std::byte> take() { return std::move(bytes_); }

 private:
  std::uint64_t most_;
  std::uint64_t size_ = 0;
  std::vector<std::byte> bytes_;
};

Result<Repacked> repack_plain(const PlainBundle& plain, const AmdBundle& bundle,
                              const std::vector<bool>& keep) {
  Repacked out;
  TRY(out.size, for_each_part(
                    lay_out(plain.table, keep),
                    [&](std::vector<std::byte> bytes) -> Result<void> {
                      const std::uint64_t size = bytes.size();
                      out.parts.push_back({0, size, std::move(bytes)});
                      return {};
                    },
                    [&](std::uint64_t from, std::uint64_t size) -> Result<void> {
                      out.parts.push_back({bundle.offset + from, size, {}});
                      return {};
                    }));
  return out;
}

Result<Repacked> repack_compressed(const PlainBundle& plain, AmdCompressed header,
                                   const std::vector<bool>& keep, std::uint64_t most_held) {
  const std::vector<KeptRow> kept = lay_out(plain.table, keep);
  TRY(header.unpacked, for_each_part(
                           kept, [](const std::vector<std::byte>&) -> Result<void> { return {}; },
                           [](std::uint64_t, std::uint64_t) -> Result<void> { return {}; }));
  const codec::BlockMethod method = *header.block_method();
  PackedSink packed(most_held);
  const auto writer = codec::write_block(
      packed, method, method == codec::BlockMethod::kZstd ? kZstdLevel : kZlibLevel,
      header.unpacked);
  codec::Md5 hash;
  const auto add = [&](Bytes bytes) -> Result<void> {
    if (most_held > 0) hash.update(bytes);
    return writer->write(bytes);
  };
  // Room for the header, which is known only once everything has passed through.
  TRY_DO(packed.write(std::vector<std::byte>(header.header)));
  TRY_DO(for_each_part(
      kept, [&](const std::vector<std::byte>& bytes) { return add(bytes); },
      [&](std::uint64_t from, std::uint64_t size) {
        return add(plain.bytes.subspan(from, size));
      }));
  TRY_DO(writer->finish());
  header.total = packed.size();
  header.hash = load_le<std::uint64_t>(hash.take(), 0);
  const auto front = amd_compressed_bytes(header);
  if (!front) return bad_input("the recompressed bundle does not fit its header");
  Repacked out;
  out.size = packed.size();
  out.packed = packed.take();
  if (!out.packed.empty()) std::ranges::copy(*front, out.packed.begin());
  return out;
}

}  // namespace

Result<void> with_plain_bundle(Bytes stored, const AmdBundle& bundle,
                               const std::filesystem::path& scratch, BundleHash hash,
                               const std::function<Result<void>(const PlainBundle&)>& use) {
  stored = stored.first(bundle.size);
  const auto check_and_use = [&](Bytes plain, std::uint64_t limit) -> Result<void> {
    auto table = parse_amd_table(plain, limit);
    if (!table) return bad_input("no offload bundle after unpacking");
    TRY_DO(check_contents(*table));
    return use({plain, std::move(*table)});
  };
  if (bundle.compressed == 0) return check_and_use(stored, stored.size());
  const auto header = parse_amd_compressed(stored);
  if (!header || !header->block_method()) return bad_input("the bundle's header is damaged");
  const Bytes packed = stored.subspan(header->header);
  if (header->unpacked > kMostUnpackedAtOnce || header->unpacked / kMostExpansion > packed.size())
    return bad_input("the bundle claims to hold {} bytes in {}", header->unpacked, packed.size());
  TRY(const codec::UnpackedBlock plain,
      codec::UnpackedBlock::make(packed, *header->block_method(), header->unpacked, scratch));
  // What version 1 leaves out can only be zero padding.
  if (!std::ranges::all_of(packed.subspan(plain.consumed()),
                           [](std::byte b) { return b == std::byte{0}; }))
    return bad_input("data follows the bundle's compressed data");
  if (hash == BundleHash::kCompare && amd_bundle_hash(plain.bytes()) != header->hash)
    return bad_input("the bundle's hash does not match its content");
  return check_and_use(plain.bytes(), plain.bytes().size());
}

Result<Repacked> repack(Bytes file, const AmdBundle& bundle, const std::vector<bool>& keep,
                        std::uint64_t most_held, const std::filesystem::path& scratch) {
  const Bytes stored = file.subspan(bundle.offset, bundle.size);
  Repacked out;
  const auto use = [&](const PlainBundle& plain) -> Result<void> {
    if (bundle.compressed == 0) {
      TRY(out, repack_plain(plain, bundle, keep));
    } else {
      TRY(out, repack_compressed(plain, *parse_amd_compressed(stored), keep, most_held));
    }
    return {};
  };
  // No runtime looks at it: LLVM compares it where it is asked to be verbose, and goes on.
  TRY_DO(with_plain_bundle(stored, bundle, scratch, BundleHash::kSkip, use));
  return out;
}

}  // namespace flense::device
