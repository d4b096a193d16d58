// docker-archives: manifest.json names the configuration and the layer files, which are plain tars
// (`<id>/layer.tar`, or blobs since Docker 25), symbolic links to each other, or gzip.
// moby image/spec/v1.2.md "Combined Image JSON + Filesystem Changeset Format".
#include <algorithm>
#include <utility>

#include "codec/sha256.h"
#include "image/model/platform.h"
#include "image/model/reference.h"
#include "image/sources/stored_image.h"

namespace flense::image {

namespace {

/// The digest that a member's name states: "blobs/sha256/<hex>" or "<hex>.json".
std::string digest_of_name(std::string_view path) {
  std::string_view name = path.substr(path.rfind('/') + 1);
  if (name.ends_with(".json")) name.remove_suffix(5);
  std::string digest = "sha256:" + std::string(name);
  return check_digest(digest, path) ? digest : std::string();
}

std::string list_tags(const std::vector<DockerEntry>& entries) {
  std::vector<std::string> names;
  for (const DockerEntry& entry : entries) {
    if (entry.tags.empty()) names.push_back(entry.config);
    names.insert(names.end(), entry.tags.begin(), entry.tags.end());
  }
  return fmt::format("{}", fmt::join(names, ", "));
}

bool named(const DockerEntry& entry, std::string_view reference) {
  return entry.config == reference || digest_of_name(entry.config) == reference ||
         std::ranges::any_of(
             entry.tags, [&](const std::string& tag) { return reference_matches(reference, tag); });
}

Result<DockerEntry> choose(const FileTree& tree, std::vector<DockerEntry> entries,
                           std::string_view reference) {
  if (entries.empty()) return bad_input("{} holds no image", tree.name());
  if (!reference.empty()) {
    for (DockerEntry& entry : entries) {
      if (named(entry, reference)) return std::move(entry);
    }
    return bad_input("{} has no image named {}; it has {}", tree.name(), reference,
                     list_tags(entries));
  }
  if (entries.size() > 1) {
    return bad_input("{} holds several images: {}", tree.name(), list_tags(entries))
        .hint(fmt::format(
            "name one of them, as in docker-archive:FILE:{}",
            entries.front().tags.empty() ? entries.front().config : entries.front().tags.front()));
  }
  return std::move(entries.front());
}

}  // namespace

Result<std::unique_ptr<StoredImage>> open_docker(std::shared_ptr<const FileTree> tree,
                                                 std::string_view reference,
                                                 const OpenOptions& options) {
  TRY(auto manifest_text, read_document(*tree, "manifest.json"));
  if (!manifest_text) return bad_input("{}: manifest.json is missing", tree->name());
  TRY(std::vector<DockerEntry> entries,
      parse_docker_manifest(*manifest_text, tree->name() + ": manifest.json"));
  TRY(const DockerEntry entry, choose(*tree, std::move(entries), reference));
  TRY(auto config_text, read_document(*tree, entry.config));
  if (!config_text) {
    return bad_input("{}: the configuration {} is missing", tree->name(), entry.config);
  }
  const std::string named_digest = digest_of_name(entry.config);
  const std::string digest = codec::sha256_digest(as_bytes(*config_text));
  if (!named_digest.empty() && named_digest != digest) {
    return bad_input("{}: {} has digest {}", tree->name(), entry.config, digest);
  }
  TRY(const Config config, parse_config(*config_text, tree->name() + ": " + entry.config));
  if (!options.platform.empty()) {
    TRY(const Platform wanted, parse_platform(options.platform));
    if (!platform_match(wanted, config.platform)) {
      return bad_input("{} has no image for {}; it has {}", tree->name(), wanted.text(),
                       config.platform.text());
    }
  }
  auto image = std::make_unique<StoredImage>();
  std::vector<Descriptor> descriptors;
  std::vector<Blob> blobs;
  for (std::size_t i = 0; i < entry.layers.size(); ++i) {
    TRY(auto blob, tree->find(entry.layers[i]));
    if (!blob) {
      return bad_input("{}: layer {} ({}) is missing", tree->name(), i + 1, entry.layers[i]);
    }
    Descriptor descriptor;
    descriptor.size = blob->bytes.size();
    // Only blob names state the digest of the stored bytes; "<id>/layer.tar" names something else.
    if (entry.layers[i].starts_with("blobs/sha256/")) {
      descriptor.digest = digest_of_name(entry.layers[i]);
    }
    descriptors.push_back(std::move(descriptor));
    blobs.push_back(std::move(*blob));
  }
  TRY_DO(with_context(image->set_layers(config, std::move(descriptors), std::move(blobs)),
                      "reading {}", tree->name()));
  image->form = Form::kDockerArchive;
  image->manifest_text = std::move(*manifest_text);
  image->config_text = std::move(*config_text);
  image->config_digest = digest;
  image->tags = entry.tags;
  image->tree = std::move(tree);
  return image;
}

Result<std::unique_ptr<StoredImage>> open_tree(std::shared_ptr<const FileTree> tree,
                                               std::string_view reference,
                                               const OpenOptions& options) {
  TRY(auto index, tree->find("index.json"));
  TRY(auto docker, read_document(*tree, "manifest.json"));
  if (!index) {
    if (docker) return open_docker(std::move(tree), reference, options);
    TRY(auto repositories, tree->find("repositories"));
    if (repositories) {
      return bad_input("{} was saved by Docker before 1.10: it has no manifest.json", tree->name())
          .hint("load it into a current engine and save it again");
    }
    return bad_input("{}: neither index.json nor manifest.json is in it", tree->name());
  }
  auto image = open_oci(tree, reference, options);
  if (!docker) return image;
  if (!image && !reference.empty()) {
    // Names may stand in manifest.json only.
    auto by_docker = open_docker(std::move(tree), reference, options);
    return by_docker ? std::move(by_docker) : std::move(image);
  }
  if (!image) return image;
  (*image)->form = Form::kDockerArchive;
  TRY(const auto entries, parse_docker_manifest(*docker, tree->name() + ": manifest.json"));
  const auto is_layer = [](const std::string& path, const Layer& layer) {
    return !path.starts_with("blobs/") || digest_of_name(path) == layer.blob.digest ||
           digest_of_name(path) == layer.diff_id;
  };
  bool same = entries.empty();
  for (const DockerEntry& entry : entries) {
    if (digest_of_name(entry.config) != (*image)->config_digest) continue;
    if (!entry.tags.empty()) (*image)->tags = entry.tags;
    same |= std::ranges::equal(entry.layers, (*image)->layers, is_layer);
  }
  if (!same)
    (*image)->contradictions.push_back("manifest.json names another image than index.json");
  return image;
}

}  // namespace flense::image
