// The image cache as a thing of its own: what is in it, dropping, verifying.
#include <algorithm>
#include <set>
#include <system_error>
#include <utility>

#include "codec/sha256.h"
#include "image/model/model.h"
#include "image/sources/skopeo.h"
#include "image/sources/stored_image.h"

namespace flense::image {

namespace {

std::vector<std::filesystem::path> entries_of(const std::filesystem::path& directory) {
  std::vector<std::filesystem::path> out;
  std::error_code error;
  for (std::filesystem::directory_iterator item(directory, error), end; !error && item != end;
       item.increment(error)) {
    out.push_back(item->path());
  }
  std::ranges::sort(out);
  return out;
}

/// Digests that a layout needs; blobs that are missing contribute no bytes.
Result<CachedImage> describe(const std::filesystem::path& layout,
                             const std::filesystem::path& blobs) {
  CachedImage out;
  out.layout = layout;
  const std::string name = layout.filename().string();
  out.manifest_digest = "sha256:" + name.substr(0, name.find('-'));
  const DirectoryTree tree(layout, blobs, false);
  TRY(const auto index, read_document(tree, "index.json"));
  if (!index) return bad_input("{}: index.json is missing", layout.string());
  TRY(const auto refs, parse_index(*index, layout.string()));
  const auto add = [&](const Descriptor& descriptor) {
    if (std::ranges::find(out.blobs, descriptor.digest) != out.blobs.end()) return;
    out.blobs.push_back(descriptor.digest);
    out.bytes += descriptor.size;
  };
  for (const ManifestRef& ref : refs) {
    add(ref.descriptor);
    TRY(const auto text, read_document(tree, ref.descriptor));
    if (!text) continue;
    TRY(const Manifest manifest, parse_manifest(*text, ref.descriptor.digest));
    add(manifest.config);
    for (const Descriptor& layer : manifest.layers) add(layer);
  }
  return out;
}

}  // namespace

Result<std::vector<CachedImage>> list_cached_images(const std::filesystem::path& cache) {
  const std::filesystem::path root = cache / "images";
  std::vector<CachedImage> out;
  for (const auto& layout : entries_of(root / "layouts")) {
    // ".new-…": being copied by another process.
    if (layout.filename().string().starts_with('.')) continue;
    auto image = describe(layout, root / "blobs");
    if (!image) {
      // A damaged entry is listed without blobs, so that it can be pruned.
      CachedImage damaged;
      damaged.layout = layout;
      out.push_back(std::move(damaged));
      continue;
    }
    out.push_back(std::move(*image));
  }
  return out;
}

Result<std::uint64_t> prune_cached_images(const std::filesystem::path& cache,
                                          const std::function<bool(const CachedImage&)>& drop) {
  const std::filesystem::path root = cache / "images";
  TRY(const auto images, list_cached_images(cache));
  std::set<std::string> needed;
  for (const CachedImage& image : images) {
    if (drop(image)) {
      std::error_code error;
      std::filesystem::remove_all(image.layout, error);
      if (error) return system_error(error.value(), "cannot remove " + image.layout.string());
      continue;
    }
    needed.insert(image.blobs.begin(), image.blobs.end());
  }
  std::uint64_t freed = 0;
  for (const auto& blob : entries_of(root / "blobs" / "sha256")) {
    if (needed.contains("sha256:" + blob.filename().string())) continue;
    std::error_code error;
    const std::uint64_t size = std::filesystem::file_size(blob, error);
    if (error) continue;
    std::filesystem::remove(blob, error);
    if (error) return system_error(error.value(), "cannot remove " + blob.string());
    freed += size;
  }
  return freed;
}

Result<std::vector<std::string>> verify_cached_blobs(const std::filesystem::path& cache) {
  const std::filesystem::path root = cache / "images";
  std::vector<std::string> out;
  for (const auto& blob : entries_of(root / "blobs" / "sha256")) {
    const std::string digest = "sha256:" + blob.filename().string();
    if (!check_digest(digest, "cache")) continue;  // a download in progress
    TRY(const MappedFile file, MappedFile::open(blob));
    if (codec::sha256_digest(file.bytes()) != digest) out.push_back(digest);
  }
  return out;
}

}  // namespace flense::image
