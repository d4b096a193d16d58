// Packages that apt is asked for, against the distribution of the base.
#include <algorithm>

#include "base/format.h"
#include "base/version_numbers.h"
#include "knowledge/table_rows.h"
#include "lint/rules/rules.h"

namespace flense::lint {

namespace {

bool matches_any(const std::vector<std::string>& patterns, std::string_view text) {
  return std::ranges::any_of(patterns, [&](const std::string& pattern) {
    return knowledge::matches_pattern(pattern, text);
  });
}

void missing_packages(const FileView& view, FindingSink& sink) {
  const knowledge::Images& images = view.project->knowledge->images;
  for (const Install& install : view.installs) {
    if (install.command.manager != PackageManager::kApt) continue;
    const GpuImage& image = view.stages[install.stage].image;
    if (!image.distribution.known()) continue;
    std::map<const knowledge::MissingPackageRow*, bool> known;
    const auto supplied = [&](const knowledge::MissingPackageRow& row) {
      const auto [at, added] = known.emplace(&row, false);
      if (added)
        at->second = std::ranges::any_of(row.supplied_by, [&](const std::string& word) {
          return commands_mention(view, install.stage, word, install.instruction);
        });
      return at->second;
    };
    for (const PackageRequest& request : install.command.packages) {
      const auto judge = [&](const std::vector<knowledge::MissingPackageRow>& rows,
                             bool repository) {
        for (const knowledge::MissingPackageRow& row : rows) {
          if (!matches_any(row.packages, request.name) ||
              !matches_any(row.distributions, image.distribution.value) || supplied(row))
            continue;
          Finding& found = sink.add(
              "package-not-in-distribution", *view.file, request.span,
              repository
                  ? fmt::format("{} comes from NVIDIA's repository, which {} does not know",
                                request.name, image.distribution.value)
                  : fmt::format("{} has no package {}", image.distribution.value, request.name));
          found.evidence = {row.source, image.distribution.evidence};
          if (!row.document.empty()) found.evidence.push_back(row.document);
          found.fix = repository ? "begin with nvidia/cuda, or install the package cuda-keyring of "
                                   "this distribution first"
                                 : "take " + row.instead;
          return true;
        }
        return false;
      };
      if (judge(images.missing_packages, false) || image.vendor.known()) continue;
      judge(images.nvidia_packages, true);
    }
  }
}

}  // namespace

void judge_distribution_packages(const Project& /*project*/, const std::vector<FileView>& views,
                                 FindingSink& sink) {
  for (const FileView& view : views) missing_packages(view, sink);
}

}  // namespace flense::lint
