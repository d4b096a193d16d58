// Podman: CDI is on, and /etc/cdi and /var/run/cdi are read. Other directories need
// containers.conf, [engine] cdi_spec_dirs, which a drop-in of the user can set.
#include "cdi/install/engine.h"
#include "text/toml.h"

namespace flense::cdi {

Result<EnginePlan> plan_podman(const EngineScene& scene) {
  TRY_DO(require_version(scene, "4.1"));
  if (!scene.config.empty())
    return fail(Code::kUsage,
                "Podman is configured by a separate drop-in: --config has no effect here");
  EnginePlan plan;
  const std::string folder =
      scene.user ? scene.config_home + "/containers" : std::string("/etc/containers");
  text::Json present;
  const auto look = [&](const std::string& path) -> Result<void> {
    TRY(const std::optional<std::string> text, scene.read(path));
    if (!text) return {};
    TRY(const text::Json document, text::parse_toml(*text, path));
    if (const text::Json& found = document["engine"]["cdi_spec_dirs"]; found.is_array())
      present = found;
    return {};
  };
  const std::string drop_in = folder + "/containers.conf.d/99-flense-cdi.conf";
  TRY_DO(look(folder + "/containers.conf"));
  for (const std::string& name : scene.list(folder + "/containers.conf.d"))
    if (name.ends_with(".conf") && name != "99-flense-cdi.conf")
      TRY_DO(look(folder + "/containers.conf.d/" + name));
  const std::optional<text::Json> all = directories_with(present, scene.spec_directory);
  if (!all) {
    plan.notices.push_back("Podman reads " + scene.spec_directory + " by itself");
    return plan;
  }
  TRY(std::string text, text::set_toml("", {"engine"}, "cdi_spec_dirs", *all, drop_in));
  plan.files.emplace_back(drop_in, "# Written by flense cdi install.\n" + text);
  if (!known_at_least(scene, "5.0"))
    plan.notices.push_back(
        fmt::format("Podman before 5.0 does not know cdi_spec_dirs and reads /etc/cdi and "
                    "/var/run/cdi only{}",
                    scene.version ? ": this is " + *scene.version : ""));
  return plan;
}

}  // namespace flense::cdi
