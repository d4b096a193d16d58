// What a process that reads what strangers made can still do if one of its parsers is overcome:
// read what was named, write its cache and scratch files, print. Landlock holds the files
// (Linux 5.13), a seccomp filter the rest; both are lifted by nothing. Where the kernel has
// neither, nothing is confined, and who asks is told.
#pragma once

#include <filesystem>
#include <vector>

namespace flense::guard {

/// What stays open to a confined process. Links are followed now, and what they lead to is meant;
/// what is not there is left out.
struct Reach {
  using Paths = std::vector<std::filesystem::path>;
  Paths read;     ///< files, and directories with all below
  Paths list;     ///< directories in which, and below which, names are listed
  Paths scratch;  ///< directories for temporary files
  Paths change;   ///< directories in which files and directories are read, made and removed
};

/// What this kernel has.
struct Support {
  int landlock = 0;      ///< version of its interface; 0: none
  bool seccomp = false;  ///< filters that answer with SIGSYS
};
Support support();

/// For good, and for all threads to come: to be called while there is one. Programs that are
/// started later could gain no privilege; but none can be started.
void confine(const Reach& reach);

/// The directory, and what the links directly in it lead to: other programs lay out files so.
void add_with_links(const std::filesystem::path& directory, Reach::Paths& out);

}  // namespace flense::guard
