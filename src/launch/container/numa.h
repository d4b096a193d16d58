// Places a process beside its GPU: which processors and whose memory, decided from sysfs; applied
// in the container, by this program, right before it becomes the command. crun cannot be left to
// pass affinity on: from 1.9.2 on it resets it, and in new releases this has an effect.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "host/profile.h"
#include "host/tree.h"
#include "launch/container/crun.h"

namespace flense::launch {

/// Lists as the kernel writes them: "0-31,64-95" (cpuset(7), list format).
struct Placement {
  std::string cpus;   ///< that the process may run on
  std::string nodes;  ///< whose memory it shall have first; empty: no matter
  bool operator==(const Placement&) const = default;
};

/// nullopt: no such list, or a number beyond 65535.
std::optional<std::set<unsigned>> parse_list(std::string_view text);
std::string list_text(const std::set<unsigned>& numbers);

struct PlacementPlan {
  std::optional<Placement> placement;
  std::vector<std::string> reasons, notices;
};

/// Beside the GPUs that these nodes of /dev are. What is not known of one of them is told, and
/// nothing is bound then.
PlacementPlan plan_placement(const host::Profile& profile, const host::Tree& sys,
                             const std::vector<std::string>& nodes,
                             const std::set<unsigned>& allowed);

/// Processors of this process; empty when the kernel does not say.
std::set<unsigned> allowed_cpus();

/// The processors that the batch system has given to us, where crun would take them back.
std::optional<Placement> inherited_placement(const Engine& engine, const host::Tree& sys,
                                             const std::set<unsigned>& allowed);

/// Where the program lies in the container, and its first word.
constexpr const char* kPlacer = "/run/flense/place";
constexpr std::string_view kPlaceWord = "place-beside-gpu";

/// The words before a command: kPlacer, kPlaceWord and the lists.
std::vector<std::string> placing_words(const Placement& placement);
/// The same of the arguments of a container's process; empty when they begin otherwise.
std::vector<std::string> placing_words_of(const std::vector<std::string>& args);

/// Of this process and what it becomes. Memory that cannot be preferred is a notice.
Result<std::vector<std::string>> place_here(const Placement& placement);

}  // namespace flense::launch
