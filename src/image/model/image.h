// A container image as read: manifest, configuration, layers and where their bytes are.
// OCI image-spec v1.1 (manifest, config, layer, image-layout), Docker image spec v1.2 and v2.2.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "base/file.h"
#include "base/progress.h"
#include "base/result.h"
#include "base/stream.h"
#include "codec/compression.h"
#include "image/model/registry_limits.h"
#include "image/model/verified_layers.h"
#include "text/json.h"

namespace flense::guard {
class Broker;
}

namespace flense::image {

enum class Form {
  kOciLayout,
  kOciArchive,
  kDockerArchive,
  kDirectory,
  kElfFile,
  kSquashfs,
  kSif,
  kWheel
};
std::string_view to_string(Form form);

struct Descriptor {
  std::string media_type;
  std::string digest;  ///< "sha256:…"; for plain docker-archive layers the diff_id
  std::uint64_t size = 0;
  std::map<std::string, std::string> annotations = {};  ///< of layers: what others say of the blob
};

struct Layer {
  Descriptor blob;
  std::string diff_id;      ///< digest of the uncompressed tar; empty for form kDirectory
  std::string instruction;  ///< created_by of the history entry, trimmed; may be empty
  codec::Compression compression = codec::Compression::kNone;
  bool added = false;  ///< made by this run, no part of the input (image/layers/extended_image.h)
};

struct Platform {
  std::string os, architecture, variant;
  std::string text() const;  ///< "linux/arm64/v8"
};

/// An image that was made for some GPUs, as an entry of an index (image/model/variant.h).
struct Variant {
  std::string digest;
  std::uint64_t size = 0;  ///< of the manifest
  Platform platform;
  std::vector<std::string> targets;  ///< "sm_90", "gfx942"
  std::string driver_floor;
  std::string origin;                  ///< digest of the image that it was made from
  std::string origin_reference;        ///< Image::pulled_from of that
  std::optional<std::uint64_t> saved;  ///< bytes that its layers have less than that one's
};

/// A blob of an image, as it lies there.
struct StoredBlob {
  std::unique_ptr<Source> stream;
  std::optional<std::filesystem::path> file = {};  ///< where it is a file of its own
};

/// The index that an image was picked from.
struct IndexSource {
  std::string digest;  ///< empty where it is the list of an OCI layout or archive
  text::Json annotations;
  std::vector<text::Json> entries;  ///< as they stand, without names for the picked image
  std::size_t attestations = 0;
};

class EntrySource;

/// An opened image, const from then on. Directory, ELF, squashfs and wheel inputs have exactly one
/// pseudo layer.
class Image {
 public:
  virtual ~Image() = default;
  Form form = Form::kOciLayout;
  std::string name;      ///< what the user typed, resolved: "docker-archive:app.tar"
  std::string found_in;  ///< for bare names: "docker", "podman", "registry"; else ""
  /// "docker.io/library/app:1@sha256:…": a registry's name and what it showed; else empty.
  std::string pulled_from;
  std::vector<std::string> tags;  ///< repo:tag names in the archive
  Platform platform;
  std::string manifest_text;    ///< raw bytes; empty for directories
  std::string manifest_digest;  ///< empty for docker-archives without an OCI index
  std::string config_text;
  std::string config_digest;
  text::Json config;  ///< parsed; null for directories
  text::Json manifest_annotations;
  std::vector<Layer> layers;
  std::optional<IndexSource> index;  ///< of OCI layouts and archives
  std::optional<Variant> variant;    ///< the picked entry, where OpenOptions::choose chose it
  /// What its documents say differently of one thing: which one counts is up to who reads it.
  std::vector<std::string> contradictions;
  std::vector<std::string> notices;  ///< dropped signatures, skipped platforms, …
  /// Held by an engine that verified the digests when it took the image in: they name its bytes.
  bool vouched_for = false;
  /// Filled and asked by walk_layer().
  std::shared_ptr<VerifiedLayers> verified = std::make_shared<VerifiedLayers>();

  /// Raw (compressed) bytes of layer `index`; a mapped file gives a Source whose direct() is set.
  /// Not verified: LayerWalk verifies digests as it streams.
  virtual Result<std::unique_ptr<Source>> open_layer(std::size_t index) const = 0;
  /// The blob as a file of its own, where there is one (OCI layout directories): lets writers link
  /// instead of copy.
  virtual std::optional<std::filesystem::path> layer_file(std::size_t) const { return {}; }
  /// The mapped file that holds the stored bytes of the layer: itself, or an archive around it;
  /// null for what lies in memory or is no tar.
  virtual const MappedFile* layer_mapping(std::size_t) const { return nullptr; }
  /// Any blob beside the image, for those who take its index over; nullopt where it is not there.
  virtual Result<std::optional<StoredBlob>> find_blob(const std::string& /*digest*/) const {
    return std::nullopt;
  }
  /// Set for inputs whose single layer is no tar (directories, single files, squashfs).
  virtual const EntrySource* entries() const { return nullptr; }
};

/// Of all layers, for progress; 0 where none is stored as such.
inline std::uint64_t stored_size(const Image& image) {
  std::uint64_t out = 0;
  for (const Layer& layer : image.layers) out += layer.blob.size;
  return out;
}

/// Small texts that whoever opens images keeps for the next time.
struct ImageMemory {
  std::function<std::optional<std::string>(const std::string& key)> recall;
  std::function<void(const std::string& key, const std::string& text)> keep;
};

struct OpenOptions {
  std::string platform;                     ///< "linux/arm64"; empty = this machine's
  std::filesystem::path scratch_directory;  ///< --tmpdir
  bool config_only = false;               ///< of a registry or Docker's engine: no layer is fetched
  std::filesystem::path cache_directory;  ///< for pulled images; empty: there is none
  RegistryLimits registry;
  ImageMemory memory;  ///< of what Docker's engine has saved; may be empty
  /// Whether the caller needs nothing of this image but what Docker's engine tells of it: its
  /// layers are known, and its history is not asked for. May be empty.
  std::function<bool(const Image&)> told_enough;
  /// Picks one of an index's images for GPUs instead of the one for all; nullopt: none of them. May
  /// be empty, and is asked only where there are such.
  std::function<std::optional<std::size_t>(const std::vector<Variant>&)> choose;
  bool whole_index = false;         ///< of a registry: all entries are fetched
  Progress* progress = nullptr;     ///< of what is pulled
  guard::Broker* broker = nullptr;  ///< of a confined process: does what needs other programs
};

/// Opens a TARGET: a path told apart by content, a transport (`oci:`, `oci-archive:`,
/// `docker-archive:`, `dir:`, `docker://`, `docker-daemon:`, `containers-storage:`), "-" for an
/// archive on standard input, else a bare name looked for in docker, podman and the registry. An
/// existing path wins over a name. Manifest and configuration are verified against their digests
/// here, layers when they are walked.
Result<std::unique_ptr<const Image>> open_image(const std::string& target,
                                                const OpenOptions& options);

/// The same for the bytes of an archive (docker-archive or OCI archive, uncompressed) that the
/// caller keeps alive; `reference` picks one of several images.
Result<std::unique_ptr<const Image>> open_archive_bytes(Bytes bytes, const std::string& name,
                                                        std::string_view reference,
                                                        const OpenOptions& options);

}  // namespace flense::image
