// From index.json to one image: nested indexes are flattened into candidates, attestations and
// other artifacts are set aside, then reference and platform pick one. OCI image-spec v1.1
// image-layout.md, image-index.md.
#include <algorithm>
#include <set>
#include <utility>

#include "codec/sha256.h"
#include "image/model/platform.h"
#include "image/model/reference.h"
#include "image/model/variant.h"
#include "image/sources/stored_image.h"

namespace flense::image {

namespace {

constexpr int kMaxIndexDepth = 4;

struct Candidate {
  ManifestRef ref;
  std::optional<std::string> text;  ///< the manifest; nullopt when its blob is absent
  bool by_gpu = false;              ///< OpenOptions::choose took it
};

class Collector {
 public:
  explicit Collector(const FileTree& tree) : tree_(tree) {}

  Result<void> add_index(std::string_view text, std::string_view what, const ManifestRef* parent,
                         int depth) {
    if (depth > kMaxIndexDepth) {
      return bad_input("{}: indexes are nested more than {} deep", tree_.name(), kMaxIndexDepth);
    }
    TRY(std::vector<ManifestRef> refs, parse_index(text, what));
    for (ManifestRef& ref : refs) {
      if (++seen_ > kMaxManifests) {
        return bad_input("{}: more than {} manifests", tree_.name(), kMaxManifests);
      }
      if (parent != nullptr) {
        if (ref.ref_name.empty()) ref.ref_name = parent->ref_name;
        if (ref.image_name.empty()) ref.image_name = parent->image_name;
      }
      TRY_DO(add(std::move(ref), depth));
    }
    return {};
  }

  std::vector<Candidate> candidates;
  std::size_t attestations = 0;
  std::vector<std::string> other_types;

 private:
  Result<void> add(ManifestRef ref, int depth) {
    if (ref.attestation) {
      ++attestations;
      return {};
    }
    DocumentKind kind = document_kind(ref.descriptor.media_type);
    if (kind == DocumentKind::kOther && !ref.descriptor.media_type.empty()) {
      other_types.push_back(ref.descriptor.media_type);
      return {};
    }
    TRY(auto text, read_document(tree_, ref.descriptor));
    if (text && kind == DocumentKind::kOther) {
      TRY(const text::Json json, text::parse_json(*text, ref.descriptor.digest));
      kind = json["manifests"].is_array() ? DocumentKind::kIndex : DocumentKind::kManifest;
    }
    if (kind == DocumentKind::kIndex) {
      if (!text) {
        return bad_input("{}: the index {} is missing", tree_.name(), ref.descriptor.digest);
      }
      return add_index(*text, ref.descriptor.digest, &ref, depth + 1);
    }
    candidates.push_back({std::move(ref), std::move(text)});
    return {};
  }

