#include "needs/users.h"

#include <set>

#include "base/path.h"
#include "inventory/names/cuda_libraries.h"
#include "needs/collectors.h"

namespace flense::needs {

namespace {

std::string_view loaded_name(const inventory::SurveyFile& file) {
  return file.elf->soname.empty() ? base_name(file.path) : std::string_view(file.elf->soname);
}

}  // namespace

LibraryUsers::LibraryUsers(const inventory::Survey& survey)
    : started_(start_program(survey).value_or("")) {
  for (const inventory::SurveyFile& file : survey.files) {
    if (file.elf == nullptr) continue;
    for (const std::string& needed : file.elf->needed) see(base_name(needed), file);
    for (const std::string& mentioned : file.elf->mentions) see(mentioned, file);
    for (const std::string_view opened : inventory::opened_by_name(
             loaded_name(file), !file.elf->code.empty(), file.elf->rpath + file.elf->runpath))
      see(opened, file);
  }
}

void LibraryUsers::see(std::string_view library, const inventory::SurveyFile& user) {
  if (library == loaded_name(user)) return;
  const User made{user.path, !user.elf->code.empty()};
  const auto [at, fresh] = users_.try_emplace(library, made);
  if (!fresh && at->second.code && !made.code) at->second = made;
}

std::string LibraryUsers::of(const inventory::SurveyFile& file) const {
  if (file.path == started_) return file.path;
  if (file.elf == nullptr) return {};
  for (const std::string_view name : {loaded_name(file), base_name(file.path)})
    if (const auto at = users_.find(name); at != users_.end()) return std::string(at->second.path);
  return {};
}

LibraryAskers::LibraryAskers(const inventory::Survey& survey) {
  for (const inventory::SurveyFile& file : survey.files) {
    if (file.elf == nullptr || file.elf->machine != survey.machine) continue;
    for (const std::string& needed : file.elf->needed) askers_.emplace(base_name(needed), &file);
    for (const std::string_view opened : inventory::opened_by_name(
             loaded_name(file), !file.elf->code.empty(), file.elf->rpath + file.elf->runpath))
      askers_.emplace(opened, &file);
  }
}

std::vector<std::string> LibraryAskers::above(const inventory::SurveyFile& file,
                                              std::size_t most) const {
  std::vector<std::string> out;
  std::vector<const inventory::SurveyFile*> open = {&file};
  std::set<const inventory::SurveyFile*> seen = {&file};
  for (std::size_t i = 0; i < open.size(); ++i)
    for (const std::string_view name : {loaded_name(*open[i]), base_name(open[i]->path)})
      for (auto [at, end] = askers_.equal_range(name); at != end; ++at) {
        if (out.size() == most) return out;
        if (!seen.insert(at->second).second) continue;
        open.push_back(at->second);
        out.push_back(at->second->path);
      }
  return out;
}

}  // namespace flense::needs
