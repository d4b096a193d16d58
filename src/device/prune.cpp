#include "device/prune.h"

#include <algorithm>
#include <iterator>
#include <set>

#include "device/amd_prune.h"
#include "device/keep_rule.h"
#include "device/layout.h"
#include "device/region_standing.h"

namespace flense::device {
namespace {

constexpr std::uint16_t kTypeExecutable = 2;
constexpr std::uint16_t kTypeShared = 3;
constexpr std::uint16_t kMachineX86_64 = 62;
constexpr std::uint16_t kMachineAarch64 = 183;

const Entry& entry_of(const FileCode& code, const EntryDecision& decision) {
  return code.sections[decision.section].regions[decision.region].entries[decision.entry];
}

std::uint64_t drop_bytes(const FileCode& code, const std::vector<EntryDecision>& decisions) {
  std::uint64_t sum = 0;
  for (const EntryDecision& decision : decisions)
    if (is_drop(decision.reason)) sum += entry_of(code, decision).size();
  return sum;
}

/// Why a file is ruled out before its references are read; empty when it is not.
std::string reason_to_leave(const elf::File& file, const FileCode& code, const AmdCode& amd,
                            const PruneOptions& options) {
  if (!code.any() && !amd.places.any()) return {};
  if (options.targets.cuda.empty() && options.targets.amd.empty())
    return "no GPU is among the targets";
  if (file.type() != kTypeShared && file.type() != kTypeExecutable)
    return "not a shared library or executable";
  if (file.machine() != kMachineX86_64 && file.machine() != kMachineAarch64)
    return "neither x86-64 nor aarch64";
  std::vector<const SectionCode*> by_offset;
  for (const SectionCode& section : code.sections) by_offset.push_back(&section);
  for (const SectionCode& section : amd.places.sections) by_offset.push_back(&section);
  std::ranges::sort(by_offset, {}, &SectionCode::offset);
  for (std::size_t i = 1; i < by_offset.size(); ++i)
    if (by_offset[i]->offset - by_offset[i - 1]->offset < by_offset[i - 1]->size)
      return fmt::format("sections {} and {} overlap", by_offset[i - 1]->section,
                         by_offset[i]->section);
  return {};
}

/// AMD targets alone say nothing about CUDA code.
void judge_other_vendor(const PruneOptions& options, std::vector<EntryDecision>& decisions) {
  if (!options.targets.cuda.empty()) return;
  for (EntryDecision& decision : decisions) {
    if (!options.drop_vendor)
      decision.reason = Reason::kOtherVendor;
    else if (is_drop(decision.reason))
      decision.reason = Reason::kDropVendor;
  }
}

/// Sections by index in the file whose edit would give nothing back.
using InVain = std::set<std::size_t>;

/// What is recompressed: all that stays of registered regions that may move.
std::vector<EntryPlace> places_to_pack(const FileCode& code, const Standings& standings,
                                       const std::vector<EntryDecision>& decisions,
                                       const InVain& in_vain) {
  std::vector<EntryPlace> places;
  for (const EntryDecision& decision : decisions) {
    if (in_vain.contains(code.sections[decision.section].section_index)) continue;
    const RegionStanding& standing = standings[decision.section][decision.region];
    if (!is_drop(decision.reason) && standing.movable && standing.standing == Standing::kRegistered)
      places.push_back({decision.section, decision.region, decision.entry});
  }
  return places;
}

std::vector<elf::SectionEdit> section_edits(const FileCode& code, const Classified& classified,
                                            const std::vector<EntryDecision>& decisions,
                                            const std::vector<EntryPlace>& places,
                                            const std::vector<Bytes>& packed) {
  std::vector<std::vector<std::vector<bool>>> kept(code.sections.size());
  std::vector<std::vector<std::vector<Bytes>>> instead(code.sections.size());
  std::vector<bool> changed(code.sections.size());
  for (std::size_t i = 0; i < code.sections.size(); ++i) {
    for (const Region& region : code.sections[i].regions) {
      kept[i].emplace_back(region.entries.size(), true);
      instead[i].emplace_back(region.entries.size());
    }
  }
  for (const EntryDecision& decision : decisions) {
    if (!is_drop(decision.reason)) continue;
    kept[decision.section][decision.region][decision.entry] = false;
    changed[decision.section] = true;
  }
  for (std::size_t i = 0; i < places.size(); ++i) {
    if (packed[i].empty()) continue;
    instead[places[i].section][places[i].region][places[i].entry] = packed[i];
    changed[places[i].section] = true;
  }
  std::vector<elf::SectionEdit> edits;
  for (std::size_t i = 0; i < code.sections.size(); ++i)
    if (changed[i])
      edits.push_back(compact(code.sections[i], classified.standings[i], classified.pinned_gaps[i],
                              kept[i], instead[i]));
  return edits;
}

/// Nothing is known to be safe: every region stays as it is.
Standings untouched(const FileCode& code) {
  Standings standings(code.sections.size());
  for (std::size_t i = 0; i < code.sections.size(); ++i)
    standings[i].resize(code.sections[i].regions.size());
  return standings;
}

/// Entries that could go stay where that would give nothing back.
void keep_in_vain(const FileCode& code, const AmdCode& amd, const InVain& in_vain,
                  PrunePlan& plan) {
  for (EntryDecision& decision : plan.decisions)
    if (is_drop(decision.reason) && in_vain.contains(code.sections[decision.section].section_index))
      decision.reason = Reason::kFreesNothing;
  std::vector<std::size_t> section_of_bundle;
  for (const SectionCode& section : amd.places.sections)
    section_of_bundle.resize(section_of_bundle.size() + section.regions.size(),
                             section.section_index);
  for (AmdDecision& decision : plan.amd)
    if (is_drop(decision.reason) && in_vain.contains(section_of_bundle[decision.bundle]))
      decision.reason = Reason::kFreesNothing;
}

/// Edited sections that give nothing back: no page of them leaves the file, or new program headers
/// take what all of them give.
Result<std::vector<std::size_t>> sections_in_vain(const elf::File& file,
                                                  const elf::EditPlan& edit) {
  TRY(elf::EditResult result, elf::measure(file, edit));
  if (edit.sections.empty() || !result.in_vain.empty()) return std::move(result.in_vain);
  elf::EditPlan without = edit;
  without.sections.clear();
  TRY(const elf::EditResult rest, elf::measure(file, without));
  if (result.output_size >= rest.output_size)
    for (const elf::SectionEdit& section : edit.sections) result.in_vain.push_back(section.section);
  return std::move(result.in_vain);
}

/// What the rules take of a file, were it possible: where it is not known which regions wrappers
/// register, as if all were.
std::uint64_t wanted_bytes(const elf::File& file, const FileCode& code, const PrunePlan& plan,
                           bool classified, const PruneOptions& options) {
  if (options.targets.cuda.empty() && options.targets.amd.empty()) return 0;
  std::vector<EntryDecision> decisions = plan.decisions;
  if (!classified) {
    Standings assumed = untouched(code);
    for (std::vector<RegionStanding>& section : assumed)
      for (RegionStanding& standing : section) standing.standing = Standing::kRegistered;
    decisions = decide(code, assumed, rule_options(options));
    judge_other_vendor(options, decisions);
  }
  std::uint64_t bytes = drop_bytes(code, decisions);
  for (const AmdDecision& decision : plan.amd)
    if (is_drop(classified ? decision.reason : decision.by_rule)) bytes += decision.bytes;
  const elf::Strippable strippable = elf::strippable(file);
  return bytes + (options.drop_debug ? strippable.debug : 0) +
         (options.drop_symtab ? strippable.symbols : 0);
}

void leave_alone(PrunePlan& plan, std::string why) {
  plan.left_alone = std::move(why);
  plan.edit = {};
  plan.recompressed = {};
  plan.frames.reset();
  plan.bundles.reset();
  for (EntryDecision& decision : plan.decisions) decision.reason = Reason::kFileLeft;
  for (AmdDecision& decision : plan.amd) decision.reason = Reason::kFileLeft;
}

void add_up(const FileCode& code, PrunePlan& plan) {
  plan.bytes.clear();
  for (const AmdDecision& decision : plan.amd) plan.bytes[decision.reason] += decision.bytes;
  for (const EntryDecision& decision : plan.decisions)
    plan.bytes[decision.reason] += entry_of(code, decision).size();
}

}  // namespace

std::string_view to_string(Level level) {
  switch (level) {
    case Level::kSafe:
      return "safe";
    case Level::kStandard:
      return "standard";
    case Level::kAggressive:
      break;
  }
  return "aggressive";
}

std::string_view to_string(Reason reason) {
  switch (reason) {
    case Reason::kServesTarget:
      return "serves a target";
    case Reason::kPtxNeeded:
      return "PTX that a target may need";
    case Reason::kPtxKept:
      return "PTX kept by choice";
    case Reason::kLtoIr:
      return "link-time IR";
    case Reason::kLastEntry:
      return "last entry of its region";
    case Reason::kPinned:
      return "region must not move or change";
    case Reason::kUnregistered:
      return "region that no wrapper registers";
    case Reason::kUnknownKind:
      return "entry of an unknown kind";
    case Reason::kOtherVendor:
      return "code of another vendor";
    case Reason::kAmdKept:
      return "kept for HSA_OVERRIDE_GFX_VERSION";
    case Reason::kNotUnderstood:
      return "bundle that does not check out";
    case Reason::kNotSmaller:
      return "bundle that would not shrink";
    case Reason::kFreesNothing:
      return "would free no page of the file";
    case Reason::kDropOtherArch:
      return "other architecture";
    case Reason::kDropPtx:
      return "PTX not needed";
    case Reason::kDropNotBest:
      return "a later minor serves the targets";
    case Reason::kDropVendor:
      return "no target of this vendor";
    case Reason::kFileLeft:
      break;
  }
  return "file left alone";
}

bool is_drop(Reason reason) {
  return reason == Reason::kDropOtherArch || reason == Reason::kDropPtx ||
         reason == Reason::kDropNotBest || reason == Reason::kDropVendor;
}

PruneOptions prune_options(Targets targets, Level level, bool keep_ptx) {
  PruneOptions out;
  out.targets = std::move(targets);
  out.level = level;
  out.keep_ptx = keep_ptx;
  out.drop_vendor = level == Level::kAggressive;
  out.drop_debug = out.drop_symtab = level != Level::kSafe;
  return out;
}

PruneOptions options_for_file(PruneOptions options, std::string_view path) {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (const std::string_view start :
       {"ld-", "ld.so", "libc.so", "libc-", "libpthread", "libjvm.so"})
    if (name.starts_with(start)) options.drop_symtab = false;
  return options;
}

bool worth_stripping(const elf::Strippable& strippable, const PruneOptions& options) {
  constexpr std::uint64_t kSmallSymbols = 16u << 10;
  return (options.drop_debug && strippable.debug > 0) ||
         (options.drop_symtab && strippable.symbols >= kSmallSymbols);
}

Result<PrunePlan> plan_prune(const elf::File& file, const FileCode& code, const AmdCode& amd,
                             const PruneOptions& options, PlanUse use) {
  PrunePlan plan;
  plan.edit.drop_debug = options.drop_debug;
  plan.edit.drop_symtab = options.drop_symtab;
  std::string why_not = reason_to_leave(file, code, amd, options);
  Classified classified{untouched(code), std::vector<std::set<std::size_t>>(code.sections.size())};
  const bool judged = !options.targets.cuda.empty() || options.drop_vendor;
  if (why_not.empty() && code.any() && judged) {
    if (auto references = references_into(file, code)) {
      classified = classify(code, *references);
    } else {
      why_not = references.error().message;
    }
  }
  plan.decisions = decide(code, classified.standings, rule_options(options));
  judge_other_vendor(options, plan.decisions);
  TRY(AmdPlan of_amd, plan_amd(file, amd, options, why_not.empty(), use));
  plan.amd = std::move(of_amd.decisions);
  const bool known = why_not.empty();
  if (known) {
    plan.bundles = std::move(of_amd.frames);
    InVain in_vain;
    while (true) {
      const auto places = places_to_pack(code, classified.standings, plan.decisions, in_vain);
      TRY(Recompressed packed,
          recompress(file.bytes(), code, places,
                     {options.recompress, options.frames, options.scratch_directory}));
      plan.edit.sections = section_edits(code, classified, plan.decisions, places, packed.entries);
      plan.recompressed = packed.totals;
      plan.frames = std::move(packed.frames);
      std::ranges::copy_if(
          of_amd.sections, std::back_inserter(plan.edit.sections),
          [&](const elf::SectionEdit& edit) { return !in_vain.contains(edit.section); });
      const auto more = sections_in_vain(file, plan.edit);
      if (!more) why_not = more.error().message;
      if (!more || more->empty()) break;
      in_vain.insert(more->begin(), more->end());
      keep_in_vain(code, amd, in_vain, plan);
    }
  }
  if (!why_not.empty()) {
    plan.withheld = wanted_bytes(file, code, plan, known, options);
    leave_alone(plan, std::move(why_not));
  }
  add_up(code, plan);
  if (const auto in_vain = plan.bytes.find(Reason::kFreesNothing); in_vain != plan.bytes.end())
    plan.withheld = in_vain->second;
  return plan;
}

Result<PrunePlan> plan_prune(const elf::File& file, const FileCode& code,
                             const PruneOptions& options) {
  return plan_prune(file, code, {}, options);
}

std::map<std::string, std::uint64_t> bolder_gains(const FileCode& code, const PrunePlan& plan,
                                                  const PruneOptions& options) {
  std::map<std::string, std::uint64_t> gains;
  const auto bytes_of = [&](Reason reason) {
    const auto found = plan.bytes.find(reason);
    return found == plan.bytes.end() ? std::uint64_t{0} : found->second;
  };
  gains["empty registered regions"] = bytes_of(Reason::kLastEntry);
  gains["all PTX"] = bytes_of(Reason::kPtxNeeded) + bytes_of(Reason::kPtxKept);
  if (plan.left_alone.empty() && options.targets.cuda.empty()) {
    gains["code of another vendor"] = bytes_of(Reason::kOtherVendor);
  } else if (plan.left_alone.empty()) {
    // The plan's reasons record the standing of each region; what-if plans start from there.
    Standings standings = untouched(code);
    std::vector<std::uint64_t> linked;
    for (const Wrapper& wrapper : code.wrappers)
      if (wrapper.version == 2) linked.push_back(wrapper.data);
    for (const EntryDecision& decision : plan.decisions) {
      RegionStanding& standing = standings[decision.section][decision.region];
      const SectionCode& section = code.sections[decision.section];
      standing.linked =
          std::ranges::find(linked, section.regions[decision.region].address) != linked.end();
      standing.relocatable = section.section == "__nv_relfatbin";
      standing.standing = decision.reason == Reason::kPinned         ? Standing::kPinned
                          : decision.reason == Reason::kUnregistered ? Standing::kUnregistered
                                                                     : Standing::kRegistered;
    }
    const RuleOptions rule = rule_options(options);
    const std::uint64_t now = drop_bytes(code, decide(code, standings, rule));
    const auto beyond_now = [&](const std::vector<EntryDecision>& decisions) {
      const std::uint64_t then = drop_bytes(code, decisions);
      return then > now ? then - now : 0;
    };
    const auto when_registered = [&](Standing freed) {
      Standings assumed = standings;
      for (auto& section : assumed)
        for (RegionStanding& standing : section)
          if (standing.standing == freed) standing.standing = Standing::kRegistered;
      return decide(code, assumed, rule);
    };
    gains["pinned regions"] = beyond_now(when_registered(Standing::kPinned));
    // Nothing walks these, so the bolder rule would empty them: the last entries count too.
    std::vector<EntryDecision> emptied = when_registered(Standing::kUnregistered);
    for (EntryDecision& decision : emptied)
      if (decision.reason == Reason::kLastEntry &&
          standings[decision.section][decision.region].standing == Standing::kUnregistered)
        decision.reason = Reason::kDropOtherArch;
    gains["unregistered regions"] = beyond_now(emptied);
    RuleOptions best = rule;
    best.best_fit = true;
    gains["best fit only"] = beyond_now(decide(code, standings, best));
  }
  // CUDA's share of these is counted above; the sums by reason cover both vendors.
  std::uint64_t last_of_amd = 0;
  for (const AmdDecision& decision : plan.amd)
    if (decision.reason == Reason::kLastEntry) last_of_amd += decision.bytes;
  gains["empty registered regions"] -= last_of_amd;
  add_amd_gains(plan.amd, gains);
  std::erase_if(gains, [](const auto& gain) { return gain.second == 0; });
  return gains;
}

}  // namespace flense::device
