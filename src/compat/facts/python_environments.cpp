#include "compat/facts/python_environments.h"

#include <algorithm>
#include <optional>
#include <set>

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

bool is_below(std::string_view path, std::string_view prefix) {
  return path.size() > prefix.size() && path.starts_with(prefix) && path[prefix.size()] == '/';
}

/// Environments of conda lie below its base: the longest prefix counts.
const PythonEnvironment* owner_of(std::string_view path,
                                  const std::vector<PythonEnvironment>& all) {
  const PythonEnvironment* out = nullptr;
  for (const PythonEnvironment& one : all)
    if (!one.prefix.empty() && is_below(path, one.prefix) &&
        (out == nullptr || one.prefix.size() > out->prefix.size()))
      out = &one;
  return out;
}

/// Those that evidence names: "Python package torch 2.10.0; opt/venv/lib/…/libtorch.so, …".
std::set<std::string> prefixes_named(std::string_view evidence,
                                     const std::vector<PythonEnvironment>& all,
                                     const needs::Needs& image) {
  constexpr std::string_view kPackage = "Python package ";
  std::set<std::string> out;
  for (std::string_view rest = evidence; !rest.empty();) {
    const std::string_view part = rest.substr(0, rest.find("; "));
    rest.remove_prefix(std::min(rest.size(), part.size() + 2));
    if (!part.starts_with(kPackage)) {
      if (const auto* owner = owner_of(part, all)) out.insert(owner->prefix);
      continue;
    }
    const std::string_view named = part.substr(kPackage.size());
    for (const InstalledPackage& installed : image.packages)
      if (named == fmt::format("{} {}", installed.package.name, installed.package.version))
        if (auto prefix = prefix_of(installed)) out.insert(*std::move(prefix));
  }
  return out;
}

/// The environment to which the image's own settings lead; empty: the system's.
std::string started(const needs::Needs& image, const std::vector<PythonEnvironment>& all) {
  if (const auto* owner = owner_of(image.start.program, all)) return owner->prefix;
  const auto named = [&](std::string_view place) -> const PythonEnvironment* {
    const std::string path = resolve_link_text("", place);
    const auto at = std::ranges::find(all, path, &PythonEnvironment::prefix);
    return at == all.end() || path.empty() ? nullptr : &*at;
  };
  const auto variable = [&](const char* name) {
    const auto at = image.environment.find(name);
    return at == image.environment.end() ? std::string_view() : std::string_view(at->second);
  };
  std::string_view rest = variable("PATH");
  while (!rest.empty()) {
    const std::string_view folder = rest.substr(0, rest.find(':'));
    rest.remove_prefix(std::min(rest.size(), folder.size() + 1));
    if (folder.ends_with("/bin"))
      if (const auto* one = named(folder.substr(0, folder.size() - 4))) return one->prefix;
  }
  for (const char* name : {"VIRTUAL_ENV", "CONDA_PREFIX"})
    if (const auto* one = named(variable(name))) return one->prefix;
  return {};
}

}  // namespace

std::vector<PythonEnvironment> python_environments(const needs::Needs& image) {
  std::set<std::string> prefixes;
  for (const InstalledPackage& installed : image.packages)
    if (auto prefix = prefix_of(installed)) prefixes.insert(*std::move(prefix));
  std::vector<PythonEnvironment> out;
  for (const std::string& prefix : prefixes) out.push_back({prefix});
  const std::string start = started(image, out);
  for (PythonEnvironment& one : out) one.starts = one.prefix == start;
  std::ranges::stable_partition(out, &PythonEnvironment::starts);
  return out;
}

needs::Needs seen_from(const PythonEnvironment& environment,
                       const std::vector<PythonEnvironment>& all, const needs::Needs& image) {
  const auto foreign = [&](std::string_view path) {
    const auto* owner = owner_of(path, all);
    return owner != nullptr && owner->prefix != environment.prefix;
  };
  needs::Needs out = image;
  std::erase_if(out.packages, [&](const InstalledPackage& installed) {
    const auto prefix = prefix_of(installed);
    return prefix && *prefix != environment.prefix;
  });
  std::erase_if(out.runtimes, [&](const auto& one) {
    const auto prefixes = prefixes_named(one.evidence, all, image);
    return !prefixes.empty() && !prefixes.contains(environment.prefix);
  });
  std::erase_if(out.code, [&](const auto& file) { return foreign(file.path); });
  std::erase_if(out.missing_libraries, [&](const auto& one) { return foreign(one.user); });
  return out;
}

}  // namespace flense::compat
