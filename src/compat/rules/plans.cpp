// Engines that TensorRT has built: for one version of it, and for one GPU, which the public part of
// their header does not tell.
#include <set>

#include "base/version_numbers.h"
#include "compat/facts/facts.h"
#include "compat/facts/software.h"
#include "compat/rules/rules.h"

namespace flense::compat {

void rule_tensorrt_plan(const Question& question, std::vector<Check>& checks) {
  const std::vector<needs::EnginePlan>& plans = question.image.plans;
  if (plans.empty()) return;
  const std::vector<Seen> runtimes = versions_of(question.image, "TensorRT");
  std::set<std::string> told;
  for (const needs::EnginePlan& plan : plans) {
    // Plans of one version share their fate; the largest speaks for them.
    if (!told.insert(plan.version).second) continue;
    Check check;
    check.id = "tensorrt-plan";
    check.decisive = false;
    check.verdict = Verdict::kUnknown;
    check.evidence = {
        {"image", fmt::format("/{}{}", plan.path,
                              plan.version.empty() ? "" : ": TensorRT " + plan.version)}};
    check.source =
        "NVIDIA, TensorRT documentation: engine compatibility; header as trtexec reads it";
    check.fix =
        "build the plan on the GPU that runs it, or with hardware compatibility; "
        "trtexec --loadEngine says whether it loads";
    if (plan.version.empty()) {
      check.message = fmt::format("what made the plan {} is unknown: {}", plan.path, plan.untold);
    } else if (runtimes.empty() || runtimes.front().version.empty()) {
      check.message = fmt::format(
          "whether the plan {} loads is unknown: it was made by TensorRT {}, "
          "and nothing tells the version in the image",
          plan.path, plan.version);
    } else {
      const std::string& runtime = runtimes.front().version;
      check.evidence.push_back(
          {"image", fmt::format("TensorRT {}: {}", runtime, runtimes.front().evidence)});
      const std::string made = major_minor(plan.version), there = major_minor(runtime);
      if (first_number(made) != first_number(there)) {
        check.verdict = Verdict::kFail;
        check.message = fmt::format("the plan {} was made by TensorRT {}, and the image has {}",
                                    plan.path, plan.version, runtime);
        check.fix = fmt::format("build the plan with TensorRT {}", runtime);
      } else if (made != there) {
        check.verdict = Verdict::kWarn;
        check.message = fmt::format(
            "the plan {} was made by TensorRT {}, and the image has {}: it loads only if it was "
            "built "
            "version compatible",
            plan.path, plan.version, runtime);
        check.fix = fmt::format("build the plan with TensorRT {}", runtime);
      } else {
        check.message = fmt::format("whether the plan {} is for this GPU is unknown: {}", plan.path,
                                    plan.untold);
      }
    }
    checks.push_back(std::move(check));
  }
}

}  // namespace flense::compat
