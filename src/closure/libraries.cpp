#include "closure/libraries.h"

#include <elf.h>

#include <algorithm>

#include "base/path.h"
#include "closure/places.h"
#include "inventory/names/file_names.h"
#include "knowledge/table_rows.h"

namespace flense::closure {

namespace {

/// What the C library and ldconfig name they look for on behalf of others; what these call tells
/// more (data/dlopen.json).
bool is_c_library(std::string_view path, const inventory::ElfFacts& elf) {
  return base_name(path).starts_with("ldconfig") || elf.soname == "libc.so.6" ||
         elf.soname.starts_with("libc.musl-") || elf.soname.starts_with("ld-musl-") ||
         elf.soname.starts_with("ld-linux");
}

}  // namespace

void ReachLibraries::follow(PathId id, const inventory::ElfFacts& elf) {
  const inventory::LinkFacts links{std::string(context_.tree.path(id)), elf.needed, elf.rpath,
                                   elf.runpath, elf.interpreter};
  const std::string user = marks_.name(id);
  if (!elf.interpreter.empty())
    marks_.keep_path(elf.interpreter, Follow::kUse, fmt::format("the loader of {}", user));
  if (!elf.rpath.empty() && elf.runpath.empty()) {
    search_paths_.push_back(links);
    for (const std::string& name : std::set(asked_))
      for (const std::string& path :
           inventory::library_candidates({links.path, {}, elf.rpath, {}, {}}, name, {}))
        if (context_.survey.exists(path))
          marks_.keep_path(path, Follow::kUse, fmt::format("the RPATH of {} leads there", user));
  }
  for (const std::string& name : elf.needed)
    keep_library(links, name, fmt::format("needed by {}", user));
  follow_table(id, elf);
  follow_names(id, elf, links);
}

bool ReachLibraries::keep_found(const inventory::LinkFacts& user, const std::string& name,
                                const std::string& why) {
  bool found = false;
  for (const std::string& path : inventory::library_candidates(user, name, context_.survey.paths)) {
    const inventory::ElfFacts* elf = context_.survey.elf_at(path);
    // The loader passes over files of another machine.
    if (elf == nullptr || elf->machine != context_.survey.machine) continue;
    marks_.keep_path(path, Follow::kUse, why);
    found = true;
    break;
  }
  return found;
}

void ReachLibraries::keep_library(const inventory::LinkFacts& user, const std::string& name,
                                  const std::string& why) {
  const bool first = asked_.insert(name).second;
  if (!keep_found(user, name, why) && name.find('/') == std::string::npos)
    marks_.keep_matching(name, Follow::kUse, why);
  if (!first || name.find('/') != std::string::npos) return;
  // An RPATH serves also what the libraries of its file load.
  for (const inventory::LinkFacts& one : search_paths_)
    for (const std::string& path :
         inventory::library_candidates({one.path, {}, one.rpath, {}, {}}, name, {}))
      if (context_.survey.exists(path)) marks_.keep_path(path, Follow::kUse, why);
  // Built for other levels of the processor: ld.so(8), "glibc-hwcaps".
  for (const PathId id : context_.tree.matching(name))
    if (inventory::has_component(parent_path(context_.tree.path(id)), "glibc-hwcaps"))
      marks_.keep_path(context_.tree.path(id), Follow::kUse, why);
}

void ReachLibraries::follow_names(PathId id, const inventory::ElfFacts& elf,
                                  const inventory::LinkFacts& links) {
  const auto& content = context_.tree.at(id).found.content;
  const auto facts = context_.facts.elf.find(inventory::key_of(*content));
  if (facts == context_.facts.elf.end()) return;
  const std::string why = fmt::format("named in the data of {}", marks_.name(id));
  for (const std::string& name : facts->second.names) {
    if (!name.starts_with('/')) {
      if (name != elf.soname && name != base_name(context_.tree.path(id)))
        keep_library(links, name, why);
    } else if (!is_c_library(context_.tree.path(id), elf)) {
      marks_.keep_named(name, Follow::kRun, why);
    }
  }
  follow_calls(id, facts->second.calls);
}

void ReachLibraries::follow_table(PathId id, const inventory::ElfFacts& elf) {
  const std::string_view file = base_name(context_.tree.path(id));
  const auto& rows = context_.opened.libraries;
  for (std::size_t row = 0; row < rows.size(); ++row) {
    if (!knowledge::matches_pattern(rows[row].opener, file) &&
        !knowledge::matches_pattern(rows[row].opener, elf.soname))
      continue;
    if (!rows_.insert(row).second) continue;
    const std::string why = fmt::format("opened by {} ({})", marks_.name(id), rows[row].source);
    for (const std::string& pattern : rows[row].opens)
      marks_.keep_matching(pattern, Follow::kUse, why);
  }
}

void ReachLibraries::follow_calls(PathId id, const std::vector<std::string>& calls) {
  for (const knowledge::OpenedRow& row : context_.opened.calls) {
    const auto call = std::ranges::find_first_of(row.calls, calls);
    // What libc does for itself it does for whoever calls it.
    if (call == row.calls.end()) continue;
    const std::size_t number = context_.opened.libraries.size() +
                               static_cast<std::size_t>(&row - context_.opened.calls.data());
    if (!rows_.insert(number).second) continue;
    const std::string why = fmt::format("{} calls {} ({})", marks_.name(id), *call, row.source);
    for (const std::string& pattern : row.opens) marks_.keep_matching(pattern, Follow::kUse, why);
  }
  const auto shell = std::ranges::find_first_of(context_.opened.shell_calls, calls);
  if (shell == context_.opened.shell_calls.end() || starts_shell_) return;
  starts_shell_ = true;
  marks_.keep_path("bin/sh", Follow::kRun, fmt::format("{} calls {}", marks_.name(id), *shell));
}

}  // namespace flense::closure
