// The ELF part of the closure: what the loader loads, and what a file opens by name. For the files
// of this folder alone.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "closure/marks.h"

namespace flense::closure {

class ReachLibraries {
 public:
  ReachLibraries(const ReachContext& context, ReachMarks& marks)
      : context_(context), marks_(marks) {}

  void follow(PathId id, const inventory::ElfFacts& elf);
  /// A library by its file name or SONAME, as `user` asks for it; every copy where the loader's
  /// path leads to none.
  void keep_library(const inventory::LinkFacts& user, const std::string& name,
                    const std::string& why);
  /// Something that was reached starts /bin/sh.
  bool starts_shell() const { return starts_shell_; }

 private:
  bool keep_found(const inventory::LinkFacts& user, const std::string& name,
                  const std::string& why);
  void follow_names(PathId id, const inventory::ElfFacts& elf, const inventory::LinkFacts& links);
  void follow_table(PathId id, const inventory::ElfFacts& elf);
  void follow_calls(PathId id, const std::vector<std::string>& calls);

  const ReachContext& context_;
  ReachMarks& marks_;
  std::set<std::string> asked_;  ///< names of libraries so far
  std::vector<inventory::LinkFacts>
      search_paths_;            ///< files with an RPATH, which serves what they load
  std::set<std::size_t> rows_;  ///< of the table, that were applied
  bool starts_shell_ = false;
};

}  // namespace flense::closure
