#include "lint/facts/placed_lists.h"

#include <algorithm>
#include <set>

#include "base/ascii.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/sure_installs.h"
#include "lint/source/blanks.h"

namespace flense::lint {

const knowledge::Frameworks& tables_of(const Project& project) {
  return project.knowledge->frameworks;
}

std::vector<PlacedList> placed_lists(const Project& project, const std::vector<FileView>& views) {
  std::vector<PlacedList> out;
  std::set<const ProjectFile*> installed;
  for (const FileView& view : views)
    for (const Install& install : view.installs) {
      for (const PackageList* list : lists_of(install))
        out.push_back({list, &file_of(install, *list, *view.file), &view, &install});
      installed.insert(install.files.begin(), install.files.end());
    }
  for (const auto& file : project.files)
    if (file->packages && !installed.contains(file.get()))
      out.push_back({&*file->packages, file.get(), nullptr, nullptr});
  return out;
}

bool is_sure(const PlacedList& place, const PackageRequest& request) {
  return surely_installs(*place.view, *place.install, *place.list, request);
}

bool is_rewritten(const PlacedList& place) {
  if (place.view == nullptr || place.file == place.view->file) return false;
  const std::string_view name = file_name(place.file->source.path());
  return std::ranges::any_of(place.view->dockerfile->stages, [&](const Stage& stage) {
    return std::ranges::any_of(stage.instructions, [&](const Instruction& step) {
      return std::ranges::any_of(step.step_commands, [&](const StepCommand& command) {
        return is_one_of(command.program, {"conda", "mamba", "micromamba", "sed", "perl", "awk"}) &&
               std::ranges::any_of(command.arguments, [&](const Argument& word) {
                 return file_name(word.text) == name;
               });
      });
    });
  });
}

bool gets_torch(const Project& project, const PlacedList& place, bool any) {
  for (const Install* install : place.view->installs_in(place.install->stage)) {
    if (install == place.install || !install->command.installs) continue;
    for (const PackageList* list : lists_of(*install))
      for (const Framework& one : frameworks_of(*list, tables_of(project)))
        if (one.package == "torch" && list != place.list &&
            (any || (one.variant.known() && one.variant.value != "cpu")))
          return true;
  }
  return false;
}

}  // namespace flense::lint
