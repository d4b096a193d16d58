// Which files a package consists of, and what it asks of others: RECORD of wheels, the lists of
// dpkg and apk, conda-meta, and of Python's metadata the requirements and plug-in groups. As in
// packages.h the parsers take any bytes and never fail: what they do not understand they leave out.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace flense::closure {

enum class FileListKind : std::uint8_t {
  kNone,
  kWheelRecord,     ///< *.dist-info/RECORD: paths relative to the directory that holds it
  kInstalledFiles,  ///< *.egg-info/installed-files.txt: relative to itself
  kDpkgList,        ///< var/lib/dpkg/info/NAME[:ARCH].list
  kDpkgSums,        ///< var/lib/dpkg/status.d/NAME.md5sums of distroless images
  kApkInstalled,    ///< lib/apk/db/installed: several packages
  kCondaMeta,       ///< conda-meta/NAME-VERSION-BUILD.json: relative to the environment
  kPythonMetadata,  ///< *.dist-info/METADATA, *.egg-info/PKG-INFO, requires.txt apart
  kEntryPoints,     ///< *.dist-info/entry_points.txt
};
FileListKind file_list_kind(std::string_view path);

inline constexpr std::uint64_t kMaxFileList = 64U << 20;

/// One package and its files, as image paths.
struct ListedPackage {
  std::string type;  ///< as Package::type
  std::string name, version;
  std::vector<std::string> files;
  std::vector<std::string> depends;  ///< conda: names
  std::string list;                  ///< path of what says so
};

/// `path` is that of the list; for Python the name and version come from its folder's name.
std::vector<ListedPackage> parse_file_list(FileListKind kind, std::string_view path,
                                           std::string_view text);

/// "uvicorn[standard]>=0.12; extra == 'all'": who is needed, with which extras, for which extra of
/// the one that asks (empty: always). Other conditions are not judged: they count as met.
struct Requirement {
  std::string name;  ///< normalised (PEP 503)
  std::vector<std::string> extras;
  std::string for_extra;
  bool conditional = false;  ///< there are other conditions
  bool operator==(const Requirement&) const = default;
};
/// The fields Requires-Dist of METADATA.
std::vector<Requirement> parse_requirements(std::string_view metadata);

/// Sections of entry_points.txt but those of scripts: what plug-ins are looked up by.
std::vector<std::string> parse_plugin_groups(std::string_view text);

}  // namespace flense::closure
