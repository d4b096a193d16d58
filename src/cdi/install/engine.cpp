#include "cdi/install/engine.h"

#include <algorithm>
#include <array>

#include "base/version_numbers.h"

namespace flense::cdi {

Result<EnginePlan> plan_engine(const EngineScene& scene) {
  constexpr std::array<std::pair<std::string_view, Result<EnginePlan> (*)(const EngineScene&)>, 4>
      kPlans = {{{"docker", plan_docker},
                 {"podman", plan_podman},
                 {"containerd", plan_containerd},
                 {"crio", plan_crio}}};
  for (const auto& [name, plan] : kPlans)
    if (scene.name == name) return plan(scene);
  return fail(Code::kUsage, "the engine '{}' is unknown", scene.name);
}

bool known_at_least(const EngineScene& scene, std::string_view version) {
  return scene.version && version_at_least(*scene.version, version);
}

Result<void> require_version(const EngineScene& scene, std::string_view first) {
  if (!scene.version || version_at_least(*scene.version, first)) return {};
  return fail(Code::kEnvironment, "{} {} does not support CDI: {} is the first that does",
              scene.name, *scene.version, first)
      .hint("flense run, and flense cdi apply with a runtime, work without it");
}

std::optional<text::Json> directories_with(const text::Json& present, const std::string& ours) {
  using text::Json;
  std::vector<Json> all = present.items();
  if (!present.is_array()) all = {Json("/etc/cdi"), Json("/var/run/cdi")};
  // One may be a link to the other.
  const std::string other = ours == "/run/cdi" ? "/var/run/cdi" : ours;
  const auto found = [&](const std::string& path) {
    return std::ranges::find(all, Json(path)) != all.end();
  };
  if (found(ours) || found(other)) return std::nullopt;
  all.emplace_back(ours);
  return Json(std::move(all));
}

}  // namespace flense::cdi
