#include "closure/units.h"

#include <algorithm>

#include "base/format.h"
#include "base/path.h"
#include "closure/places.h"
#include "inventory/scan/packages.h"

namespace flense::closure {

namespace {

void add_unit_once(std::vector<UnitId>& list, UnitId unit) {
  if (std::ranges::find(list, unit) == list.end()) list.push_back(unit);
}

/// The name of the distribution whose metadata lies in ".../PyYAML-6.0.dist-info".
std::string distribution_of(std::string_view folder) {
  const std::string_view stem = base_name(folder);
  const std::size_t end = std::min(stem.find('-'), stem.rfind('.'));
  return inventory::normalised_python_name(stem.substr(0, end));
}

}  // namespace

std::string ReachUnit::text() const {
  return version.empty() ? name : fmt::format("{} {}", name, version);
}

ReachUnits::ReachUnits(const ReachTree& tree, const ReachFacts& facts) : owners_(tree.size()) {
  for (const ListedPackage& package : facts.packages) {
    const auto unit = static_cast<UnitId>(units_.size());
    ReachUnit out{package.type, package.name, package.version, {}, package.depends, {}, {}, {}};
    for (const std::string& path : package.files) {
      const auto id = tree.find(path);
      if (!id || tree.is_directory(*id)) continue;
      out.files.push_back(*id);
      add_unit_once(owners_[*id], unit);
      const std::string_view site = python_site(path);
      if (site.empty()) continue;
      for (std::string_view folder = parent_path(path); folder.size() > site.size();
           folder = parent_path(folder))
        if (const auto inner = tree.find(folder)) add_unit_once(below_[*inner], unit);
    }
    if (package.type == "pip")
      add_unit_once(distributions_[distribution_of(parent_path(package.list))], unit);
    if (package.type == "conda") {
      add_unit_once(conda_[package.name], unit);
      out.record = tree.find(package.list);
    }
    units_.push_back(std::move(out));
  }
  attach_metadata(tree, facts);
}

void ReachUnits::attach_metadata(const ReachTree& tree, const ReachFacts& facts) {
  const auto each_owner = [&](std::string_view folder, const auto& fn) {
    for (const char* name : {"METADATA", "PKG-INFO"}) {
      const auto id = tree.find(fmt::format("{}/{}", folder, name));
      if (!id) continue;
      for (const UnitId unit : owners_[*id]) fn(unit);
    }
  };
  for (const auto& [folder, requirements] : facts.requirements) {
    each_owner(folder, [&](UnitId unit) {
      // What Debian packages as a Python distribution answers to both names.
      add_unit_once(distributions_[distribution_of(folder)], unit);
      std::ranges::copy(requirements, std::back_inserter(units_[unit].requirements));
    });
  }
  for (const auto& [folder, groups] : facts.plugin_groups) {
    each_owner(folder, [&](UnitId unit) {
      for (const std::string& group : groups) {
        units_[unit].plugin_groups.push_back(group);
        add_unit_once(plugins_[group], unit);
      }
    });
  }
}

const std::vector<UnitId>& ReachUnits::lookup(const Index& index, std::string_view key) {
  static const std::vector<UnitId> kNone;
  const auto found = index.find(key);
  return found == index.end() ? kNone : found->second;
}

const std::vector<UnitId>& ReachUnits::owners_below(PathId directory) const {
  static const std::vector<UnitId> kNone;
  const auto found = below_.find(directory);
  return found == below_.end() ? kNone : found->second;
}

const std::vector<UnitId>& ReachUnits::distribution(std::string_view name) const {
  return lookup(distributions_, name);
}
const std::vector<UnitId>& ReachUnits::conda(std::string_view name) const {
  return lookup(conda_, name);
}
const std::vector<UnitId>& ReachUnits::plugins(std::string_view group) const {
  return lookup(plugins_, group);
}

}  // namespace flense::closure
