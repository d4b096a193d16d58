// Registries and Podman's storage through skopeo, into a cache that shares blobs by digest.
#pragma once

#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "image/model/image.h"
#include "image/model/reference.h"
#include "image/model/registry_limits.h"

namespace flense::image {

/// The image as an OCI layout of the cache in options.cache_directory: copied there unless its
/// manifest's digest is known. Environment error without such a directory.
/// `transport` is kRegistry or kContainersStorage; `found_in` and `name` are the caller's.
Result<std::unique_ptr<Image>> open_by_skopeo(Transport transport, const std::string& reference,
                                              const OpenOptions& options);

/// Whether open_by_skopeo() starts skopeo with these arguments for that image and cache: what a
/// broker asks before it does.
bool is_pull_by_skopeo(std::span<const std::string> words, Transport transport,
                       const std::string& reference, const std::filesystem::path& root);

/// Whether `reference` can be reached and asked with the login that skopeo has; writes nothing.
/// Returns the digest of what it shows now; empty where there is no such tag.
Result<std::string> check_push_by_skopeo(const std::string& reference,
                                         const RegistryLimits& limits);

/// What of a layout goes: the image of a name, or the index of that name with all entries, digests
/// as they are; without a name the only image.
enum class Entries { kOne, kAll };
struct LayoutPart {
  std::string name = {};
  Entries entries = Entries::kOne;
};
/// Copies an OCI layout (directory) or OCI archive to "docker://…" or "containers-storage:…".
Result<void> push_by_skopeo(const std::filesystem::path& from, const std::string& destination,
                            const RegistryLimits& limits, Progress* progress,
                            const LayoutPart& part = {});

/// Arguments of podman that ask whether it has an image, and for it.
std::vector<std::string> podman_exists(const std::string& reference);
std::vector<std::string> podman_saves(const std::string& reference);

/// Podman's own save stream (docker-archive) in a scratch file; nullopt when Podman is not
/// installed or does not have the image.
Result<std::optional<MappedFile>> podman_save(const std::string& reference,
                                              const OpenOptions& options);

/// An image of the cache.
struct CachedImage {
  std::filesystem::path layout;
  std::string manifest_digest;     ///< of the source's manifest or index
  std::vector<std::string> blobs;  ///< digests it needs, manifest and configuration included
  std::uint64_t bytes = 0;         ///< of those blobs
};
/// `cache` is what OpenOptions::cache_directory says.
Result<std::vector<CachedImage>> list_cached_images(const std::filesystem::path& cache);
/// Removes layouts for which `drop` holds, then blobs that no remaining layout needs; returns the
/// bytes freed.
Result<std::uint64_t> prune_cached_images(const std::filesystem::path& cache,
                                          const std::function<bool(const CachedImage&)>& drop);
/// Digests of cached blobs whose content does not match their name.
Result<std::vector<std::string>> verify_cached_blobs(const std::filesystem::path& cache);

}  // namespace flense::image
