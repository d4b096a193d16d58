// Reads a machine into a profile from plain files only: no vendor library is loaded and nothing is
// executed, so it works without a GPU, without root and on a mounted or copied tree. Whatever
// cannot be read is unknown, with the reason; probing never fails.
#pragma once

#include "host/profile.h"
#include "host/tree.h"
#include "knowledge/knowledge.h"

namespace flense::host {

Profile probe(const Machine& machine, const knowledge::Knowledge& tables);

// The parts, in the order in which later ones use earlier ones. They lean on no table.
System probe_system(const Machine& machine);
/// Of it only what kind of machine it is: kernel, WSL2, Jetson, board, container.
System probe_platform(const Machine& machine);
Isolation probe_isolation(const Machine& machine, const System& system);
Nvidia probe_nvidia(const Machine& machine, const System& system);
/// Of it what a start can wait for: the module alone; module, library and root of the driver.
Nvidia probe_nvidia_module(const Machine& machine);
Nvidia probe_nvidia_driver(const Machine& machine);
Amd probe_amd(const Machine& machine, const System& system);
/// What the driver and the bus say of them.
std::vector<Gpu> probe_nvidia_gpus(const Machine& machine, const System& system);
std::vector<Gpu> probe_amd_gpus(const Machine& machine);
std::vector<Network> probe_networks(const Machine& machine, const std::vector<Gpu>& gpus);
std::vector<Engine> probe_engines(const Machine& machine);
Text probe_container_toolkit(const Machine& machine);
Flag probe_toolkit_programs(const Machine& machine);
List probe_cdi_specs(const Machine& machine);

/// What the tables say of what was seen: the CUDA of the driver; of each GPU that has not told it
/// the architecture, and NVIDIA's nominal memory.
void add_known(const knowledge::Knowledge& tables, Profile& profile);
/// The newest CUDA that a driver runs, as a fact.
Text cuda_by_branch(const knowledge::Drivers& drivers, const std::string& driver);

}  // namespace flense::host
