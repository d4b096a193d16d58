#include "inventory/scan/scan_format.h"

#include <algorithm>
#include <concepts>

#include "base/binary_fields.h"
#include "inventory/scan/scan_members.h"

namespace flense::inventory {

namespace {

using Listing = std::shared_ptr<const image::LayerListing>;
using Entry = image::LayerListing::Entry;

/// Raised when what stands in a scan changes its meaning without changing its form.
constexpr std::string_view kRevision = "scan-7";

void put_listing(const image::LayerListing& listing, BinaryWriter& to) {
  std::size_t text = 0;
  for (std::size_t i = 0; i < listing.size(); ++i)
    text += listing.at(i).path.size() + listing.at(i).link.size();
  to.number(listing.size());
  to.number(text);
  std::string_view before;
  for (std::size_t i = 0; i < listing.size(); ++i) {
    const Entry entry = listing.at(i);
    const auto differs =
        std::mismatch(before.begin(), before.end(), entry.path.begin(), entry.path.end());
    const auto shared = static_cast<std::size_t>(differs.first - before.begin());
    to.number(shared);
    to.number(entry.path.size() - shared);
    to.raw(entry.path.substr(shared));
    to.number(entry.link.size());
    to.raw(entry.link);
    to.put(entry.type);
    to.put(entry.mode);
    to.put(entry.uid);
    to.put(entry.gid);
    to.put(entry.mtime);
    to.put(entry.size);
    before = entry.path;
  }
}

/// A path that shares all of a long one costs a few bytes and becomes thousands. Real listings
/// unfold to five times their size.
constexpr std::uint64_t kMaxUnfold = 64;

Listing get_listing(BinaryReader& from) {
  auto out = std::make_shared<image::LayerListing>();
  const std::size_t count = from.count();
  const std::uint64_t text = from.number();
  // An entry takes ten bytes at least.
  if (text / kMaxUnfold > from.remaining() || count > from.remaining() / 10) from.fail();
  if (!from.good()) return out;
  std::uint64_t seen = 0;
  std::string path;
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t shared = from.number();
    const std::string_view rest = from.raw(from.number());
    if (shared > path.size()) from.fail();
    if (!from.good()) return out;
    path.resize(static_cast<std::size_t>(shared));
    path += rest;
    Entry entry;
    entry.path = path;
    entry.link = from.raw(from.number());
    from.get(entry.type);
    from.get(entry.mode);
    from.get(entry.uid);
    from.get(entry.gid);
    from.get(entry.mtime);
    from.get(entry.size);
    seen += entry.path.size() + entry.link.size();
    if (seen > text || entry.type < codec::MemberType::kFile ||
        entry.type > codec::MemberType::kOther)
      from.fail();
    if (!from.good()) return out;
    if (i == 0) out->reserve(count, static_cast<std::size_t>(text));
    if (!out->add(entry)) from.fail();
  }
  if (seen != text) from.fail();
  return out;
}

template <class Map>
bool lies_in(const Map& map, std::size_t size) {
  return map.empty() || map.rbegin()->first < size;
}

/// An enumeration is only as good as its values.
bool known_reasons(const ElfFacts& facts) {
  const auto known = [](device::Reason reason) {
    return reason >= device::Reason::kServesTarget && reason <= device::Reason::kFileLeft;
  };
  if (!facts.prune) return true;
  return std::ranges::all_of(facts.prune->bytes,
                             [&](const auto& one) { return known(one.first); }) &&
         std::ranges::all_of(facts.prune->code,
                             [&](const CodeFate& one) { return known(one.reason); });
}

}  // namespace

std::string encode_scan(const LayerScan& scan) {
  BinaryWriter out;
  const auto put = [&](const auto& member) {
    if constexpr (std::same_as<std::remove_cvref_t<decltype(member)>, Listing>)
      put_listing(*member, out);
    else
      out.put(member);
  };
  std::apply([&](const auto&... member) { (put(member), ...); }, tie_members(scan));
  return out.take();
}

std::optional<LayerScan> decode_scan(Bytes bytes) {
  BinaryReader in(bytes);
  LayerScan out;
  const auto get = [&](auto& member) {
    if constexpr (std::same_as<std::remove_cvref_t<decltype(member)>, Listing>)
      member = get_listing(in);
    else
      in.get(member);
  };
  std::apply([&](auto&... member) { (get(member), ...); }, tie_members(out));
  const std::size_t members = out.listing->size();
  const bool whole = in.good() && in.at_end() && out.content_bytes <= out.unpacked_bytes &&
                     lies_in(out.elf, members) && lies_in(out.bare_code, members) &&
                     lies_in(out.packages, members) && lies_in(out.texts, members) &&
                     lies_in(out.scripts, members) && lies_in(out.stored, members) &&
                     lies_in(out.mentions, members) && lies_in(out.compiles, members) &&
                     lies_in(out.models, members) && lies_in(out.heads, members) &&
                     lies_in(out.hashes, members) && lies_in(out.signatures, members) &&
                     std::all_of(out.elf.begin(), out.elf.end(),
                                 [](const auto& item) { return known_reasons(item.second); });
  if (!whole) return std::nullopt;
  return out;
}

const std::string& scan_signature() {
  static const std::string kSignature = [] {
    std::string out(kRevision);
    const auto add = [&]<class T>(const T&) {
      if constexpr (std::same_as<T, Listing>)
        out += 'l';
      else
        binary_signature<T>(out);
    };
    const LayerScan scan;
    std::apply([&](const auto&... member) { (add(member), ...); }, tie_members(scan));
    return out;
  }();
  return kSignature;
}

}  // namespace flense::inventory
