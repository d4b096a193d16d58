#include "device/amd_prune.h"

#include <algorithm>

#include "device/amd_repack.h"
#include "device/amd_target.h"
#include "device/layout.h"
#include "device/region_standing.h"

namespace flense::device {
namespace {

/// Recompressed bundles of one file stay in memory until the file is written.
constexpr std::uint64_t kMostPacked = 256u << 20;
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

/// The bundles of one file, one after the other.
class Planner {
 public:
  Planner(const elf::File& file, const AmdCode& code, const PruneOptions& options, PlanUse use)
      : file_(file), code_(code), options_(options), use_(use) {}

  /// Sets the reasons of one bundle and its piece; `piece` is the unchanged bundle.
  Result<void> plan(std::size_t index, const RegionStanding& standing, elf::Piece& piece) {
    const AmdBundle& bundle = code_.bundles[index];
    std::vector<AmdDecision> decisions = decide_bundle(bundle, index, options_);
    if (!standing.movable || standing.standing != Standing::kRegistered) {
      set_reason(decisions, standing.standing == Standing::kUnregistered ? Reason::kUnregistered
                                                                         : Reason::kPinned);
    } else if (any_drop(decisions)) {
      TRY_DO(shrink(bundle, decisions, piece));
    }
    changed_ |= any_drop(decisions);
    out_.decisions.insert(out_.decisions.end(), decisions.begin(), decisions.end());
    return {};
  }

  /// Whether a bundle was changed since the last call.
  bool take_changed() { return std::exchange(changed_, false); }
  AmdPlan take() { return std::move(out_); }
  void add(elf::SectionEdit edit) { out_.sections.push_back(std::move(edit)); }

 private:
  Result<void> shrink(const AmdBundle& bundle, std::vector<AmdDecision>& decisions,
                      elf::Piece& piece) {
    std::vector<bool> keep;
    for (const AmdDecision& decision : decisions) keep.push_back(!is_drop(decision.reason));
    const bool measure = use_ == PlanUse::kMeasure;
    if (bundle.compressed != 0) {
      const auto header = parse_amd_compressed(file_.bytes().subspan(bundle.offset, bundle.size));
      const std::uint64_t unpacked = header ? header->unpacked : 0;
      if (unpacked > kMostUnpackedOfFile - unpacked_) {
        set_reason(decisions, Reason::kNotSmaller);
        return {};
      }
      unpacked_ += unpacked;
    }
    const std::uint64_t room = std::min(bundle.size, kMostPacked - packed_);
    Result<Repacked> repacked =
        repack(file_.bytes(), bundle, keep, measure ? 0 : room, options_.scratch_directory);
    if (!repacked) {
      if (repacked.error().code != Code::kBadInput) return std::unexpected(repacked.error());
      set_reason(decisions, Reason::kNotUnderstood);
      return {};
    }
    const std::uint64_t held = bundle.compressed != 0 ? repacked->size : 0;
    if (repacked->size >= bundle.size || held > room) {
      set_reason(decisions, Reason::kNotSmaller);
      return {};
    }
    packed_ += held;
    piece.new_size = repacked->size;
    if (bundle.compressed == 0) {
      piece.parts = std::move(repacked->parts);
    } else if (measure) {
      piece.parts = {{bundle.offset, repacked->size, {}}};
    } else {
      out_.packed.push_back(std::move(repacked->packed));
      piece.parts = {{0, repacked->size, {}, out_.packed.back()}};
    }
    return {};
  }

  const elf::File& file_;
  const AmdCode& code_;
  const PruneOptions& options_;
  PlanUse use_;
  std::uint64_t packed_ = 0, unpacked_ = 0;
  bool changed_ = false;
  AmdPlan out_;
};

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
  std::size_t bundle = 0;
  for (std::size_t s = 0; s < code.places.sections.size(); ++s) {
    const SectionCode& section = code.places.sections[s];
    std::vector<elf::Piece> pieces;
    for (std::size_t r = 0; r < section.regions.size(); ++r, ++bundle) {
      const Region& region = section.regions[r];
      pieces.push_back({region.address,
                        region.size,
                        region.address,
                        region.size,
                        {{region.offset, region.size, {}}}});
      TRY_DO(planner.plan(bundle, classified.standings[s][r], pieces.back()));
    }
    if (planner.take_changed())
      planner.add(place(section, classified.standings[s], classified.pinned_gaps[s],
                        std::move(pieces), kBundleAlignment));
  }
  return planner.take();
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
