// One question about an image and a machine, and its answer.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flense::compat {

/// From best to worst: a host's verdict is the worst of its checks. An unknown that is not
/// decisive counts as a warning there.
enum class Verdict : std::uint8_t {
  kOk,
  kWarn,         ///< runs, but something is worth knowing
  kUnsupported,  ///< may run, but the vendor does not guarantee it
  kUnknown,      ///< a fact is missing
  kFail,         ///< will not run
};
std::string_view to_string(Verdict verdict);

struct Evidence {
  std::string side;  ///< "image", "host", "table", "launcher"
  std::string text;  ///< what was seen and where
  bool operator==(const Evidence&) const = default;
};

/// One answer, and what it rests on.
struct Check {
  std::string id;  ///< stable: "driver-cuda"; `flense explain ID` knows it
  Verdict verdict = Verdict::kOk;
  std::string message;             ///< one sentence without full stop
  std::vector<Evidence> evidence;  ///< never empty
  std::string fix;                 ///< what to do; if unknown: what would settle it
  std::string source;              ///< table row, note of the artefact, or document
  bool decisive = true;            ///< an unknown that hides whether the image runs at all
  bool operator==(const Check&) const = default;
};

struct HostVerdict {
  std::string name;
  std::string launcher;
  std::string launcher_reason;  ///< why this one: "podman is installed", "--launcher"
  Verdict verdict = Verdict::kOk;
  std::vector<Check> checks;  ///< in the order of decision
};

/// The worst of the checks; no checks give kUnknown.
Verdict worst(const std::vector<Check>& checks);

}  // namespace flense::compat
