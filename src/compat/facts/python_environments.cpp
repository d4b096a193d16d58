#include "compat/facts/python_environments.h"

#include <algorithm>
#include <functional>

#include "base/format.h"
#include "base/path.h"

namespace flense::compat {

namespace {

using inventory::InstalledPackage;

/// "opt/venv" of opt/venv/lib/python3.11/site-packages/…, "opt/conda" of opt/conda/conda-meta/….
std::optional<std::string> prefix_of(const InstalledPackage& installed) {
  const std::string_view path = installed.path;
  std::size_t end = std::string_view::npos;
  if (installed.package.type == "conda")
    end = path.rfind("/conda-meta/");
  else if (installed.package.type == "pip" && path.contains("-packages/"))
    end = std::min(path.find("/lib/python"), path.find("/lib64/python"));
  if (end == std::string_view::npos) return std::nullopt;
  std::string prefix(path.substr(0, end));
  return prefix == "usr" || prefix == "usr/local" ? std::string() : prefix;
}

}  // namespace

PythonEnvironments::PythonEnvironments(const needs::Needs& image) : image_(image) {
  for (const InstalledPackage& installed : image.packages) {
    const auto prefix = prefix_of(installed);
    if (!prefix) continue;
    prefixes_.insert(*prefix);
    by_package_[fmt::format("{} {}", installed.package.name, installed.package.version)].insert(
        *prefix);
  }
  started_ = find_started();
}

const std::string* PythonEnvironments::owner_of(std::string_view path) const {
  // Environments of conda lie below its base: the longest prefix counts.
  for (std::size_t slash = path.rfind('/'); slash != std::string_view::npos && slash > 0;
       slash = path.rfind('/', slash - 1))
    if (const auto at = prefixes_.find(std::string(path.substr(0, slash))); at != prefixes_.end())
      return &*at;
  return nullptr;
}

std::set<std::string> PythonEnvironments::named_in(std::string_view evidence) const {
  constexpr std::string_view kPackage = "Python package ";
  std::set<std::string> out;
  for (std::string_view rest = evidence; !rest.empty();) {
    const std::string_view part = rest.substr(0, rest.find("; "));
    rest.remove_prefix(std::min(rest.size(), part.size() + 2));
    if (!part.starts_with(kPackage)) {
      if (const std::string* owner = owner_of(part)) out.insert(*owner);
    } else if (const auto at = by_package_.find(part.substr(kPackage.size()));
               at != by_package_.end()) {
      out.insert(at->second.begin(), at->second.end());
    }
  }
  return out;
}

std::string PythonEnvironments::find_started() const {
  if (const std::string* owner = owner_of(image_.start.program)) return *owner;
  const auto named = [&](std::string_view place) -> std::string {
    const std::string path = resolve_link_text("", place);
    return prefixes_.contains(path) ? path : std::string();
  };
  const auto variable = [&](const char* name) {
    const auto at = image_.environment.find(name);
    return at == image_.environment.end() ? std::string_view() : std::string_view(at->second);
  };
  std::string_view rest = variable("PATH");
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    if (folder.ends_with("/bin"))
      if (std::string one = named(folder.substr(0, folder.size() - 4)); !one.empty()) return one;
  }
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (std::string one = named(variable(name)); !one.empty()) return one;
  return {};
}

needs::Needs PythonEnvironments::seen_from(const std::string& prefix) const {
  const auto foreign = [&](std::string_view path) {
    const std::string* owner = owner_of(path);
    return owner != nullptr && *owner != prefix;
  };
  needs::Needs out = image_;
  std::erase_if(out.packages, [&](const InstalledPackage& installed) {
    const auto its = prefix_of(installed);
    return its && *its != prefix;
  });
  std::erase_if(out.runtimes, [&](const auto& one) {
    const auto its = named_in(one.evidence);
    return !its.empty() && !its.contains(prefix);
  });
  std::erase_if(out.code, [&](const auto& file) { return foreign(file.path); });
  std::erase_if(out.missing_libraries, [&](const auto& one) { return foreign(one.user); });
  return out;
}

}  // namespace flense::compat
