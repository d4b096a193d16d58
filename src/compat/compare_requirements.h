// What a change of an image means for the machines it runs on: two requirements sheets compared.
// Pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "compat/requirements.h"
#include "inventory/compare/snapshot.h"

namespace flense::compat {

enum class Direction : std::uint8_t {
  kNarrower,  ///< fewer machines run it than before, or less well
  kWider,
  kNeutral,  ///< other, neither more nor fewer
  kUnknown,  ///< one of the sides is unknown
};
std::string_view to_string(Direction direction);

/// One thing that hosts notice. Ids: driver-floor, driver-native, ptx-driver, cuda, rocm, arch,
/// cold-start, future-gpus, glibc, cpu, platform.
struct HostChange {
  std::string id;
  Direction direction = Direction::kNeutral;
  std::string text;                             ///< one sentence without full stop
  std::string before, after;                    ///< the values; empty where there is none
  std::string evidence_before, evidence_after;  ///< where they were seen, or why they are unknown
};

/// A thing that could not be compared since neither side tells it.
struct Untold {
  std::string id, reason;
};

struct HostChanges {
  std::vector<HostChange> changes;  ///< narrower ones first
  std::vector<Untold> untold;
};

/// A side without requirements is a saved inventory. `glibc_*`: what the files ask of the C library
/// where the image brings none of its own.
struct ComparedNeeds {
  const Requirements* sheet = nullptr;
  const inventory::GlibcNeed* glibc = nullptr;
};
HostChanges compare_requirements(const ComparedNeeds& before, const ComparedNeeds& after);

}  // namespace flense::compat
