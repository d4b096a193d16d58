// What hangs on an image in a registry: its referrers (distribution-spec 1.1, "Listing Referrers"),
// and what cosign keeps under tags of its own.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "image/registry/client.h"

namespace flense::image {

/// The tag under which a registry without the referrers API keeps their list: "sha256-1f…".
std::string referrers_tag(std::string_view digest);
/// Whether a tag is such a list, or what cosign hangs on an image: "sha256-1f….sig".
bool hangs_on_digest(std::string_view tag);

/// Whether a registry answers that it does not know the path, or nothing that lies there.
bool says_not_there(const RegistryReply& reply);

struct HangingThings {
  /// "application/spdx+json", "cosign's signature", each once for each digest that has it.
  std::vector<std::string> kinds;
  std::string failure;  ///< why not all is known; empty: it is
};
/// Asks for each of the digests.
Result<HangingThings> what_hangs(const RegistryName& place, const std::vector<std::string>& digests,
                                 RegistryClient& client);

}  // namespace flense::image
