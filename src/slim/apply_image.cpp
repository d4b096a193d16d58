#include "slim/apply_image.h"

#include <algorithm>
#include <numeric>
#include <optional>

#include "base/parallel.h"
#include "slim/labels.h"

namespace flense::slim {

namespace {

// Both bound the memory on machines with many cores; more would wait for the disk anyway.
constexpr unsigned kLayersAtOnce = 2;
constexpr unsigned kPackers = 4;  ///< threads that compress, for each layer

/// The compression a layer shall have in the output.
codec::Compression wanted_compression(const image::Layer& layer, const SlimOptions& options) {
  return options.compression.value_or(layer.compression);
}

/// A layer without edits only changes its packing; the tar inside stays, byte for byte.
Result<void> repack_layer(const image::Image& image, std::size_t index, Progress* progress,
                          Sink& to) {
  TRY(std::unique_ptr<Source> blob, image.open_layer(index));
  codec::DecodeOptions decode;
  decode.input_bytes = image.layers[index].blob.size;
  TRY(const std::unique_ptr<Source> tar,
      codec::decompress(std::move(blob), image.layers[index].compression, decode));
  while (true) {
    TRY(const Bytes chunk, tar->next(1u << 20));
    if (chunk.empty()) return {};
    if (progress != nullptr) TRY_DO(progress->add(chunk.size()));
    TRY_DO(to.write(chunk));
  }
}

struct WrittenLayer {
  image::ImageWriter::LayerResult stored;
  LayerOutcome outcome;
};

Result<WrittenLayer> write_layer(const image::Image& image, std::size_t index, const Plan& plan,
                                 const SlimOptions& options, image::ImageWriter& writer,
                                 Progress* progress) {
  const image::Layer& layer = image.layers[index];
  const LayerPlan& edits = plan.layers[index];
  const codec::Compression compression = wanted_compression(layer, options);
  WrittenLayer out;
  if (edits.edits.empty() && compression == layer.compression) {
    TRY(out.stored, writer.copy_layer(image, index));
    return out;
  }
  codec::EncodeOptions encode;
  encode.level = options.compression_level;
  encode.threads = std::min(processor_count(), kPackers);
  TRY(const auto sink, writer.begin_layer(compression, encode));
  if (edits.edits.empty() && image.entries() == nullptr) {
    TRY_DO(repack_layer(image, index, progress, *sink));
  } else if (edits.edits.empty()) {
    TRY(out.outcome, apply_layer(image, index, edits, options, {}, progress, *sink));
  } else {
    TRY(out.outcome,
        apply_layer(image, index, edits, options, {marker_file(options)}, progress, *sink));
  }
  TRY_DO(sink->finish());
  out.stored = sink->result();
  // The first reading verified the layer; a file that changed since must not pass.
  if (edits.edits.empty() && image.entries() == nullptr && !layer.diff_id.empty() &&
      out.stored.diff_id != layer.diff_id)
    return bad_input("layer {} unpacks to {}, not {}: it changed while it was read", index + 1,
                     out.stored.diff_id, layer.diff_id);
  return out;
}

void add_counts(std::map<std::string, std::uint64_t>& to,
                const std::map<std::string, std::uint64_t>& from) {
  for (const auto& [name, value] : from) to[name] += value;
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

Result<SlimOutcome> apply_image(const image::Image& image, const Plan& plan,
                                const SlimOptions& options,
                                const std::vector<std::uint64_t>& unpacked,
                                const std::string& floor, image::ImageWriter& writer,
                                Progress* progress) {
  const std::size_t count = image.layers.size();
  std::vector<WrittenLayer> written(count);
  const std::vector<std::size_t> order = by_size(unpacked);
  TRY_DO(parallel_for(
      count, std::min(processor_count(), kLayersAtOnce), [&](std::size_t turn) -> Result<void> {
        const std::size_t index = order[turn];
        TRY(written[index],
            with_context(write_layer(image, index, plan, options, writer, progress),
                         "writing layer {} ({})", index + 1, image.layers[index].blob.digest));
        return {};
      }));

  SlimOutcome out;
  out.changed = !plan.empty();
  std::vector<std::string> diff_ids;
  std::vector<image::ImageWriter::LayerResult> stored;
  for (std::size_t i = 0; i < count; ++i) {
    WrittenLayer& layer = written[i];
    diff_ids.push_back(layer.stored.diff_id);
    LayerSizes sizes;
    sizes.instruction = image.layers[i].instruction;
    sizes.digest_before = image.layers[i].blob.digest;
    sizes.digest_after = layer.stored.blob.digest;
    sizes.stored_before = image.layers[i].blob.size;
    sizes.stored_after = layer.stored.blob.size;
    sizes.unpacked_before = unpacked[i];
    sizes.unpacked_after = plan.layers[i].edits.empty() ? unpacked[i] : layer.stored.unpacked_bytes;
    out.layers.push_back(std::move(sizes));
    add_counts(out.bytes_by_pass, layer.outcome.bytes_by_pass);
    add_counts(out.files_by_pass, layer.outcome.files_by_pass);
    std::ranges::move(layer.outcome.left_alone, std::back_inserter(out.left_alone));
    std::ranges::move(layer.outcome.notices, std::back_inserter(out.notices));
    stored.push_back(std::move(layer.stored));
  }
  const bool keep_config = plan.empty() && already_labelled(image.config, options);
  const std::string& digest =
      image.manifest_digest.empty() ? image.config_digest : image.manifest_digest;
  const text::Json config =
      keep_config ? image.config : slim_config(image.config, diff_ids, options, floor, digest);
  TRY(out.manifest_digest, writer.commit(config, image.manifest_annotations, stored));
  return out;
}

}  // namespace flense::slim
