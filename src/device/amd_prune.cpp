#include "device/amd_prune.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <utility>

#include "base/format.h"
#include "codec/sha256.h"
#include "device/amd_repack.h"
#include "device/amd_target.h"
#include "device/layout.h"
#include "device/region_standing.h"

namespace flense::device {
namespace {

/// A bundle that would still be larger stays as it is: it is packed in memory.
constexpr std::uint64_t kMostPacked = 256U << 20;
/// Measuring, which several threads do at a time, keeps no larger one; it is packed once more then.
constexpr std::uint64_t kMostPackedAhead = 32U << 20;
/// What the bundles of one file may unpack to, in all.
constexpr std::uint64_t kMostUnpackedOfFile = 32ULL << 30;

Reason reason_of(const AmdEntry& entry, const PruneOptions& options) {
  if (options.keep_amd) return Reason::kAmdKept;
  if (options.targets.amd.empty())
    return options.drop_vendor ? Reason::kDropVendor : Reason::kOtherVendor;
  const std::string processor = entry.target.substr(0, entry.target.find(':'));
  const bool strange_generic =
      processor.ends_with("-generic") && amd_generic_members(processor).empty();
  if (entry.target == "unknown" || strange_generic) return Reason::kUnknownKind;
  const bool serves = std::ranges::any_of(options.targets.amd, [&](const std::string& gpu) {
    return amd_code_runs_on(entry.target, gpu);
  });
  return serves ? Reason::kServesTarget : Reason::kDropOtherArch;
}

std::vector<AmdDecision> decide_bundle(const AmdBundle& bundle, std::size_t index,
                                       const PruneOptions& options) {
  std::vector<AmdDecision> out;
  if (!bundle.unread.empty())
    return {
        {index, AmdDecision::kWhole, bundle.size, Reason::kNotUnderstood, Reason::kNotUnderstood}};
  const std::vector<std::uint64_t> bytes = stored_shares(bundle);
  std::size_t smallest = 0;
  bool any_kept = bundle.entries.empty();
  for (std::size_t i = 0; i < bundle.entries.size(); ++i) {
    const Reason reason = reason_of(bundle.entries[i], options);
    out.push_back({index, i, bytes[i], reason, reason});
    any_kept = any_kept || !is_drop(reason);
    if (bundle.entries[i].size < bundle.entries[smallest].size) smallest = i;
  }
  // The runtime walks every registered bundle at start-up.
  if (!any_kept) out[smallest].reason = out[smallest].by_rule = Reason::kLastEntry;
  return out;
}

void set_reason(std::vector<AmdDecision>& decisions, Reason reason) {
  for (AmdDecision& decision : decisions) decision.reason = reason;
}

bool any_drop(const std::vector<AmdDecision>& decisions) {
  return std::ranges::any_of(decisions, [](const AmdDecision& one) { return is_drop(one.reason); });
}

/// What a bundle packed anew is found by: its bytes, and which of its entries stay.
std::string packed_key(Bytes stored, const std::vector<bool>& keep) {
  std::string rule = "bundle ";
  for (const bool one : keep) rule += one ? '+' : '-';
  codec::Sha256 hash;
  hash.update(as_bytes(rule));
  hash.update(stored);
  return hash.hex();
}

/// What becomes of a bundle.
struct Outcome {
  std::uint64_t size = 0;                  ///< 0: it stays as it is
  std::vector<elf::PiecePart> parts;       ///< of a plain one
  std::optional<FrameStore::Frame> frame;  ///< of a packed one, where it is going to be written
};

/// The bundles of one file, one after the other.
class Planner {
 public:
  Planner(const elf::File& file, const AmdCode& code, const PruneOptions& options, PlanUse use)
      : file_(file), code_(code), options_(options), use_(use), store_(options.frames) {}

  /// Sets the reasons of one bundle.
  Result<Outcome> decide(std::size_t index, const RegionStanding& standing) {
    const AmdBundle& bundle = code_.bundles[index];
    std::vector<AmdDecision> decisions = decide_bundle(bundle, index, options_);
    Outcome out;
    if (!standing.movable || standing.standing != Standing::kRegistered) {
      set_reason(decisions, standing.standing == Standing::kUnregistered ? Reason::kUnregistered
                                                                         : Reason::kPinned);
    } else if (any_drop(decisions)) {
      TRY(out, shrink(bundle, decisions));
    }
    decisions_.insert(decisions_.end(), decisions.begin(), decisions.end());
    return out;
  }

  std::vector<AmdDecision> take_decisions() { return std::move(decisions_); }
  /// Where all frames are; none where nothing is going to be written.
  Result<std::optional<MappedFile>> frames() const {
    if (use_ == PlanUse::kMeasure || !store_) return std::nullopt;
    return store_->map();
  }

 private:
  Result<Outcome> shrink(const AmdBundle& bundle, std::vector<AmdDecision>& decisions) {
    std::vector<bool> keep;
    for (const AmdDecision& decision : decisions) keep.push_back(!is_drop(decision.reason));
    if (bundle.compressed != 0) return pack(bundle, keep, decisions);
    Result<Repacked> repacked = repack(file_.bytes(), bundle, keep, 0, options_.scratch_directory);
    if (!repacked) return leave(repacked.error(), decisions);
    if (repacked->size >= bundle.size) return leave(Reason::kNotSmaller, decisions);
    return Outcome{repacked->size, std::move(repacked->parts), {}};
  }

