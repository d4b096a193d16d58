// Packages that apt is asked for, against the distribution of the base.
#include <algorithm>

#include "base/format.h"
#include "base/version_numbers.h"
#include "knowledge/table_rows.h"
#include "lint/facts/sure_installs.h"
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

/// libcudnn8=8.6.0.163-1+cuda11.8 on a base of CUDA 12.
void other_cuda(const FileView& view, FindingSink& sink) {
  constexpr std::string_view kMark = "+cuda";
  for (const Install& install : view.installs) {
    const StageView& stage = view.stages[install.stage];
    if (!is_of_system(install.command.manager) || !stage.reachable ||
        stage.image.repository != "nvidia/cuda" || !stage.image.cuda.known())
      continue;
    for (const PackageRequest& request : install.command.packages) {
      const std::size_t at = request.specifier.find(kMark);
      if (at == std::string::npos) continue;
      const auto made = first_number(std::string_view(request.specifier).substr(at + kMark.size()));
      const auto base = first_number(stage.image.cuda.value);
      if (!made || made == base) continue;
      Finding& found =
          sink.add("cuda-major-mixed", *view.file, request.span,
                   fmt::format("{}{} is built for CUDA {}, and the base has CUDA {}: it "
                               "finds no libraries",
                               request.name, request.specifier, *made, stage.image.cuda.value));
      found.evidence = {request.specifier, stage.image.cuda.evidence, "mindee/doctr#1769"};
      found.fix = fmt::format("take the version that ends in +cuda{}.…, or a base of CUDA {}",
                              base.value_or(0), *made);
      found.pedantic = !surely_runs(install);
      break;
    }
  }
}

}  // namespace

void judge_distribution_packages(const Project& /*project*/, const std::vector<FileView>& views,
                                 FindingSink& sink) {
  for (const FileView& view : views) {
    missing_packages(view, sink);
    other_cuda(view, sink);
  }
}

}  // namespace flense::lint
