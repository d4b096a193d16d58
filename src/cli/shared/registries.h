// Registries asked by flense itself, with the logins that skopeo and Docker keep.
#pragma once

#include <string>
#include <vector>

#include "cli/shared/io.h"
#include "image/registry/curl.h"

namespace flense::cli {

/// Manifests may be written at `writable` ("HOST/REPOSITORY").
Result<image::RegistryService> registry_service(std::vector<std::string> writable, const Io& io);

}  // namespace flense::cli
