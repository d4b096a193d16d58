#include "cdi/generate/libraries.h"

#include <algorithm>

#include "base/format.h"
#include "cdi/generate/driver_files.h"

namespace flense::cdi {

namespace {

void mount_at(const Library& library, const std::string& name, const std::string& below,
              const GenerateOptions& options, Edits& edits) {
  for (const std::string& folder : container_folders(library.abi, options))
    edits.mounts.push_back(read_only_mount(
        library.host_path, below.empty() ? fmt::format("{}/{}", folder, name)
                                         : fmt::format("{}/{}/{}", folder, below, name)));
}

bool has_64_bit(const std::vector<Library>& libraries, std::string_view stem) {
  return std::ranges::any_of(
      libraries, [&](const Library& one) { return one.stem == stem && !is_32_bit(one.abi); });
}

Result<void> need(Discovery& discovery, const DriverRoot& root, std::string_view version,
                  const std::vector<Library>& libraries, Capability capability,
                  std::string_view stem) {
  if (!discovery.wants(capability) || has_64_bit(libraries, stem)) return {};
  return discovery.missing(
      fmt::format("there is no usable {}.so.{} below {}", stem, version, root.tree.label("")),
      "install the user-space driver of this version, or name its root with --driver-root");
}

}  // namespace

std::vector<std::string> container_folders(Abi abi, const GenerateOptions& options) {
  if (!is_32_bit(abi) && !options.library_dirs.empty()) return options.library_dirs;
  const std::string debian = fmt::format("/usr/lib/{}", multiarch(abi));
  return {debian, is_32_bit(abi) ? "/usr/lib" : "/usr/lib64"};
}

void mount_library(const Library& library, const GenerateOptions& options, Edits& edits) {
  for (const std::string& name : library.names)
    mount_at(library, name, library.subfolder, options, edits);
}

Result<void> add_libraries(Discovery& discovery, const DriverRoot& root, std::string_view version,
                           Edits& edits) {
  const std::vector<Library> libraries = find_libraries(discovery, root, version);
  TRY_DO(need(discovery, root, version, libraries, Capability::kCompute, "libcuda"));
  TRY_DO(need(discovery, root, version, libraries, Capability::kUtility, "libnvidia-ml"));
  const bool drawing = discovery.wants_any({Capability::kGraphics, Capability::kDisplay});
  for (const Library& library : libraries) {
    if (is_32_bit(library.abi) && !discovery.wants(Capability::kCompat32)) continue;
    const auto other = std::ranges::find(other_versions(), library.stem, &LibraryRow::stem);
    const LibraryRow& row = other != other_versions().end() ? *other : library_row(library.stem);
    if (!discovery.wants_any(row.capabilities)) continue;
    mount_library(library, discovery.options, edits);
    if (row.development) mount_at(library, library.stem + ".so", "", discovery.options, edits);
    // Names that GL loaders ask for and that no file of the driver has.
    if (drawing && library.stem == "libGLX_nvidia")
      mount_at(library, "libGLX_indirect.so.0", "", discovery.options, edits);
    if (drawing && library.stem == "libnvidia-allocator")
      mount_at(library, "nvidia-drm_gbm.so", "gbm", discovery.options, edits);
  }
  if (discovery.wants(Capability::kCompat32) &&
      std::ranges::none_of(libraries, [](const Library& one) { return is_32_bit(one.abi); }))
    discovery.note("the driver has no 32-bit libraries: compat32 adds nothing");
  return {};
}

}  // namespace flense::cdi
