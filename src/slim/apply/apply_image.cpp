#include "slim/apply/apply_image.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <optional>

#include "base/parallel.h"
#include "image/layers/counted_source.h"
#include "image/model/model.h"
#include "image/model/variant.h"
#include "slim/apply/layer_parts.h"
#include "slim/plan/labels.h"

namespace flense::slim {

namespace {

// Both bound the memory on machines with many cores; more would wait for the disk anyway.
constexpr unsigned kLayersAtOnce = 2;
constexpr unsigned kPackers = 4;  ///< threads that compress, for each layer

/// The compression a layer shall have in the output; one that this run made follows the one below.
codec::Compression wanted_compression(const image::Image& image, std::size_t index,
                                      const SlimOptions& options) {
  const bool follows = image.layers[index].added && index > 0;
  return options.packing.compression.value_or(
      image.layers[follows ? index - 1 : index].compression);
}

/// Whether the layer is stored as it shall be in the output.
bool packed_as_wanted(const image::Image& image, std::size_t index, const SlimOptions& options) {
  const image::Layer& layer = image.layers[index];
  return options.packing.lazy ? image::is_estargz(layer)
                              : wanted_compression(image, index, options) == layer.compression;
}

/// A layer without edits only changes its packing; the tar inside stays, byte for byte.
Result<void> repack_layer(const image::Image& image, std::size_t index, Progress* progress,
                          Sink& to) {
  TRY(std::unique_ptr<Source> blob, image.open_layer(index));
  if (progress != nullptr)
    blob = std::make_unique<image::CountedSource>(std::move(blob), *progress);
  TRY(const std::unique_ptr<Source> tar,
      codec::decompress(std::move(blob), image.layers[index].compression));
  while (true) {
    TRY(const Bytes chunk, tar->next(1u << 20));
    if (chunk.empty()) return {};
    TRY_DO(to.write(chunk));
  }
}

struct WrittenLayer {
  std::vector<image::ImageWriter::LayerResult> stored;  ///< several when it was split
  LayerOutcome outcome;
  bool shared = false;  ///< taken over from another image of the run
};

/// The first reading verified the layer; a file that changed since must not pass.
Result<void> check_unchanged(const image::Layer& layer, std::size_t index,
                             const std::string& diff_id) {
  if (layer.diff_id.empty() || diff_id == layer.diff_id) return {};
  return bad_input("layer {} unpacks to {}, not {}: it changed while it was read", index + 1,
                   diff_id, layer.diff_id);
}

/// The layer as an uncompressed tar, with its edits made.
Result<LayerOutcome> write_tar(const image::Image& image, std::size_t index, const LayerPlan& edits,
                               const SlimOptions& options, RecordKinds lists,
                               const Workplace& workplace, Sink& to) {
  if (edits.edits.empty() && image.entries() == nullptr) {
    TRY_DO(repack_layer(image, index, workplace.progress, to));
    return LayerOutcome{};
  }
  std::vector<AddedFile> added;
  if (!edits.edits.empty()) added.push_back(marker_file(options));
  return apply_layer(image, index, edits, options.cuts, added, workplace, to, lists);
}

Result<WrittenLayer> write_layer(const image::Image& image, std::size_t index, const Plan& plan,
                                 const SlimOptions& options, std::uint64_t unpacked,
                                 RecordKinds lists, image::ImageWriter& writer,
                                 const Workplace& workplace) {
  const image::Layer& layer = image.layers[index];
  const LayerPlan& edits = plan.layers[index];
  const bool kept = index < options.packing.kept_layers;
  WrittenLayer out;
  if (kept && !edits.edits.empty())
    return fail(Code::kInternal, "layer {} shall stay, and the plan changes it", index + 1);
  const bool split =
      !kept && options.packing.split_bytes > 0 && unpacked > options.packing.split_bytes;
  const bool packed = kept || packed_as_wanted(image, index, options);
  if (edits.edits.empty() && packed && !split) {
    TRY(auto stored, writer.copy_layer(image, index));
    out.stored.push_back(std::move(stored));
    return out;
  }
  const LayerPacking packing{wanted_compression(image, index, options),
                             {options.packing.level, std::min(processor_count(), kPackers)},
                             options.packing.lazy,
                             options.packing.prefetch};
  const bool same_tar = edits.edits.empty() && image.entries() == nullptr;
  // Both read the tar more than once.
  if (split || packing.lazy) {
    TRY(const auto spool, LayerSpool::create(workplace.scratch_directory));
    TRY(out.outcome, write_tar(image, index, edits, options, lists, workplace, *spool));
    if (same_tar) TRY_DO(check_unchanged(layer, index, spool->diff_id()));
    TRY(const Bytes tar, spool->tar());
    const std::string name = fmt::format("layer {}", index + 1);
    LayerParts parts;
    if (split) {
      TRY(parts, write_parts(tar, name, options.packing.split_bytes, packing, writer));
    }
    if (parts.stored.empty() && packing.lazy && !(same_tar && packed))
      TRY_DO(write_lazy(tar, name, packing, writer, parts));
    if (parts.stored.empty()) {
      const bool as_it_was = same_tar && packing.compression == layer.compression;
      TRY(auto stored,
          as_it_was ? writer.copy_layer(image, index) : write_whole(tar, packing, writer));
      parts.stored.push_back(std::move(stored));
    }
    std::ranges::move(parts.notices(name), std::back_inserter(out.outcome.notices));
    out.stored = std::move(parts.stored);
    return out;
  }
  TRY(const auto sink, writer.begin_layer(packing.compression, packing.encode));
  TRY(out.outcome, write_tar(image, index, edits, options, lists, workplace, *sink));
  TRY_DO(sink->finish());
  if (same_tar) TRY_DO(check_unchanged(layer, index, sink->result().diff_id));
  out.stored.push_back(sink->result());
  return out;
}

/// Whether it is the first or the last layer with edits. The last holds the marker that a container
/// sees, the first makes its directory, together with those above, whose times therefore stay.
bool holds_marker(const Plan& plan, std::size_t index) {
  const auto edited = [](const LayerPlan& layer) { return !layer.edits.empty(); };
  const auto at = plan.layers.begin() + static_cast<std::ptrdiff_t>(index);
  return std::none_of(plan.layers.begin(), at, edited) ||
         std::none_of(at + 1, plan.layers.end(), edited);
}

/// An edited layer of one of several images: what they share is written once.
Result<WrittenLayer> write_in_parts(const image::Image& image, std::size_t index, const Plan& plan,
                                    const SlimOptions& options, RecordKinds lists,
                                    image::ImageWriter& writer, const Workplace& workplace,
                                    VariantLayers& variants) {
  const VariantParts& parts = variants.parts[index];
  std::optional<VariantLayers::Written>& known = variants.shared[index];
  const bool has_own = parts.own || holds_marker(plan, index);
  if (known && !has_own) return WrittenLayer{{known->stored}, known->outcome, true};
  const codec::Compression compression = wanted_compression(image, index, options);
  const codec::EncodeOptions encode{options.packing.level, std::min(processor_count(), kPackers)};
  NullSink nowhere;
  std::unique_ptr<image::ImageWriter::LayerSink> shared, own;
  if (!known && !parts.whole) {
    TRY(shared, writer.begin_layer(compression, encode));
  }
  if (has_own) {
    TRY(own, writer.begin_layer(compression, encode));
  }
  WrittenLayer out;
  TRY(out.outcome,
      apply_layer_in_parts(image, index, plan.layers[index], options.cuts, {marker_file(options)},
                           workplace, parts, shared ? static_cast<Sink&>(*shared) : nowhere,
                           own ? static_cast<Sink&>(*own) : nowhere, lists));
  out.shared = known.has_value();
  if (shared) {
    TRY_DO(shared->finish());
    known = {shared->result(), out.outcome};
  }
  if (known) out.stored.push_back(known->stored);
  if (own) {
    TRY_DO(own->finish());
    out.stored.push_back(own->result());
  }
  return out;
}

/// A layer of one of several images.
Result<WrittenLayer> write_for_variant(const image::Image& image, std::size_t index,
                                       const Plan& plan, const SlimOptions& options,
                                       std::uint64_t unpacked, RecordKinds lists,
                                       image::ImageWriter& writer, const Workplace& workplace,
                                       VariantLayers& variants) {
  if (!plan.layers[index].edits.empty())
    return write_in_parts(image, index, plan, options, lists, writer, workplace, variants);
  std::optional<VariantLayers::Written>& known = variants.repacked[index];
  if (known) return WrittenLayer{{known->stored}, known->outcome, true};
  TRY(WrittenLayer out,
      write_layer(image, index, plan, options, unpacked, lists, writer, workplace));
  known = {out.stored.front(), out.outcome};
  return out;
}

/// What a layer of an earlier image of the run became, once more.
Result<WrittenLayer> take_over(const LayerPool::Entry& known, image::ImageWriter& writer) {
  for (std::size_t part = 0; part < known.stored.size(); ++part)
    TRY_DO(writer.copy_layer(*known.from, known.first + part));
  return WrittenLayer{known.stored, known.outcome, true};
}

/// What the image says of itself as one of several variants.
image::Variant variant_of(const image::Image& image, const SlimOptions& options,
                          const DriverFloor& floor,
                          const std::vector<image::ImageWriter::LayerResult>& stored) {
  image::Variant out;
  out.platform = image.platform;
  out.driver_floor = floor.driver;
  for (const device::CudaArch arch : options.cuts.targets.cuda)
    out.targets.push_back(device::to_string(arch));
  for (const std::string& arch : options.cuts.targets.amd) out.targets.push_back(arch);
  out.origin = image.manifest_digest.empty() ? image.config_digest : image.manifest_digest;
  out.origin_reference = image.pulled_from;
  std::uint64_t after = 0;
  for (const image::ImageWriter::LayerResult& layer : stored) after += layer.blob.size;
  // What an archive of an engine holds is stored in no registry.
  if (const std::uint64_t before = image::stored_size(image); !out.origin_reference.empty())
    out.saved = before - std::min(before, after);
  return out;
}

/// Layer positions, largest work first, so that two workers end at about the same time.
std::vector<std::size_t> by_size(const std::vector<std::uint64_t>& unpacked) {
  std::vector<std::size_t> order(unpacked.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order,
                           [&](std::size_t a, std::size_t b) { return unpacked[a] > unpacked[b]; });
  return order;
}

}  // namespace

LayerSizes part_sizes(const image::Layer& layer, std::uint64_t unpacked,
                      const image::ImageWriter::LayerResult& stored, std::size_t part,
                      std::size_t parts) {
  LayerSizes out;
  out.instruction = layer.instruction;
  if (parts > 1) out.instruction += fmt::format(" (part {} of {})", part + 1, parts);
  out.digest_after = stored.blob.digest;
  out.stored_after = stored.blob.size;
  out.unpacked_after = stored.unpacked_bytes;
  if (part > 0 || layer.added) return out;
  out.digest_before = layer.blob.digest;
  out.stored_before = layer.blob.size;
  out.unpacked_before = unpacked;
  return out;
}

Result<SlimOutcome> apply_image(const image::Image& image, const Plan& plan,
                                const SlimOptions& options,
                                const std::vector<std::uint64_t>& unpacked,
                                const DriverFloor& floor, image::ImageWriter& writer,
                                const Workplace& workplace, LayerPool* pool,
                                const image::MergedTree* tree, VariantLayers* variants) {
  const std::size_t count = image.layers.size();
  std::vector<WrittenLayer> written(count);
  std::vector<std::string> keys(count);
  if (pool != nullptr)
    for (std::size_t i = 0; i < count; ++i)
      // What an added layer becomes depends on the one below.
      if (!image.layers[i].added)
        keys[i] = LayerPool::key(image.layers[i], plan.layers[i], options,
                                 i < options.packing.kept_layers);
  const std::vector<std::size_t> order = by_size(unpacked);
  TRY_DO(parallel_for(
      count, std::min(processor_count(), kLayersAtOnce), [&](std::size_t turn) -> Result<void> {
        const std::size_t index = order[turn];
        if (const LayerPool::Entry* known = pool != nullptr ? pool->find(keys[index]) : nullptr) {
          TRY(written[index], take_over(*known, writer));
          return {};
        }
        const RecordKinds lists = tree != nullptr && !plan.layers[index].edits.empty()
                                      ? record_kinds(tree->layer(index))
                                      : kAllRecords;
        TRY(written[index],
            with_context(variants != nullptr
                             ? write_for_variant(image, index, plan, options, unpacked[index],
                                                 lists, writer, workplace, *variants)
                             : write_layer(image, index, plan, options, unpacked[index], lists,
                                           writer, workplace),
                         "writing layer {} ({})", index + 1, image.layers[index].blob.digest));
        return {};
      }));

  SlimOutcome out;
  out.changed = !plan.empty();
  out.keys = keys;
  std::vector<std::string> diff_ids;
  std::vector<std::size_t> parts;
  std::vector<image::ImageWriter::LayerResult> stored;
  for (std::size_t i = 0; i < count; ++i) {
    WrittenLayer& layer = written[i];
    parts.push_back(layer.stored.size());
    out.shared_layers += layer.shared ? 1 : 0;
    if (pool != nullptr) out.written.push_back({nullptr, 0, layer.stored, layer.outcome});
    for (std::size_t part = 0; part < layer.stored.size(); ++part) {
      const image::ImageWriter::LayerResult& one = layer.stored[part];
      LayerSizes sizes = part_sizes(image.layers[i], unpacked[i], one, part, layer.stored.size());
      // Lazy layers hold a table of contents beside what was there; what was taken over says
      // nothing.
      const bool grown = options.packing.lazy && sizes.unpacked_after > 0;
      if (layer.stored.size() == 1 && plan.layers[i].edits.empty() && !grown)
        sizes.unpacked_after = unpacked[i];
      // What is no tar is measured by its files, before and after.
      else if (image.entries() != nullptr)
        sizes.unpacked_after = part == 0 ? layer.outcome.content_after : 0;
      out.layers.push_back(std::move(sizes));
      diff_ids.push_back(one.diff_id);
      stored.push_back(one);
    }
    for (const auto& [pass, bytes] : layer.outcome.bytes_by_pass) out.bytes_by_pass[pass] += bytes;
    std::ranges::move(layer.outcome.left_alone, std::back_inserter(out.left_alone));
    std::ranges::move(layer.outcome.notices, std::back_inserter(out.notices));
  }
  if (options.packing.split_bytes > 0)
    TRY_DO(check_layer_count(stored.size(), options.packing.split_bytes));
  if (variants != nullptr && stored.size() > kMaxLayers)
    return fail(Code::kUsage, "a variant would have {} layers, and engines take at most {}",
                stored.size(), kMaxLayers)
        .hint("slim for one GPU at a time with --gpu, which leaves the number of layers");
  const bool keep_config = plan.empty() && already_labelled(image.config, options);
  const std::string& digest =
      image.manifest_digest.empty() ? image.config_digest : image.manifest_digest;
  const bool keep_layers =
      stored.size() == count &&
      std::ranges::equal(stored, image.layers, {}, &image::ImageWriter::LayerResult::diff_id,
                         &image::Layer::diff_id);
  const text::Json config =
      keep_config && keep_layers
          ? image.config
          : slim_config(
                split_history(image.config, parts, variants != nullptr ? "--variants" : "--split"),
                diff_ids, options, floor, digest, plan);
  text::Json annotations = image.manifest_annotations;
  if (variants != nullptr) {
    out.variant = variant_of(image, options, floor, stored);
    const text::Json own = image::variant_annotations(*out.variant);
    for (const auto& [name, value] : own.members()) annotations.set(name, value);
  }
  TRY_DO(image.verified->settle());
  TRY(out.manifest_digest, writer.commit(config, annotations, stored));
  if (out.variant) out.variant->digest = out.manifest_digest;
  return out;
}

}  // namespace flense::slim
