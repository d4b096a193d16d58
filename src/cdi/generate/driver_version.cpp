#include "cdi/generate/driver_version.h"

#include <algorithm>
#include <map>

#include "base/format.h"
#include "base/path.h"
#include "cdi/generate/library_search.h"
#include "host/probe.h"
#include "host/text_formats.h"

namespace flense::cdi {

namespace {

constexpr std::size_t kMostNames = 1u << 17;

/// The versions that files of this library are named by, and a file of each.
std::map<std::string, std::string> versions_of(const GenerateOptions& options,
                                               const host::Tree& root, std::string_view stem) {
  std::map<std::string, std::string> out;
  const std::string start = std::string(stem) + ".so.";
  for (const std::string& folder : library_folders(options, root))
    for (const std::string& name : root.list(folder, kMostNames)) {
      if (!name.starts_with(start)) continue;
      const std::string version = name.substr(start.size());
      if (host::is_driver_version(version))
        out.try_emplace(version, folder.empty() ? name : fmt::format("{}/{}", folder, name));
    }
  return out;
}

/// Among several the one that libcuda.so.1 leads to.
std::optional<std::string> loaded_version(const host::Tree& root, std::string_view stem,
                                          const std::map<std::string, std::string>& versions) {
  if (versions.size() == 1) return versions.begin()->first;
  const std::string start = std::string(stem) + ".so.";
  for (const auto& [version, path] : versions) {
    const auto real = root.resolve(fmt::format("{}/{}1", parent_path(path), start));
    if (!real) continue;
    const std::string_view name = base_name(*real);
    if (name.starts_with(start) && versions.contains(std::string(name.substr(start.size()))))
      return std::string(name.substr(start.size()));
  }
  return std::nullopt;
}

}  // namespace

Result<std::string> driver_version(Discovery& discovery, const DriverRoot& root) {
  const host::Text module = host::probe_nvidia_module(discovery.machine).module_version;
  std::string_view stem = "libcuda";
  std::map<std::string, std::string> versions = versions_of(discovery.options, root.tree, stem);
  if (versions.empty()) versions = versions_of(discovery.options, root.tree, stem = "libnvidia-ml");
  const auto loaded = loaded_version(root.tree, stem, versions);
  const std::string where = root.tree.label("");
  if (!module.value) {
    if (loaded) return *loaded;
    if (versions.empty())
      return fail(Code::kEnvironment,
                  "there is no NVIDIA driver: {}, and no {}.so.VERSION below {}", module.evidence,
                  stem, where)
          .hint("install the driver, or name its root with --driver-root");
    return fail(Code::kEnvironment, "{} holds {} versions of {} and {}", where, versions.size(),
                stem, module.evidence)
        .hint("remove the remains of other drivers, or load the driver");
  }
  if (versions.empty() || versions.contains(*module.value)) return *module.value;
  TRY_DO(discovery.missing(
      fmt::format("the kernel module is {} ({}), and {} is {}", *module.value, module.evidence,
                  root.tree.label(versions.begin()->second), versions.begin()->first),
      "reboot, or reload the modules, so that module and libraries have the same version"));
  return loaded.value_or(*module.value);
}

}  // namespace flense::cdi
