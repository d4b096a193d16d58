// Published builds that a new project can pin; rows of data/releases.json, newest first. Whether
// one fits a host is for the other tables to say.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

struct TorchRelease {
  std::string version;                ///< "2.14.1"
  std::vector<std::string> variants;  ///< "cu130"
  std::vector<std::string> rocm;      ///< "rocm7.2"
  std::string source, rocm_source;
};

struct JaxRelease {
  std::string version;
  std::string variant;  ///< the extra: "cuda13"
  std::string cuda;     ///< of NVIDIA's wheels: "13.0.3"
  std::string source;
};

struct CondaRelease {
  std::string version;            ///< of conda-forge's pytorch
  std::vector<std::string> cuda;  ///< "12.9"
  std::string source;
};

/// A CUDA for which nvidia/cuda has images.
struct ToolkitImage {
  std::string cuda;                        ///< "12.9.1"
  std::vector<std::string> distributions;  ///< "ubuntu24.04"
  std::string source;
};

/// An image without GPU software, by what it is used for.
struct PlainImage {
  std::string use, image, source;
};

/// A release of flense itself.
struct FlenseRelease {
  std::string version, sha256, url;  ///< of its tarball
  std::string source;
};

struct Releases {
  static Releases read(const TableSet& tables);

  std::vector<TorchRelease> torch;
  std::vector<JaxRelease> jax;
  std::vector<CondaRelease> conda;
  std::vector<ToolkitImage> toolkits;
  std::vector<PlainImage> images;
  std::vector<FlenseRelease> flense;

  /// Null when no row is for that use.
  const PlainImage* image(std::string_view use) const;
};

}  // namespace flense::knowledge
