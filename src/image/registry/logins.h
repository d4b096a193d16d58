// Names and passwords for registries, as `skopeo login` and `docker login` keep them
// (containers-auth.json(5)), and the authorities of single hosts (containers-certs.d(5)).
#pragma once

#include <chrono>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "image/registry/credential_helper.h"

namespace flense::image {

using Environment = std::function<std::optional<std::string>(std::string_view name)>;

/// In the order in which they are asked.
std::vector<std::filesystem::path> login_files(const Environment& environment, unsigned user);

/// The base64 text of "NAME:PASSWORD" that a file has for "HOST/REPOSITORY"; empty where it has
/// none, is none, or a program keeps it.
std::string login_in(std::string_view file, const std::string& repository);
/// Names and passwords in files, and of the programs that the files name.
class KeptLogins {
 public:
  /// Each program gets `patience` to answer.
  KeptLogins(std::vector<std::filesystem::path> files, std::chrono::seconds patience)
      : files_(std::move(files)), patience_(patience) {}

  /// As login_in(), of the first file that has one: that of the host's own program comes before
  /// those in the file, and that of the program for all hosts last, as Docker does it.
  std::string find(const std::string& repository);

 private:
  /// Asked once for each host.
  std::string of_helper(const CredentialHelper& helper);

  std::vector<std::filesystem::path> files_;
  std::chrono::seconds patience_;
  std::map<std::pair<std::string, std::string>, std::string> told_;
};

/// The certificate of the authority for HOST[:PORT]; empty: those of the system.
std::string authority_of(const std::string& host);

}  // namespace flense::image
