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

bool has_other_platforms(const image::Image& image) {
  if (!image.index) return false;
  return std::ranges::any_of(image.index->entries, [&](const text::Json& entry) {
    const text::Json& platform = entry["platform"];
    return platform.is_object() && platform["os"].text() != "unknown" &&
           (platform["os"].text() != image.platform.os ||
            platform["architecture"].text() != image.platform.architecture);
  });
}

Result<VariantsOutcome> write_index(const std::vector<Slimming>& slimmings,
                                    const std::vector<std::vector<image::Artefact>>& hanging,
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
  for (std::size_t i = 0; i < slimmings.size(); ++i) {
    const Slimming& one = slimmings[i];
    const std::string name = variant_name(one.options.cuts.targets);
    workplace.progress->begin("writing " + name, image::stored_size(image));
    TRY(SlimOutcome written, with_context(apply_image(image, one.plan, one.options, unpacked,
                                                      one.driver_floor, writer->images(), workplace,
                                                      nullptr, &one.contents().tree(), &common),
                                          "writing the variant {}", name));
    written.variant->size = writer->manifest_size();
    writer->add(image::variant_entry(*written.variant), name);
    const std::string tag = fmt::format("{}-{}", image::short_tag(spec.tag), name);
    const image::Subject itself{written.manifest_digest, writer->manifest_size()};
    for (const image::Artefact& artefact : hanging[i]) TRY_DO(writer->hang(artefact, itself));
    out.variants.push_back({tag, {}, itself, std::move(written)});
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

Result<VariantsLayout> write_variants(const std::vector<Slimming>& slimmings,
                                      const std::vector<std::vector<image::Artefact>>& hanging,
                                      const Destination& to, const Workplace& workplace) {
  const image::Image& image = *slimmings.front().input.image;
  if (image.entries() != nullptr)
    return fail(Code::kUsage, "{} is a tree, which has no layers to share", image.name)
        .hint("variants are made of an image; slim a tree for one GPU at a time");
  const bool with_original = !to.output.empty() || !to.push_to.empty();
  VariantsLayout out;
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
    out.scratch.emplace(std::move(made));
    spec = {push.form, out.scratch->path() / "image", push.tag};
  }
  TRY(out.outcome, write_index(slimmings, hanging, spec, with_original, workplace));
  if (!to.mirrored.empty() && has_other_platforms(image))
    out.outcome.notices.push_back(fmt::format(
        "the mirror's tags hold the image for {} alone: nodes with that mirror get it for other "
        "platforms, too",
        image.platform.text()));
  for (std::size_t i = 0; i < to.mirrored.size(); ++i)
    out.outcome.variants[i].mirrored = to.mirrored[i];
  out.path = spec.path;
  return out;
}

Result<void> push_variants(const VariantsLayout& layout, const Destination& to,
                           const Workplace& workplace) {
  std::vector<std::string> tags;
  for (const WrittenVariant& one : layout.outcome.variants) {
    tags.push_back(one.tag);
    if (!one.mirrored.empty())
      TRY_DO(image::push_named(layout.path, one.tag, one.mirrored, workplace.registry,
                               workplace.progress));
  }
  if (to.push_to.empty()) return {};
  TRY_DO(image::check_unmoved(to.push_to, to.shown, layout.outcome.digest, workplace.registry));
  return image::push_index(layout.path, to.push_to, tags, workplace.registry, workplace.progress);
}

}  // namespace flense::slim
