// The one list of a profile's members and their names in JSON: writing, reading and tests use it,
// so that none of them can omit one.
#pragma once

#include "host/profile.h"
#include "text/fields.h"

namespace flense::host {

using text::FieldsOf;

void each_field(FieldsOf<System> auto& system, auto&& see) {
  see("kernel", system.kernel);
  see("architecture", system.architecture);
  see("distribution", system.distribution);
  see("distribution_id", system.distribution_id);
  see("distribution_version", system.distribution_version);
  see("libc", system.libc);
  see("libc_version", system.libc_version);
  see("cpu_model", system.cpu_model);
  see("cpu_level", system.cpu_level);
  see("cpu_flags", system.cpu_flags);
  see("cpus", system.cpus);
  see("memory_bytes", system.memory_bytes);
  see("wsl2", system.wsl2);
  see("jetson", system.jetson);
  see("board", system.board);
  see("in_container", system.in_container);
}

void each_field(FieldsOf<Isolation> auto& isolation, auto&& see) {
  see("cgroups", isolation.cgroups);
  see("user_namespaces", isolation.user_namespaces);
  see("overlay", isolation.overlay);
  see("fuse", isolation.fuse);
}

void each_field(FieldsOf<Nvidia> auto& nvidia, auto&& see) {
  see("module_version", nvidia.module_version);
  see("module_kind", nvidia.module_kind);
  see("library_version", nvidia.library_version);
  see("library_path", nvidia.library_path);
  see("driver_root", nvidia.driver_root);
  see("agree", nvidia.agree);
  see("cuda", nvidia.cuda);
  see("installed", nvidia.installed);
  see("persistenced", nvidia.persistenced);
  see("toolkit_version", nvidia.toolkit_version);
  see("toolkit", nvidia.toolkit);
  see("mps_directory", nvidia.mps_directory);
  see("module", nvidia.module);
  see("library", nvidia.library);
  see("node_access", nvidia.node_access);
}

void each_field(FieldsOf<Amd> auto& amd, auto&& see) {
  see("driver_version", amd.driver_version);
  see("rocm_version", amd.rocm_version);
  see("module", amd.module);
  see("kfd", amd.kfd);
}

void each_field(FieldsOf<Gpu> auto& gpu, auto&& see) {
  see("vendor", gpu.vendor);
  see("name", gpu.name);
  see("uuid", gpu.uuid);
  see("pci_address", gpu.pci_address);
  see("pci_id", gpu.pci_id);
  see("kernel_driver", gpu.kernel_driver);
  see("architecture", gpu.architecture);
  see("memory_bytes", gpu.memory_bytes);
  see("minor", gpu.minor);
  see("numa_node", gpu.numa_node);
  see("link_speed", gpu.link_speed);
  see("link_speed_max", gpu.link_speed_max);
  see("link_width", gpu.link_width);
  see("link_width_max", gpu.link_width_max);
  see("mig", gpu.mig);
  see("mig_instances", gpu.mig_instances);
  see("mig_memory_bytes", gpu.mig_memory_bytes);
  see("compute_mode", gpu.compute_mode);
  see("persistence", gpu.persistence);
  see("nvlink_peers", gpu.nvlink_peers);
  see("partition", gpu.partition);
  see("partitions", gpu.partitions);
  see("sharing", gpu.sharing);
  see("replicas", gpu.replicas);
}

void each_field(FieldsOf<Distance> auto& distance, auto&& see) {
  see("gpu", distance.gpu);
  see("numa", distance.numa);
}

void each_field(FieldsOf<Network> auto& network, auto&& see) {
  see("name", network.name);
  see("pci_address", network.pci_address);
  see("link_layer", network.link_layer);
  see("state", network.state);
  see("rate", network.rate);
  see("firmware", network.firmware);
  see("numa_node", network.numa_node);
  see("distances", network.distances);
}

void each_field(FieldsOf<Engine> auto& engine, auto&& see) {
  see("name", engine.name);
  see("path", engine.path);
  see("version", engine.version);
  see("cdi", engine.cdi);
  see("nvidia_runtime", engine.nvidia_runtime);
}

void each_field(FieldsOf<Profile> auto& profile, auto&& see) {
  see("source", profile.source);
  see("system", profile.system);
  see("isolation", profile.isolation);
  see("nvidia", profile.nvidia);
  see("amd", profile.amd);
  see("gpu_count", profile.gpu_count);
  see("gpus", profile.gpus);
  see("networks", profile.networks);
  see("engines", profile.engines);
  see("cdi_specs", profile.cdi_specs);
  see("notices", profile.notices);
}

}  // namespace flense::host
