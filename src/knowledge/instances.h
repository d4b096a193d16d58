// What hosts are called where nobody sees the machine: cloud instance types (data/instances.json)
// and PCI device ids of AMD accelerators (data/amd_pci_ids.json).
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "knowledge/table_set.h"

namespace flense::knowledge {

struct InstanceType {
  std::string provider;  ///< "aws", "gcp", "azure", "oci", "lambda"
  std::string type;      ///< as the provider spells it: "p5.48xlarge"
  std::string gpu;       ///< name of a GpuProduct
  std::uint64_t count = 0;
  std::uint64_t memory_bytes = 0;  ///< of one GPU, nominal
  std::string cpu;                 ///< "x86_64", "aarch64"
  std::string rdma;                ///< "EFA", "InfiniBand", "RoCE"; empty: none or not told
  std::string source;              ///< "instances.json, 2026-11", and a confidence below high
};

struct AmdDevice {
  std::string id;  ///< PCI device id of vendor 1002, lower case: "74a1"
  std::string name, architecture;
  std::string source;
};

struct Instances {
  static Instances read(const TableSet& tables);

  std::vector<InstanceType> types;
  std::vector<AmdDevice> amd_devices;

  /// In any letter case; null when the table has no such type.
  const InstanceType* find(std::string_view provider, std::string_view type) const;
  std::vector<std::string> providers() const;
  /// Null when the table has no such id.
  const AmdDevice* amd_device(std::string_view id) const;
};

}  // namespace flense::knowledge
