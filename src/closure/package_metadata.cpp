#include "closure/package_metadata.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/path.h"
#include "inventory/scan/packages.h"
#include "text/json.h"

namespace flense::closure {

namespace {

constexpr std::size_t kMostListed = 2'000'000, kLongestListed = 4096;

void add_listed(std::string_view folder, std::string_view path, std::vector<std::string>& out) {
  if (path.empty() || path.size() > kLongestListed || out.size() >= kMostListed) return;
  std::string real = resolve_link_text(folder, path);
  if (!real.empty() && real.find('\0') == std::string::npos) out.push_back(std::move(real));
}

/// The first field of a line of comma-separated values (RFC 4180).
std::string first_field(std::string_view line) {
  if (!line.starts_with('"')) return std::string(line.substr(0, line.find(',')));
  std::string out;
  for (std::size_t at = 1; at < line.size(); ++at) {
    if (line[at] != '"') {
      out += line[at];
    } else if (at + 1 < line.size() && line[at + 1] == '"') {
      out += line[at++];
    } else {
      break;
    }
  }
  return out;
}

/// "PyYAML-6.0.dist-info" -> name and version.
ListedPackage named_by_folder(std::string_view folder) {
  std::string_view stem = base_name(folder);
  stem = stem.substr(0, stem.rfind('.'));
  const std::size_t dash = stem.find('-');
  ListedPackage out{"pip", std::string(stem.substr(0, dash)), {}, {}, {}, {}};
  if (dash != std::string_view::npos) {
    const std::string_view rest = stem.substr(dash + 1);
    out.version = rest.substr(0, rest.find('-'));  // eggs: "-py3.11"
  }
  return out;
}

ListedPackage read_record(std::string_view path, std::string_view text) {
  const std::string_view info = parent_path(path);
  ListedPackage out = named_by_folder(info);
  while (!text.empty()) add_listed(parent_path(info), first_field(take_line(text)), out.files);
  return out;
}

ListedPackage read_installed_files(std::string_view path, std::string_view text) {
  ListedPackage out = named_by_folder(parent_path(path));
  while (!text.empty()) add_listed(parent_path(path), take_line(text), out.files);
  return out;
}

ListedPackage read_dpkg(FileListKind kind, std::string_view path, std::string_view text) {
  std::string_view name = base_name(path);
  name = name.substr(0, name.rfind('.'));
  ListedPackage out{"deb", std::string(name.substr(0, name.find(':'))), {}, {}, {}, {}};
  while (!text.empty()) {
    std::string_view line = take_line(text);
    if (kind == FileListKind::kDpkgSums) {
      // "<32 digits>  usr/bin/x"
      const std::size_t blank = line.find(' ');
      if (blank == std::string_view::npos) continue;
      line.remove_prefix(std::min(line.find_first_not_of(" *", blank), line.size()));
    }
    if (line != "/.") add_listed("", line, out.files);
  }
  return out;
}

/// https://wiki.alpinelinux.org/wiki/Apk_spec: P name, V version, F directory, R file in it.
std::vector<ListedPackage> read_apk(std::string_view text) {
  std::vector<ListedPackage> out;
  ListedPackage now{"apk", {}, {}, {}, {}, {}};
  std::string folder;
  const auto finish = [&] {
    if (!now.name.empty()) out.push_back(std::move(now));
    now = {"apk", {}, {}, {}, {}, {}};
    folder.clear();
  };
  while (!text.empty()) {
    const std::string_view line = take_line(text);
    if (line.empty()) finish();
    if (line.size() < 2 || line[1] != ':') continue;
    const std::string_view value = line.substr(2);
    if (line[0] == 'P') now.name = value;
    if (line[0] == 'V') now.version = value;
    if (line[0] == 'F') folder = value;
    if (line[0] == 'R') add_listed(folder, value, now.files);
  }
  finish();
  return out;
}

std::vector<ListedPackage> read_conda(std::string_view path, std::string_view text) {
  const Result<text::Json> json = text::parse_json(text, path);
  if (!json || (*json)["name"].text().empty()) return {};
  ListedPackage out{
      "conda", std::string((*json)["name"].text()), std::string((*json)["version"].text()), {}, {},
      {}};
  const std::string_view environment = parent_path(parent_path(path));
  for (const text::Json& file : (*json)["files"].items())
    add_listed(environment, file.text(), out.files);
  for (const text::Json& one : (*json)["depends"].items()) {
    const std::string_view name = one.text().substr(0, one.text().find_first_of(" =<>!~"));
    if (!name.empty()) out.depends.emplace_back(name);
  }
  return {std::move(out)};
}

bool in_requirement_name(char c) {
  return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
}

/// The extra that a marker asks for: extra == "all".
std::string extra_of(std::string_view marker) {
  std::size_t at = marker.find("extra");
  if (at == std::string_view::npos) return {};
  at = marker.find_first_of("'\"", at);
  if (at == std::string_view::npos) return {};
  const std::size_t end = marker.find(marker[at], at + 1);
  if (end == std::string_view::npos) return {};
  return inventory::normalised_python_name(marker.substr(at + 1, end - at - 1));
}

}  // namespace

FileListKind file_list_kind(std::string_view path) {
  const std::string_view name = base_name(path), folder = parent_path(path);
  const bool dist = folder.ends_with(".dist-info"), egg = folder.ends_with(".egg-info");
  if (dist && name == "RECORD") return FileListKind::kWheelRecord;
  if (egg && name == "installed-files.txt") return FileListKind::kInstalledFiles;
  if ((dist && name == "METADATA") || (egg && name == "PKG-INFO"))
    return FileListKind::kPythonMetadata;
  if ((dist || egg) && name == "entry_points.txt") return FileListKind::kEntryPoints;
  if (folder == "var/lib/dpkg/info" && name.ends_with(".list")) return FileListKind::kDpkgList;
  if (folder == "var/lib/dpkg/status.d" && name.ends_with(".md5sums"))
    return FileListKind::kDpkgSums;
  if (path == "lib/apk/db/installed" || path == "usr/lib/apk/db/installed")
    return FileListKind::kApkInstalled;
  if (base_name(folder) == "conda-meta" && name.ends_with(".json")) return FileListKind::kCondaMeta;
  return FileListKind::kNone;
}

namespace {

std::vector<ListedPackage> listed_packages(FileListKind kind, std::string_view path,
                                           std::string_view text) {
  switch (kind) {
    case FileListKind::kWheelRecord:
      return {read_record(path, text)};
    case FileListKind::kInstalledFiles:
      return {read_installed_files(path, text)};
    case FileListKind::kDpkgList:
    case FileListKind::kDpkgSums:
      return {read_dpkg(kind, path, text)};
    case FileListKind::kApkInstalled:
      return read_apk(text);
    case FileListKind::kCondaMeta:
      return read_conda(path, text);
    case FileListKind::kNone:
    case FileListKind::kPythonMetadata:
    case FileListKind::kEntryPoints:
      return {};
  }
  return {};
}

}  // namespace

std::vector<ListedPackage> parse_file_list(FileListKind kind, std::string_view path,
                                           std::string_view text) {
  std::vector<ListedPackage> out = listed_packages(kind, path, text);
  for (ListedPackage& package : out) package.list = path;
  return out;
}

std::vector<Requirement> parse_requirements(std::string_view metadata) {
  constexpr std::string_view kField = "Requires-Dist:";
  constexpr std::size_t kMost = 10'000;
  std::vector<Requirement> out;
  while (!metadata.empty() && out.size() < kMost) {
    const std::string_view line = take_line(metadata);
    if (line.empty()) break;  // the description begins
    if (!line.starts_with(kField)) continue;
    std::string_view rest = trim(line.substr(kField.size()));
    std::size_t end = 0;
    while (end < rest.size() && in_requirement_name(rest[end])) ++end;
    if (end == 0) continue;
    Requirement one;
    one.name = inventory::normalised_python_name(rest.substr(0, end));
    rest = trim(rest.substr(end));
    if (rest.starts_with('[')) {
      std::string_view extras = rest.substr(1, rest.find(']') - 1);
      while (!extras.empty()) {
        const std::size_t comma = std::min(extras.find(','), extras.size());
        if (const auto extra = trim(extras.substr(0, comma)); !extra.empty())
          one.extras.push_back(inventory::normalised_python_name(extra));
        extras.remove_prefix(std::min(comma + 1, extras.size()));
      }
    }
    if (const std::size_t at = rest.find(';'); at != std::string_view::npos) {
      const std::string_view marker = trim(rest.substr(at + 1));
      one.for_extra = extra_of(marker);
      one.conditional = one.for_extra.empty() || marker.find(" and ") != std::string_view::npos ||
                        marker.find(" or ") != std::string_view::npos;
    }
    out.push_back(std::move(one));
  }
  return out;
}

std::vector<std::string> parse_plugin_groups(std::string_view text) {
  std::vector<std::string> out;
  while (!text.empty() && out.size() < 1000) {
    const std::string_view line = trim(take_line(text));
    if (!line.starts_with('[') || !line.ends_with(']') || line.size() < 3) continue;
    const std::string_view group = trim(line.substr(1, line.size() - 2));
    if (!group.empty() && group != "console_scripts" && group != "gui_scripts")
      out.emplace_back(group);
  }
  return out;
}

}  // namespace flense::closure
