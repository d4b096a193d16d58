// Python packages that were built for another Python, or another processor.
#include <algorithm>
#include <ranges>

#include "compat/facts/facts.h"
#include "compat/rules/rules.h"

namespace flense::compat {

namespace {

constexpr std::size_t kMostNamed = 5;

using needs::ForeignPackage;

/// The programs of a GPU image do not start without it. Many others fall back on plain Python.
bool is_vital(const ForeignPackage& package) {
  static constexpr auto kImportedByAll = {"torch", "tensorflow", "jaxlib", "cupy", "numpy"};
  return package.gpu || std::ranges::find(kImportedByAll, package.package) != kImportedByAll.end();
}

void report(const std::vector<const ForeignPackage*>& packages, Verdict verdict,
            std::vector<Check>& checks) {
  if (packages.empty()) return;
  const ForeignPackage& first = *packages.front();
  Check check;
  check.id = "foreign-build";
  check.verdict = verdict;
  check.message = fmt::format("{} is built for {}, and the image has {}", first.package,
                              first.built_for, first.there);
  if (packages.size() > 1)
    check.message += fmt::format(" (and {} more such packages)", packages.size() - 1);
  for (const ForeignPackage* one : packages | std::views::take(kMostNamed))
    check.evidence.push_back({"image", fmt::format("/{}: for {}", one->path, one->built_for)});
  check.fix =
      fmt::format("install {} with the image's own pip, without --platform and --python-version",
                  packages.size() == 1 ? first.package : "them");
  check.source = "PEP 3149; ELF headers";
  checks.push_back(std::move(check));
}

}  // namespace

void rule_foreign_build(const Question& question, std::vector<Check>& checks) {
  std::vector<const ForeignPackage*> vital, others;
  for (const ForeignPackage& package : question.image.foreign)
    (is_vital(package) ? vital : others).push_back(&package);
  report(vital, Verdict::kFail, checks);
  report(others, Verdict::kWarn, checks);
}

}  // namespace flense::compat
