// The Python part of the closure: interpreters with their standard library and the directories that
// they import from, and distributions by what imports or names them. For the files of
// this folder alone.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "closure/marks.h"

namespace flense::closure {

/// Who wants a module or distribution. What packages want of each other may be for a way through
/// them that nobody takes (ReachOptions::trace_decides).
enum class Wanted : std::uint8_t { kByPackage, kByImage };

class ReachPython {
 public:
  ReachPython(const ReachContext& context, ReachMarks& marks) : context_(context), marks_(marks) {}

  /// Looks whether the path is an interpreter, its library, or that of a virtual environment.
  void see(PathId id);
  bool active() const { return !sites_.empty() || !libraries_.empty(); }

  /// A directory that modules are imported from.
  void add_site(const std::string& directory, const std::string& why);
  /// "a.b", "a.b:c", as an import (then also parts of the standard library that stay only so).
  void demand_module(std::string_view name, bool import, Wanted wanted, const std::string& why);
  /// By the name of the distribution, with what it requires.
  void demand_distribution(std::string_view name, const std::vector<std::string>& extras,
                           Wanted wanted, const std::string& why);
  void demand_plugins(std::string_view group, Wanted wanted, const std::string& why);
  /// What a unit that stays requires.
  void follow_unit(UnitId unit);
  /// A source that belongs to a distribution speaks for that, others for the image. So do those of
  /// a distribution that stays although no traced run used it: of its ways nothing is known.
  Wanted wanted_by(PathId source) const {
    const std::vector<UnitId>& owners = context_.units.owners(source);
    return owners.empty() || context_.is_of_idle(source) ? Wanted::kByImage : Wanted::kByPackage;
  }
  /// Units that packages want and no traced run used.
  const std::set<UnitId>& passed_over() const { return passed_over_; }

 private:
  void add_interpreter(std::string_view prefix, std::string_view version, const std::string& why);
  void add_environment(std::string_view prefix, const std::string& why);
  void keep_standard(PathId library, const std::string& why);
  void keep_optional(const std::string& name, const std::string& why);
  void follow_path_file(const std::string& site, PathId id);
  struct Demand {
    Wanted wanted = Wanted::kByPackage;
    std::string why;
  };
  void locate(const std::string& site, std::string_view module, const Demand& demand);
  void keep_owned(PathId id, const Demand& demand);
  void keep_unit(UnitId unit, const Demand& demand);
  void require(UnitId unit, const std::string& extra);
  std::set<std::string> installed_extras(UnitId unit) const;

  const ReachContext& context_;
  ReachMarks& marks_;
  std::set<std::string> sites_;
  std::set<PathId> libraries_;                          ///< of the standard library
  std::map<std::string, Demand, std::less<>> modules_;  ///< demanded so far, and by whom
  std::map<std::string, std::string, std::less<>> optional_;
  std::set<std::pair<UnitId, std::string>> required_;  ///< unit and extra ("": itself)
  std::vector<std::pair<UnitId, std::string>> asked_;  ///< of these, to be worked off
  std::set<UnitId> passed_over_;
};

}  // namespace flense::closure