  Result<Outcome> pack(const AmdBundle& bundle, const std::vector<bool>& keep,
                       std::vector<AmdDecision>& decisions) {
    const Bytes stored = file_.bytes().subspan(bundle.offset, bundle.size);
    const auto header = parse_amd_compressed(stored);
    const std::uint64_t unpacked = header ? header->unpacked : 0;
    if (unpacked > kMostUnpackedOfFile - unpacked_) return leave(Reason::kNotSmaller, decisions);
    unpacked_ += unpacked;
    const std::string key = packed_key(stored, keep);
    std::optional<FrameStore::Frame> frame = store_ ? store_->find(key) : std::nullopt;
    std::uint64_t size = frame ? frame->size : 0;
    if (!frame) {
      const bool measure = use_ == PlanUse::kMeasure;
      const std::uint64_t most =
          std::min(bundle.size - 1, measure ? (store_ ? kMostPackedAhead : 0) : kMostPacked);
      std::optional<MemoryBudget::Share> share;
      if (store_) share.emplace(store_->memory(), most);
      const Result<Repacked> repacked =
          repack(file_.bytes(), bundle, keep, most, options_.scratch_directory);
      if (!repacked) return leave(repacked.error(), decisions);
      size = repacked->size;
      if (!repacked->packed.empty()) {
        const Result<FrameStore::Frame> kept = keep_frame(key, repacked->packed);
        // What measuring cannot leave there is packed once more.
        if (!kept && !measure) return std::unexpected(kept.error());
        if (kept) frame = *kept;
      }
    }
    if (size >= bundle.size || size > kMostPacked) return leave(Reason::kNotSmaller, decisions);
    return Outcome{size, {}, frame};
  }

  Result<FrameStore::Frame> keep_frame(const std::string& key, Bytes packed) {
    if (!store_) {
      TRY(store_, FrameStore::create(options_.scratch_directory));
    }
    return store_->add(key, packed);
  }

  static Outcome leave(Reason reason, std::vector<AmdDecision>& decisions) {
    set_reason(decisions, reason);
    return {};
  }
  static Result<Outcome> leave(const Error& error, std::vector<AmdDecision>& decisions) {
    if (error.code != Code::kBadInput) return std::unexpected(error);
    return leave(Reason::kNotUnderstood, decisions);
  }

  const elf::File& file_;
  const AmdCode& code_;
  const PruneOptions& options_;
  PlanUse use_;
  std::shared_ptr<FrameStore> store_;
  std::uint64_t unpacked_ = 0;
  std::vector<AmdDecision> decisions_;
};

/// The region as a piece of its section, changed as decided; without `frames` only its size tells.
elf::Piece piece_of(const Region& region, Outcome& outcome, const MappedFile* frames) {
  elf::Piece out{
      region.address, region.size, region.address, region.size, {{region.offset, region.size, {}}}};
  if (outcome.size == 0) return out;
  out.new_size = outcome.size;
  if (!outcome.parts.empty())
    out.parts = std::move(outcome.parts);
  else if (frames == nullptr)
    out.parts = {{region.offset, outcome.size, {}}};
  else
    out.parts = {
        {0, outcome.size, {}, frames->bytes().subspan(outcome.frame->offset, outcome.size)}};
  return out;
}

/// Nobody is known to reach any bundle.
Classified unknown_standings(const FileCode& places) {
  Classified out;
  out.pinned_gaps.resize(places.sections.size());
  for (const SectionCode& section : places.sections)
    out.standings.emplace_back(section.regions.size());
  return out;
}

}  // namespace

Result<AmdPlan> plan_amd(const elf::File& file, const AmdCode& code, const PruneOptions& options,
                         bool movable, PlanUse use) {
  Classified classified = unknown_standings(code.places);
  if (movable)
    if (const auto references = references_into(file, code.places))
      classified = classify(code.places, *references);
  Planner planner(file, code, options, use);
  std::vector<Outcome> outcomes;
  for (std::size_t s = 0; s < code.places.sections.size(); ++s) {
    for (const RegionStanding& standing : classified.standings[s]) {
      TRY(Outcome outcome, planner.decide(outcomes.size(), standing));
      outcomes.push_back(std::move(outcome));
    }
  }
  AmdPlan out;
  out.decisions = planner.take_decisions();
  TRY(out.frames, planner.frames());
  std::size_t bundle = 0;
  for (std::size_t s = 0; s < code.places.sections.size(); ++s) {
    const SectionCode& section = code.places.sections[s];
    std::vector<elf::Piece> pieces;
    bool changed = false;
    for (const Region& region : section.regions) {
      Outcome& outcome = outcomes[bundle++];
      changed |= outcome.size != 0;
      pieces.push_back(piece_of(region, outcome, out.frames ? &*out.frames : nullptr));
    }
    if (changed)
      out.sections.push_back(place(section, classified.standings[s], classified.pinned_gaps[s],
                                   std::move(pieces), kBundleAlignment));
  }
  return out;
}

void add_amd_gains(const std::vector<AmdDecision>& decisions,
                   std::map<std::string, std::uint64_t>& gains) {
  for (const AmdDecision& decision : decisions) {
    if (decision.reason == Reason::kLastEntry) gains["empty registered regions"] += decision.bytes;
    if (decision.reason == Reason::kOtherVendor) gains["code of another vendor"] += decision.bytes;
    if (!is_drop(decision.by_rule)) continue;
    if (decision.reason == Reason::kPinned) gains["pinned regions"] += decision.bytes;
    if (decision.reason == Reason::kUnregistered) gains["unregistered regions"] += decision.bytes;
  }
}

}  // namespace flense::device
