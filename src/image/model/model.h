// The JSON documents of an image as plain values: OCI index, manifest and configuration (OCI
// image-spec v1.1), the Docker v2.2 forms of the same, and the manifest.json of `docker save`.
// Pure functions of the text; nothing here touches a file.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "image/model/image.h"
#include "text/json.h"

namespace flense::image {

inline constexpr std::uint64_t kMaxDocumentBytes = 16u << 20;
inline constexpr std::size_t kMaxLayers = 4096;
inline constexpr std::size_t kMaxManifests = 4096;

/// Media types as this program writes them.
inline constexpr std::string_view kOciIndexType = "application/vnd.oci.image.index.v1+json";
inline constexpr std::string_view kOciManifestType = "application/vnd.oci.image.manifest.v1+json";
inline constexpr std::string_view kOciConfigType = "application/vnd.oci.image.config.v1+json";
std::string_view layer_media_type(codec::Compression compression);

/// Whether the manifest says that the layer can be pulled lazily. Annotations of the same name
/// stand for other forms beside zstd layers.
bool is_estargz(const Layer& layer);

enum class DocumentKind { kIndex, kManifest, kOther };
/// By media type; when that is empty, kManifest or kIndex is told by parse_* on the content.
DocumentKind document_kind(std::string_view media_type);

/// Whether the manifest's `config` descriptor says that this is an image and not another artifact.
bool is_image_config(std::string_view media_type);

/// A layer's media type; anything that is not a tar layer is a bad-input error naming it.
struct LayerType {
  codec::Compression compression = codec::Compression::kNone;
  bool foreign = false;  ///< may legitimately be absent: "foreign" and "nondistributable" layers
};
Result<LayerType> parse_layer_type(std::string_view media_type);

/// "sha256:" and 64 lower-case hexadecimal digits; other algorithms are named in the error.
Result<void> check_digest(std::string_view digest, std::string_view what);
/// "blobs/sha256/…"; the digest has been checked.
std::string blob_path(std::string_view digest);

/// An entry of an index.
struct ManifestRef {
  Descriptor descriptor;
  Platform platform;         ///< empty strings when the index does not say
  std::string ref_name;      ///< org.opencontainers.image.ref.name
  std::string image_name;    ///< io.containerd.image.name: the full reference
  bool attestation = false;  ///< provenance or SBOM of another entry, or platform unknown/unknown
  std::optional<Variant> variant = {};
};
Result<std::vector<ManifestRef>> parse_index(std::string_view text, std::string_view what);

/// As entries of an index say it.
text::Json platform_json(const Platform& platform);

struct Manifest {
  Descriptor config;
  std::vector<Descriptor> layers;
  text::Json annotations;
};
Result<Manifest> parse_manifest(std::string_view text, std::string_view what);

struct Config {
  text::Json json;
  Platform platform;
  std::vector<std::string> diff_ids;
  /// One per layer when the history accounts for every layer, else empty strings.
  std::vector<std::string> instructions;
  bool history_matches = true;
};
Result<Config> parse_config(std::string_view text, std::string_view what);

/// One image of a docker-archive.
struct DockerEntry {
  std::string config;
  std::vector<std::string> tags;
  std::vector<std::string> layers;
};
Result<std::vector<DockerEntry>> parse_docker_manifest(std::string_view text,
                                                       std::string_view what);

/// `created_by` as a Dockerfile line: shell wrappers, "#(nop)" and "# buildkit" removed.
std::string trim_instruction(std::string_view created_by);

}  // namespace flense::image
