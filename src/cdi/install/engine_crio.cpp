// CRI-O: CDI is on, and /etc/cdi and /var/run/cdi are read, unless [crio.runtime] cdi_spec_dirs
// says otherwise; a drop-in of ours then overrides it.
#include "cdi/install/engine.h"
#include "text/toml.h"

namespace flense::cdi {

Result<EnginePlan> plan_crio(const EngineScene& scene) {
  constexpr std::string_view kName = "99-flense-cdi.conf";
  TRY_DO(require_version(scene, "1.23"));
  if (scene.user) return fail(Code::kUsage, "CRI-O has no rootless mode: leave --user out");
  const std::string main = scene.config.empty() ? "/etc/crio/crio.conf" : scene.config;
  const std::string folder = main + ".d";
  EnginePlan plan;
  text::Json present, enabled;
  const auto look = [&](const std::string& path) -> Result<void> {
    TRY(const std::optional<std::string> text, scene.read(path));
    if (!text) return {};
    TRY(const text::Json document, text::parse_toml(*text, path));
    const text::Json& runtime = document["crio"]["runtime"];
    if (runtime["cdi_spec_dirs"].is_array()) present = runtime["cdi_spec_dirs"];
    if (runtime["enable_cdi"].is_bool()) enabled = runtime["enable_cdi"];
    return {};
  };
  TRY_DO(look(main));
  for (const std::string& name : scene.list(folder))
    if (name.ends_with(".conf") && name != kName) TRY_DO(look(folder + "/" + name));
  std::string text;
  const text::TomlTable table = {"crio", "runtime"};
  if (const auto all = directories_with(present, scene.spec_directory)) {
    TRY(text, text::set_toml(text, table, "cdi_spec_dirs", *all, kName));
  }
  if (!enabled.bool_or(true)) {
    TRY(text, text::set_toml(text, table, "enable_cdi", text::Json(true), kName));
  }
  if (text.empty()) {
    plan.notices.push_back("CRI-O has CDI on and reads " + scene.spec_directory + " by itself");
    return plan;
  }
  plan.files.emplace_back(fmt::format("{}/{}", folder, kName),
                          "# Written by flense cdi install.\n" + text);
  plan.restart = "systemctl restart crio";
  return plan;
}

}  // namespace flense::cdi
