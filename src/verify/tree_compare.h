// The members of two images, one by one: what is there as it was, what is gone with a reason, and
// whose content has to be looked at.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "verify/finding.h"
#include "verify/reading.h"
#include "verify/record.h"

namespace flense::verify {

/// A file whose bytes are compared, not its digest alone.
struct ContentPair {
  enum class Kind {
    kEdited,    ///< other bytes than before
    kList,      ///< names files with their digests
    kMarker,    ///< flense's own file; there is none before
    kGoneCode,  ///< gone as device code for other GPUs; there is none after
    kNeeds,     ///< an ELF file that stays: what it needs does too; there is none after
  } kind = Kind::kEdited;
  std::string path;
  std::optional<image::EntryRef> before, after;
};

/// Files of one layer that are not what they were: gone, or the member that holds the content now.
using LayerFates = std::map<std::string, std::optional<image::EntryRef>, std::less<>>;

struct TreeResult {
  std::vector<ContentPair> contents;
  std::vector<LayerFates> fates;  ///< by layer of the image before; one for all where merged
  /// Names of files that a container sees no longer anywhere, as nothing reaches them.
  std::set<std::string, std::less<>> unreached;
  bool merged = false;  ///< compared as a container sees it, not layer by layer
};

/// `record` may be null: then what is gone has no reason, which is told as unknown.
Result<TreeResult> compare_trees(const Reading& before, const Reading& after, const Record* record,
                                 const CodeRule& rule, Findings& findings);

/// No link comes before its target and no whiteout behind what it hides that did not so far; where
/// layers are `merged`, no whiteout is new.
void compare_order(const Reading& before, const Reading& after, bool merged, Findings& findings);

/// What `record` says that nothing reaches, against what stays: each ELF file for what it lists,
/// and the program that is started.
Result<void> find_needs(const Reading& before, const Reading& after, const Record& record,
                        TreeResult& out, Findings& findings);

/// Symbolic and hard links lead where they did.
Result<void> compare_links(const Reading& before, const Reading& after, const Record* record,
                           Findings& findings);

}  // namespace flense::verify
