#include "doctor/step.h"

#include <algorithm>

namespace flense::doctor {

std::string_view to_string(Verdict verdict) {
  switch (verdict) {
    case Verdict::kOk:
      return "ok";
    case Verdict::kWarn:
      return "warn";
    case Verdict::kBroken:
      return "broken";
    case Verdict::kSkipped:
      return "skipped";
    case Verdict::kUnknown:
      return "unknown";
  }
  return "unknown";
}

Step& Step::saw(std::string what) {
  if (!what.empty()) looked_at.push_back(std::move(what));
  return *this;
}

void Step::ok(std::string text) {
  verdict = Verdict::kOk;
  message = std::move(text);
}

void Step::skip(std::string why) {
  verdict = Verdict::kSkipped;
  message = std::move(why);
}

void Step::warn(std::string text, std::string remedy, std::string by) {
  verdict = Verdict::kWarn;
  message = std::move(text);
  fix = std::move(remedy);
  source = std::move(by);
}

void Step::broken(std::string text, std::string remedy, std::string by) {
  verdict = Verdict::kBroken;
  message = std::move(text);
  fix = std::move(remedy);
  source = std::move(by);
}

void Step::unknown(std::string text, std::string remedy, bool matters) {
  verdict = Verdict::kUnknown;
  message = std::move(text);
  fix = std::move(remedy);
  decisive = matters;
}

const Step* Diagnosis::first(Verdict wanted) const {
  const auto at = std::find_if(steps.begin(), steps.end(),
                               [&](const Step& step) { return step.verdict == wanted; });
  return at == steps.end() ? nullptr : &*at;
}

Verdict Diagnosis::verdict() const {
  if (first_broken() != nullptr) return Verdict::kBroken;
  if (std::any_of(steps.begin(), steps.end(), [](const Step& step) {
        return step.verdict == Verdict::kUnknown && step.decisive;
      }))
    return Verdict::kUnknown;
  return first(Verdict::kWarn) != nullptr ? Verdict::kWarn : Verdict::kOk;
}

}  // namespace flense::doctor
