#include <algorithm>
#include <cstring>

#include "codec/packed_block.h"
#include "device/amd_table.h"
#include "device/amd_target.h"
#include "verify/code_entries.h"

namespace flense::verify {

namespace {

using device::AmdRow;

/// No bundle that slim changes unpacks to more.
constexpr std::uint64_t kMostUnpacked = std::uint64_t{4} << 30;

/// The bundle at the front of `bytes`, unpacked.
class OpenBundle {
 public:
  static Result<OpenBundle> open(Bytes bytes, const std::filesystem::path& scratch) {
    OpenBundle out;
    out.plain_ = bytes;
    out.compressed_ = device::parse_amd_compressed(bytes);
    if (out.compressed_) {
      const device::AmdCompressed& header = *out.compressed_;
      const auto method = header.block_method();
      if (!method || header.unpacked > kMostUnpacked) return bad_input("it cannot be unpacked");
      const std::uint64_t end = header.total == 0 ? bytes.size() : header.total;
      TRY(out.block_,
          make_block(bytes.first(end).subspan(header.header), *method, header.unpacked, scratch));
      out.plain_ = out.block_->bytes();
      out.size_ = header.header + out.block_->consumed();
    }
    const auto table = device::parse_amd_table(out.plain_, out.plain_.size());
    if (!table) return bad_input("its table is damaged");
    out.rows_ = table->rows;
    if (!out.compressed_) out.size_ = table->end;
    return out;
  }

  bool hash_holds() const {
    return !compressed_ || device::amd_bundle_hash(plain_) == compressed_->hash;
  }
  const std::vector<AmdRow>& rows() const { return rows_; }
  Bytes content(const AmdRow& row) const { return plain_.subspan(row.offset, row.size); }
  /// Whether there are zeros between the table and the code objects.
  bool has_zero_padding() const;
  std::uint64_t size() const { return size_; }
  bool same_form(const OpenBundle& other) const {
    if (compressed_.has_value() != other.compressed_.has_value()) return false;
    return !compressed_ || (compressed_->version == other.compressed_->version &&
                            compressed_->method == other.compressed_->method);
  }

 private:
  using Block = std::shared_ptr<const codec::UnpackedBlock>;
  static Result<Block> make_block(Bytes packed, codec::BlockMethod method, std::uint64_t size,
                                  const std::filesystem::path& scratch) {
    TRY(codec::UnpackedBlock block, codec::UnpackedBlock::make(packed, method, size, scratch));
    return std::make_shared<const codec::UnpackedBlock>(std::move(block));
  }

  Bytes plain_;
  Block block_;
  std::optional<device::AmdCompressed> compressed_;
  std::vector<AmdRow> rows_;
  std::uint64_t size_ = 0;
};

/// Magic and number of rows; offset, size and length of the id of each.
constexpr std::uint64_t kTableHead = 32, kRowHead = 24;

bool OpenBundle::has_zero_padding() const {
  std::uint64_t at = kTableHead;
  std::vector<std::pair<std::uint64_t, std::uint64_t>> objects;
  for (const AmdRow& row : rows_) {
    at += kRowHead + row.id.size();
    objects.emplace_back(row.offset, row.size);
  }
  std::ranges::sort(objects);
  for (const auto& [offset, size] : objects) {
    for (; at < offset; ++at)
      if (plain_[at] != std::byte{0}) return false;
    at = std::max(at, offset + size);
  }
  return true;
}

bool same_row(const OpenBundle& before, const AmdRow& was, const OpenBundle& after,
              const AmdRow& is) {
  if (was.id != is.id || was.size != is.size) return false;
  const Bytes a = before.content(was), b = after.content(is);
  return std::memcmp(a.data(), b.data(), a.size()) == 0;
}

/// Why a code object had to stay; empty when it may be gone.
std::string object_must_stay(const ElfPair& pair, const CodePlace& place, const AmdRow& row) {
  if (!place.registered) return "the bundle is not reached by a wrapper";
  if (place.held) return "something means a place inside the bundle";
  const std::string target = device::amd_target_of_entry(row.id);
  if (target.empty()) return "it is the host's";
  if (pair.rule.targets.amd.empty())
    return pair.rule.vendor_may_go() && !pair.rule.targets.cuda.empty() ? "" : kOtherVendor;
  if (pair.rule.keep_amd) return "the image sets HSA_OVERRIDE_GFX_VERSION";
  const std::string processor = target.substr(0, target.find(':'));
  for (const std::string& gpu : pair.rule.targets.amd)
    if (can_load_amd(processor, gpu)) return gpu + " can load it";
  return {};
}

Result<std::uint64_t> compare_open(const ElfPair& pair, const CodePlace& place,
                                   const OpenBundle& before, const OpenBundle& after,
                                   bool& changed) {
  const std::string where = "bundle at " + hex(place.addresses.begin);
  if (!before.same_form(after)) pair.differ("device code", where, "its form", "another form");
  std::size_t next = 0, objects = 0;
  for (const AmdRow& row : before.rows()) {
    const std::string name = fmt::format("{} of the {}", row.id, where);
    if (next < after.rows().size() && same_row(before, row, after, after.rows()[next])) {
      ++next;
      if (!row.id.starts_with("host")) ++objects;
      pair.findings.count("entries of device code that are there");
      continue;
    }
    changed = true;
    const std::string why = object_must_stay(pair, place, row);
    if (why == kOtherVendor && pair.rule.vendor_unknown)
      pair.findings.unknown(pair.path, kVendorUnknown);
    else if (why.empty())
      pair.findings.count("entries of device code that no target needs, gone");
    else
      pair.differ("device code", name, "there: " + why, "gone or changed");
  }
  if (next < after.rows().size())
    pair.differ("device code", where, "code objects of the original, in their order",
                after.rows()[next].id);
  if (before.has_zero_padding() && !after.has_zero_padding())
    pair.differ("device code", where, "zeros between its code objects", "something else");
  if (changed && objects == 0)
    pair.differ("device code", where, "at least one code object", "none");
  return after.size();
}

}  // namespace

Result<std::uint64_t> compare_bundle(const ElfPair& pair, const CodePlace& place, bool& changed) {
  const std::string where = "bundle at " + hex(place.addresses.begin);
  const Bytes was = pair.before.file.bytes().subspan(place.bundle->offset, place.bundle->size);
  const Bytes is = pair.after.memory.bytes_from(place.now());
  if (is.size() >= was.size() && std::memcmp(was.data(), is.data(), was.size()) == 0) {
    pair.findings.count("entries of device code that are there", place.bundle->entries.size());
    return was.size();
  }
  const auto before = OpenBundle::open(was, pair.scratch);
  const auto after = OpenBundle::open(is, pair.scratch);
  for (const auto* one : {&before, &after}) {
    if (*one) continue;
    if (one->error().code != Code::kBadInput) return std::unexpected(one->error());
    pair.differ("device code", where, "a sound bundle, or the same bytes", one->error().message);
    return 0;
  }
  if (!after->hash_holds())
    pair.differ("device code", where, "the hash of what it holds", "another hash");
  return compare_open(pair, place, *before, *after, changed);
}

}  // namespace flense::verify
