// Names and passwords for registries, as `skopeo login` and `docker login` keep them
// (containers-auth.json(5)), and the authorities of single hosts (containers-certs.d(5)).
#pragma once

#include <filesystem>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace flense::image {

using Environment = std::function<std::optional<std::string>(std::string_view name)>;

/// In the order in which they are asked.
std::vector<std::filesystem::path> login_files(const Environment& environment, unsigned user);

/// The base64 text of "NAME:PASSWORD" that a file has for "HOST/REPOSITORY"; empty where it has
/// none, is none, or a program keeps it.
std::string login_in(std::string_view file, const std::string& repository);
/// Of the first file that has one.
std::string kept_login(const std::vector<std::filesystem::path>& files,
                       const std::string& repository);

/// The certificate of the authority for HOST[:PORT]; empty: those of the system.
std::string authority_of(const std::string& host);

}  // namespace flense::image
