#include "report/images/file_parts.h"

#include <algorithm>
#include <functional>
#include <numeric>
#include <set>
#include <utility>

#include "base/checked.h"
#include "report/images/device_matrix.h"

namespace flense::report {

namespace {

using inventory::ArchCount;
using inventory::CodeFate;

constexpr std::string_view kDeviceCode = slim::kDeviceCode.id, kPtx = slim::kDevicePtx.id,
                           kDebug = slim::kDebugSections.id,
                           kRecompressed = slim::kRecompressedCode.id;
/// More architectures in one file are shown as one.
constexpr std::size_t kMostCodes = 48;

std::uint64_t total(const std::vector<std::uint64_t>& numbers) {
  return std::accumulate(numbers.begin(), numbers.end(), std::uint64_t{0});
}

/// `whole` in the proportion of `weights`, to the byte; nothing when there are none.
std::vector<std::uint64_t> divide(std::uint64_t whole, const std::vector<std::uint64_t>& weights) {
  const std::uint64_t sum = total(weights);
  std::vector<std::uint64_t> out(weights.size(), 0);
  if (sum == 0) return out;
  std::uint64_t given = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) {
    out[i] = share(whole, weights[i], sum);
    given += out[i];
  }
  const auto largest = std::ranges::max_element(weights) - weights.begin();
  out[static_cast<std::size_t>(largest)] += whole - given;
  return out;
}

/// Hands out the bytes of the file: what was said first gets them.
class Parts {
 public:
  explicit Parts(std::uint64_t stored) : left_(stored) {}

  void add(PartKind kind, std::string name, PartVerdict verdict, std::string_view reason,
           std::uint64_t bytes) {
    bytes = std::min(bytes, left_);
    if (bytes == 0) return;
    left_ -= bytes;
    parts_.push_back({kind, std::move(name), verdict, std::string(reason), bytes});
  }
  std::uint64_t left() const { return left_; }
  std::vector<FilePart> take() { return std::move(parts_); }

