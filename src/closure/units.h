// Packages as units of the closure: who owns which file. A unit stays whole: what its code opens
// beside itself, its data and its modules that are imported late are nowhere listed.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "closure/facts.h"
#include "closure/tree.h"

namespace flense::closure {

using UnitId = std::uint32_t;

struct ReachUnit {
  std::string type, name, version;  ///< as Package
  std::vector<PathId> files;        ///< no directories
  std::vector<std::string> depends;
  std::vector<Requirement> requirements;
  std::vector<std::string> plugin_groups;
  std::optional<PathId> record = {};  ///< conda: the file that lists it, which no package owns
  std::string text() const;           ///< "numpy 1.26.4"
  bool is_python() const { return type == "pip" || type == "conda"; }
};

class ReachUnits {
 public:
  ReachUnits(const ReachTree& tree, const ReachFacts& facts);

  std::size_t size() const { return units_.size(); }
  const ReachUnit& at(UnitId id) const { return units_[id]; }
  /// Several where two package managers claim a file.
  const std::vector<UnitId>& owners(PathId id) const { return owners_[id]; }
  /// Of all files below a directory of site-packages.
  const std::vector<UnitId>& owners_below(PathId directory) const;
  /// Python distributions by normalised name, whoever installed them.
  const std::vector<UnitId>& distribution(std::string_view name) const;
  const std::vector<UnitId>& conda(std::string_view name) const;
  /// Units that offer plug-ins of this group.
  const std::vector<UnitId>& plugins(std::string_view group) const;

 private:
  using Index = std::map<std::string, std::vector<UnitId>, std::less<>>;
  static const std::vector<UnitId>& lookup(const Index& index, std::string_view key);
  void attach_metadata(const ReachTree& tree, const ReachFacts& facts);

  std::vector<ReachUnit> units_;
  std::vector<std::vector<UnitId>> owners_;
  std::map<PathId, std::vector<UnitId>> below_;
  Index distributions_, conda_, plugins_;
};

}  // namespace flense::closure
