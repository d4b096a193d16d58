// Programs that keep names and passwords for registries, as Docker's configuration names them:
// "docker-credential-ecr-login" for "ecr-login" (docker/docker-credential-helpers, "Development").
#pragma once

#include <chrono>
#include <string>
#include <string_view>

namespace flense::image {

struct CredentialHelper {
  std::string name;    ///< "ecr-login"; empty: none
  std::string server;  ///< as it is asked for: "REG:5000", "https://index.docker.io/v1/"
};

/// Which one a file of logins names for a host: of this host (`credHelpers`), or of all
/// (`credsStore`).
CredentialHelper helper_of_host(std::string_view file, const std::string& host);
CredentialHelper helper_of_all(std::string_view file, const std::string& host);

/// The base64 text of "NAME:PASSWORD". Empty where it has none, answers something else or not in
/// time, is not there, or keeps a token that stands for both.
std::string helper_login(const CredentialHelper& helper, std::chrono::seconds patience);

}  // namespace flense::image
