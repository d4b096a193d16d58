#include "slim/job/sboms.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>

#include "base/version.h"
#include "codec/legacy_digest.h"
#include "codec/sha256.h"
#include "image/layers/layer_walk.h"
#include "image/layers/merged_tree.h"
#include "image/model/model.h"
#include "image/sources/stored_image.h"
#include "sbom/sbom.h"
#include "sbom/statement.h"

namespace flense::slim {

namespace {

using text::Json;

constexpr const char* kPredicate = "in-toto.io/predicate-type";
constexpr std::string_view kPredicates[] = {"https://spdx.dev/Document",
                                            "https://cyclonedx.org/bom"};

struct Found {
  std::string digest;  ///< of the bytes that held it
  Json document;
};

/// What an image holds at the paths that SBOMs list.
struct Files {
  std::optional<image::MergedTree> tree;
  sbom::ContentDigests digests;  ///< of files, by absolute path
};

Result<std::string> read_blob(const image::Image& image, const std::string& digest,
                              std::size_t most) {
  TRY(const auto blob, image.find_blob(digest));
  if (!blob) return fail(Code::kEnvironment, "{} is not there", digest);
  TRY(std::string text, read_all(*blob->stream, most, digest));
  TRY_DO(image::verify_digest(as_bytes(text), digest, image.name));
  return text;
}

/// Of one statement; nullopt for one about a build stage, whose paths are not the image's.
Result<std::optional<Found>> read_statement(const image::Image& image, const std::string& digest) {
  TRY(const std::string text, read_blob(image, digest, sbom::kMaxBytes));
  TRY(Json json, sbom::read(text, digest));
  TRY(sbom::Carried carried, sbom::unwrap(std::move(json)));
  if (sbom::build_stage(carried.document)) return std::nullopt;
  return Found{digest, std::move(carried.document)};
}

/// BuildKit's attestations of the manifest: buildkit/docs/attestations/attestation-storage.md.
Result<std::vector<Found>> find_sboms(const image::Image& image,
                                      std::vector<std::string>& notices) {
  std::vector<Found> out;
  for (const Json& entry : image.index->entries) {
    if (entry["annotations"]["vnd.docker.reference.digest"].text() != image.manifest_digest)
      continue;
    const std::string digest(entry["digest"].text());
    const auto text = read_blob(image, digest, image::kMaxDocumentBytes);
    if (!text) {
      notices.push_back("what is attached to the original was not read: " + text.error().message);
      continue;
    }
    TRY(const Json manifest, text::parse_json(*text, digest));
    for (const Json& layer : manifest["layers"].items()) {
      if (std::ranges::find(kPredicates, layer["annotations"][kPredicate].text()) ==
          std::end(kPredicates))
        continue;
      auto found = read_statement(image, std::string(layer["digest"].text()));
      if (!found)
        notices.push_back("an SBOM of the original is not made anew: " + found.error().message);
      else if (*found)
        out.push_back(*std::move(*found));
    }
  }
  return out;
}

/// As the tree names it.
std::string_view in_tree(std::string_view path) {
  while (path.starts_with('/')) path.remove_prefix(1);
  return path;
}

Result<Files> read_files(const image::Image& image, const std::set<std::string>& wanted,
                         const Workplace& workplace) {
  std::map<std::string, std::string, std::less<>> names;
  for (const std::string& path : wanted) names.emplace(in_tree(path), path);
  Files out;
  std::vector<std::shared_ptr<const image::LayerListing>> listings;
  image::WalkOptions walk;
  walk.scratch_directory = workplace.scratch_directory;
  walk.progress = workplace.progress;
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    auto listing = std::make_shared<image::LayerListing>();
    TRY_DO(with_context(
        image::walk_layer(image, i, walk,
                          [&](const image::LayerEntry& entry, image::EntryContent* content,
                              codec::TarReader*) -> Result<void> {
                            TRY_DO(listing->add(entry));
                            const auto at = names.find(entry.path);
                            if (at == names.end()) return {};
                            out.digests.erase(at->second);
                            if (content == nullptr) return {};
                            TRY(const Bytes bytes, content->materialise());
                            out.digests[at->second] = {codec::sha1_hex(bytes),
                                                       codec::sha256_digest(bytes).substr(7)};
                            return {};
                          }),
        "reading layer {} of {} for its SBOM", i + 1, image.name));
    listings.push_back(std::move(listing));
  }
  TRY(image::MergedTree tree, image::MergedTree::build(std::move(listings)));
  out.tree.emplace(std::move(tree));
  return out;
}

/// Digests that SBOMs name to those of the result; what has no counterpart to nothing.
std::map<std::string, std::string> parts_of(const image::Image& original,
                                            const image::Image& result) {
  std::set<std::string> kept;
  for (const image::Layer& layer : result.layers) {
    kept.insert(layer.blob.digest);
    kept.insert(layer.diff_id);
  }
  std::map<std::string, std::string> out;
  for (const image::Layer& layer : original.layers)
    for (const std::string& digest : {layer.blob.digest, layer.diff_id})
      out[digest] = kept.contains(digest) ? digest : std::string();
  out[original.config_digest] = result.config_digest;
  return out;
}

}  // namespace

