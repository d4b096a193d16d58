// NVIDIA_REQUIRE_*: is it met, and what evaluates it?
#include <algorithm>
#include <tuple>

#include "base/format.h"
#include "base/version_numbers.h"
#include "compat/facts/code_service.h"
#include "compat/facts/facts.h"
#include "compat/facts/require.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

struct TermFinding {
  Requirement answer = Requirement::kMet;
  std::string variable, expression, term;
};

/// From mild to bad, as one GPU that fails stops the whole container.
int badness(Requirement answer) {
  switch (answer) {
    case Requirement::kMet:
      return 0;
    case Requirement::kUnknown:
      return 1;
    case Requirement::kUnmet:
      return 2;
    case Requirement::kInvalid:
      return 3;
  }
  return 3;
}

/// The brands that NVML may report for a GPU; empty when its class is unknown.
std::vector<std::string> brands_of(const Question& question, const host::Gpu& gpu) {
  const knowledge::ForwardCompat& tables = question.tables.forward_compat;
  std::vector<std::string> out;
  const knowledge::GpuClass* row = gpu.name.value ? tables.class_of(*gpu.name.value) : nullptr;
  if (row == nullptr) return out;
  for (const std::uint64_t brand : row->brands) out.emplace_back(tables.brand_name(brand));
  // nvidia-smi -q of P40, V100 (470 to 570) and T4, L4, H100, GH200 (530 to 560): the brand ended
  // with Volta.
  const auto driver = host_driver(question.host);
  const auto& architecture = gpu.architecture.value;
  if (row->name != "data-centre" || !architecture || !driver) return out;
  if (!version_at_least(*architecture, "7.5")) return {"tesla"};
  if (driver->branch >= 530) return {"nvidia"};
  return out;
}

/// For every brand that the GPU may have; where they disagree, the answer is unknown.
RequireResult evaluate_on(const Question& question, const host::Gpu* gpu,
                          std::string_view expression) {
  const auto cuda = driver_cuda(question);
  RequireFacts facts;
  if (cuda && cuda->exact) facts.cuda = cuda->cuda;
  // The evaluator queries the kernel module.
  const host::Nvidia& nvidia = question.host.nvidia;
  facts.driver =
      nvidia.module_version.value ? nvidia.module_version.value : nvidia.library_version.value;
  if (gpu != nullptr) facts.arch = gpu->architecture.value;
  const std::vector<std::string> brands =
      gpu == nullptr ? std::vector<std::string>() : brands_of(question, *gpu);
  if (brands.empty()) return evaluate_requirement(expression, facts);
  std::optional<RequireResult> out;
  for (const std::string& brand : brands) {
    facts.brand = brand;
    RequireResult one = evaluate_requirement(expression, facts);
    if (!out)
      out = std::move(one);
    else if (out->answer != one.answer)
      out->answer = Requirement::kUnknown;
  }
  return *out;
}

TermFinding worst_of(const Question& question) {
  std::vector<const host::Gpu*> gpus = nvidia_gpus(question.host);
  if (gpus.empty()) gpus.push_back(nullptr);
  TermFinding worst;
  for (const auto& [variable, expression] : requirements_of(question.image))
    for (const host::Gpu* gpu : gpus) {
      RequireResult one = evaluate_on(question, gpu, expression);
      if (worst.variable.empty() || badness(one.answer) > badness(worst.answer))
        worst = {one.answer, variable, expression, std::move(one.term)};
    }
  return worst;
}

/// Which of the facts that the term, or else the whole expression, speaks of nobody told.
std::string missing_of(const Question& question, const TermFinding& found) {
  const auto cuda = driver_cuda(question);
  const auto gpus = nvidia_gpus(question.host);
  const auto any = [&](auto lacks) { return gpus.empty() || std::ranges::any_of(gpus, lacks); };
  const bool brand =
      any([&](const host::Gpu* gpu) { return brands_of(question, *gpu).size() != 1; });
  const bool arch = any([](const host::Gpu* gpu) { return !gpu->architecture.value; });
  for (const std::string_view text :
       {std::string_view(found.term), std::string_view(found.expression)})
    for (const auto& [word, missing, what] :
         {std::tuple("cuda", !cuda || !cuda->exact, "the newest CUDA of the driver"),
          std::tuple("driver", !host_driver(question.host), "the driver's version"),
          std::tuple("brand", brand, "the brand that NVML gives the GPU"),
          std::tuple("arch", arch, "the GPU's architecture")})
      if (missing && text.find(word) != std::string_view::npos) return what;
  return "a fact";
}

