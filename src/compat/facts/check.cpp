#include "compat/facts/check.h"

#include <algorithm>

namespace flense::compat {

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarn:
      return "warn";
    case Verdict::kUnsupported:
      return "unsupported";
    case Verdict::kUnknown:
      return "unknown";
    case Verdict::kFail:
      return "fail";
  }
  return "unknown";
}

Verdict worst(const std::vector<Check>& checks) {
  if (checks.empty()) return Verdict::kUnknown;
  Verdict out = Verdict::kOk;
  for (const Check& check : checks) {
    const bool mild = check.verdict == Verdict::kUnknown && !check.decisive;
    out = std::max(out, mild ? Verdict::kWarn : check.verdict);
  }
  return out;
}

}  // namespace flense::compat
