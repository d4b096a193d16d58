// What the user types: transports, paths with tags, engine and registry names.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace flense::image {

enum class Transport {
  kNone,  ///< a path or a bare name
  kStdin,
  kOci,
  kOciArchive,
  kDockerArchive,
  kDirectory,
  kRegistry,
  kDockerDaemon,
  kContainersStorage,
  kSquashfs,
  kSif
};

/// A word before what names an image.
struct TransportForm {
  std::string_view prefix;  ///< "oci:", "docker://"
  Transport transport;
  bool is_engine;  ///< or a registry: images are pushed there; the others are files and directories
  std::string_view word() const { return prefix.substr(0, prefix.find(':')); }
};
std::span<const TransportForm> transport_forms();
/// The one that `text` begins with; null when there is none.
const TransportForm* transport_form_of(std::string_view text);

struct Target {
  Transport transport = Transport::kNone;
  std::string path;       ///< file or directory; for engines and registries empty
  std::string reference;  ///< tag or image name after the path, or the engine's name
};

/// Splits "oci:PATH[:TAG]", "docker-archive:PATH[:REF]", "docker://REF", …. The first colon whose
/// left side exists starts the tag; an existing path with colons wins.
Target parse_target(std::string_view text);

/// "app" -> "docker.io/library/app:latest", "quay.io/x/y:1" unchanged; digests are kept. nullopt
/// when it is no image name (distribution/reference grammar, simplified: lower-case path).
std::optional<std::string> normalise_reference(std::string_view reference);

/// Whether two names mean the same image: equal, equal when normalised, or `wanted` is the tag.
bool reference_matches(std::string_view wanted, std::string_view offered);

/// Host part of a normalised reference is this machine (plain HTTP is then tolerated).
bool is_local_registry(std::string_view reference);

}  // namespace flense::image
