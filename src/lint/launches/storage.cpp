#include "lint/launches/storage.h"

#include <algorithm>

#include "base/format.h"
#include "lint/facts/workload_facts.h"
#include "lint/source/blanks.h"

namespace flense::lint {

bool knows_mounts(const ProjectFile& file, const Workload& workload) {
  return is_complete(file, workload) && workload.kind != WorkloadKind::kApptainer &&
         workload.kind != WorkloadKind::kSrun && !workload.unknown_options &&
         (workload.node != nullptr
              ? workload.node->find("volumes_from") == nullptr
              : !file.source.slice(workload.span).contains("--volumes-from")) &&
         std::ranges::none_of(workload.mounts, [](const WorkloadMount& mount) {
           return mount.target.find_first_of("${%") != mount.target.npos;
         });
}

bool has_no_storage(const Workload& workload) {
  return std::ranges::none_of(workload.mounts, [](const WorkloadMount& mount) {
    return !is_memory(mount.kind) && !mount.source.ends_with(".sock") &&
           !starts_with_any(mount.source, {"/dev", "/etc/", "/sys", "/tmp/.X11-unix"});
  });
}

std::string mount_words(const Workload& workload, std::string_view path, std::string_view name) {
  const bool own = name != "HOST_DIRECTORY";  // a volume that the engine makes
  switch (workload.kind) {
    case WorkloadKind::kKubernetes:
      return fmt::format("mount a persistentVolumeClaim at {}", path);
    case WorkloadKind::kQuadlet:
      return fmt::format("write Volume={}{}:{}", name, own ? ".volume" : "", path);
    case WorkloadKind::kCompose:
      return fmt::format(
          "add {}:{} to its volumes{}", name, path,
          own ? fmt::format(", and declare {} under the file's volumes", name) : std::string());
    case WorkloadKind::kApptainer:
      return fmt::format("add --bind {}:{}", name, path);
    case WorkloadKind::kSrun:
      return fmt::format("add --container-mounts=/shared/{}:{}", name, path);
    default:
      return fmt::format("add -v {}:{}", name, path);
  }
}

}  // namespace flense::lint
