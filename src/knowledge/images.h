// Base images of GPU containers: which tags exist, what the flavours hold, how long distributions
// live, what they lack; rows of data/images.json.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

/// A version that nvidia/cuda has, or had, tags of.
struct CudaImageRow {
  std::string cuda;   ///< "12.4.1"; "10.2" stands for all its updates
  std::string state;  ///< empty: maintained; "unsupported": due for deletion; "deleted"
  std::string cudnn;  ///< how its tags spell cuDNN: "cudnn8", "cudnn", "none"; empty when not told
  std::string document, source;
};

/// Versions that nvidia/cuda has for a distribution; an empty bound is none.
struct CudaDistributionRow {
  std::string distribution;  ///< "ubuntu22.04"
  std::string first, last;   ///< "12.9" holds all its updates
  std::string cudnn;         ///< the first with cuDNN where that came later; "none": there is none
  std::string source;

  bool is_early(std::string_view cuda) const;
  bool is_late(std::string_view cuda) const;
  bool has_cudnn(std::string_view cuda) const;  ///< where its row has one
  bool has(std::string_view cuda, bool with_cudnn) const;
};

struct OldRepositoryRow {
  std::string repository, instead, because, source;
};

/// A distribution in the spelling of image tags: "ubuntu22.04", "debian12", "rockylinux9".
struct DistributionLifeRow {
  std::string distribution, name;
  std::string codename;          ///< "jammy"; empty: none
  std::string end;               ///< of support: "2027-04"
  std::string python;            ///< of its package python3: "3.10"; empty when not told
  std::vector<std::string> ros;  ///< releases of ROS whose images are built on it: "humble"
  std::string source;
};

/// A monthly release of NVIDIA's framework containers.
struct NgcRow {
  std::string release;  ///< "25.04"
  std::string cuda, driver;
  std::string distribution, python;  ///< empty when not told
  bool certain = false;
  std::string source;
};

struct RepositoryRow {
  std::string repository;  ///< '*' stands for any text
  std::string vendor, framework, flavour;
  std::string scheme;         ///< of its tags: "ngc", "pytorch", "tensorflow", "rocm", "runpod"
  std::string platform;       ///< "jetson"; empty: servers
  std::string user;           ///< who runs the steps until USER says otherwise; empty: root
  bool moves_caches = false;  ///< its variables say where tools keep their caches
  std::string builder;        ///< why it is for building only; empty: it is not
  std::string instead, document, source;
};

struct DistrolessRow {
  std::string repository;
  bool glibc = false, libstdcxx = false;
  std::string instead, source;
};

/// Packages that distributions do not have, unless something adds a source.
struct MissingPackageRow {
  std::vector<std::string> packages, distributions;  ///< patterns
  std::string instead;
  std::vector<std::string> supplied_by;  ///< words of commands
  std::string document, source;
};

/// An address whose content changes.
struct FloatingInstallerRow {
  std::string pattern, what, instead, source;
};

/// Images that hold the withdrawn key of NVIDIA's repository alone, as they are older than the new
/// one and were not built again.
struct OldKeyRow {
  std::string repository;
  std::vector<std::string> tags;     ///< patterns
  std::string first, last;           ///< of the version that the tag begins with
  std::vector<std::string> rebuilt;  ///< versions between them that hold the new key
  std::string directory;             ///< of the repository: "ubuntu1804"
  std::string instead, document, source;
};

struct Images {
  static Images read(const TableSet& tables);

  std::vector<CudaImageRow> cuda;
  std::vector<CudaDistributionRow> cuda_distributions;
  std::vector<OldRepositoryRow> old_repositories;
  std::vector<DistributionLifeRow> distributions;
  std::vector<NgcRow> ngc;
  std::vector<RepositoryRow> repositories;
  std::vector<DistrolessRow> distroless;
  std::vector<MissingPackageRow> missing_packages;  ///< of the distribution itself
  std::vector<MissingPackageRow> nvidia_packages;   ///< of NVIDIA's repository alone
  std::vector<FloatingInstallerRow> floating_installers;
  std::vector<OldKeyRow> old_keys;
  std::string date;  ///< of the table: "2026-11"

  // Null where the table has no such row. Of several rows the first counts: the user's own.
  /// "12.4.1", or the row of "10.2" for "10.2.89".
  const CudaImageRow* cuda_version(std::string_view cuda) const;
  /// The newest maintained version of the same major and minor, else of the same major.
  const CudaImageRow* cuda_near(std::string_view cuda) const;
  const CudaImageRow* newest_cuda() const;
  const CudaDistributionRow* cuda_distribution(std::string_view distribution) const;
  const OldRepositoryRow* old_repository(std::string_view repository) const;
  const DistributionLifeRow* distribution(std::string_view distribution) const;
  const DistributionLifeRow* codename(std::string_view codename) const;
  /// What the images of a release of ROS are built on.
  const DistributionLifeRow* ros_release(std::string_view release) const;
  const NgcRow* ngc_release(std::string_view release) const;
  const RepositoryRow* repository(std::string_view repository) const;
  const DistrolessRow* distroless_image(std::string_view repository) const;
  const OldKeyRow* old_key(std::string_view repository, std::string_view tag) const;
};

/// Whole months from `from` to `to`, both "2025-04"; 0 when either is none or the order is another.
unsigned months_between(std::string_view from, std::string_view to);

}  // namespace flense::knowledge
