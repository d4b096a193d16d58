#include "slim/job/sboms.h"

#include <algorithm>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

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

/// Each is held in memory.
constexpr std::size_t kMostSboms = 4;

struct Found {
  std::string digest;  ///< of the bytes that held it
  Json document;
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
    const auto manifest = text::parse_json(*text, digest);
    if (!manifest) {
      notices.push_back("what is attached to the original was not read: " +
                        manifest.error().message);
      continue;
    }
    for (const Json& layer : (*manifest)["layers"].items()) {
      if (std::ranges::find(kPredicates, layer["annotations"][kPredicate].text()) ==
          std::end(kPredicates))
        continue;
      if (out.size() == kMostSboms) {
        notices.push_back(fmt::format("of the original's SBOMs only {} are made anew", kMostSboms));
        return out;
      }
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

/// Where the content of a path lies, links followed; nullopt: no file is there.
std::optional<image::EntryRef> content_of(const image::MergedTree& tree, std::string_view path) {
  const auto resolved = tree.resolve(in_tree(path));
  const auto found = resolved ? tree.find(*resolved) : std::nullopt;
  return found ? found->content : std::nullopt;
}

image::WalkOptions walk_options(const Workplace& workplace) {
  image::WalkOptions out;
  out.scratch_directory = workplace.scratch_directory;
  out.progress = workplace.progress;
  return out;
}

Result<image::MergedTree> read_tree(const image::Image& image, const Workplace& workplace) {
  std::vector<std::shared_ptr<const image::LayerListing>> listings;
  for (std::size_t i = 0; i < image.layers.size(); ++i) {
    auto listing = std::make_shared<image::LayerListing>();
    TRY_DO(image::walk_layer(image, i, walk_options(workplace),
                             [&](const image::LayerEntry& entry, image::EntryContent*,
                                 codec::TarReader*) { return listing->add(entry); }));
    listings.push_back(std::move(listing));
  }
  return image::MergedTree::build(std::move(listings));
}

/// Of the files at these paths; layers without any of them are not read.
Result<sbom::ContentDigests> digests_at(const std::set<std::string>& paths,
                                        const image::Image& image, const image::MergedTree& tree,
                                        const Workplace& workplace) {
  std::map<std::uint32_t, std::map<std::uint32_t, std::vector<std::string>>> wanted;
  for (const std::string& path : paths)
    if (const auto ref = content_of(tree, path)) wanted[ref->layer][ref->index].push_back(path);
  sbom::ContentDigests out;
  for (const auto& entry : wanted) {
    const auto& members = entry.second;
    std::uint32_t next = 0;
    TRY_DO(with_context(
        image::walk_layer(image, entry.first, walk_options(workplace),
                          [&](const image::LayerEntry&, image::EntryContent* content,
                              codec::TarReader*) -> Result<void> {
                            const auto at = members.find(next++);
                            if (at == members.end() || content == nullptr) return {};
                            TRY(const Bytes bytes, content->materialise());
                            const sbom::Digests digests{codec::sha1_hex(bytes),
                                                        codec::sha256_digest(bytes).substr(7)};
                            for (const std::string& path : at->second) out[path] = digests;
                            return {};
                          }),
        "reading layer {} of {} for its SBOM", entry.first + 1, image.name));
  }
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
  const image::MergedTree& tree;
  const Workplace& workplace;
  std::vector<Found> sboms = {};
  std::vector<std::string> notices = {};
  std::set<std::string> listed = {};  ///< paths with checksums
  sbom::ContentDigests digests = {};
};

OriginalSboms::OriginalSboms(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
OriginalSboms::OriginalSboms(OriginalSboms&&) noexcept = default;
OriginalSboms& OriginalSboms::operator=(OriginalSboms&&) noexcept = default;
OriginalSboms::~OriginalSboms() = default;

Result<OriginalSboms> OriginalSboms::read(const image::Image& original,
                                          const image::MergedTree& tree,
                                          const Workplace& workplace) {
  auto parts = std::make_unique<Parts>(Parts{original, tree, workplace});
  if (!original.index || original.manifest_digest.empty()) return OriginalSboms(std::move(parts));
  TRY(parts->sboms, find_sboms(original, parts->notices));
  for (const Found& one : parts->sboms)
    for (std::string& path :
         sbom::changed_files(one.document, [](std::string_view) { return sbom::Fate::kChanged; }))
      parts->listed.insert(std::move(path));
  workplace.progress->begin("reading files of the SBOM", image::stored_size(original));
  TRY(parts->digests, digests_at(parts->listed, original, tree, workplace));
  return OriginalSboms(std::move(parts));
}

Result<ReissuedSboms> OriginalSboms::reissue(const image::Image& result) const {
  const image::Image& original = parts_->image;
  ReissuedSboms out;
  out.notices = parts_->notices;
  if (parts_->sboms.empty()) return out;
  parts_->workplace.progress->begin("reading files of the SBOM", image::stored_size(result));
  TRY(const image::MergedTree tree, read_tree(result, parts_->workplace));
  TRY(const sbom::ContentDigests digests,
      digests_at(parts_->listed, result, tree, parts_->workplace));
  const sbom::Fates fates = [&](std::string_view path) {
    if (!parts_->tree.resolve(in_tree(path))) return sbom::Fate::kSame;
    if (!tree.resolve(in_tree(path))) return sbom::Fate::kGone;
    const auto was = std::as_const(parts_->digests).find(std::string(path));
    const auto is = digests.find(std::string(path));
    const bool known = was != parts_->digests.end() && is != digests.end();
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
    auto made = sbom::reissue(one.document, fates, digests, origin);
    if (!made) {
      out.notices.push_back("an SBOM of the original is not made anew: " + made.error().message);
      continue;
    }
    const bool spdx = sbom::format_of(made->document) == sbom::Format::kSpdxJson;
    out.notices.push_back(
        fmt::format("the original's SBOM ({}) is made anew: {} of {} packages stay; files gone: "
                    "{}, changed: {}",
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
