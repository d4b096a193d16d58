// flense inspect: what an image holds.
#include <algorithm>
#include <array>

#include "base/numbers.h"
#include "cli/shared/command.h"
#include "cli/shared/common.h"
#include "cli/shared/html_file.h"
#include "inventory/candidates/cuts.h"
#include "inventory/compare/budget.h"
#include "inventory/describe/inventory.h"
#include "inventory/describe/targets.h"
#include "report/images/inventory_json.h"
#include "report/images/inventory_text.h"

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

Result<std::optional<std::uint64_t>> size_option(const ParsedArgs& args, std::string_view name) {
  if (!args.has(name)) return std::optional<std::uint64_t>();
  TRY(const std::uint64_t bytes, with_context(parse_size(args.value(name)), "reading {}", name));
  return std::optional<std::uint64_t>(bytes);
}

Result<inventory::Budgets> budgets_of(const ParsedArgs& args) {
  inventory::Budgets out;
  TRY(out.max_size, size_option(args, "--max-size"));
  TRY(out.max_unpacked, size_option(args, "--max-unpacked"));
  TRY(out.max_layer, size_option(args, "--max-layer"));
  TRY(out.max_waste, size_option(args, "--max-waste"));
  TRY(const std::vector<knowledge::PlatformBudget> known, knowledge::platform_budgets());
  for (const std::string& name : args.values("--budget"))
    out.platforms.push_back(*std::ranges::find(known, name, &knowledge::PlatformBudget::name));
  return out;
}

/// What --budget takes.
std::vector<std::string> platform_names() {
  std::vector<std::string> out;
  if (const auto known = knowledge::platform_budgets())
    for (const knowledge::PlatformBudget& row : *known) out.push_back(row.name);
  return out;
}

Result<int> inspect(const ParsedArgs& args, Io& io) {
  // Everything that can be wrong about the command line comes before any reading.
  TRY_DO(check_html(args));
  TRY(const inventory::Budgets budgets, budgets_of(args));
  inventory::InventoryOptions options;
  TRY(options.targets, inventory::parse_targets(args.values("--gpu")));
  options.level = level_of(args);
  options.keep_ptx = args.has("--keep-ptx");
  options.drop_vendor = args.has("--drop-vendor");
  options.scan.scratch_directory = scratch_directory(args, io);
  options.scan.verify_digests = !args.has("--no-verify");
  if (args.has("--all") || args.has("--json")) options.largest = 100;
  options.file_cuts = args.has("--html");

  TRY(const std::unique_ptr<image::Image> image, open_target(args.positionals().front(), args, io));
  const std::unique_ptr<Progress> progress = make_progress(args, io);
  progress->begin("reading layers", unpacked_size(*image));
  options.scan.progress = progress.get();
  TRY(const std::unique_ptr<inventory::InventoryCache> cache, open_inventory_cache(args, io));
  options.scan.cache = cache.get();
  // Who asks for no verification asks about what the digests name.
  if (!options.scan.verify_digests) options.scan.trust = inventory::CacheTrust::kDigest;
  TRY(const inventory::Contents contents,
      with_context(inventory::read_contents(*image, options), "inspecting {}", image->name));
  TRY(inventory::Inventory inventory, inventory::describe(*image, contents, options));
  inventory::add_cuts(*image, contents, options, inventory);
  progress->clear();
  TRY_DO(report_cache(args, io, cache.get()));
  inventory.budgets = inventory::check_budgets(inventory, budgets);

  TRY_DO(write_html(args, {inventory, contents}, io));
  if (html_on_output(args)) {
    // The page is the output.
  } else if (args.has("--json")) {
    TRY_DO(write_text(io, text::dump_json(report::inventory_json(inventory), 2) + "\n"));
  } else {
    report::InventoryTextOptions text;
    text.style = output_style(args, io);
    text.all = args.has("--all");
    text.quiet = args.has("--quiet");
    text.verbose = args.has("--verbose");
    TRY_DO(write_text(io, report::inventory_text(inventory, text)));
  }
  const bool exceeded = std::any_of(inventory.budgets.begin(), inventory.budgets.end(),
                                    [](const auto& budget) { return budget.exceeded; });
  return exceeded ? 1 : 0;
}

}  // namespace

const Command& inspect_command() {
  static const std::vector<std::string> kNames = platform_names();
  static const std::vector<std::string_view> kPlatforms(kNames.begin(), kNames.end());
  static const std::array<OptionSpec, 16> kOptions = {
      OptionSpec{"--json", "", "", "print JSON (schema flense/inventory/v1)"},
      kHtmlOption,
      kGpuOption,
      kLevelOption,
      OptionSpec{"--keep-ptx", "", "", "count no PTX as cuttable"},
      OptionSpec{"--drop-vendor", "", "", "count code of a vendor without target as cuttable"},
      configurable(
          OptionSpec{"--max-size", "", "SIZE", "fail when the image as stored is larger: 10GiB"}),
      configurable(
          OptionSpec{"--max-unpacked", "", "SIZE", "fail when the unpacked layers are larger"}),
      configurable(OptionSpec{"--max-layer", "", "SIZE", "fail when a layer as stored is larger"}),
      configurable(
          OptionSpec{"--max-waste", "", "SIZE", "fail when more bytes are overwritten or deleted"}),
      configurable(OptionSpec{"--budget", "", "NAME",
                              "fail when it is too large for sagemaker, lambda or github", true,
                              kPlatforms}),
      OptionSpec{"--all", "", "", "list every file of the matrix, every package"},
      OptionSpec{"--no-verify", "", "", "do not hash the layers: faster, for archives you trust"},
      kNoCacheOption,
      kPlatformOption,
      kTmpdirOption};
  static const Command kCommand{"inspect",
                                "Images",
                                "show what an image holds and what could be cut",
                                "TARGET",
                                1,
                                1,
                                kOptions,
                                kInspectHelp,
                                {},
                                inspect};
  return kCommand;
}

}  // namespace flense::cli
