// flense inspect: what an image holds.
#include <algorithm>
#include <array>

#include "base/numbers.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/confine.h"
#include "cli/shared/html_file.h"
#include "cli/shared/variants.h"
#include "host/probe.h"
#include "inventory/compare/budget.h"
#include "inventory/describe/inventory.h"
#include "inventory/describe/targets.h"
#include "report/images/inventory_json.h"
#include "report/images/inventory_text.h"
#include "slim/plan/make_plan.h"

namespace flense::cli {

namespace {

constexpr std::string_view kInspectHelp = R"(Reads the image once and shows
  layers          size as stored and unpacked, waste, instruction
  device code     which file holds code for which GPU architecture
  runtimes        CUDA, cuDNN, NCCL, PyTorch, Python, libc, … with the evidence
  largest         files and directories, and files that later layers hide
  base image      the smallest CUDA base that would do, and which library asks for more
  cuts            what could go, by reason; with --gpu also device code
--html FILE draws all of it as one page that needs nothing else (docs/html.md).

A layer that was read before is answered from a cache (flense cache), if its file has not changed
since; the report says so. --no-cache reads it again.

TARGET is a path (an ELF file, a root directory or virtual environment, an OCI layout, a docker
or OCI archive), or a transport: oci:DIR, oci-archive:FILE, docker-archive:FILE, docker://REF,
docker-daemon:REF, containers-storage:REF. "-" reads an archive from standard input.

Exit status: 0 fine, 1 a budget is exceeded, 2 wrong usage, 3 bad input, 4 environment.

Examples:
  flense inspect docker-archive:app.tar
  flense inspect --gpu h100,a100 --level safe docker://vllm/vllm-openai:latest
  flense inspect --json .venv > inventory.json
  flense inspect --gpu h100 --html report.html oci:app
  flense inspect --max-size 10GiB --max-waste 100MB oci:build/image)";

/// Rows of data/budgets.json, which is read only where --budget names one.
constexpr std::array<std::string_view, 3> kPlatforms = {"sagemaker", "lambda", "github"};

struct InspectRequest : TableRequest {
  bool json = false, all = false, no_verify = false;
  std::string html;
  std::vector<std::string> gpus, platforms;
  slim::CutRules cuts;
  inventory::Budgets budgets;
  ImageOptions image;
};

/// Words of the options that mean something by the tables; no table is read where there are none.
Result<void> add_known(const InspectRequest& request, device::Targets& targets,
                       inventory::Budgets& budgets, Io& io) {
  std::vector<std::string_view> names;
  if (!request.gpus.empty()) names.emplace_back("gpu_arch");
  if (!request.platforms.empty()) names.emplace_back("budgets");
  if (names.empty()) return {};
  TRY(const knowledge::Knowledge tables, tables_of(request, io, names));
  TRY(targets, inventory::parse_targets(request.gpus, tables.gpus));
  for (const std::string& name : request.platforms)
    budgets.platforms.push_back(
        *std::ranges::find(tables.budgets, name, &knowledge::PlatformBudget::name));
  return {};
}

void declare(Options& options, InspectRequest& request) {
  inventory::Budgets& most = request.budgets;
  options.flag("--json", "print JSON (schema flense/inventory/v1)", request.json);
  add_html(options, request.html);
  options.add("--gpu", "GPU", kGpuHelp, request.gpus);
  add_level(options, request.cuts.level);
  options.flag("--keep-ptx", "count no PTX as cuttable", request.cuts.keep_ptx);
  options.flag("--drop-vendor", "count code of a vendor without target as cuttable",
               request.cuts.drop_vendor);
  options
      .add("--max-size", "SIZE", "fail when the image as stored is larger: 10GiB", most.max_size,
           parse_size_of)
      .setting();
  options
      .add("--max-unpacked", "SIZE", "fail when the unpacked layers are larger", most.max_unpacked,
           parse_size_of)
      .setting();
  options
      .add("--max-layer", "SIZE", "fail when a layer as stored is larger", most.max_layer,
           parse_size_of)
      .setting();
  options
      .add("--max-waste", "SIZE", "fail when more bytes are overwritten or deleted", most.max_waste,
           parse_size_of)
      .setting();
  options
      .add("--budget", "NAME", "fail when it is too large for sagemaker, lambda or github",
           request.platforms)
      .one_of(kPlatforms)
      .setting();
  options.flag("--all", "list every file of the matrix, every package", request.all);
  options.flag("--no-verify", "do not hash the layers: faster, for archives you trust",
               request.no_verify);
  add_data(options, request).setting();
  declare_no_variant(options, request.image);
  declare_cached(options, request.image);
  add_no_sandbox(options, request);
}

bool shows_gpus(const host::Machine& machine) {
  return !machine.proc.list("driver/nvidia/gpus").empty() || machine.dev.exists("kfd");
}

/// The GPUs are looked at before the process is confined, and only where a driver shows any.
Result<VariantChoice> choice_of(const InspectRequest& request, Io& io) {
  std::set<std::string> targets;
  const host::Machine machine{host::Places()};
  if (!request.image.no_variant && shows_gpus(machine)) {
    TRY(const knowledge::Knowledge tables, tables_of(request, io, judging_tables()));
    targets = gpu_targets({host::probe(machine, tables)});
  }
  return VariantChoice(request.image,
                       [targets]() -> Result<std::set<std::string>> { return targets; });
}

Result<int> run_inspect(const InspectRequest& request, Io& io) {
  TRY_DO(check_html(request.html, request.json));
  TRY_DO(spare_inputs(request.words, {request.html}));
  inventory::InventoryOptions options;
  slim::CutRules cuts = request.cuts;
  inventory::Budgets limits = request.budgets;
  TRY_DO(add_known(request, cuts.targets, limits, io));
  options.scan.scratch_directory = scratch_directory(request.image, io);
  options.scan.verify_digests = !request.no_verify;
  if (request.all || request.json) options.largest = 100;
  Wanted wanted;
  add_targets(request.words, request.image, io, wanted);
  add_cache(request.image, io, wanted);
  if (!request.html.empty() && !html_on_output(request.html)) add_output({request.html}, wanted);
  TRY(const VariantChoice choice, choice_of(request, io));
  TRY_DO(confine(request, wanted, io));

  TRY(const std::unique_ptr<const image::Image> image,
      open_target(request.words.front(), choice.options(), request, io));
  TRY_DO(choice.tell(request, io));
  slim::SlimOptions asked;
  asked.cuts = slim::rules_for(*image, cuts);
  if (!asked.cuts.targets.cuda.empty() || !asked.cuts.targets.amd.empty())
    options.scan.prune =
        slim::rewrite_rules(asked.cuts, {.scratch_directory = options.scan.scratch_directory});
  const std::unique_ptr<Progress> progress = make_progress(request, io);
  progress->begin("reading layers", image::stored_size(*image));
  options.scan.progress = progress.get();
  TRY(const std::unique_ptr<inventory::InventoryCache> cache,
      open_inventory_cache(request, request.image, io));
  options.scan.cache = cache.get();
  // Who asks for no verification asks about what the digests name.
  if (!options.scan.verify_digests) options.scan.trust = inventory::CacheTrust::kDigest;
  TRY(const inventory::Contents contents,
      with_context(inventory::Contents::read(*image, options.scan), "inspecting {}", image->name));
  TRY(const inventory::Inventory inventory, inventory::describe(*image, contents, options));
  TRY(const slim::Plan plan, slim::make_plan(*image, contents, inventory, asked));
  progress->clear();
  TRY_DO(report_cache(request, io, cache.get()));
  const std::vector<inventory::BudgetResult> budgets = inventory::check_budgets(inventory, limits);
  const report::Inspection inspection{inventory, plan, budgets};

  TRY_DO(write_html(request.html,
                    {.inventory = inventory,
                     .contents = contents,
                     .plan = plan,
                     .inspection = true,
                     .budgets = budgets},
                    io));
  if (html_on_output(request.html)) {
    // The page is the output.
  } else if (request.json) {
    TRY_DO(write_text(io, text::dump_json(report::inventory_json(inspection), 2) + "\n"));
  } else {
    report::InventoryTextOptions text;
    text.style = output_style(request, io);
    text.all = request.all;
    text.quiet = request.quiet;
    text.verbose = request.verbose;
    TRY_DO(write_report(io, report::inventory_text(inspection, text)));
  }
  const bool exceeded = std::any_of(budgets.begin(), budgets.end(),
                                    [](const auto& budget) { return budget.exceeded; });
  return exceeded ? 1 : 0;
}

}  // namespace

const Command& inspect_command() {
  static const Command kCommand{.name = "inspect",
                                .group = "Images",
                                .summary = "show what an image holds and what could be cut",
                                .positionals = "TARGET",
                                .min_positionals = 1,
                                .max_positionals = 1,
                                .help = kInspectHelp,
                                .call = [] { return call_of(run_inspect); }};
  return kCommand;
}

}  // namespace flense::cli
