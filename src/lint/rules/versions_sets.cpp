// Packages of one installation that do not fit each other: of different CUDA majors, or variants of
// one module.
#include <algorithm>
#include <map>
#include <set>

#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/packages/requirement_text.h"
#include "lint/rules/rules.h"

namespace flense::lint {

namespace {

struct HeldList {
  const PackageList* list = nullptr;
  const ProjectFile* file = nullptr;
};

/// Extras of pyproject.toml are alternatives.
bool together(const PackageRequest& a, const PackageRequest& b) {
  if (exclude_each_other(a.marker, b.marker)) return false;
  // Markers with alternatives: who writes two of them writes them against each other.
  if (a.marker != b.marker && (a.marker.contains(" or ") || b.marker.contains(" or ")))
    return false;
  return a.group.empty() || b.group.empty() || a.group == b.group;
}

/// Packages of one installation whose names or extras say different CUDA majors.
void mixed_majors(const std::vector<HeldList>& lists, const Project& project, FindingSink& sink) {
  const PackageRequest* first = nullptr;
  std::string first_cuda, first_source;
  for (const auto& [list, file] : lists) {
    for (const Framework& one : frameworks_of(*list, project.knowledge->frameworks)) {
      if (!one.cuda.known() || one.request->manager == PackageManager::kConda) continue;
      if (first == nullptr) {
        first = one.request;
        first_cuda = one.cuda.value;
        first_source = one.cuda.evidence;
        continue;
      }
      if (first_number(one.cuda.value) == first_number(first_cuda) ||
          !together(*first, *one.request))
        continue;
      Finding& found = sink.add(
          "cuda-major-mixed", *file, one.request->span,
          fmt::format("{} is for CUDA {}, and {} for CUDA {}: one of them finds no libraries, or "
                      "both sets are installed",
                      one.package, *first_number(one.cuda.value), first->name,
                      *first_number(first_cuda)));
      found.evidence = {one.cuda.evidence, first_source, "young-geng/EasyLM#92"};
      found.fix = fmt::format("take the packages of CUDA {} throughout",
                              std::max(*first_number(one.cuda.value), *first_number(first_cuda)));
      return;
    }
  }
}

/// Two packages of a set, and where they stand.
struct Clash {
  const PackageRequest *first = nullptr, *second = nullptr;
  const ProjectFile *first_file = nullptr, *second_file = nullptr;

  bool has(std::string_view name) const { return first->name == name || second->name == name; }
};

/// `view`: the Dockerfile whose stage installs the lists; null: none does.
std::optional<Clash> clash_in(const std::vector<HeldList>& lists,
                              const knowledge::VariantSetRow& row, const FileView* view,
                              std::size_t stage) {
  const auto gone = [&](const PackageRequest& one) {
    return view != nullptr && uninstalls(*view, stage, one.name);
  };
  Clash out;
  for (const auto& [list, file] : lists)
    for (const PackageRequest& request : list->packages) {
      if (std::ranges::find(row.packages, request.name) == row.packages.end()) continue;
      if (out.first == nullptr) {
        out.first = &request;
        out.first_file = file;
      } else if (out.first->name != request.name && together(*out.first, request) &&
                 !gone(*out.first) && !gone(request)) {
        out.second = &request;
        out.second_file = file;
        return out;
      }
    }
  return std::nullopt;
}

/// The variants of the set that other packages of the lists require, with who requires them.
std::map<std::string, std::string> required_in(const std::vector<HeldList>& lists,
                                               const knowledge::VariantSetRow& row) {
  std::map<std::string, std::string> out;
  for (const auto& [list, file] : lists)
    for (const PackageRequest& request : list->packages)
      if (const auto at = row.required.find(request.name); at != row.required.end())
        out.emplace(at->second, request.name);
  return out;
}

void clashing(const std::vector<HeldList>& lists, const Project& project, const FileView* view,
              std::size_t stage, FindingSink& sink) {
  // All names of a set are one finding.
  for (const knowledge::VariantSetRow& row : project.knowledge->frameworks.variants) {
    const auto clash = clash_in(lists, row, view, stage);
    if (!clash) continue;
    const auto required = required_in(lists, row);
    std::string stays =
        clash->has(row.packages.front()) ? row.packages.front() : clash->first->name;
    bool replaces = true;
    if (!required.empty()) {
      stays = required.begin()->first;
      const std::string& other =
          clash->first->name == stays ? clash->second->name : clash->first->name;
      const auto held = row.holds.find(stays);
      replaces = required.size() == 1 && clash->has(stays) && held != row.holds.end() &&
                 held->second.contains(other);
    }
    // The finding points at the one that should go.
    const bool first_goes = clash->second->name == stays;
    const PackageRequest& goes = first_goes ? *clash->first : *clash->second;
    const PackageRequest& other = first_goes ? *clash->second : *clash->first;
    Finding& found = sink.add(
        "package-variants-clash", first_goes ? *clash->first_file : *clash->second_file, goes.span,
        fmt::format("{} and {} are installed together: {}", goes.name, other.name, row.effect));
    found.evidence = {row.source};
    if (!row.document.empty()) found.evidence.push_back(row.document);
    for (const auto& [variant, package] : required)
      found.evidence.push_back(fmt::format("{} requires {}", package, variant));
    const std::string& extra = goes.group.empty() ? other.group : goes.group;
    if (!replaces) {
      // Whichever goes, comes back.
      found.fix = fmt::format("write one version for {} and {}", goes.name, other.name);
      found.pedantic = true;
    } else if (goes.group != other.group) {
      found.fix = fmt::format("ask for each in an extra of its own: '{}' installs both", extra);
    } else {
      found.fix = fmt::format("keep {} alone", stays);
    }
  }
}

}  // namespace

void judge_versions_sets(const Project& project, const std::vector<FileView>& views,
                         FindingSink& sink) {
  std::set<const PackageList*> installed;
  for (const FileView& view : views) {
    for (const StageView& stage : view.stages) {
      std::vector<HeldList> lists;
      for (const Install* install : view.installs_in(stage.index))
        for (const PackageList* list : lists_of(*install)) {
          installed.insert(list);
          // A lock file holds the packages of every extra.
          if (file_of(*install, *list, *view.file).kind != FileKind::kUvLock)
            lists.push_back({list, &file_of(*install, *list, *view.file)});
        }
      mixed_majors(lists, project, sink);
      clashing(lists, project, &view, stage.index, sink);
    }
  }
  for (const auto& file : project.files) {
    if (!file->packages || installed.contains(&*file->packages) || file->kind == FileKind::kUvLock)
      continue;
    mixed_majors({{&*file->packages, file.get()}}, project, sink);
    clashing({{&*file->packages, file.get()}}, project, nullptr, 0, sink);
  }
}

}  // namespace flense::lint
