// Which device code of one ELF file serves the targets, and the edit that drops the rest.
// Decides only; elf::apply writes. The rules: docs/device-code-rules.md.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "device/fatbin.h"
#include "device/target.h"
#include "elf/edit.h"

namespace flense::device {

enum class Level { kSafe, kStandard, kAggressive };
std::string_view to_string(Level level);

struct PruneOptions {
  Targets targets = {};
  Level level = Level::kStandard;
  bool keep_ptx = false;
  bool drop_debug = false;  ///< carried into the edit
  bool drop_symtab = false;
};

/// What a level means for one ELF file.
PruneOptions prune_options(Targets targets, Level level, bool keep_ptx);

/// The same for the file at `path`: gdb finds threads by symbols of the loader and of libpthread,
/// valgrind and profilers of the JVM read such tables too.
PruneOptions options_for_file(PruneOptions options, std::string_view path);

/// Whether a file without device code is worth an edit for what `strippable` has found: a small
/// symbol table alone is not, since every changed file is one that images no longer share.
bool worth_stripping(const elf::Strippable& strippable, const PruneOptions& options);

/// Why an entry stays or goes; index order is the order of report columns.
enum class Reason {
  kServesTarget,   ///< a target could load it
  kPtxNeeded,      ///< PTX, and some target has no loadable cubin in the group
  kPtxKept,        ///< PTX kept by level or --keep-ptx
  kLtoIr,          ///< link-time IR is kept
  kLastEntry,      ///< smallest entry of a registered region with nothing loadable
  kPinned,         ///< the region is addressed by code or by nothing known
  kUnregistered,   ///< no wrapper points here (.cask_resource, data sections)
  kUnknownKind,    ///< an entry kind this version does not know
  kDropOtherArch,  ///< goes: no target can load it
  kDropPtx,        ///< goes: every target has a loadable cubin
  kDropNotBest,    ///< goes at aggressive: a later minor of the same region serves every target
  kFileLeft,       ///< the whole file is left alone (PrunePlan::left_alone)
};
std::string_view to_string(Reason reason);
bool is_drop(Reason reason);

struct EntryDecision {
  std::size_t section = 0, region = 0, entry = 0;  ///< indices into FileCode
  Reason reason = Reason::kServesTarget;
};

struct PrunePlan {
  std::vector<EntryDecision> decisions;   ///< one per entry, in file order
  std::map<Reason, std::uint64_t> bytes;  ///< entry bytes by reason
  elf::EditPlan edit;                     ///< empty sections/holes: nothing to do
  std::string left_alone;                 ///< non-empty: why the file is not touched
};

/// Bytes a bolder rule would give on top, by rule name ("empty registered regions",
/// "unregistered regions", "pinned regions", "all PTX", "best fit only"): for the report. Rules
/// that would give nothing are left out.
std::map<std::string, std::uint64_t> bolder_gains(const FileCode& code, const PrunePlan& plan,
                                                  const PruneOptions& options);

/// Decides and lays out. What keeps a file from being edited is no error but `left_alone`.
Result<PrunePlan> plan_prune(const elf::File& file, const FileCode& code,
                             const PruneOptions& options);

}  // namespace flense::device
