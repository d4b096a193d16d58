// Images for some GPUs removed from their registries. A manifest goes only where no tag shows it
// but its own, and no index lists it but those that are written again without it.
#pragma once

#include <string>
#include <vector>

#include "fleet/survey.h"

namespace flense::fleet {

struct Removal {
  Standing standing;
  std::string stays;  ///< why it is not removed; empty: it goes, or is gone
};

struct PrunePlan {
  std::vector<Removal> removals;
  /// Indexes that are written again: the tag, what it shows, and the new text.
  struct Rewrite {
    image::RegistryName name;
    std::string digest, text;
  };
  std::vector<Rewrite> rewrites;
};

/// What is to go: images whose origin is gone and, with `stale`, those whose origin moved. Reads
/// all tags of the repositories in which they are.
Result<PrunePlan> plan_prune(const Survey& survey, bool stale, image::RegistryClient& client);

/// Does it, and says in `plan` what stays after all. `client` may write.
Result<void> prune(PrunePlan& plan, image::RegistryClient& client);

/// The index without the entries of these digests, which are images for some GPUs; bad input where
/// no entry would stay, or one of these digests would.
Result<std::string> index_without(std::string_view text, const std::vector<std::string>& digests);

}  // namespace flense::fleet