 private:
  std::uint64_t left_;
  std::vector<FilePart> parts_;
};

std::string_view cut_of(device::Reason reason) {
  return reason == device::Reason::kDropPtx ? kPtx : kDeviceCode;
}

std::vector<CodeFate> device_code_of(const inventory::ElfFacts& elf) {
  std::vector<CodeFate> out = elf.prune->code;
  if (out.size() <= kMostCodes) return out;
  std::ranges::stable_sort(out, std::greater<>(), &CodeFate::bytes);
  std::map<device::Reason, std::uint64_t> rest;
  for (std::size_t i = kMostCodes; i < out.size(); ++i) rest[out[i].reason] += out[i].bytes;
  out.resize(kMostCodes);
  for (const auto& [reason, bytes] : rest)
    out.push_back({"", "other architectures", reason, bytes});
  return out;
}

std::string name_of(const CodeFate& code) {
  if (code.kind.empty()) return code.arch;
  return code_name(code.kind == "code-object" ? "amd" : "nvidia", code.kind, code.arch);
}

/// How much of the file's loss is due to recompressed entries.
std::uint64_t recompressed_bytes(const MemberFate& fate, const inventory::ElfFacts& elf) {
  return fate.given_back == 0 ? 0 : elf.prune->recompressed_bytes;
}

/// What leaves the file: debug sections first, what packing anew gives, and the rest in the
/// proportion of the dropped entries.
void add_cuts(Parts& parts, const MemberFate& fate, const inventory::ElfFacts& elf,
              const std::vector<CodeFate>& code) {
  std::vector<std::uint64_t> native, ptx;
  for (const CodeFate& one : code) {
    const bool is_ptx = one.reason == device::Reason::kDropPtx;
    ptx.push_back(is_ptx ? one.bytes : 0);
    native.push_back(device::is_drop(one.reason) && !is_ptx ? one.bytes : 0);
  }
  const std::uint64_t all_ptx = total(ptx), all = total(native) + all_ptx;
  const std::uint64_t debug = all == 0 && elf.prune->recompressed_bytes == 0
                                  ? fate.given_back
                                  : std::min(fate.given_back, elf.prune->removed_debug_bytes);
  const bool other_pass =
      fate.reason != kDeviceCode && fate.reason != kPtx && fate.reason != kDebug;
  if (other_pass && all == 0) {
    parts.add(PartKind::kRest, "what goes", PartVerdict::kGoes, fate.reason, debug);
    return;
  }
  // The same division as in the list of cuts (slim/plan/plan.h).
  const std::uint64_t packed = std::min(fate.given_back - debug, recompressed_bytes(fate, elf));
  const std::uint64_t device = fate.given_back - debug - packed;
  const std::uint64_t ptx_share = all == 0 ? 0 : share(device, all_ptx, all);
  const std::vector<std::uint64_t> ptx_goes = divide(ptx_share, ptx);
  const std::vector<std::uint64_t> native_goes = divide(device - ptx_share, native);
  for (std::size_t i = 0; i < code.size(); ++i)
    parts.add(PartKind::kCode, name_of(code[i]), PartVerdict::kGoes, cut_of(code[i].reason),
              ptx_goes[i] + native_goes[i]);
  parts.add(PartKind::kCode, "compressed anew", PartVerdict::kGoes, kRecompressed, packed);
  parts.add(PartKind::kDebug, "debug sections and symbol tables", PartVerdict::kGoes, kDebug,
            debug);
}

/// Reasons of entries that may be recompressed.
bool may_be_packed(device::Reason reason) {
  using device::Reason;
  return reason == Reason::kServesTarget || reason == Reason::kPtxNeeded ||
         reason == Reason::kPtxKept || reason == Reason::kLastEntry;
}

/// `packed`: by how much recompression makes them smaller.
void add_kept_code(Parts& parts, const MemberFate& fate, std::vector<CodeFate> code,
                   std::uint64_t packed) {
  std::vector<std::uint64_t> weights;
  for (const CodeFate& one : code) weights.push_back(may_be_packed(one.reason) ? one.bytes : 0);
  const std::vector<std::uint64_t> less = divide(packed, weights);
  for (std::size_t i = 0; i < code.size(); ++i) code[i].bytes -= std::min(code[i].bytes, less[i]);
  for (const CodeFate& one : code) {
    const bool drop = device::is_drop(one.reason);
    if (drop && fate.given_back > 0) continue;
    if (!fate.held_back.empty() && (drop || one.reason == device::Reason::kFileLeft))
      parts.add(PartKind::kCode, name_of(one), PartVerdict::kHeldBack, kDeviceCode, one.bytes);
    else
      parts.add(PartKind::kCode, name_of(one), PartVerdict::kStays, device::to_string(one.reason),
                one.bytes);
  }
}

/// Code of which only the amount is known; what is in `judged` has been told already.
void add_counted_code(Parts& parts, const std::vector<ArchCount>& code,
                      const std::vector<CodeFate>& judged) {
  std::set<std::pair<std::string_view, std::string_view>> told;
  for (const CodeFate& one : judged) told.emplace(one.kind, one.arch);
  std::size_t shown = 0;
  std::uint64_t rest = 0;
  for (const ArchCount& count : code) {
    if (told.contains({count.kind, count.arch})) continue;
    if (++shown > kMostCodes)
      rest += count.bytes;
    else
      parts.add(PartKind::kCode, code_name(count.vendor, count.kind, count.arch),
                PartVerdict::kStays, "device code", count.bytes);
  }
  parts.add(PartKind::kCode, "other architectures", PartVerdict::kStays, "device code", rest);
}

}  // namespace

std::vector<FilePart> file_parts(std::uint64_t stored, const MemberFate& fate,
                                 const inventory::ElfFacts* elf, const inventory::BareCode* bare) {
  Parts parts(stored);
  if (fate.whole) {
    parts.add(PartKind::kRest, {}, PartVerdict::kGoes, fate.reason, stored);
    return parts.take();
  }
  MemberFate partial = fate;
  partial.given_back = std::min(partial.given_back, stored);
  if (elf != nullptr && elf->prune) {
    const std::vector<CodeFate> code = device_code_of(*elf);
    if (partial.given_back > 0) add_cuts(parts, partial, *elf, code);
    add_kept_code(parts, partial, code, recompressed_bytes(partial, *elf));
    add_counted_code(parts, elf->code, elf->prune->code);
  } else {
    if (partial.given_back > 0) {
      const bool debug = partial.reason == kDebug;
      parts.add(debug ? PartKind::kDebug : PartKind::kRest,
                debug ? "debug sections and symbol tables" : "what goes", PartVerdict::kGoes,
                partial.reason, partial.given_back);
    }
    if (elf != nullptr) add_counted_code(parts, elf->code, {});
    if (bare != nullptr) add_counted_code(parts, bare->code, {});
  }
  const bool alone = parts.left() == stored;
  if (alone && !fate.held_back.empty())
    parts.add(PartKind::kRest, {}, PartVerdict::kHeldBack, fate.reason, stored);
  else
    parts.add(PartKind::kRest, alone ? "" : "host code and data", PartVerdict::kStays, {},
              parts.left());
  return parts.take();
}

}  // namespace flense::report
