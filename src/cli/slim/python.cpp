#include "cli/slim/python.h"

#include <algorithm>
#include <iterator>

#include "cli/shared/common.h"
#include "cli/slim/run.h"
#include "image/layers/extended_image.h"
#include "inventory/closure/places.h"
#include "slim/apply/layer_parts.h"
#include "slim/python/compile_python.h"

namespace flense::cli {

namespace {

/// Where a traced run read a source, the next one reads what was compiled from it.
void prefetch_compiled(const image::LayerListing& layer, std::vector<std::string>& prefetch) {
  std::vector<std::string> compiled;
  for (std::size_t i = 0; i < layer.size(); ++i) {
    const std::string_view path = layer.at(i).path;
    const std::string source = inventory::source_of_compiled(path);
    if (!source.empty() && std::ranges::binary_search(prefetch, source))
      compiled.emplace_back(path);
  }
  std::ranges::move(compiled, std::back_inserter(prefetch));
  std::ranges::sort(prefetch);
}

/// The image, its contents and the plan with the layer on top, which no edit touches.
Result<void> add_layer(SlimSubject& subject, const image::LayerFile& layer) {
  inventory::ScanOptions scan;
  scan.scratch_directory = subject.workplace.scratch_directory;
  TRY(inventory::LayerScans read, inventory::scan_layers(*image::layer_image(layer), scan));
  std::vector<std::shared_ptr<const inventory::LayerScan>> scans = subject.contents->scans();
  scans.push_back(read.scans.front());
  TRY(subject.extended, inventory::Contents::build(scans, subject.contents->origin()));
  subject.image = image::extended_image(std::move(subject.image), layer);
  subject.unpacked.push_back(scans.back()->unpacked_bytes);
  prefetch_compiled(*scans.back()->listing, subject.options.packing.prefetch);
  slim::LayerPlan untouched;
  untouched.digest = subject.image->layers.back().blob.digest;
  untouched.content_bytes = scans.back()->content_bytes;
  subject.plan.layers.push_back(std::move(untouched));
  return {};
}

}  // namespace

Result<void> add_compiled_python(SlimSubject& subject, const Io& io) {
  if (subject.image->entries() != nullptr)
    return usage_error("--pyc compile adds a layer, and only images have layers",
                       "in a directory, python3 -m compileall does the same");
  const std::vector<inventory::PythonSources> sources =
      slim::staying_sources(subject.contents->tree(), subject.plan);
  slim::CompiledLayer compiled;
  TRY(const auto spool, slim::LayerSpool::create(subject.workplace.scratch_directory));
  if (!sources.empty()) {
    TRY(const std::filesystem::path root, original_root(subject));
    TRY(compiled, slim::compile_python(root, subject.contents->tree(), sources,
                                       sandbox_environment(*subject.image),
                                       subject.workplace.scratch_directory, io.stop,
                                       subject.progress.get(), *spool));
    subject.progress->clear();
  }
  for (std::string& notice : compiled.notices) subject.plan.notices.push_back(std::move(notice));
  subject.plan.compiled = compiled.sums;
  if (compiled.sums.files == 0) return {};
  TRY(const MappedFile tar, spool->file());
  return add_layer(subject, {tar, spool->diff_id(), "flense slim --pyc compile"});
}

}  // namespace flense::cli
