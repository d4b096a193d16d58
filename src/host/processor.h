// What a build for several machines may ask of their processors, and of the memory of those that
// compile.
#pragma once

#include <span>
#include <string>

#include "host/profile.h"

namespace flense::host {

struct Processor {
  std::string march;  ///< -march of the weakest: "x86-64-v3", "armv8.1-a"; empty: not told
  std::string avx;    ///< "none", "avx", "avx2", "avx512"; empty: not told, or no x86-64
  /// Why one is not told although some machines tell theirs; empty otherwise.
  std::string march_unknown, avx_unknown;
};

Processor weakest_processor(std::span<const Profile> hosts);

/// Compilers that may run at once on each of the machines; `unknown` as above.
struct BuildJobs {
  std::uint64_t jobs = 0;  ///< 0: not told
  std::string unknown;
};

BuildJobs build_jobs(std::span<const Profile> hosts);

}  // namespace flense::host
