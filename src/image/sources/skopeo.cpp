#include "image/sources/skopeo.h"

#include <algorithm>
#include <cerrno>
#include <cstdlib>
#include <system_error>
#include <utility>

#include "base/ascii.h"
#include "base/private_directory.h"
#include "base/process.h"
#include "codec/sha256.h"
#include "guard/broker.h"
#include "image/model/model.h"
#include "image/model/platform.h"
#include "image/model/variant.h"
#include "image/sources/registry_answer.h"
#include "image/sources/remote_config.h"
#include "image/sources/skopeo_call.h"
#include "image/sources/spool.h"
#include "image/sources/stored_image.h"
#include "text/json.h"

namespace flense::image {

namespace {

struct CachePaths {
  std::filesystem::path blobs;    ///< holds sha256/…
  std::filesystem::path layouts;  ///< one directory per image and platform
};

Result<CachePaths> image_cache(const std::filesystem::path& root) {
  if (root.empty()) {
    return fail(Code::kEnvironment, "no cache directory: HOME is not set")
        .hint("set FLENSE_CACHE or XDG_CACHE_HOME");
  }
  CachePaths out{root / "images" / "blobs", root / "images" / "layouts"};
  for (const auto& directory : {out.blobs / "sha256", out.layouts}) {
    std::error_code error;
    std::filesystem::create_directories(directory, error);
    if (error) return system_error(error.value(), "cannot create " + directory.string());
  }
  return out;
}

SkopeoAsking asking_for(const OpenOptions& options) {
  return {options.registry, options.progress, options.broker};
}

/// So that skopeo chooses it from an index.
std::vector<std::string> words_for(const Platform& platform) {
  std::vector<std::string> out = {"--override-os", platform.os, "--override-arch",
                                  platform.architecture};
  if (!platform.variant.empty()) out.insert(out.end(), {"--override-variant", platform.variant});
  return out;
}

/// Where registries.conf sends this machine to a mirror, that answers for upstream's tags, and for
/// no digest: then this is what upstream showed when the mirror's image was made. nullopt: it is no
/// such image, whose own name would be another.
std::optional<std::string> mirrored_from(const std::string& manifest, const SourceName& source) {
  const auto json = text::parse_json(manifest, "the manifest");
  const auto variant = json ? variant_of_manifest(*json, {}) : std::nullopt;
  if (!variant || source.repository.empty()) return std::nullopt;
  const std::string before = source.tagged.substr(kRegistryForm.size()) + "@";
  if (!variant->origin_reference.starts_with(before)) return std::nullopt;
  std::string digest = variant->origin_reference.substr(before.size());
  return check_digest(digest, "the image") ? std::optional(std::move(digest)) : std::nullopt;
}

/// What upstream has under that digest, instead of what a mirror has under the tag.
SourceName upstream_of(const SourceName& source, const std::string& digest) {
  SourceName out = source;
  out.tagged = source.repository + "@" + digest;
  return out;
}

std::string mirror_notice(const SourceName& source, const std::string& digest) {
  return fmt::format(
      "a mirror of this machine (registries.conf) has an image for some GPUs as {}: upstream's "
      "original is read, which was {} then; the tag may show another one now",
      source.tagged.substr(kRegistryForm.size()), digest);
}

/// skopeo compares what it fetches with the digest that the manifest names, and asks for both once.
Result<std::unique_ptr<Image>> fetch_config(SourceName& source, const Platform& platform,
                                            const SkopeoAsking& how) {
  std::vector<std::string> words = words_for(platform);
  words.insert(words.end(), {"inspect", "--config", "--raw"});
  TRY(ProcessOutput asked, ask_about(source, words, how));
  std::optional<std::string> original;
  // A label that only images for some GPUs have.
  if (asked.status == 0 && asked.out.find(kTargetsName) != std::string::npos) {
    TRY(const ProcessOutput manifest, ask_manifest(source, how));
    if (manifest.status == 0) original = mirrored_from(manifest.out, source);
    if (original) {
      SourceName upstream = upstream_of(source, *original);
      TRY(asked, ask_about(upstream, std::move(words), how));
    }
  }
  if (asked.status != 0) return registry_failure(asked.err, source.tagged);
  TRY(auto image, open_registry_config(std::move(asked.out)));
  if (original) image->notices.push_back(mirror_notice(source, *original));
  return image;
}

/// `name` stands in messages for the layout, which nobody asked for.
Result<std::unique_ptr<Image>> open_layout(const std::filesystem::path& layout,
                                           const std::string& name, const CachePaths& cache,
                                           const OpenOptions& options) {
  auto tree = std::make_shared<DirectoryTree>(layout, cache.blobs, false);
  auto opened = open_oci(std::move(tree), "", options);
  if (!opened) {
    std::string& message = opened.error().message;
    if (const auto at = message.find(layout.native()); at != std::string::npos)
      message.replace(at, layout.native().size(), name);
    return std::unexpected(std::move(opened).error());
  }
  std::unique_ptr<Image> image = std::move(*opened);
  image->form = Form::kOciLayout;
  // The layout's only name is ours.
  image->tags.clear();
  return image;
}

/// The image for some GPUs that is to be taken from an index.
std::optional<Variant> variant_in(const std::string& asked, const Platform& platform,
                                  const OpenOptions& options) {
  if (!options.choose) return std::nullopt;
  const auto digest = digest_in_index(asked, platform);
  const auto entries = parse_index(asked, "the image index");
  if (!digest || !entries) return std::nullopt;
  std::vector<Variant> offered;
  const Platform* picked = nullptr;
  for (const ManifestRef& entry : *entries) {
    if (entry.descriptor.digest == *digest) picked = &entry.platform;
    if (entry.variant) offered.push_back(*entry.variant);
  }
  return picked == nullptr ? std::nullopt : choose_variant(options, *picked, offered);
}

/// `shown` is what the source answered with, `digest` what of it was asked for.
Result<std::unique_ptr<Image>> confirmed(std::unique_ptr<Image> image, const SourceName& source,
                                         const std::string& shown, const std::string& digest,
                                         const std::optional<Variant>& variant) {
  if (!source.repository.empty()) {
    const std::string_view name = std::string_view(source.tagged).substr(kRegistryForm.size());
    image->pulled_from = fmt::format("{}@{}", name.substr(0, name.find('@')), shown);
  }
  if (variant) TRY_DO(set_variant(*variant, *image));
  if (image->index) {
    const std::string& own =
        image->index->digest.empty() ? image->manifest_digest : image->index->digest;
    if (own != digest)
      image->notices.push_back(fmt::format(
          "{} is of Docker's form, and skopeo made OCI manifests of it: they have other digests",
          digest));
  }
  return image;
}

/// Of the layers, what the cache lacks; 0 where that cannot be told.
std::uint64_t bytes_to_pull(const std::string& asked, SourceName source, const Platform& platform,
                            const CachePaths& cache, const SkopeoAsking& how) {
  std::string manifest = asked;
  if (const auto digest = digest_in_index(asked, platform)) {
    if (source.repository.empty()) return 0;
    source.tagged = source.repository + "@" + *digest;
    const auto output = ask_manifest(source, how);
    if (!output || output->status != 0) return 0;
    manifest = output->out;
  }
  const auto parsed = parse_manifest(manifest, "the manifest");
  std::uint64_t total = 0;
  if (!parsed) return total;
  for (const Descriptor& layer : parsed->layers) {
    std::error_code ignored;
    if (!std::filesystem::exists(cache.blobs.parent_path() / blob_path(layer.digest), ignored))
      total += layer.size;
  }
  return total;
}

bool is_name(const std::string& word, const SourceName& source) {
  if (word == source.tagged) return true;
  const std::string before = source.repository + "@";
  return !source.repository.empty() && word.starts_with(before) &&
         check_digest(word.substr(before.size()), "an argument").has_value();
}

/// "oci:LAYOUTS/.new-XXXXXX:image"
bool is_staging(const std::string& word, const CachePaths& cache) {
  const std::string before = "oci:" + (cache.layouts / ".new-").string();
  constexpr std::string_view kAfter = ":image";
  constexpr std::size_t kRandom = 6;
  return word.size() == before.size() + kRandom + kAfter.size() && word.starts_with(before) &&
         word.ends_with(kAfter) &&
         std::ranges::all_of(word.substr(before.size(), kRandom), is_alphanumeric);
}

}  // namespace

bool is_pull_by_skopeo(std::span<const std::string> words, Transport transport,
                       const std::string& reference, const std::filesystem::path& root) {
  const auto source = source_name(transport, reference);
  if (!source) return false;
  const auto take = [&](std::string_view word) {
    if (words.empty() || words.front() != word) return false;
    words = words.subspan(1);
    return true;
  };
  for (const std::string_view option : {"--override-os", "--override-arch", "--override-variant"})
    if (take(option)) {
      if (words.empty() || !std::ranges::all_of(words.front(), is_alphanumeric)) return false;
      words = words.subspan(1);
    }
  if (take("inspect")) {
    // In any order: none of them does harm.
    while (take("--raw") || take("--config") || (source->local && take("--tls-verify=false"))) {
    }
    return words.size() == 1 && is_name(words[0], *source);
  }
  const auto cache = image_cache(root);
  if (!cache || !take("copy") || !take("--quiet") ||
      !take("--dest-oci-accept-uncompressed-layers") || !take("--dest-shared-blob-dir") ||
      !take(cache->blobs.string()))
    return false;
  if (source->local) take("--src-tls-verify=false");
  return words.size() == 2 && is_name(words[0], *source) && is_staging(words[1], *cache);
}

Result<std::unique_ptr<Image>> open_by_skopeo(Transport transport, const std::string& reference,
                                              const OpenOptions& options) {
  TRY(SourceName source, source_name(transport, reference));
  Platform platform = host_platform();
  if (!options.platform.empty()) {
    TRY(platform, parse_platform(options.platform));
  }
  if (options.progress != nullptr) options.progress->begin("asking for " + source.tagged, 0);
  if (options.config_only) return fetch_config(source, platform, asking_for(options));
  TRY(const CachePaths cache, image_cache(options.cache_directory));
  TRY(ProcessOutput asked, ask_manifest(source, asking_for(options)));
  if (asked.status != 0) return registry_failure(asked.err, source.tagged);
  const auto original = mirrored_from(asked.out, source);
  if (original) {
    SourceName upstream = upstream_of(source, *original);
    TRY(asked, ask_manifest(upstream, asking_for(options)));
    if (asked.status != 0)
      return with_context(
          Result<std::unique_ptr<Image>>(registry_failure(asked.err, upstream.tagged)),
          "asking upstream for the original of what a mirror has as {}", source.tagged);
  }
  const auto finish = [&](std::unique_ptr<Image> image, const std::string& digest,
                          const std::optional<Variant>& variant, const std::string& upstream) {
    if (original) image->notices.push_back(mirror_notice(source, *original));
    return confirmed(std::move(image), source, upstream, digest, variant);
  };
  const std::string shown = codec::sha256_digest(as_bytes(asked.out));
  std::string digest = shown;
  const auto variant = source.repository.empty() || options.whole_index
                           ? std::nullopt
                           : variant_in(asked.out, platform, options);
  if (variant) digest = variant->digest;
  std::string key = digest.substr(7) + "-" + (options.whole_index ? "all" : platform.text());
  for (char& c : key) {
    if (c == '/') c = '-';
  }
  const std::filesystem::path layout = cache.layouts / key;
  std::error_code ignored;
  if (std::filesystem::exists(layout / "index.json", ignored)) {
    auto image = open_layout(layout, source.tagged, cache, options);
    // Blobs may have been pruned by hand: copy again.
    if (image) return finish(std::move(*image), digest, variant, shown);
    std::filesystem::remove_all(layout, ignored);
  }
  TRY(const TemporaryDirectory staging, TemporaryDirectory::create(cache.layouts, ".new"));
  std::vector<std::string> copy =
      options.whole_index ? std::vector<std::string>() : words_for(platform);
  copy.insert(copy.end(), {"copy", "--quiet", "--dest-oci-accept-uncompressed-layers",
                           "--dest-shared-blob-dir", cache.blobs.string()});
  if (options.whole_index) copy.emplace_back("--all");
  if (source.plain_http) copy.emplace_back("--src-tls-verify=false");
  // By digest, so that a tag that moves meanwhile cannot put another image under this key.
  copy.push_back(source.repository.empty() ? source.tagged : source.repository + "@" + digest);
  if (options.progress != nullptr && options.progress->shown())
    options.progress->begin("pulling " + reference,
                            bytes_to_pull(asked.out, source, platform, cache, asking_for(options)));
  copy.push_back("oci:" + staging.path().string() + ":image");
  TRY_DO(run_skopeo(copy, source.tagged, SkopeoCall::kTransfer, asking_for(options)));
  if (::rename(staging.path().c_str(), layout.c_str()) != 0 && errno != ENOTEMPTY &&
      errno != EEXIST) {
    return system_error(errno, "cannot rename to " + layout.string());
  }
  TRY(auto image, open_layout(layout, source.tagged, cache, options));
  return finish(std::move(image), digest, variant, shown);
}

std::vector<std::string> podman_exists(const std::string& reference) {
  return {"image", "exists", reference};
}

std::vector<std::string> podman_saves(const std::string& reference) {
  return {"save", "--quiet", "--format", "docker-archive", reference};
}

Result<std::optional<MappedFile>> podman_save(const std::string& reference,
                                              const OpenOptions& options) {
  const auto program = find_program("podman");
  if (!program) return std::optional<MappedFile>();
  const auto command = [&](std::vector<std::string> words) {
    words.insert(words.begin(), *program);
    return words;
  };
  TRY(const ProcessOutput exists,
      run_process(command(podman_exists(reference)), kMostAnswer, options.broker));
  if (exists.status != 0) return std::optional<MappedFile>();
  ChildProcess::Options pipes;
  pipes.pipe_stdout = true;
  pipes.starter = options.broker;
  TRY(auto child, ChildProcess::start(command(podman_saves(reference)), pipes));
  FdSource stream(child->stdout_fd(), "podman save");
  TRY(MappedFile file, spool(stream, "podman:" + reference, options.scratch_directory));
  TRY(const int status, child->wait());
  if (status != 0) {
    return fail(Code::kEnvironment, "podman save {} failed with status {}: {}", reference, status,
                child->said());
  }
  return std::optional<MappedFile>(std::move(file));
}

}  // namespace flense::image
