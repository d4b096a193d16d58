#include "inventory/scan/packages.h"

#include <algorithm>
#include <array>
#include <utility>

#include "base/ascii.h"
#include "base/path.h"
#include "text/json.h"

namespace flense::inventory {

namespace {

/// Printable, and short enough to be a name or a version.
bool plausible(std::string_view text) {
  return !text.empty() && text.size() <= 256 && std::none_of(text.begin(), text.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x21 || c == 0x7f;
  });
}

void add(std::vector<Package>& out, std::string_view type, std::string_view name,
         std::string_view version) {
  if (plausible(name) && plausible(version))
    out.push_back({std::string(type), std::string(name), std::string(version)});
}

std::vector<Package> parse_dpkg(std::string_view text) {
  std::vector<Package> out;
  std::string_view name, version, status;
  const auto flush = [&] {
    // Distroless fragments carry no Status line; everything in them is installed.
    if (status.empty() || status.ends_with(" installed")) add(out, "deb", name, version);
    name = version = status = {};
  };
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty()) {
      flush();
      continue;
    }
    if (line.starts_with("Package:")) name = trim(line.substr(8));
    if (line.starts_with("Version:")) version = trim(line.substr(8));
    if (line.starts_with("Status:")) status = trim(line.substr(7));
  }
  flush();
  return out;
}

std::vector<Package> parse_apk(std::string_view text) {
  std::vector<Package> out;
  std::string_view name, version;
  const auto flush = [&] {
    add(out, "apk", name, version);
    name = version = {};
  };
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty()) flush();
    if (line.starts_with("P:")) name = trim(line.substr(2));
    if (line.starts_with("V:")) version = trim(line.substr(2));
  }
  flush();
  return out;
}

std::vector<Package> parse_conda(std::string_view text) {
  std::vector<Package> out;
  if (const Result<text::Json> json = text::parse_json(text, "conda-meta"))
    add(out, "conda", (*json)["name"].text(), (*json)["version"].text());
  return out;
}

/// "2.6.0" of "torch==2.6.0" and "torch (==2.6.0)"; empty for ranges and under a condition.
std::string_view pinned_torch(std::string_view requirement) {
  requirement = trim(requirement);
  if (!requirement.starts_with("torch") || requirement.find(';') != std::string_view::npos)
    return {};
  requirement = trim(requirement.substr(5));
  if (requirement.starts_with('(') && requirement.ends_with(')'))
    requirement = requirement.substr(1, requirement.size() - 2);
  if (!requirement.starts_with("==")) return {};
  requirement = trim(requirement.substr(2));
  return requirement.find_first_of("=, ") == std::string_view::npos ? requirement
                                                                    : std::string_view();
}

/// "9.10.2.21" of "nvidia-cudnn-cu12==9.10.2.21; platform_system == "Linux"".
std::string_view pinned_cudnn(std::string_view requirement) {
  constexpr std::string_view kCudnn = "nvidia-cudnn-cu", kExactly = "==";
  requirement = trim(requirement.substr(0, requirement.find(';')));
  if (!requirement.starts_with(kCudnn)) return {};
  const std::size_t at = requirement.find(kExactly);
  if (at == std::string_view::npos) return {};
  requirement = trim(requirement.substr(at + kExactly.size()));
  while (requirement.ends_with(')')) requirement.remove_suffix(1);
  return requirement.find_first_not_of("0123456789.") == std::string_view::npos
             ? requirement
             : std::string_view();
}

std::vector<Package> parse_metadata(std::string_view text) {
  std::vector<Package> out;
  std::string_view name, version, torch, cudnn;
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty()) break;  // the description follows
    constexpr std::string_view kRequires = "Requires-Dist:";
    if (torch.empty() && line.starts_with(kRequires))
      torch = pinned_torch(line.substr(kRequires.size()));
    if (cudnn.empty() && line.starts_with(kRequires))
      cudnn = pinned_cudnn(line.substr(kRequires.size()));
    if (name.empty() && line.starts_with("Name:")) name = trim(line.substr(5));
    if (version.empty() && line.starts_with("Version:")) version = trim(line.substr(8));
  }
  add(out, "pip", name, version);
  if (!out.empty() && plausible(torch)) out.front().torch = torch;
  if (name == "torch" && !out.empty() && plausible(cudnn)) out.front().cudnn = cudnn;
  return out;
}

