// What the start of an image reaches: the static closure. From the command, the health check and
// what the user names follow programs, libraries as the loader finds them, what libraries are known
// to open by name (data/dlopen.json), names in their data, interpreters of scripts, the words of
// shell scripts, and the imports of Python sources. Packages and distributions stay whole. Pure:
// works on facts, touches no file. docs/closure.md says what it cannot see.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <vector>

#include "closure/facts.h"
#include "image/model/image.h"
#include "inventory/scan/contents.h"
#include "knowledge/opened_files.h"

namespace flense::closure {

struct ReachOptions {
  std::vector<std::string> keep;    ///< globs over image paths: these stay, with what they need
  std::vector<std::string> also;    ///< programs that are started too: paths, or names in PATH
  std::vector<std::string> traced;  ///< image paths that a run opened
  /// What packages import or require of other Python distributions counts only where a traced run
  /// used code of these; what the image's own sources import counts always.
  bool trace_decides = false;
  /// Nothing but the closure of one program stays, with what every process finds in a distroless
  /// image.
  bool minimal = false;
  bool time_zones = false;  ///< minimal: with them
  std::string compiles;     ///< who uses a C compiler at run time; empty: nobody
};

/// A package of which files are not reached.
struct UnreachedPackage {
  std::string type, name, version;
  std::uint64_t files = 0, bytes = 0;  ///< that are not reached
  bool whole = false;                  ///< none of its files is
};

struct Reach {
  std::vector<std::string> starts;             ///< as the image or the user says them
  std::map<std::string, std::string> kept;     ///< files and links: why they stay
  std::vector<std::string> unreached;          ///< files and links, in path order
  std::vector<std::string> empty_directories;  ///< minimal: nothing of them is needed
  std::set<std::string> idle_scripts;          ///< stay as data, without their interpreter
  std::vector<UnreachedPackage> packages;      ///< most bytes first
  std::vector<std::string> notices;
};

/// Functions whose import means something to the closure (ReachFactsOptions::calls).
std::set<std::string, std::less<>> reach_calls(const knowledge::OpenedFiles& opened);

/// A usage error where the start cannot be followed: there is none, it is a shell for people, a
/// script in an unknown language or one that runs what its text does not say.
Result<Reach> find_reach(const image::Image& image, const inventory::Contents& contents,
                         const ReachFacts& facts, const knowledge::OpenedFiles& opened,
                         const ReachOptions& options);

}  // namespace flense::closure