bool about_gpu(std::string_view term) {
  return term.starts_with("arch") || term.starts_with("brand");
}

std::string shortened(std::string_view text) {
  constexpr std::size_t kShown = 160;
  return text.size() <= kShown ? std::string(text) : std::string(text.substr(0, kShown)) + "…";
}

}  // namespace

void rule_require(const Question& question, std::vector<Check>& checks) {
  if (!concerns_nvidia(question) || requirements_of(question.image).empty()) return;
  const TermFinding found = worst_of(question);
  const LauncherTraits launcher = traits_on(question.launcher, question.host);
  const bool evaluated = launcher.evaluates_requirements && !question.launcher_assumed;
  const std::string_view who = to_string(question.launcher);
  const auto driver = host_driver(question.host);
  Check check{"require", Verdict::kOk, "", {}, "", ""};
  check.source = "libnvidia-container, requirement language; " + launcher.source;
  check.decisive = evaluated;
  const bool unknown_mode = question.launcher == Launcher::kKubernetes && !evaluated &&
                            !question.host.nvidia.toolkit_version.value;
  const std::string launching =
      question.launcher_assumed
          ? std::string(
                "no launcher is known: the legacy hook (docker, enroot) evaluates it, CDI, "
                "which current docker tries first, does not")
      : unknown_mode
          ? std::string(
                "kubernetes: a container toolkit before 1.18 evaluates it by default, later ones, "
                "by CDI, do not; the toolkit's version is unknown")
          : fmt::format("{} {}", who,
                        evaluated ? "has nvidia-container-cli evaluate it; the toolkit's default "
                                    "mode since 1.18 would not"
                                  : "evaluates no requirement");
  check.evidence = {{"image", fmt::format("{}={}", found.variable, shortened(found.expression))},
                    {"host", driver ? driver->evidence : driver_unknown_reason(question.host)},
                    {"launcher", launching}};
  const std::string nobody =
      question.launcher_assumed || unknown_mode
          ? ", which only launchers by the legacy hook refuse, not those by CDI"
          : fmt::format(", though {} does not evaluate it", who);
  switch (found.answer) {
    case Requirement::kMet:
      check.message = fmt::format(
          "the requirement in {} is met{}", found.variable,
          evaluated || question.launcher_assumed || unknown_mode ? std::string() : nobody);
      break;
    case Requirement::kUnknown:
      check.verdict = Verdict::kUnknown;
      check.message = fmt::format(
          "whether the requirement in {} is met is unknown: '{}' depends on {}, which nothing "
          "tells",
          found.variable, shortened(found.term), missing_of(question, found));
      check.fix =
          "name product and driver of the host: --host h100@550.54.15; where it is the brand, see "
          "nvidia-smi -q, Product Brand";
      break;
    case Requirement::kUnmet:
      check.verdict = evaluated ? Verdict::kFail : Verdict::kWarn;
      check.message =
          evaluated
              ? fmt::format("{} refuses to start the container: unsatisfied condition '{}' of {}",
                            who, shortened(found.term), found.variable)
              : fmt::format("the requirement in {} is not met ('{}'){}", found.variable,
                            shortened(found.term), nobody);
      check.fix = about_gpu(found.term) ? "choose another GPU, or an image for this one; "
                                          "NVIDIA_DISABLE_REQUIRE=1 switches only this check off"
                  : driver && ended_before(question, driver->branch + 1) != nullptr
                      ? "no newer driver drives the GPU: take an image of an older CUDA"
                      : "update the driver; NVIDIA_DISABLE_REQUIRE=1 switches only this check off";
      break;
    case Requirement::kInvalid:
      check.verdict = evaluated ? Verdict::kFail : Verdict::kWarn;
      check.message = evaluated ? fmt::format(
                                      "{} refuses to start the container: '{}' of {} is an "
                                      "invalid expression",
                                      who, shortened(found.term), found.variable)
                                : fmt::format("'{}' of {} is an invalid expression{}",
                                              shortened(found.term), found.variable, nobody);
      check.fix = "correct the variable in the image, or set NVIDIA_DISABLE_REQUIRE=1";
      break;
  }
  checks.push_back(std::move(check));
}

}  // namespace flense::compat