std::string unquote(std::string_view text) {
  text = trim(text);
  if (text.size() >= 2 && (text.front() == '"' || text.front() == '\'') &&
      text.back() == text.front())
    text = text.substr(1, text.size() - 2);
  std::string out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '\\' && i + 1 < text.size()) ++i;
    out += text[i];
  }
  return out;
}

}  // namespace

PackageFile package_file(std::string_view path) {
  const std::string_view name = base_name(path);
  const std::string_view dir = parent_path(path);
  if (name == "METADATA" && dir.ends_with(".dist-info")) return PackageFile::kPythonMetadata;
  if (name == "PKG-INFO" && dir.ends_with(".egg-info")) return PackageFile::kPythonMetadata;
  if (name.ends_with(".json") && base_name(dir) == "conda-meta") return PackageFile::kCondaMeta;
  if (path == "var/lib/dpkg/status") return PackageFile::kDpkgStatus;
  if (dir == "var/lib/dpkg/status.d" && !name.ends_with(".md5sums"))
    return PackageFile::kDpkgStatus;
  if (path == "lib/apk/db/installed" || path == "usr/lib/apk/db/installed")
    return PackageFile::kApkInstalled;
  static constexpr std::array<std::string_view, 3> kRpm = {"Packages", "Packages.db",
                                                           "rpmdb.sqlite"};
  if ((dir == "var/lib/rpm" || dir == "usr/lib/sysimage/rpm") &&
      std::find(kRpm.begin(), kRpm.end(), name) != kRpm.end())
    return PackageFile::kRpmDatabase;
  return PackageFile::kNone;
}

std::uint64_t package_file_limit(PackageFile kind) {
  switch (kind) {
    case PackageFile::kNone:
    case PackageFile::kRpmDatabase:
      return 0;
    case PackageFile::kPythonMetadata:
      return 256u << 10;
    case PackageFile::kCondaMeta:
      return 16u << 20;
    case PackageFile::kDpkgStatus:
    case PackageFile::kApkInstalled:
      return 64u << 20;
  }
  return 0;
}

std::vector<Package> parse_packages(PackageFile kind, std::string_view text) {
  switch (kind) {
    case PackageFile::kDpkgStatus:
      return parse_dpkg(text);
    case PackageFile::kApkInstalled:
      return parse_apk(text);
    case PackageFile::kCondaMeta:
      return parse_conda(text);
    case PackageFile::kPythonMetadata:
      return parse_metadata(text);
    case PackageFile::kNone:
    case PackageFile::kRpmDatabase:
      break;
  }
  return {};
}

std::optional<OsRelease> parse_os_release(std::string_view text) {
  OsRelease out;
  while (!text.empty()) {
    const std::string_view line = trim(take_line(text));
    const std::size_t equals = line.find('=');
    if (line.starts_with('#') || equals == std::string_view::npos) continue;
    const std::string_view key = line.substr(0, equals);
    const std::string value = unquote(line.substr(equals + 1));
    if (key == "ID") out.id = value;
    if (key == "VERSION_ID") out.version_id = value;
    if (key == "PRETTY_NAME") out.pretty_name = value;
  }
  if (out.id.empty() && out.pretty_name.empty()) return std::nullopt;
  return out;
}

std::string python_assignment(std::string_view text, std::string_view name) {
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (!line.starts_with(name)) continue;
    line = trim(line.substr(name.size()));
    // "cuda: Optional[str] = '12.8'"
    if (line.starts_with(':')) {
      const std::size_t equals = line.find('=');
      if (equals == std::string_view::npos) continue;
      line.remove_prefix(equals);
    }
    if (!line.starts_with('=') || line.starts_with("==")) continue;
    line = trim(line.substr(1));
    if (line.empty() || (line.front() != '\'' && line.front() != '"')) continue;
    const std::size_t end = line.find(line.front(), 1);
    if (end == std::string_view::npos) continue;
    const std::string_view value = line.substr(1, end - 1);
    if (plausible(value)) return std::string(value);
  }
  return {};
}

std::string upstream_version(std::string_view debian_version) {
  if (const std::size_t colon = debian_version.find(':'); colon != std::string_view::npos)
    debian_version.remove_prefix(colon + 1);
  if (const std::size_t dash = debian_version.rfind('-'); dash != std::string_view::npos)
    debian_version = debian_version.substr(0, dash);
  return std::string(debian_version);
}

std::string normalised_python_name(std::string_view name) {
  std::string out;
  for (const char c : name) {
    const bool separator = c == '-' || c == '_' || c == '.';
    if (separator && out.ends_with('-')) continue;
    out += separator ? '-' : lower(c);
  }
  return out;
}

}  // namespace flense::inventory
