// Package databases as text: dpkg status, apk installed, conda-meta, Python METADATA. The parsers
// take any bytes, never fail, and give what they understood: a damaged record is skipped, since a
// package list is evidence, not a foundation.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace flense::inventory {

struct Package {
  std::string type;  ///< "deb", "apk", "conda", "pip"
  std::string name;
  std::string version;
  /// The one release of torch that a pip package requires on any machine: "2.6.0"; empty: none.
  std::string torch = {};
  /// Of the pip package torch the cuDNN that it requires, which it was compiled with: "9.10.2.21".
  std::string cudnn = {};
  bool operator==(const Package&) const = default;
};

/// What a file of an image is to the package reader.
enum class PackageFile {
  kNone,
  kDpkgStatus,      ///< var/lib/dpkg/status, and status.d/* of distroless images
  kApkInstalled,    ///< lib/apk/db/installed
  kCondaMeta,       ///< conda-meta/NAME-VERSION-BUILD.json
  kPythonMetadata,  ///< *.dist-info/METADATA, *.egg-info/PKG-INFO
  kRpmDatabase,     ///< recognised, not readable
};
PackageFile package_file(std::string_view path);

/// Bytes of the file that the parser wants; longer files are cut there (METADATA carries a whole
/// README below its header).
std::uint64_t package_file_limit(PackageFile kind);

/// Installed packages of one file.
std::vector<Package> parse_packages(PackageFile kind, std::string_view text);

/// /etc/os-release (freedesktop.org os-release(5)).
struct OsRelease {
  std::string id, version_id, pretty_name;
};
std::optional<OsRelease> parse_os_release(std::string_view text);

/// `name = 'value'` of a Python file that a build wrote (torch/version.py); empty when absent or
/// None.
std::string python_assignment(std::string_view text, std::string_view name);

/// Upstream part of a Debian version: "1:12.4.127-1" -> "12.4.127".
std::string upstream_version(std::string_view debian_version);

/// PEP 503: lower case, runs of "-", "_" and "." become one "-".
std::string normalised_python_name(std::string_view name);

}  // namespace flense::inventory
