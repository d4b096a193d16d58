#include "slim/job/python.h"

#include <algorithm>
#include <iterator>

#include "closure/places.h"
#include "image/layers/extended_image.h"
#include "slim/apply/layer_parts.h"
#include "slim/python/compile_python.h"

namespace flense::slim {

namespace {

/// Where a traced run read a source, the next one reads what was compiled from it.
void prefetch_compiled(const image::LayerListing& layer, std::vector<std::string>& prefetch) {
  std::vector<std::string> compiled;
  for (std::size_t i = 0; i < layer.size(); ++i) {
    const std::string_view path = layer.at(i).path;
    const std::string source = closure::source_of_compiled(path);
    if (!source.empty() && std::ranges::binary_search(prefetch, source))
      compiled.emplace_back(path);
  }
  std::ranges::move(compiled, std::back_inserter(prefetch));
  std::ranges::sort(prefetch);
}

Result<void> add_layer(const image::LayerFile& layer, const Workplace& workplace,
                       Slimming& slimming) {
  inventory::ScanOptions scan;
  scan.scratch_directory = workplace.scratch_directory;
  TRY(inventory::LayerScans read, inventory::scan_layers(*image::layer_image(layer), scan));
  const inventory::Contents& below = slimming.input.contents;
  std::vector<std::shared_ptr<const inventory::LayerScan>> scans = below.scans();
  scans.push_back(read.scans.front());
  TRY(inventory::Contents contents, inventory::Contents::build(scans, below.origin()));
  slimming.extended.emplace(image::extended_image(*slimming.input.image, layer),
                            std::move(contents));
  prefetch_compiled(*scans.back()->listing, slimming.options.packing.prefetch);
  LayerPlan untouched;
  untouched.digest = slimming.image().layers.back().blob.digest;
  untouched.content_bytes = scans.back()->content_bytes;
  slimming.plan.layers.push_back(std::move(untouched));
  return {};
}

}  // namespace

Result<std::vector<closure::PythonSources>> sources_to_compile(const Slimming& slimming) {
  std::vector<closure::PythonSources> out;
  if (!slimming.plan.compiled) return out;
  if (slimming.input.image->entries() != nullptr)
    return fail(Code::kUsage, "--pyc compile adds a layer, and only images have layers")
        .hint("in a directory, python3 -m compileall does the same");
  return staying_sources(slimming.input.contents.tree(), slimming.plan);
}

Result<void> add_compiled_python(const std::vector<closure::PythonSources>& sources,
                                 const UnpackedRoot& original, const Workplace& workplace,
                                 Slimming& slimming) {
  TRY(const auto spool, LayerSpool::create(workplace.scratch_directory));
  TRY(CompiledLayer compiled,
      compile_python(original.path, slimming.input.contents.tree(), sources, original.environment,
                     workplace.scratch_directory, workplace.stop, workplace.progress, *spool));
  workplace.progress->clear();
  Plan& plan = slimming.plan;
  std::ranges::move(compiled.notices, std::back_inserter(plan.notices));
  plan.compiled = compiled.sums;
  if (compiled.sums.files == 0) return {};
  TRY(const MappedFile tar, spool->file());
  return add_layer({tar, spool->diff_id(), "flense slim --pyc compile"}, workplace, slimming);
}

}  // namespace flense::slim
