// Which device code of one ELF file serves the targets, and the edit that drops the rest. Only
// decides (AMD bundles are decompressed and recompressed to do so); elf::apply writes. The rules:
// docs/device-code-rules.md.
#pragma once

#include <filesystem>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "device/amd_code.h"
#include "device/fatbin.h"
#include "device/recompress.h"
#include "device/target.h"
#include "elf/edit.h"

namespace flense::device {

enum class Level { kSafe, kStandard, kAggressive };
std::string_view to_string(Level level);

struct PruneOptions {
  Targets targets = {};
  Level level = Level::kStandard;
  bool keep_ptx = false;
  /// With targets of one vendor only, all code of the other goes.
  bool drop_vendor = false;
  /// The image makes its AMD GPUs pass for what cannot be told: all code for AMD stays.
  bool keep_amd = false;
  bool drop_debug = false;  ///< carried into the edit
  bool drop_symtab = false;
  CodeCompression recompress = CodeCompression::kKeep;  ///< of the CUDA code that stays
  /// Where bundles are unpacked that are too large for memory; no part of the rules.
  std::filesystem::path scratch_directory = {};
  /// Shared by all that is done with the same options; no part of the rules. May be null.
  std::shared_ptr<FrameStore> frames = {};
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
  kOtherVendor,    ///< code for another vendor's GPUs than the targets
  kAmdKept,        ///< AMD code kept because of HSA_OVERRIDE_GFX_VERSION
  kNotUnderstood,  ///< of an AMD bundle that contradicts itself or cannot be unpacked
  kNotSmaller,     ///< of an AMD bundle that would not become smaller, or takes too much room
  kFreesNothing,   ///< could go, but no page of the file would be free then
  kDropOtherArch,  ///< goes: no target can load it
  kDropPtx,        ///< goes: every target has a loadable cubin
  kDropNotBest,    ///< goes at aggressive: a later minor of the same region serves every target
  kDropVendor,     ///< goes by choice: no target belongs to this vendor
  kFileLeft,       ///< the whole file is left alone (PrunePlan::left_alone)
};
std::string_view to_string(Reason reason);
bool is_drop(Reason reason);

struct EntryDecision {
  std::size_t section = 0, region = 0, entry = 0;  ///< indices into FileCode
  Reason reason = Reason::kServesTarget;
};

/// What becomes of one entry of an AMD bundle.
struct AmdDecision {
  static constexpr std::size_t kWhole = ~std::size_t{0};
  std::size_t bundle = 0;   ///< index into AmdCode::bundles
  std::size_t entry = 0;    ///< index into AmdBundle::entries; kWhole: nothing is known
  std::uint64_t bytes = 0;  ///< as stored, see stored_shares
  Reason reason = Reason::kServesTarget;
  Reason by_rule = Reason::kServesTarget;  ///< were the bundle registered and sound
};

/// What is said of a file of which entries are kFreesNothing.
inline constexpr std::string_view kFreesNoPage = "taking it out would free no page of the file";

struct PrunePlan {
  std::vector<EntryDecision> decisions;   ///< one per entry of CUDA code, in file order
  std::vector<AmdDecision> amd;           ///< one per entry of AMD code, in file order
  std::map<Reason, std::uint64_t> bytes;  ///< entry bytes by reason
  RecompressTotals recompressed;          ///< `bytes` count these entries as they were
  elf::EditPlan edit;                     ///< no sections: nothing to do
  std::string left_alone;                 ///< non-empty: why the file is not touched
  /// Bytes that the rules take and that stay: all of a file left alone, with debug sections and
  /// symbol tables, or the entries of kFreesNothing.
  std::uint64_t withheld = 0;
  /// Recompressed entries and bundles, which parts of `edit` point at.
  std::optional<MappedFile> frames, bundles;
};

/// What a plan is for: one that is only measured does not hold the bundles that it packs, and must
/// not be applied. With PruneOptions::frames it leaves them there for the one that is.
enum class PlanUse : std::uint8_t { kMeasure, kApply };

/// Bytes a bolder rule would give on top, by rule name ("empty registered regions",
/// "unregistered regions", "pinned regions", "all PTX", "best fit only", "code of another vendor"):
/// for the report. Rules
/// that would give nothing are left out.
std::map<std::string, std::uint64_t> bolder_gains(const FileCode& code, const PrunePlan& plan,
                                                  const PruneOptions& options);

/// Decides and lays out. What keeps a file from being edited is not an error but `left_alone`.
Result<PrunePlan> plan_prune(const elf::File& file, const FileCode& code, const AmdCode& amd,
                             const PruneOptions& options, PlanUse use = PlanUse::kApply);
/// The same for a file without code for AMD.
Result<PrunePlan> plan_prune(const elf::File& file, const FileCode& code,
                             const PruneOptions& options);

}  // namespace flense::device
