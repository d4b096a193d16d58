// The steps of `flense slim`, in the order in which slim.cpp calls them.
#pragma once

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/private_directory.h"
#include "base/progress.h"
#include "cli/shared/args.h"
#include "cli/shared/io.h"
#include "image/model/image.h"
#include "image/output/writer.h"
#include "inventory/describe/inventory.h"
#include "inventory/scan/contents.h"
#include "inventory/scan/scan_cache.h"
#include "report/html/report.h"
#include "report/images/slim_report.h"
#include "slim/apply/apply_image.h"
#include "slim/plan/options.h"
#include "slim/plan/plan.h"

namespace flense::cli {

/// The command line, checked for contradictions before anything is read.
struct SlimRequest {
  std::string target;
  slim::SlimOptions options;
  slim::Workplace workplace;
  bool elf_file = false;  ///< the target is a single ELF file
  bool in_place = false, dry_run = false;
  std::string output;   ///< -o, as typed
  std::string push_to;  ///< -t with a transport
  std::string tag;      ///< -t without one
  std::string plan_file, provenance_file;
  std::string verify_command;
  std::vector<std::string> trace_commands, trace_files;
  std::string save_trace;  ///< where what the commands met goes
  std::string keep_base;   ///< --keep-base
};
Result<SlimRequest> read_slim_request(const ParsedArgs& args, const Io& io);

/// The input as read, and what is to be done with it.
struct SlimSubject {
  std::unique_ptr<image::Image> image;
  std::optional<inventory::Contents> contents;  ///< of the input
  /// With the layer that --pyc compile adds to `image`, where it does.
  std::optional<inventory::Contents> extended;
  inventory::Inventory inventory;
  slim::SlimOptions options;  ///< the request's, adapted to the image
  slim::Workplace workplace;
  slim::Plan plan;
  std::vector<std::string> broken;  ///< links that the plan would break
  std::vector<std::uint64_t> unpacked;
  slim::DriverFloor driver_floor;
  std::unique_ptr<Progress> progress;
  std::optional<std::uint64_t> max_unpacked;  ///< $FLENSE_MAX_UNPACKED
  std::vector<std::string> trace_notices;
  std::string failed_trace;  ///< why a --trace proves nothing; then there is no plan
  /// What --trace and --verify run in: made when it is first asked for (cli/slim/run.h).
  std::unique_ptr<TemporaryDirectory> work;
  std::filesystem::path original_root;
};
/// `cache` holds what earlier images of this run were read to.
Result<SlimSubject> read_slim_subject(const SlimRequest& request, const ParsedArgs& args,
                                      const Io& io, inventory::InventoryCache* cache = nullptr);

Result<void> save_plan(const SlimRequest& request, const slim::Plan& plan);

/// Writes the image of `plan`, which may be another than the subject's.
Result<slim::SlimOutcome> write_image(const image::OutputSpec& spec, SlimSubject& subject,
                                      const slim::Plan& plan, const slim::SlimOptions& options,
                                      slim::LayerPool* pool = nullptr);
Result<slim::SlimOutcome> write_output(const SlimRequest& request, SlimSubject& subject,
                                       slim::LayerPool* pool = nullptr);
Result<void> write_provenance(const SlimRequest& request, const SlimSubject& subject,
                              const slim::SlimOutcome& outcome);

/// Refers to `subject` and `outcome`; the latter is null for a dry run.
report::HtmlReport html_of(const SlimRequest& request, const SlimSubject& subject,
                           const slim::SlimOutcome* outcome);

// Closing reports; the value is the exit status.
Result<int> report_broken(const SlimSubject& subject, Io& io);
Result<int> report_failed_trace(const SlimSubject& subject, Io& io);
Result<int> report_dry_run(const SlimSubject& subject, const ParsedArgs& args, Io& io);
report::SlimReport outcome_report(const SlimRequest& request, const SlimSubject& subject,
                                  const slim::SlimOutcome& outcome);
Result<int> report_outcome(const SlimRequest& request, const SlimSubject& subject,
                           const slim::SlimOutcome& outcome, const ParsedArgs& args, Io& io);

/// The whole job for a single ELF file.
Result<int> slim_one_file(const SlimRequest& request, const ParsedArgs& args, Io& io);

}  // namespace flense::cli
