#include "slim/job/input.h"

#include <algorithm>
#include <iterator>
#include <map>

#include "inventory/describe/slim_mark.h"
#include "inventory/describe/survey.h"
#include "slim/plan/make_plan.h"

namespace flense::slim {

namespace {

/// What an earlier run has cut does not come back.
Result<void> check_made_for(const image::Image& image, const inventory::Contents& contents,
                            const std::vector<SlimOptions>& options) {
  std::map<std::string, std::string> labels;
  for (const auto& [name, value] : image.config["config"]["Labels"].members())
    labels.emplace(name, value.text());
  auto mark = inventory::mark_of_labels(labels);
  // A tree has a file instead.
  if (!mark && image.entries() != nullptr)
    mark =
        inventory::mark_of_file(inventory::survey(image, contents).text_at(inventory::kMarkerPath));
  if (!mark || mark->targets.empty()) return {};
  device::Targets wanted;
  for (const SlimOptions& one : options) {
    std::ranges::copy(one.cuts.targets.cuda, std::back_inserter(wanted.cuda));
    std::ranges::copy(one.cuts.targets.amd, std::back_inserter(wanted.amd));
  }
  const auto check = [&](const std::string& target) -> Result<void> {
    if (std::ranges::find(mark->targets, target) != mark->targets.end()) return {};
    return fail(Code::kUsage, "{} was slimmed for {} before, and may lack code for {}", image.name,
                fmt::join(mark->targets, ","), target)
        .hint(mark->input_digest.empty() ? "slim the original"
                                         : "slim the original: " + mark->input_digest);
  };
  for (const device::CudaArch gpu : wanted.cuda) TRY_DO(check(device::to_string(gpu)));
  for (const std::string& gpu : wanted.amd) TRY_DO(check(gpu));
  return {};
}

}  // namespace

Result<Input> read_input(std::unique_ptr<const image::Image> image, SlimOptions options,
                         const Workplace& workplace, inventory::InventoryCache* cache) {
  TRY(std::vector<Input> out,
      read_inputs(std::move(image), {std::move(options)}, workplace, cache));
  return std::move(out.front());
}

Result<std::vector<Input>> read_inputs(std::unique_ptr<const image::Image> opened,
                                       std::vector<SlimOptions> options, const Workplace& workplace,
                                       inventory::InventoryCache* cache) {
  const std::shared_ptr<const image::Image> image = std::move(opened);
  inventory::InventoryOptions reading;
  reading.scan.cache = cache;
  // It holds what this run has hashed.
  if (cache != nullptr) reading.scan.trust = inventory::CacheTrust::kDigest;
  // Settled before anything is written whole; what a cache holds must be known at once.
  reading.scan.late_digests = cache == nullptr && options.size() == 1;
  reading.scan.scratch_directory = workplace.scratch_directory;
  reading.scan.progress = workplace.progress;
  for (SlimOptions& one : options) {
    one.cuts = rules_for(*image, std::move(one.cuts));
    if (!reading.scan.prune)
      reading.scan.prune = rewrite_rules(one.cuts, workplace);
    else
      reading.scan.further.push_back(rewrite_rules(one.cuts, workplace));
  }
  workplace.progress->begin("reading layers", image::stored_size(*image));
  TRY(inventory::Contents contents,
      with_context(inventory::Contents::read(*image, reading.scan), "reading {}", image->name));
  TRY_DO(check_made_for(*image, contents, options));
  std::vector<Input> out;
  for (std::size_t i = 0; i < options.size(); ++i) {
    inventory::Contents own = i == 0 ? contents : contents.by_further(i - 1);
    TRY(inventory::Inventory inventory, inventory::describe(*image, own, reading));
    out.push_back({image, std::move(own), std::move(inventory), std::move(options[i])});
  }
  return out;
}

Result<std::size_t> base_layers(const image::Image& image, const image::Image& base) {
  const std::size_t count = base.layers.size();
  for (std::size_t i = 0; i < count; ++i) {
    const std::string& wanted = base.layers[i].diff_id;
    if (!wanted.empty() && i < image.layers.size() && image.layers[i].diff_id == wanted) continue;
    return fail(Code::kUsage, "{} is not built on {}: layer {} of {} differs", image.name,
                base.name, i + 1, count)
        .hint("name the very image that was its FROM, by digest");
  }
  return count;
}

std::vector<std::uint64_t> unpacked_sizes(const inventory::Contents& contents) {
  std::vector<std::uint64_t> out;
  for (const auto& scan : contents.scans()) out.push_back(scan->unpacked_bytes);
  return out;
}

}  // namespace flense::slim
