// Artefacts pushed to a registry, so that whoever has the digest of an image finds them.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "image/model/registry_limits.h"
#include "image/output/artefact.h"
#include "image/registry/client.h"

namespace flense::image {

/// Hangs them on an image that lies at `place` ("HOST/REPOSITORY"). Where the registry does not
/// list referrers by itself, their list is the tag referrers_tag(), which others may write, too: it
/// is read, extended, written and read again until it holds them (distribution-spec 1.1, "Pushing
/// Manifests with Subject"). `client` may write there.
Result<void> attach(const std::string& place, const Subject& subject,
                    const std::vector<Artefact>& artefacts, const std::filesystem::path& scratch,
                    const RegistryLimits& limits, RegistryClient& client, Progress* progress);

}  // namespace flense::image
