#include "slim/job/input.h"

#include "slim/plan/make_plan.h"

namespace flense::slim {

Result<Input> read_input(std::unique_ptr<const image::Image> image, SlimOptions options,
                         const Workplace& workplace, inventory::InventoryCache* cache) {
  options.cuts = rules_for(*image, std::move(options.cuts));

  inventory::InventoryOptions reading;
  reading.scan.cache = cache;
  // It holds what this run has hashed.
  if (cache != nullptr) reading.scan.trust = inventory::CacheTrust::kDigest;
  reading.scan.scratch_directory = workplace.scratch_directory;
  reading.scan.progress = workplace.progress;
  reading.scan.prune = rewrite_rules(options.cuts, workplace);
  workplace.progress->begin("reading layers", image::stored_size(*image));
  TRY(inventory::Contents contents,
      with_context(inventory::Contents::read(*image, reading.scan), "reading {}", image->name));
  TRY(inventory::Inventory inventory, inventory::describe(*image, contents, reading));
  return Input{std::move(image), std::move(contents), std::move(inventory), std::move(options)};
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
