#include "mirror/engine.h"

#include <algorithm>
#include <array>

namespace flense::mirror {

std::span<const Engine> engines() {
  static constexpr std::array kEngines = {
      Engine{"containerd", plan_containerd},
      Engine{"podman", plan_containers},
      Engine{"cri-o", plan_crio},
      Engine{"buildkit", plan_buildkit},
      Engine{"docker", plan_docker},
  };
  return kEngines;
}

Result<std::string> Scene::url(std::string_view upstream_host) const {
  TRY(const std::string prefix, mirror.prefix(gpu, upstream_host));
  return fmt::format("{}://{}/v2{}", mirror.plain_http ? "http" : "https", mirror.host,
                     prefix.substr(mirror.host.size()));
}

bool Scene::has(const std::string& directory, std::string_view name) const {
  const std::vector<std::string> names = list(directory);
  return std::ranges::find(names, name) != names.end();
}

std::string note_of(const Scene& scene) {
  return fmt::format("Written by flense mirror install: images for {} come first.", scene.gpu);
}

}  // namespace flense::mirror
