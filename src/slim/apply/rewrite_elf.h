// One ELF file: plan, write to scratch, prove, hand out. Nothing leaves here unproven.
#pragma once

#include <filesystem>
#include <string>

#include "base/bytes.h"
#include "base/file.h"
#include "base/result.h"
#include "device/prune.h"
#include "slim/plan/options.h"
#include "slim/plan/plan.h"

namespace flense::slim {

struct RewriteOptions {
  device::PruneOptions prune;
  bool device_code = true;  ///< false: debug and symbol tables only
  std::filesystem::path scratch_directory;
};

RewriteOptions rewrite_options(const CutRules& cuts, const Workplace& workplace);

struct RewrittenElf {
  bool changed = false;
  std::string left_alone;      ///< why it, or device code in it, is unchanged although it could go
  std::uint64_t withheld = 0;  ///< bytes that could go and did not, where they are known
  MappedFile content;          ///< the new file when changed
  RewriteMeasure measure;
  bool raises_driver_floor = false;  ///< drivers before CUDA 12.4 read it before, not now
};

/// Rewrites the ELF file in `bytes`. A file that cannot be rewritten with certainty, or whose
/// output does not prove itself, comes back unchanged with the reason. Errors are of the
/// environment only (scratch space).
Result<RewrittenElf> rewrite_elf(Bytes bytes, const std::string& name,
                                 const RewriteOptions& options);

/// The proof, on its own for tests: `output` parses, holds the same wrappers, and every entry that
/// the plan keeps is found by the loader's path (wrapper, region, entry) with identical bytes, and
/// nothing else is. Where the plan packed entries anew, those unpack to the same. An error names
/// the first difference. `scratch` as in UnpackedBlock.
Result<void> prove_pruned(const elf::File& input, const device::FileCode& input_code,
                          const device::PrunePlan& plan, const elf::File& output,
                          const std::filesystem::path& scratch);

/// The same for offload bundles (prove_amd.cpp): every wrapper points at a bundle that holds what
/// the plan keeps, in the same order, with the code objects unpacked byte-identical and the headers
/// true; and where targets are named, a bundle that lost entries holds nothing that serves none of
/// them but a last entry. `scratch` as in UnpackedBlock.
Result<void> prove_amd_pruned(const elf::File& input, const device::AmdCode& input_code,
                              const device::PrunePlan& plan, const device::Targets& targets,
                              const elf::File& output, const std::filesystem::path& scratch);

}  // namespace flense::slim