struct OriginalSboms::Parts {
  const image::Image& image;
  const Workplace& workplace;
  std::vector<Found> sboms = {};
  std::vector<std::string> notices = {};
  std::set<std::string> wanted = {};
  Files files = {};
};

OriginalSboms::OriginalSboms(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
OriginalSboms::OriginalSboms(OriginalSboms&&) noexcept = default;
OriginalSboms& OriginalSboms::operator=(OriginalSboms&&) noexcept = default;
OriginalSboms::~OriginalSboms() = default;

Result<OriginalSboms> OriginalSboms::read(const image::Image& original,
                                          const Workplace& workplace) {
  auto parts = std::make_unique<Parts>(Parts{original, workplace});
  if (!original.index || original.manifest_digest.empty()) return OriginalSboms(std::move(parts));
  TRY(parts->sboms, find_sboms(original, parts->notices));
  if (parts->sboms.empty()) return OriginalSboms(std::move(parts));
  for (const Found& one : parts->sboms)
    for (std::string& path :
         sbom::changed_files(one.document, [](std::string_view) { return sbom::Fate::kChanged; }))
      parts->wanted.insert(std::move(path));
  workplace.progress->begin("reading files of the SBOM", image::stored_size(original));
  TRY(parts->files, read_files(original, parts->wanted, workplace));
  return OriginalSboms(std::move(parts));
}

Result<ReissuedSboms> OriginalSboms::reissue(const image::Image& result) const {
  const image::Image& original = parts_->image;
  const Files& before = parts_->files;
  ReissuedSboms out;
  out.notices = parts_->notices;
  if (parts_->sboms.empty()) return out;
  parts_->workplace.progress->begin("reading files of the SBOM", image::stored_size(result));
  TRY(const Files after, read_files(result, parts_->wanted, parts_->workplace));
  const sbom::Fates fates = [&](std::string_view path) {
    if (!before.tree->find(in_tree(path))) return sbom::Fate::kSame;
    if (!after.tree->find(in_tree(path))) return sbom::Fate::kGone;
    const auto was = before.digests.find(std::string(path)),
               is = after.digests.find(std::string(path));
    const bool known = was != before.digests.end() && is != after.digests.end();
    return known && was->second.sha256 != is->second.sha256 ? sbom::Fate::kChanged
                                                            : sbom::Fate::kSame;
  };
  sbom::Origin origin{original.pulled_from.empty() ? original.name : original.pulled_from,
                      original.manifest_digest,
                      {},
                      std::string(kVersion),
                      result.manifest_digest,
                      parts_of(original, result)};
  for (const Found& one : parts_->sboms) {
    origin.document_digest = one.digest;
    auto made = sbom::reissue(one.document, fates, after.digests, origin);
    if (!made) {
      out.notices.push_back("an SBOM of the original is not made anew: " + made.error().message);
      continue;
    }
    const bool spdx = sbom::format_of(made->document) == sbom::Format::kSpdxJson;
    out.notices.push_back(fmt::format(
        "the original's SBOM ({}) is made anew: {} of {} packages, {} files less, {} changed",
        sbom::kind_of(made->document), made->packages_after, made->packages_before,
        made->files_gone, made->files_changed));
    std::ranges::move(made->notices, std::back_inserter(out.notices));
    out.sboms.push_back({spdx ? "application/spdx+json" : "application/vnd.cyclonedx+json",
                         spdx ? "spdx.json" : "cdx.json",
                         text::dump_json(made->document, 2) + "\n"});
  }
  return out;
}

}  // namespace flense::slim
