// Image names as build and launch files write them (distribution reference grammar).
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace flense::lint {

struct ImageName {
  std::string registry;    ///< "docker.io" where none is written
  std::string repository;  ///< "library/ubuntu", "nvidia/cuda"
  std::string tag;         ///< empty: not written
  std::string digest;      ///< "sha256:…"; empty: not written

  /// "nvidia/cuda" for Docker Hub, "nvcr.io/nvidia/pytorch" for others, "ubuntu" for the library.
  std::string familiar() const;
};

/// "sha256:" and 64 hexadecimal digits, or the same of sha384 and sha512.
bool is_digest(std::string_view text);

/// nullopt for what is not a reference; neither is "scratch".
std::optional<ImageName> parse_image_name(std::string_view text);

}  // namespace flense::lint
