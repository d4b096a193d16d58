// Many machines side by side: what differs between them, which is the weakest, and what would serve
// all of them.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <vector>

#include "host/profile.h"

namespace flense::host {

/// One value of a fact and the hosts that have it.
struct FleetValue {
  std::string text;  ///< as it is printed; of an unknown one "?"
  bool known = true;
  std::vector<std::size_t> hosts;  ///< indices, ascending
};

/// A fact that is not the same everywhere.
struct Drift {
  std::string fact;                ///< "kernel", "NVIDIA driver", "GPUs"
  bool differs = true;             ///< false: the hosts that know it agree
  std::vector<FleetValue> values;  ///< most hosts first, unknown last
};

struct Weakest {
  std::string text;  ///< "12.2", "sm_70"; empty when no host tells
  std::vector<std::size_t> hosts;
};

struct Fleet {
  std::vector<Drift> drift;
  /// Hosts with the same facts, the largest group first.
  std::vector<std::vector<std::size_t>> groups;
  Weakest cuda;          ///< the oldest CUDA that a driver runs itself
  Weakest architecture;  ///< the lowest compute capability
  /// What a build for all of them is for: "sm_80", "sm_90", "gfx942".
  std::vector<std::string> architectures;
  std::vector<std::size_t> without_architecture;  ///< hosts with a GPU, or perhaps one, of none

  bool equal() const;      ///< nothing differs
  bool undecided() const;  ///< what differs in nothing is unknown in part
};

/// Facts that every machine has of its own (addresses, UUIDs, sizes of memory to the byte) are left
/// out.
Fleet compare(std::span<const Profile> hosts);

}  // namespace flense::host
