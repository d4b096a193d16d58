#include "cli/shared/registries.h"

#include <unistd.h>

#include <memory>

#include "cli/shared/common.h"
#include "image/registry/logins.h"

namespace flense::cli {

Result<image::RegistryService> registry_service(std::vector<std::string> writable, const Io& io) {
  TRY(const image::RegistryLimits limits, registry_limits(io));
  image::RegistryRights rights;
  rights.writable = std::move(writable);
  rights.patience = limits.answer;
  const auto logins = std::make_shared<image::KeptLogins>(
      image::login_files(io.environment, ::geteuid()), limits.answer);
  rights.login = [logins](const std::string& place) { return logins->find(place); };
  // As skopeo does, whatever else this curl would look at.
  rights.authority = [named = io.variable("SSL_CERT_FILE")](const std::string& host) {
    const std::string own = image::authority_of(host);
    return own.empty() ? named : own;
  };
  return image::curl_service(std::move(rights));
}

}  // namespace flense::cli
