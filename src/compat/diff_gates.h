// What a comparison of two images must not show (flense diff --fail-on): a gate fails, passes, or
// cannot be decided, which never counts as a pass.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "compat/compare_requirements.h"
#include "compat/compare_verdicts.h"
#include "inventory/compare/compare.h"

namespace flense::compat {

struct Gate {
  std::string text;  ///< as typed: "size:+5%"
  std::string id;
  // How much "size" and "unpacked" may grow; with neither set, not at all.
  std::optional<double> percent;
  std::optional<std::uint64_t> bytes;
};

/// A usage error, with the list, for a word that is not a gate.
Result<Gate> parse_gate(std::string_view text);
/// All of them, in alphabetical order.
std::span<const std::string_view> gate_ids();

struct GateResult {
  std::string gate;    ///< as typed
  std::string status;  ///< "passed", "failed", "unknown"
  std::string reason;  ///< of a failure: what was seen; of an unknown: what could not be told
};

/// `verdicts` is empty when no host was named; then the gate "host" is unknown.
std::vector<GateResult> check_gates(std::span<const Gate> gates,
                                    const inventory::InventoryChanges& changes,
                                    const HostChanges& hosts,
                                    std::span<const VerdictChange> verdicts);

}  // namespace flense::compat
