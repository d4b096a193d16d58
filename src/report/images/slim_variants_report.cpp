#include "report/images/slim_variants_report.h"

#include <algorithm>
#include <map>
#include <set>

#include "base/format.h"
#include "base/printable.h"
#include "base/version.h"
#include "report/format/table.h"

namespace flense::report {

namespace {

/// Stored layers by who has them.
struct StoredLayers {
  std::uint64_t original = 0;      ///< the image for all GPUs
  std::uint64_t shared = 0;        ///< new, in several variants
  std::vector<std::uint64_t> own;  ///< new, in one alone
  std::vector<std::uint64_t> all;  ///< everything that who takes it fetches
  std::uint64_t added() const {
    std::uint64_t out = shared;
    for (const std::uint64_t one : own) out += one;
    return out;
  }
};

StoredLayers stored_layers(const SlimVariantsReport& report) {
  StoredLayers out;
  std::set<std::string> known;
  for (const image::Layer& layer : report.original.layers)
    if (known.insert(layer.blob.digest).second) out.original += layer.blob.size;
  std::map<std::string, std::set<std::size_t>> users;
  std::map<std::string, std::uint64_t> sizes;
  out.own.resize(report.written.variants.size());
  out.all.resize(report.written.variants.size());
  for (std::size_t i = 0; i < report.written.variants.size(); ++i) {
    for (const slim::LayerSizes& layer : report.written.variants[i].outcome.layers) {
      if (users[layer.digest_after].insert(i).second) out.all[i] += layer.stored_after;
      sizes[layer.digest_after] = layer.stored_after;
    }
  }
  for (const auto& [digest, images] : users) {
    if (known.contains(digest)) continue;
    (images.size() == 1 ? out.own[*images.begin()] : out.shared) += sizes[digest];
  }
  return out;
}

/// Of the index, then what each plan and each writing had to say, once.
std::vector<std::string> notices_of(const SlimVariantsReport& report) {
  std::vector<std::string> out = report.written.notices;
  std::set<std::string> told(out.begin(), out.end());
  for (const SlimReport& image : report.images)
    for (const auto* list : {&image.plan.notices, &image.outcome->notices})
      for (const std::string& notice : *list)
        if (told.insert(notice).second) out.push_back(notice);
  return out;
}

}  // namespace

std::string slim_variants_text(const SlimVariantsReport& report, const SlimTextOptions& options) {
  const StoredLayers stored = stored_layers(report);
  std::string out;
  if (!options.quiet) {
    Table table({{"FOR", Align::kLeft, Column::Flex::kNone},
                 {"TAG", Align::kLeft, Column::Flex::kNone},
                 {"UNPACKED", Align::kRight, Column::Flex::kNone},
                 {"STORED", Align::kRight, Column::Flex::kNone},
                 {"ITS OWN", Align::kRight, Column::Flex::kNone}});
    table.add({"all GPUs", "", human_bytes(report.images.front().unpacked_before),
               human_bytes(stored.original), ""});
    for (std::size_t i = 0; i < report.images.size(); ++i)
      table.add({report.images[i].plan.targets.text(), printable(report.written.variants[i].tag),
                 human_bytes(report.images[i].unpacked_after), human_bytes(stored.all[i]),
                 human_bytes(stored.own[i])});
    out += table.text(options.style);
  }
  for (std::size_t i = 0; i < report.images.size(); ++i)
    if (const slim::WrittenVariant& one = report.written.variants[i]; !one.mirrored.empty())
      out += fmt::format("{}: {} for {}\n", printable(one.mirrored), one.outcome.manifest_digest,
                         report.images[i].plan.targets.text());
  if (report.written.entries > 0)
    out += fmt::format("{}: {} with {} of the original, {} added ({} shared by variants)\n",
                       printable(report.output), report.written.digest,
                       report.written.entries == 1
                           ? std::string("the entry")
                           : fmt::format("all {} entries", report.written.entries),
                       human_bytes(stored.added()), human_bytes(stored.shared));
  std::set<std::string> attached;
  for (const slim::WrittenVariant& one : report.written.variants)
    for (const image::Artefact& artefact : one.attached) attached.insert(artefact.title);
  if (!attached.empty())
    out += fmt::format("on the images for some GPUs hang: {}\n", fmt::join(attached, ", "));
  for (const std::string& notice : notices_of(report))
    out += fmt::format("notice: {}\n", printable(notice));
  if (std::ranges::any_of(report.images, &SlimReport::vendor_objects_changed))
    out += licence_note(false);
  return out;
}

text::Json slim_variants_json(const SlimVariantsReport& report) {
  using text::Json;
  const StoredLayers stored = stored_layers(report);
  Json variants = Json::array();
  for (std::size_t i = 0; i < report.images.size(); ++i) {
    Json one = Json::object()
                   .set("targets", slim::to_json(report.images[i].plan.targets))
                   .set("tag", report.written.variants[i].tag)
                   .set("digest", report.written.variants[i].outcome.manifest_digest)
                   .set("stored_bytes", stored.all[i])
                   .set("own_bytes", stored.own[i])
                   .set("image", slim_json(report.images[i], *report.images[i].outcome));
    if (const std::string& name = report.written.variants[i].mirrored; !name.empty())
      one.set("mirrored", name);
    Json attached = Json::array();
    for (const image::Artefact& artefact : report.written.variants[i].attached)
      attached.push(artefact.type);
    one.set("attached", std::move(attached));
    variants.push(std::move(one));
  }
  Json notices = Json::array();
  for (const std::string& notice : notices_of(report)) notices.push(notice);
  return Json::object()
      .set("schema", "flense/slim-variants/v1")
      .set("flense", kVersion)
      .set("output", report.output)
      .set("digest", report.written.digest)
      .set("original", Json::object()
                           .set("target", report.original.name)
                           .set("digest", report.original.manifest_digest)
                           .set("entries", std::uint64_t{report.written.entries})
                           .set("stored_bytes", stored.original))
      .set("variants", std::move(variants))
      .set("shared_bytes", stored.shared)
      .set("added_bytes", stored.added())
      .set("notices", std::move(notices));
}

}  // namespace flense::report
