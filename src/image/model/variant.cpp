#include "image/model/variant.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "base/numbers.h"
#include "image/model/model.h"

namespace flense::image {

namespace {

constexpr std::size_t kMostTargets = 100;

void take_annotations(const text::Json& annotations, Variant& out) {
  out.driver_floor = annotations[kDriverFloorName].text();
  out.origin = annotations[kInputDigestName].text();
  out.origin_reference = annotations[kInputReferenceName].text();
  out.saved = parse_number(annotations[kSavedBytesName].text());
}

}  // namespace

text::Json variant_annotations(const Variant& variant) {
  text::Json out = text::Json::object();
  out.set(kTargetsName, fmt::format("{}", fmt::join(variant.targets, ",")));
  if (!variant.driver_floor.empty()) out.set(kDriverFloorName, variant.driver_floor);
  if (!variant.origin.empty()) out.set(kInputDigestName, variant.origin);
  if (!variant.origin_reference.empty()) out.set(kInputReferenceName, variant.origin_reference);
  if (variant.saved) out.set(kSavedBytesName, fmt::format("{}", *variant.saved));
  return out;
}

std::optional<Variant> variant_of_manifest(const text::Json& manifest, std::string digest) {
  Variant out;
  const text::Json& annotations = manifest["annotations"];
  take_annotations(annotations, out);
  const std::string_view targets = annotations[kTargetsName].text();
  if (targets.empty() || out.origin.empty()) return std::nullopt;
  for (const std::string_view one : split(targets, ',')) {
    if (out.targets.size() == kMostTargets) return std::nullopt;
    out.targets.emplace_back(one);
  }
  out.digest = std::move(digest);
  return out;
}

text::Json variant_entry(const Variant& variant) {
  using text::Json;
  Json features = Json::array();
  for (const std::string& target : variant.targets)
    features.push(std::string(kGpuFeature) + target);
  Json platform = platform_json(variant.platform);
  platform.set("os.features", std::move(features));
  return Json::object()
      .set("mediaType", kOciManifestType)
      .set("digest", variant.digest)
      .set("size", variant.size)
      .set("annotations", variant_annotations(variant))
      .set("platform", std::move(platform));
}

std::optional<Variant> parse_variant(const text::Json& entry) {
  Variant out;
  for (const text::Json& feature : entry["platform"]["os.features"].items()) {
    const std::string_view text = feature.text();
    if (!text.starts_with(kGpuFeature)) continue;
    if (out.targets.size() == kMostTargets) return std::nullopt;
    out.targets.emplace_back(text.substr(kGpuFeature.size()));
  }
  const text::Json& annotations = entry["annotations"];
  if (out.targets.empty() ||
      annotations[kTargetsName].text() != fmt::format("{}", fmt::join(out.targets, ",")))
    return std::nullopt;
  out.digest = entry["digest"].text();
  out.size = entry["size"].unsigned_or(0);
  out.platform = {std::string(entry["platform"]["os"].text()),
                  std::string(entry["platform"]["architecture"].text()),
                  std::string(entry["platform"]["variant"].text())};
  take_annotations(annotations, out);
  return out;
}

std::optional<std::size_t> variant_for(const std::vector<Variant>& offered,
                                       const std::set<std::string>& targets) {
  std::optional<std::size_t> best;
  if (targets.empty()) return best;
  for (std::size_t i = 0; i < offered.size(); ++i) {
    const std::vector<std::string>& has = offered[i].targets;
    const bool serves = std::ranges::all_of(
        targets, [&](const std::string& one) { return std::ranges::find(has, one) != has.end(); });
    if (serves && (!best || has.size() < offered[*best].targets.size())) best = i;
  }
  return best;
}

std::optional<Variant> choose_variant(const OpenOptions& options, const Platform& platform,
                                      const std::vector<Variant>& offered) {
  if (!options.choose) return std::nullopt;
  std::vector<Variant> fitting;
  for (const Variant& variant : offered)
    if (variant.platform.text() == platform.text()) fitting.push_back(variant);
  if (fitting.empty()) return std::nullopt;
  const std::optional<std::size_t> chosen = options.choose(fitting);
  if (!chosen) return std::nullopt;
  return std::move(fitting[*chosen]);
}

Result<void> set_variant(Variant variant, Image& image) {
  const std::string_view labelled = image.config["config"]["Labels"][kTargetsName].text();
  const std::string targets = fmt::format("{}", fmt::join(variant.targets, ","));
  if (labelled != targets)
    return bad_input("{}: the index says that {} is for {}, its configuration says {}", image.name,
                     variant.digest, targets, labelled.empty() ? "nothing" : labelled)
        .hint("--no-variant takes the image for all GPUs");
  image.variant = std::move(variant);
  return {};
}

}  // namespace flense::image
