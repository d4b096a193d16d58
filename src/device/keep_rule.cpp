#include "device/keep_rule.h"

#include <algorithm>
#include <set>

namespace flense::device {
namespace {

bool serves_any(const Entry& entry, const Targets& targets) {
  return std::ranges::any_of(targets.cuda,
                             [&](CudaArch gpu) { return cubin_runs_on(entry.arch, gpu); });
}

/// Every target has a cubin in `region` that it runs for certain.
bool covers_all(const Region& region, const Targets& targets) {
  return std::ranges::all_of(targets.cuda, [&](CudaArch gpu) {
    return std::ranges::any_of(region.entries, [&](const Entry& entry) {
      return entry.kind == EntryKind::kCubin && cubin_surely_runs_on(entry.arch, gpu);
    });
  });
}

/// Architecture numbers that best fit keeps in `region`: for each target the latest minor that
/// surely runs; all loadable ones where none is certain.
std::set<unsigned> best_numbers(const Region& region, const Targets& targets) {
  std::set<unsigned> best;
  for (CudaArch gpu : targets.cuda) {
    unsigned latest = 0;
    for (const Entry& entry : region.entries)
      if (entry.kind == EntryKind::kCubin && cubin_surely_runs_on(entry.arch, gpu))
        latest = std::max(latest, entry.arch.number);
    if (latest != 0) {
      best.insert(latest);
      continue;
    }
    for (const Entry& entry : region.entries)
      if (entry.kind == EntryKind::kCubin && cubin_runs_on(entry.arch, gpu))
        best.insert(entry.arch.number);
  }
  return best;
}

/// Relocatable device code of one file: what its linked images decide for all of its regions.
struct Group {
  bool covered = false;  ///< every linked image covers every target
  std::set<unsigned> best;
};

Group link_group(const FileCode& code, const Standings& standings, const RuleOptions& options) {
  Group group;
  bool any = false;
  bool covered = true;
  for (std::size_t i = 0; i < code.sections.size(); ++i) {
    for (std::size_t j = 0; j < code.sections[i].regions.size(); ++j) {
      if (!standings[i][j].linked) continue;
      const Region& region = code.sections[i].regions[j];
      any = true;
      covered = covered && covers_all(region, options.targets);
      group.best.merge(best_numbers(region, options.targets));
    }
  }
  group.covered = any && covered;
  return group;
}

class RegionRule {
 public:
  RegionRule(const Region& region, const RegionStanding& standing, const Group& group,
             const RuleOptions& options)
      : standing_(standing), options_(options) {
    covered_ = standing.in_group() ? group.covered : covers_all(region, options.targets);
    if (!options.best_fit) return;
    best_ = best_numbers(region, options.targets);
    if (!standing.in_group()) return;
    // The group keeps what its linked images keep; a region that has none of it keeps its own.
    const bool shared = std::ranges::any_of(region.entries, [&](const Entry& entry) {
      return entry.kind == EntryKind::kCubin && group.best.contains(entry.arch.number);
    });
    if (shared) best_ = group.best;
  }

  Reason of(const Entry& entry) const {
    if (standing_.standing == Standing::kPinned) return Reason::kPinned;
    if (standing_.standing == Standing::kUnregistered) return Reason::kUnregistered;
    switch (entry.kind) {
      case EntryKind::kUnknown:
        return Reason::kUnknownKind;
      case EntryKind::kLtoIr:
        return Reason::kLtoIr;
      case EntryKind::kPtx:
        if (!covered_) return Reason::kPtxNeeded;
        return options_.drop_ptx ? Reason::kDropPtx : Reason::kPtxKept;
      case EntryKind::kCubin:
        break;
    }
    if (!serves_any(entry, options_.targets)) return Reason::kDropOtherArch;
    if (options_.best_fit && !best_.contains(entry.arch.number)) return Reason::kDropNotBest;
    return Reason::kServesTarget;
  }

 private:
  const RegionStanding& standing_;
  const RuleOptions& options_;
  bool covered_ = false;
  std::set<unsigned> best_;
};

}  // namespace

RuleOptions rule_options(const PruneOptions& options) {
  return {.targets = options.targets,
          .drop_ptx = options.level != Level::kSafe && !options.keep_ptx,
          .best_fit = options.level == Level::kAggressive};
}

std::vector<EntryDecision> decide(const FileCode& code, const Standings& standings,
                                  const RuleOptions& options) {
  const Group group = link_group(code, standings, options);
  std::vector<EntryDecision> decisions;
  for (std::size_t i = 0; i < code.sections.size(); ++i) {
    for (std::size_t j = 0; j < code.sections[i].regions.size(); ++j) {
      const Region& region = code.sections[i].regions[j];
      const RegionRule rule(region, standings[i][j], group, options);
      const std::size_t first = decisions.size();
      std::size_t smallest = first;
      bool any_kept = region.entries.empty();
      for (std::size_t k = 0; k < region.entries.size(); ++k) {
        const Entry& entry = region.entries[k];
        decisions.push_back({i, j, k, rule.of(entry)});
        any_kept = any_kept || !is_drop(decisions.back().reason);
        if (entry.size() < region.entries[smallest - first].size()) smallest = first + k;
      }
      if (!any_kept) decisions[smallest].reason = Reason::kLastEntry;
    }
  }
  return decisions;
}

}  // namespace flense::device
