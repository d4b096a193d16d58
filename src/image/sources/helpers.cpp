#include "image/sources/helpers.h"

#include <algorithm>
#include <span>
#include <system_error>

#include "image/model/reference.h"
#include "image/sources/docker_engine.h"
#include "image/sources/skopeo.h"

namespace flense::image {

namespace {

/// What is asked for where; a bare name everywhere.
struct Named {
  std::vector<std::string> docker, podman, registry, storage;
};

Named names_in(const std::vector<std::string>& targets) {
  Named out;
  for (const std::string& text : targets) {
    if (!needs_helpers(text)) continue;
    const Target target = parse_target(text);
    const bool bare = target.transport == Transport::kNone;
    const std::string& name = bare ? text : target.reference;
    if (bare || target.transport == Transport::kDockerDaemon) out.docker.push_back(name);
    if (bare) out.podman.push_back(name);
    if (bare || target.transport == Transport::kRegistry) out.registry.push_back(name);
    if (target.transport == Transport::kContainersStorage) out.storage.push_back(name);
  }
  return out;
}

bool may_start(const std::vector<std::string>& argv, const Named& named,
               const std::filesystem::path& cache) {
  const std::span words = std::span(argv).subspan(1);
  const auto pulls = [&](Transport transport, const std::vector<std::string>& names) {
    return std::ranges::any_of(names, [&](const std::string& name) {
      return is_pull_by_skopeo(words, transport, name, cache);
    });
  };
  if (argv[0] == find_program("skopeo"))
    return pulls(Transport::kRegistry, named.registry) ||
           pulls(Transport::kContainersStorage, named.storage);
  if (argv[0] != find_program("podman")) return false;
  return std::ranges::any_of(named.podman, [&](const std::string& name) {
    return std::ranges::equal(words, podman_exists(name)) ||
           std::ranges::equal(words, podman_saves(name));
  });
}

}  // namespace

bool needs_helpers(const std::string& text) {
  const Target target = parse_target(text);
  switch (target.transport) {
    case Transport::kRegistry:
    case Transport::kDockerDaemon:
    case Transport::kContainersStorage:
      return true;
    case Transport::kNone: {
      std::error_code ignored;
      return !std::filesystem::exists(target.path, ignored) && normalise_reference(text);
    }
    default:
      return false;
  }
}

guard::Services helpers_for(const std::vector<std::string>& targets,
                            const std::filesystem::path& cache) {
  guard::Services out;
  const Named named = names_in(targets);
  out.may_start = [named, cache](const std::vector<std::string>& argv) {
    return may_start(argv, named, cache);
  };
  out.ask = [named](const std::vector<std::string>& words) {
    return ask_docker(words, named.docker);
  };
  return out;
}

}  // namespace flense::image
