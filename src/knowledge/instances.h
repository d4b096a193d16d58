// What hosts are called where nobody sees the machine: cloud instance types (data/instances.json)
// and PCI device ids of AMD accelerators (data/amd_pci_ids.json), compiled in.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

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

const std::vector<InstanceType>& instance_types();
/// In any letter case; null when the table has no such type.
const InstanceType* find_instance(std::string_view provider, std::string_view type);
std::vector<std::string> instance_providers();

struct AmdDevice {
  std::string id;  ///< PCI device id of vendor 1002, lower case: "74a1"
  std::string name, architecture;
  std::string source;
};
const AmdDevice* find_amd_device(std::string_view id);

}  // namespace flense::knowledge
