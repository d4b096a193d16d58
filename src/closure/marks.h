// The marks of the closure while it grows: which path stays, why, and what is still to be looked
// at. For the files of this folder alone.
#pragma once

#include <deque>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "closure/reach.h"
#include "closure/tree.h"
#include "closure/units.h"
#include "inventory/describe/survey.h"

namespace flense::closure {

/// How far a path that stays is followed; each includes those before it.
enum class Follow : std::uint8_t {
  kNot,   ///< not reached
  kKeep,  ///< it stays, and asks for nothing: settings, databases
  kData,  ///< what it needs to be loaded or read
  kPart,  ///< part of a package that is used
  kUse,   ///< loaded or run: its package stays whole
  kRun,   ///< started: the words of a shell script count
};

/// What all parts of the closure look at.
struct ReachContext {
  const image::Image& image;
  const inventory::Contents& contents;
  const ReachFacts& facts;
  const knowledge::OpenedFiles& opened;
  const ReachOptions& options;
  ReachTree tree;
  ReachUnits units;
  inventory::Survey survey;
  std::vector<bool> idle;  ///< ReachOptions::trace_decides: units that no traced run used
  std::vector<std::string> program_path;
  std::string working_directory;

  const inventory::ElfFacts* elf(PathId id) const;
  /// Of an executable script, what follows "#!"; null for others.
  const std::string* script_line(PathId id) const;
  bool is_idle(UnitId unit) const { return !idle.empty() && idle[unit]; }
  /// A file of idle distributions alone.
  bool is_of_idle(PathId id) const;
};

class ReachMarks {
 public:
  explicit ReachMarks(const ReachContext& context)
      : context_(context), marks_(context.tree.size()), unit_reached_(context.units.size()) {}

  void keep(PathId id, Follow follow, const std::string& why);
  /// The path as the kernel walks it: every link on the way stays as well. False when it leads
  /// nowhere.
  bool keep_path(std::string_view path, Follow follow, const std::string& why);
  /// Everything below a directory.
  void keep_tree(PathId directory, Follow follow, const std::string& why);
  /// A path that a text names: a file, or a directory that is somebody's own.
  void keep_named(std::string_view path, Follow follow, const std::string& why);
  /// Idle distributions apart: only code of theirs, which did not run, leads a loader there.
  void keep_matching(std::string_view pattern, Follow follow, const std::string& why);
  /// All of a package; what Python distributions require is the caller's business.
  void keep_unit(UnitId unit, const std::string& why);
  /// The first of this name in PATH; false when there is none.
  bool keep_program(std::string_view name, Follow follow, const std::string& why);

  struct Task {
    PathId id;
    Follow follow;
  };
  std::optional<Task> next();
  std::vector<UnitId> take_new_units() { return std::exchange(new_units_, {}); }

  Follow follow(PathId id) const { return marks_[id].follow; }
  const std::string& why(PathId id) const { return marks_[id].why; }
  bool reached(UnitId unit) const { return unit_reached_[unit]; }
  /// "/usr/bin/python3.11"
  std::string name(PathId id) const { return "/" + std::string(context_.tree.path(id)); }

 private:
  /// All below as data; scripts of a shell are followed as far as their directory is.
  void keep_folder(PathId directory, Follow follow, const std::string& why);

  struct Mark {
    Follow follow = Follow::kNot;
    std::string why;
  };
  const ReachContext& context_;
  std::vector<Mark> marks_;
  std::vector<bool> unit_reached_;
  std::deque<Task> tasks_;
  std::vector<UnitId> new_units_;
};

}  // namespace flense::closure
