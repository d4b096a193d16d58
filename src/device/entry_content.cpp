#include "device/entry_content.h"

#include <algorithm>

#include "base/checked.h"
#include "codec/packed_block.h"

namespace flense::device {
namespace {

// Of the entry header.
constexpr std::size_t kPayloadSize = 8;
constexpr std::size_t kPackedSize = 16;
constexpr std::size_t kFlags = 40;
constexpr std::size_t kKey = 48;
constexpr std::size_t kUnpackedSize = 56;
constexpr std::uint64_t kFlagLz4 = 0x2000;
constexpr std::uint64_t kFlagZstd = 0x8000;
/// Set, with a key at 48, where link-time IR is compressed: the payload is enciphered as well.
constexpr std::uint64_t kFlagEnciphered = 0x10000;
constexpr std::uint64_t kPadding = 8;

/// Debug cubins are known to shrink to a fifteenth.
constexpr std::uint64_t kMostEntryExpansion = 512;
constexpr std::uint64_t kMostEntryUnpacked = 1ULL << 30;

bool is_zero(Bytes bytes) {
  return std::ranges::all_of(bytes, [](std::byte one) { return one == std::byte{0}; });
}

std::vector<std::byte> without_form(Bytes header) {
  std::vector<std::byte> out(header.begin(), header.end());
  store_le<std::uint64_t>(out, kPayloadSize, 0);
  store_le<std::uint32_t>(out, kPackedSize, 0);
  store_le<std::uint64_t>(out, kFlags,
                          load_le<std::uint64_t>(header, kFlags) & ~(kFlagLz4 | kFlagZstd));
  store_le<std::uint64_t>(out, kUnpackedSize, 0);
  return out;
}

}  // namespace

std::optional<StoredForm> stored_form(Bytes entry_bytes, const Entry& entry) {
  if (entry.kind != EntryKind::kCubin && entry.kind != EntryKind::kPtx) return std::nullopt;
  if (entry_bytes.size() != entry.size() || entry.payload_size == 0) return std::nullopt;
  if ((entry.flags & kFlagEnciphered) != 0 || load_le<std::uint64_t>(entry_bytes, kKey) != 0)
    return std::nullopt;
  const Bytes payload = entry_bytes.subspan(entry.header_size);
  const auto packed = load_le<std::uint32_t>(entry_bytes, kPackedSize);
  StoredForm form;
  if (!entry.compressed()) {
    if (packed != 0 || entry.uncompressed_size != 0) return std::nullopt;
    form.packed = form.unpacked = payload.size();
    return form;
  }
  const bool both = (entry.flags & kFlagLz4) != 0 && entry.zstd();
  if (both || packed == 0 || packed > payload.size() || payload.size() - packed >= kPadding ||
      !is_zero(payload.subspan(packed)))
    return std::nullopt;
  form.packing = entry.zstd() ? StoredForm::Packing::kZstd : StoredForm::Packing::kLz4;
  form.packed = packed;
  form.unpacked = entry.uncompressed_size;
  if (form.unpacked == 0 || form.unpacked > kMostEntryUnpacked ||
      form.unpacked / kMostEntryExpansion > form.packed)
    return std::nullopt;
  return form;
}

Result<void> with_entry_content(Bytes entry_bytes, const Entry& entry,
                                const std::filesystem::path& scratch,
                                const std::function<Result<void>(Bytes)>& use) {
  const std::optional<StoredForm> form = stored_form(entry_bytes, entry);
  if (!form) return bad_input("the entry's header does not say how its content is stored");
  const Bytes packed = entry_bytes.subspan(entry.header_size, form->packed);
  if (form->packing == StoredForm::Packing::kRaw) return use(packed);
  const bool zstd = form->packing == StoredForm::Packing::kZstd;
  TRY(const codec::UnpackedBlock content,
      zstd ? codec::UnpackedBlock::make(packed, codec::BlockMethod::kZstd, form->unpacked, scratch)
           : codec::UnpackedBlock::of_lz4(packed, form->unpacked, scratch));
  if (content.consumed() != packed.size())
    return bad_input("the entry's content ends {} bytes before its stated end",
                     packed.size() - content.consumed());
  return use(content.bytes());
}

Result<std::string> entry_start(Bytes entry_bytes, const Entry& entry, std::size_t most) {
  const std::optional<StoredForm> form = stored_form(entry_bytes, entry);
  if (!form) return bad_input("the entry's header does not say how its content is stored");
  const Bytes packed = entry_bytes.subspan(entry.header_size, form->packed);
  most = std::min<std::uint64_t>(most, form->unpacked);
  if (form->packing == StoredForm::Packing::kRaw) return std::string(as_text(packed.first(most)));
  return form->packing == StoredForm::Packing::kZstd
             ? codec::unpack_block_start(packed, codec::BlockMethod::kZstd, most)
             : codec::unpack_lz4_start(packed, most);
}

std::vector<std::byte> zstd_entry_header(Bytes header, std::uint64_t packed,
                                         std::uint64_t unpacked) {
  std::vector<std::byte> out = without_form(header);
  store_le<std::uint64_t>(out, kPayloadSize, *align_up(packed, kPadding));
  store_le<std::uint32_t>(out, kPackedSize, static_cast<std::uint32_t>(packed));
  store_le<std::uint64_t>(out, kFlags, load_le<std::uint64_t>(out, kFlags) | kFlagZstd);
  store_le<std::uint64_t>(out, kUnpackedSize, unpacked);
  return out;
}

Result<void> same_entry(Bytes before, const Entry& entry_before, Bytes after,
                        const Entry& entry_after, const std::filesystem::path& scratch) {
  if (entry_before.header_size != entry_after.header_size ||
      without_form(before.first(entry_before.header_size)) !=
          without_form(after.first(entry_after.header_size)))
    return bad_input("the headers differ in more than how the content is stored");
  return with_entry_content(before, entry_before, scratch, [&](Bytes was) {
    return with_entry_content(after, entry_after, scratch, [&](Bytes is) -> Result<void> {
      if (!std::ranges::equal(was, is)) return bad_input("the contents differ");
      return {};
    });
  });
}

}  // namespace flense::device
