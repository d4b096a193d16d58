// Docker: daemon.json, features.cdi (25.0 on, needed until 28.2) and cdi-spec-dirs.
#include "cdi/install/engine.h"

namespace flense::cdi {

Result<EnginePlan> plan_docker(const EngineScene& scene) {
  TRY_DO(require_version(scene, "25.0"));
  ConfigEdit edit;
  edit.file = !scene.config.empty() ? scene.config
              : scene.user          ? scene.config_home + "/docker/daemon.json"
                                    : "/etc/docker/daemon.json";
  TRY(const std::optional<std::string> text, scene.read(edit.file));
  text::Json config = text::Json::object();
  if (text) {
    TRY(config, text::parse_json(*text, edit.file));
  }
  EnginePlan plan;
  const text::Json* feature = config["features"].find("cdi");
  const bool on = feature != nullptr ? feature->bool_or(false) : known_at_least(scene, "28.2");
  if (!on) edit.assignments.push_back({{"features"}, "cdi", text::Json(true)});
  // Rootless Docker looks into the user's own directories since 29.2.
  const text::Json& directories = config["cdi-spec-dirs"];
  const bool looks_there = !directories.is_array() && scene.user && known_at_least(scene, "29.2");
  if (!looks_there)
    if (auto all = directories_with(directories, scene.spec_directory))
      edit.assignments.push_back({{}, "cdi-spec-dirs", std::move(*all)});
  if (edit.assignments.empty()) {
    plan.notices.push_back("Docker has CDI on already");
    return plan;
  }
  plan.edits.push_back(std::move(edit));
  plan.restart = scene.user ? "systemctl --user restart docker" : "systemctl restart docker";
  return plan;
}

}  // namespace flense::cdi
