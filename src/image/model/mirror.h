// Where a registry holds images for some GPUs under the names by which nodes ask upstream for them:
// REG/GPU/{upstream host}/{repository}:{tag}. slim writes there, and engines are pointed there.
#pragma once

#include <string>
#include <string_view>

#include "base/result.h"

namespace flense::image {

/// In the path of a mirror: what stands for the GPUs.
inline constexpr std::string_view kGpuPlace = "{gpu}";

struct Mirror {
  std::string host;         ///< "reg.example:5000"
  std::string path;         ///< "{gpu}", "team/{gpu}": with the place once
  bool plain_http = false;  ///< on this machine alone

  /// Below it lie the repositories of one upstream host: "reg.example:5000/sm_90/nvcr.io".
  /// Usage error for what is no host.
  Result<std::string> prefix(std::string_view gpu, std::string_view upstream_host) const;
  /// `upstream` is a normalised reference; usage error for one without a tag.
  Result<std::string> reference(std::string_view gpu, std::string_view upstream) const;
};

/// "docker://REG/{gpu}", "REG", "https://REG/team", "http://127.0.0.1:5000"; "/{gpu}" follows where
/// it does not stand there. Usage errors name `option`; plain HTTP is for this machine alone.
Result<Mirror> parse_mirror(std::string_view text, std::string_view option);

/// A component of a repository's path that no other host has: "nvcr.io", "reg.example_5000".
Result<std::string> host_component(std::string_view host);

/// What stands for GPUs in tags and mirrors: "sm_90" of the targets "sm_90", "sm_80-sm_86".
std::string gpu_name(std::string_view targets);
/// The same in a mirror, which has one image for a name: "sm_90-arm64" of any architecture but
/// amd64.
std::string mirror_name(std::string_view targets, std::string_view architecture);

}  // namespace flense::image
