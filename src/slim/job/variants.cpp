#include "slim/job/variants.h"

#include <algorithm>

#include "base/private_directory.h"
#include "image/model/mirror.h"
#include "image/model/model.h"
#include "image/model/variant.h"
#include "image/output/documents.h"
#include "image/output/index_writer.h"
#include "image/output/push.h"
#include "slim/job/room.h"

namespace flense::slim {

namespace {

/// The image for all GPUs comes first: whoever asks for no feature takes the first that fits.
Result<void> take_original(const image::Image& image, image::IndexWriter& writer,
                           VariantsOutcome& out) {
  if (!image.index) {
    // An archive of an engine has no manifest that could stay.
    std::vector<image::ImageWriter::LayerResult> layers;
    for (std::size_t i = 0; i < image.layers.size(); ++i) {
      TRY(auto layer, writer.images().copy_layer(image, i));
      layers.push_back(std::move(layer));
    }
    TRY(const std::string digest,
        writer.images().commit(image.config, image.manifest_annotations, layers));
    writer.add(image::descriptor_json(image::kOciManifestType, digest, writer.manifest_size())
                   .set("platform", image::platform_json(image.platform)));
    out.entries = 1;
    return {};
  }
  std::size_t absent = 0;
  for (const text::Json& entry : image.index->entries) {
    TRY(const bool whole, writer.take_over(image, entry));
    ++(whole ? out.entries : absent);
  }
  if (absent > 0)
    out.notices.push_back(fmt::format("{} of the original's {} entries {} not in {} and left out",
                                      absent, image.index->entries.size(),
                                      absent == 1 ? "is" : "are", image.name));
  if (const std::size_t count = image.index->attestations; count > 0)
    out.notices.push_back(fmt::format(
        "{} {} the original's entries alone, and no signature of {} covers the new index", count,
        count == 1 ? "attestation speaks of" : "attestations speak of",
        image.index->digest.empty() ? "the original" : image.index->digest));
  return {};
}

/// A tag that engines would give, too, where there is none.
std::string tag_of(const image::OutputSpec& spec, const image::Image& image) {
  if (!spec.tag.empty()) return spec.tag;
  return image.tags.empty() ? "latest" : image.tags.front();
}

Result<VariantsOutcome> write_index(const std::vector<Slimming>& slimmings,
                                    const image::OutputSpec& spec, bool with_original,
                                    const Workplace& workplace) {
  const Slimming& first = slimmings.front();
  const image::Image& image = *first.input.image;
  TRY(const auto writer, image::IndexWriter::create(spec));
  VariantsOutcome out;
  if (with_original)
    TRY_DO(with_context(take_original(image, *writer, out), "taking {} over", image.name));
  std::vector<const Plan*> plans;
  for (const Slimming& one : slimmings) plans.push_back(&one.plan);
  VariantLayers common(part_for_variants(first.contents(), plans));
  const std::vector<std::uint64_t> unpacked = unpacked_sizes(first.contents());
  for (const Slimming& one : slimmings) {
    const std::string name = variant_name(one.options.cuts.targets);
    workplace.progress->begin("writing " + name, image::stored_size(image));
    TRY(SlimOutcome written, with_context(apply_image(image, one.plan, one.options, unpacked,
                                                      one.driver_floor, writer->images(), workplace,
                                                      nullptr, &one.contents().tree(), &common),
                                          "writing the variant {}", name));
    written.variant->size = writer->manifest_size();
    writer->add(image::variant_entry(*written.variant), name);
    const std::string tag = fmt::format("{}-{}", image::short_tag(spec.tag), name);
    out.variants.push_back({tag, {}, std::move(written)});
  }
  const text::Json annotations = image.index ? image.index->annotations : text::Json();
  TRY(std::string digest, writer->commit(annotations));
  if (with_original) out.digest = std::move(digest);
  return out;
}

}  // namespace

std::string variant_name(const device::Targets& targets) {
  return image::gpu_name(targets.text());
}

Result<VariantsOutcome> write_variants(const std::vector<Slimming>& slimmings,
                                       const Destination& to, const Workplace& workplace) {
  const image::Image& image = *slimmings.front().input.image;
  if (image.entries() != nullptr)
    return fail(Code::kUsage, "{} is a tree, which has no layers to share", image.name)
        .hint("variants are made of an image; slim a tree for one GPU at a time");
  const bool with_original = !to.output.empty() || !to.push_to.empty();
  std::optional<TemporaryDirectory> work;
  image::OutputSpec spec;
  if (!to.output.empty()) {
    TRY(spec, image::parse_output(to.output, to.tag));
    spec.tag = tag_of(spec, image);
    // What the targets differ in is less than a whole image.
    TRY(const Room needed, room_needed(slimmings.front(), to));
    if (needed.certain > 0) TRY_DO(check_room(spec.path, needed));
  } else {
    TRY(const image::PushPlan push,
        image::plan_push(to.push_to.empty() ? "docker://" + to.mirrored.front() : to.push_to));
    TRY(TemporaryDirectory made,
        TemporaryDirectory::create(workplace.scratch_directory, "flense-work"));
    work.emplace(std::move(made));
    spec = {push.form, work->path() / "image", push.tag};
  }
  TRY(VariantsOutcome out, write_index(slimmings, spec, with_original, workplace));
  for (std::size_t i = 0; i < to.mirrored.size(); ++i) {
    out.variants[i].mirrored = to.mirrored[i];
    TRY_DO(image::push_named(spec.path, out.variants[i].tag, to.mirrored[i], workplace.registry,
                             workplace.progress));
  }
  if (to.push_to.empty()) return out;
  std::vector<std::string> tags;
  for (const WrittenVariant& one : out.variants) tags.push_back(one.tag);
  TRY_DO(image::push_index(spec.path, to.push_to, tags, workplace.registry, workplace.progress));
  return out;
}

}  // namespace flense::slim
