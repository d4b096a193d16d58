#include "closure/traced.h"

#include <algorithm>

#include "base/path.h"
#include "closure/places.h"

namespace flense::closure {

namespace {

bool is_metadata(std::string_view path) {
  const std::string_view folder = parent_path(path);
  return folder.ends_with(".dist-info") || folder.ends_with(".egg-info") ||
         path.find(".dist-info/") != std::string_view::npos || path.ends_with(".egg-info") ||
         path.find("/conda-meta/") != std::string_view::npos;
}

/// "a/__pycache__/b.cpython-311.pyc" of "a/b.py".
bool has_compiled_file(const ReachTree& tree, std::string_view source) {
  const std::string folder = fmt::format("{}/__pycache__", parent_path(source));
  const std::string_view module = module_of_file(base_name(source));
  return std::ranges::any_of(tree.merged().list(folder), [&](const std::string& name) {
    return name.ends_with(".pyc") && module_of_file(name) == module;
  });
}

/// A module that does something: an `__init__.py` without content only makes a directory a package.
bool is_code(const ReachTree& tree, PathId id) {
  const std::string_view path = tree.path(id);
  if (python_site(path).empty() || is_metadata(path)) return false;
  if (path.ends_with(".py")) {
    const auto& entry = tree.at(id).found.entry;
    return entry && tree.merged().entry(*entry).size > 0;
  }
  const std::string_view name = base_name(path);
  return name.ends_with(".so") &&
         (name.find(".cpython-") != std::string_view::npos || name.ends_with(".abi3.so"));
}

bool shows_use(const ReachTree& tree, PathId id) {
  const std::string_view path = tree.path(id);
  if (tree.is_directory(id) || is_metadata(path)) return false;
  return !path.ends_with(".py") || !has_compiled_file(tree, path);
}

/// A compiled file that no list names belongs to who has its source.
const std::vector<UnitId>& owners_of(const ReachTree& tree, const ReachUnits& units, PathId id) {
  if (units.owners(id).empty())
    if (const auto source = tree.find(source_of_compiled(tree.path(id))))
      return units.owners(*source);
  return units.owners(id);
}

}  // namespace

std::vector<bool> idle_distributions(const ReachTree& tree, const ReachUnits& units,
                                     const std::vector<std::string>& traced) {
  std::vector<bool> idle(units.size());
  for (UnitId unit = 0; unit < units.size(); ++unit)
    idle[unit] =
        units.at(unit).is_python() &&
        std::ranges::any_of(units.at(unit).files, [&](PathId id) { return is_code(tree, id); });
  for (const std::string& path : traced) {
    const auto id = tree.find(path);
    if (!id || !shows_use(tree, *id)) continue;
    for (const UnitId unit : owners_of(tree, units, *id)) idle[unit] = false;
  }
  return idle;
}

}  // namespace flense::closure
