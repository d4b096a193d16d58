// A diagnosis is a walk: one question after the other, in the order in which an engineer would ask
// them, each with what was examined. The first broken step is the answer.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace flense::doctor {

enum class Verdict : std::uint8_t {
  kOk,
  kWarn,     ///< works, and something costs speed or fails for some
  kBroken,   ///< GPU programs fail because of this
  kSkipped,  ///< the question does not arise here
  kUnknown,  ///< what would answer it could not be read
};
std::string_view to_string(Verdict verdict);

struct Step {
  std::string id;     ///< stable: "nvidia-nodes"
  std::string title;  ///< what is asked, a few words
  Verdict verdict = Verdict::kSkipped;
  std::vector<std::string> looked_at;  ///< what was read and what it said
  std::string message;                 ///< one sentence without full stop
  std::string fix;                     ///< of what is broken; of unknown: what would settle it
  std::string source;                  ///< who says so; empty where it is plain logic
  bool decisive = true;                ///< an unknown that hides whether GPU programs run at all
  /// nvidia-smi works all the same: it needs neither libcuda nor nvidia-uvm.
  bool smi_unaffected = false;
  bool operator==(const Step&) const = default;

  Step& saw(std::string what);
  void ok(std::string text);
  void skip(std::string why);
  void warn(std::string text, std::string remedy, std::string by = {});
  void broken(std::string text, std::string remedy, std::string by = {});
  void unknown(std::string text, std::string remedy, bool matters);
};

struct Diagnosis {
  std::vector<Step> steps;
  /// Whether there is a GPU at all; nullopt when nothing could tell.
  std::optional<bool> gpu;

  const Step* first(Verdict verdict) const;  ///< nullptr when no step has it
  const Step* first_broken() const { return first(Verdict::kBroken); }
  /// kBroken, else kUnknown when something decisive is unknown, else kWarn, else kOk.
  Verdict verdict() const;
};

}  // namespace flense::doctor