  const FileTree& tree_;
  std::size_t seen_ = 0;
};

bool named(const ManifestRef& ref, std::string_view reference) {
  return ref.descriptor.digest == reference || reference_matches(reference, ref.image_name) ||
         reference_matches(reference, ref.ref_name);
}

std::string join(const std::set<std::string>& items) {
  return fmt::format("{}", fmt::join(items, ", "));
}

std::string display_name(const Candidate& candidate) {
  if (!candidate.ref.image_name.empty()) return candidate.ref.image_name;
  if (!candidate.ref.ref_name.empty()) return candidate.ref.ref_name;
  return candidate.ref.descriptor.digest;
}

std::set<std::string> names_of(const std::vector<Candidate>& candidates) {
  std::set<std::string> out;
  for (const Candidate& candidate : candidates) out.insert(display_name(candidate));
  return out;
}

/// Reads platforms that the index leaves out from the configurations, and drops manifests that are
/// no images.
Result<std::vector<Candidate>> describe(const FileTree& tree, std::vector<Candidate> candidates,
                                        std::vector<std::string>& other_types) {
  std::vector<Candidate> out;
  for (Candidate& candidate : candidates) {
    if (candidate.text) {
      TRY(const Manifest manifest,
          parse_manifest(*candidate.text, candidate.ref.descriptor.digest));
      if (!is_image_config(manifest.config.media_type)) {
        other_types.push_back(manifest.config.media_type);
        continue;
      }
      if (candidate.ref.platform.os.empty()) {
        TRY(auto text, read_document(tree, manifest.config));
        if (text) {
          TRY(const Config config, parse_config(*text, manifest.config.digest));
          candidate.ref.platform = config.platform;
        }
      }
    }
    out.push_back(std::move(candidate));
  }
  return out;
}

Result<Candidate> pick_platform(const FileTree& tree, std::vector<Candidate> candidates,
                                const OpenOptions& options) {
  std::set<std::string> digests, platforms;
  for (const Candidate& candidate : candidates) {
    digests.insert(candidate.ref.descriptor.digest);
    platforms.insert(candidate.ref.platform.text());
  }
  // A single image is taken as it is unless the user asked for a platform.
  if (digests.size() == 1 && options.platform.empty()) return std::move(candidates.front());
  Platform wanted = host_platform();
  if (!options.platform.empty()) {
    TRY(wanted, parse_platform(options.platform));
  }
  std::vector<Candidate> fitting;
  int best = 0;
  for (Candidate& candidate : candidates) {
    const auto score = platform_match(wanted, candidate.ref.platform);
    if (!score || *score < best) continue;
    if (*score > best) fitting.clear();
    best = *score;
    fitting.push_back(std::move(candidate));
  }
  if (fitting.empty()) {
    return bad_input("{} has no image for {}; it has {}", tree.name(), wanted.text(),
                     join(platforms))
        .hint(fmt::format("choose one of them, as in --platform {}", *platforms.begin()));
  }
  digests.clear();
  for (const Candidate& candidate : fitting) digests.insert(candidate.ref.descriptor.digest);
  if (digests.size() > 1) {
    return bad_input("{} holds several images: {}", tree.name(), join(names_of(fitting)))
        .hint(
            "name one of them after the path, as in oci:DIR:TAG or docker-archive:"
            "FILE:NAME:TAG");
  }
  return std::move(fitting.front());
}

/// Images for some GPUs stand aside, unless they are all that was named.
Result<Candidate> pick(const FileTree& tree, std::vector<Candidate> candidates,
                       const OpenOptions& options) {
  std::vector<Candidate> variants;
  for (const Candidate& candidate : candidates)
    if (candidate.ref.variant) variants.push_back(candidate);
  if (variants.size() == candidates.size())
    return pick_platform(tree, std::move(candidates), options);
  std::erase_if(candidates, [](const Candidate& one) { return one.ref.variant.has_value(); });
  TRY(Candidate picked, pick_platform(tree, std::move(candidates), options));
  std::vector<Variant> offered;
  for (const Candidate& one : variants) offered.push_back(*one.ref.variant);
  if (const auto chosen = choose_variant(options, picked.ref.platform, offered)) {
    for (Candidate& one : variants)
      if (one.ref.descriptor.digest == chosen->digest) {
        one.by_gpu = true;
        return std::move(one);
      }
  }
  return picked;
}

Result<Candidate> choose(const FileTree& tree, const std::string& index, std::string_view reference,
                         const OpenOptions& options, std::vector<std::string>& notices) {
  Collector collector(tree);
  TRY_DO(collector.add_index(index, tree.name() + ": index.json", nullptr, 1));
  std::vector<Candidate> candidates = std::move(collector.candidates);
  if (!reference.empty()) {
    const std::set<std::string> all = names_of(candidates);
    std::erase_if(candidates, [&](const Candidate& c) { return !named(c.ref, reference); });
    if (candidates.empty()) {
      return bad_input("{} has no image named {}; it has {}", tree.name(), reference,
                       all.empty() ? "none" : join(all));
    }
  }
  TRY(candidates, describe(tree, std::move(candidates), collector.other_types));
  if (candidates.empty()) {
    if (!collector.other_types.empty()) {
      return bad_input("{} is not a container image but an artifact of type {}", tree.name(),
                       collector.other_types.front());
    }
    return bad_input("{} holds no image", tree.name());
  }
  if (collector.attestations > 0) {
    notices.push_back(fmt::format("{} attestation manifest{} not read", collector.attestations,
                                  collector.attestations == 1 ? "" : "s"));
  }
  // `docker save` of one platform keeps the whole index but only that platform's blobs.
  std::vector<Candidate> present;
  for (const Candidate& candidate : candidates) {
    if (candidate.text) present.push_back(candidate);
  }
  if (present.empty()) {
    return bad_input("{}: the manifest {} is missing", tree.name(),
                     candidates.front().ref.descriptor.digest);
  }
  return pick(tree, std::move(present), options);
}

/// An entry as it stands, but for the name that an OCI layout gives it, and with its platform.
text::Json index_entry(text::Json entry, const Candidate& picked) {
  if (text::Json* annotations = entry.find_mutable("annotations")) {
    annotations->erase("io.containerd.image.name");
    annotations->erase("org.opencontainers.image.ref.name");
    if (annotations->members().empty()) entry.erase("annotations");
  }
  if (entry["digest"].text() == picked.ref.descriptor.digest && entry["platform"].is_null())
    entry.set("platform", platform_json(picked.ref.platform));
  return entry;
}

/// The entries of `index` that `wanted` says, as they stand.
template <class Wanted>
Result<IndexSource> read_entries(const std::string& index, const std::string& what,
                                 const Wanted& wanted) {
  TRY(const text::Json json, text::parse_json(index, what));
  TRY(const std::vector<ManifestRef> refs, parse_index(index, what));
  IndexSource out;
  out.annotations = json["annotations"];
  for (std::size_t i = 0; i < refs.size(); ++i) {
    if (refs[i].variant || !wanted(refs[i])) continue;
    out.entries.push_back(json["manifests"].items()[i]);
    if (refs[i].attestation) ++out.attestations;
  }
  return out;
}

/// What the image was picked from, without its images for some GPUs.
Result<IndexSource> index_of(const FileTree& tree, const std::string& index,
                             std::string_view reference, const Candidate& picked) {
  TRY(IndexSource out,
      read_entries(index, tree.name() + ": index.json", [&](const ManifestRef& ref) {
        return reference.empty() || named(ref, reference);
      }));
  if (out.entries.size() == 1) {
    const text::Json only = out.entries.front();
    const std::string digest(only["digest"].text());
    if (document_kind(only["mediaType"].text()) == DocumentKind::kIndex) {
      TRY(const auto nested, read_document(tree, blob_path(digest)));
      if (!nested) return bad_input("{}: the index {} is missing", tree.name(), digest);
      TRY(out, read_entries(*nested, digest, [](const ManifestRef&) { return true; }));
      out.digest = digest;
      return out;
    }
  }
  if (out.entries.empty())
    out.entries.push_back(text::Json::object()
                              .set("mediaType", picked.ref.descriptor.media_type)
                              .set("digest", picked.ref.descriptor.digest)
                              .set("size", picked.ref.descriptor.size));
  for (text::Json& entry : out.entries) entry = index_entry(std::move(entry), picked);
  return out;
}

Result<std::unique_ptr<StoredImage>> build(std::shared_ptr<const FileTree> tree,
                                           std::string manifest_text,
                                           std::string_view manifest_digest) {
  auto image = std::make_unique<StoredImage>();
  TRY(const Manifest manifest, parse_manifest(manifest_text, manifest_digest));
  if (!is_image_config(manifest.config.media_type)) {
    return bad_input("{} is not a container image but an artifact of type {}", tree->name(),
                     manifest.config.media_type);
  }
  TRY(auto config_text, read_document(*tree, manifest.config));
  if (!config_text) {
    return bad_input("{}: the configuration {} is missing", tree->name(), manifest.config.digest);
  }
  TRY(const Config config, parse_config(*config_text, manifest.config.digest));
  std::vector<Blob> blobs;
  for (std::size_t i = 0; i < manifest.layers.size(); ++i) {
    const Descriptor& layer = manifest.layers[i];
    TRY(const LayerType type, parse_layer_type(layer.media_type));
    TRY(auto blob, tree->find(blob_path(layer.digest)));
    if (!blob) {
      if (type.foreign) {
        return bad_input(
            "{}: layer {} ({}) is foreign: its data is kept elsewhere and is not in "
            "this image",
            tree->name(), i + 1, layer.digest);
      }
      return bad_input("{}: layer {} ({}) is missing", tree->name(), i + 1, layer.digest);
    }
    if (blob->bytes.size() != layer.size) {
      return bad_input("{}: layer {} ({}) has {} bytes, the manifest says {}", tree->name(), i + 1,
                       layer.digest, blob->bytes.size(), layer.size);
    }
    blobs.push_back(std::move(*blob));
  }
  TRY_DO(with_context(image->set_layers(config, manifest.layers, std::move(blobs)), "reading {}",
                      tree->name()));
  image->manifest_text = std::move(manifest_text);
  image->manifest_digest = manifest_digest;
  image->config_text = std::move(*config_text);
  image->config_digest = manifest.config.digest;
  image->manifest_annotations = manifest.annotations;
  image->tree = std::move(tree);
  return image;
}

}  // namespace

Result<std::unique_ptr<StoredImage>> open_oci(std::shared_ptr<const FileTree> tree,
                                              std::string_view reference,
                                              const OpenOptions& options) {
  std::vector<std::string> notices;
  TRY(const auto index, read_document(*tree, "index.json"));
  if (!index) return bad_input("{}: index.json is missing", tree->name());
  TRY(Candidate chosen, choose(*tree, *index, reference, options, notices));
  std::optional<IndexSource> source;
  if (options.whole_index) {
    TRY(source, index_of(*tree, *index, reference, chosen));
  }
  TRY(auto image, build(std::move(tree), std::move(*chosen.text), chosen.ref.descriptor.digest));
  image->index = std::move(source);
  if (chosen.by_gpu) TRY_DO(set_variant(*chosen.ref.variant, *image));
  image->notices.insert(image->notices.begin(), notices.begin(), notices.end());
  const Platform& indexed = chosen.ref.platform;
  if (indexed.os != image->platform.os || indexed.architecture != image->platform.architecture)
    image->contradictions.push_back(fmt::format("the index says {}, the configuration {}",
                                                indexed.text(), image->platform.text()));
  const std::string& full = chosen.ref.image_name;
  const std::string& name = chosen.ref.ref_name;
  // Where the one is only the other spelt out, the shorter gives both again when it is written.
  const bool spelt_out = !name.empty() && normalise_reference(name) == full;
  if (!full.empty() && !spelt_out) {
    image->tags.push_back(full);
  } else if (!name.empty()) {
    image->tags.push_back(name);
  }
  return image;
}

Result<std::unique_ptr<StoredImage>> open_single_manifest(std::shared_ptr<const FileTree> tree,
                                                          const OpenOptions& options) {
  TRY(auto text, read_document(*tree, "manifest.json"));
  if (!text) return bad_input("{}: manifest.json is missing", tree->name());
  const std::string digest = codec::sha256_digest(as_bytes(*text));
  TRY(auto image, build(std::move(tree), std::move(*text), digest));
  if (!options.platform.empty()) {
    TRY(const Platform wanted, parse_platform(options.platform));
    if (!platform_match(wanted, image->platform)) {
      return bad_input("{} has no image for {}; it has {}", image->tree->name(), wanted.text(),
                       image->platform.text());
    }
  }
  return image;
}

}  // namespace flense::image
