// An image whose documents and layers lie in a FileTree: OCI layouts and archives, docker-archives.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "image/model/image.h"
#include "image/model/model.h"
#include "image/sources/file_tree.h"

namespace flense::image {

class StoredImage final : public Image {
 public:
  Result<std::unique_ptr<Source>> open_layer(std::size_t layer) const override;
  std::optional<std::filesystem::path> layer_file(std::size_t layer) const override;
  const MappedFile* layer_mapping(std::size_t layer) const override;
  Result<std::optional<StoredBlob>> find_blob(const std::string& digest) const override;

  /// Fills layers from the configuration; `blobs` are in layer order, their descriptors' digests
  /// may be empty where the archive does not name them.
  Result<void> set_layers(const Config& config, std::vector<Descriptor> descriptors,
                          std::vector<Blob> blobs);
  /// Keeps the mapping of an archive alive.
  std::shared_ptr<const FileTree> tree;

 private:
  std::vector<Blob> blobs_;
};

/// A view with the mapping that holds it.
class BlobSource final : public Source {
 public:
  explicit BlobSource(Blob blob) : blob_(std::move(blob)), source_(blob_.bytes) {}
  Result<Bytes> next(std::size_t max) override { return source_.next(max); }
  Bytes direct() const override { return source_.direct(); }

 private:
  Blob blob_;
  MemorySource source_;
};

/// Reads the OCI image of `tree` (its index.json) that `reference` and the platform pick.
/// `reference` is a tag, a full image name, or empty.
Result<std::unique_ptr<StoredImage>> open_oci(std::shared_ptr<const FileTree> tree,
                                              std::string_view reference,
                                              const OpenOptions& options);

/// The one manifest that lies as manifest.json in the root (skopeo's dir: transport).
Result<std::unique_ptr<StoredImage>> open_single_manifest(std::shared_ptr<const FileTree> tree,
                                                          const OpenOptions& options);

/// Reads by manifest.json of `docker save` and `podman save`.
Result<std::unique_ptr<StoredImage>> open_docker(std::shared_ptr<const FileTree> tree,
                                                 std::string_view reference,
                                                 const OpenOptions& options);

/// Tells an OCI archive from a docker-archive by its files; with both, the OCI index is read and
/// manifest.json serves for the names.
Result<std::unique_ptr<StoredImage>> open_tree(std::shared_ptr<const FileTree> tree,
                                               std::string_view reference,
                                               const OpenOptions& options);

/// Whether `digest` is that of `bytes`; an error that names both otherwise.
Result<void> verify_digest(Bytes bytes, std::string_view digest, std::string_view what);
/// A small JSON document of the tree as text; nullopt when absent.
Result<std::optional<std::string>> read_document(const FileTree& tree, std::string_view path);
/// The same by descriptor, with size and digest verified.
Result<std::optional<std::string>> read_document(const FileTree& tree,
                                                 const Descriptor& descriptor);

}  // namespace flense::image
