// C libraries of distributions, and what GPU software asks of them; rows of data/glibc.json.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

struct DistributionRow {
  std::string id;       ///< ID of os-release: "ubuntu"
  std::string name;     ///< how PRETTY_NAME begins: "Debian GNU/Linux"
  std::string version;  ///< "22.04", "9"
  std::string glibc;
  std::string source;
};

/// What the libraries of one NVIDIA driver ask of glibc.
struct DriverLibcRow {
  std::uint64_t branch = 0;
  std::string driver, glibc, source;
};

struct CudaLibcRow {
  std::uint64_t cuda = 0;  ///< major
  std::string glibc, source;
};

/// From this glibc on, kernels or engines older than `least` are trouble.
struct LibcFloorRow {
  std::string glibc;
  std::string engine;  ///< "docker"; empty for the kernel
  std::string least;
  std::string source;
  bool refuses = false;  ///< its loader ends there: "FATAL: kernel too old"
};

struct Glibc {
  static Glibc read(const TableSet& tables);

  std::vector<DistributionRow> distributions;
  std::vector<DriverLibcRow> drivers;
  std::vector<CudaLibcRow> cuda;
  std::vector<LibcFloorRow> floors;

  /// By PRETTY_NAME: "Ubuntu 22.04.4 LTS"; null for an unknown one.
  const DistributionRow* by_name(std::string_view pretty_name) const;
  /// By ID and VERSION_ID: "ubuntu", "22.04"; "rhel", "9.4".
  const DistributionRow* by_id(std::string_view id, std::string_view version) const;
  /// The newest measured driver that is of this branch or an older one; null below all.
  const DriverLibcRow* driver(std::uint64_t branch) const;
  /// A driver of this branch or a newer one was measured.
  bool measured(std::uint64_t branch) const;
  const CudaLibcRow* of_cuda(std::uint64_t major) const;
  const CudaLibcRow* newest_cuda() const;
};

}  // namespace flense::knowledge
