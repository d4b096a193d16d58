// containerd: enable_cdi of the CRI plug-in (1.7 on, needed until 2.0). In the main file, not in a
// drop-in: if several files configure a plug-in, containerd takes the last one's table as a whole
// and drops the others' settings.
#include <algorithm>

#include "base/glob.h"
#include "base/path.h"
#include "cdi/install/engine.h"
#include "text/toml.h"

namespace flense::cdi {

namespace {

/// The CRI plug-in's table, by the version of the configuration's form.
text::TomlTable cri_table(std::int64_t version) {
  if (version >= 3) return {"plugins", "io.containerd.cri.v1.runtime"};
  return {"plugins", version == 2 ? "io.containerd.grpc.v1.cri" : "cri"};
}

/// An imported file with the plug-in's table hides what the main file says in it.
Result<void> check_imports(const EngineScene& scene, const std::string& main,
                           const text::Json& config, const text::TomlTable& table) {
  for (const text::Json& import : config["imports"].items()) {
    std::string pattern(import.text());
    if (!pattern.starts_with('/')) pattern = std::string(parent_path(main)) + "/" + pattern;
    const std::string folder(parent_path(pattern));
    for (const std::string& name : scene.list(folder)) {
      const std::string path = folder + "/" + name;
      if (path == main || !glob_match(pattern, path)) continue;
      TRY(const std::optional<std::string> text, scene.read(path));
      if (!text) continue;
      TRY(const text::Json imported, text::parse_toml(*text, path));
      if (text::toml_table(imported, table).is_null()) continue;
      return fail(Code::kEnvironment, "{} configures [{}] as well, and containerd takes only that",
                  path, fmt::join(table, "."))
          .hint(fmt::format("name that file: --config {}", path));
    }
  }
  return {};
}

}  // namespace

Result<EnginePlan> plan_containerd(const EngineScene& scene) {
  TRY_DO(require_version(scene, "1.7"));
  if (scene.user)
    return fail(Code::kUsage, "rootless containerd has no CDI configuration")
        .hint("nerdctl takes --cdi-spec-dir");
  ConfigEdit edit;
  edit.file = scene.config.empty() ? "/etc/containerd/config.toml" : scene.config;
  edit.syntax = Syntax::kToml;
  edit.blank = "version = 2\n";
  TRY(const std::optional<std::string> text, scene.read(edit.file));
  TRY(const text::Json config, text::parse_toml(text.value_or(edit.blank), edit.file));
  const text::TomlTable table = cri_table(config["version"].integer_or(1));
  TRY_DO(check_imports(scene, edit.file, config, table));

  EnginePlan plan;
  const text::Json& cri = text::toml_table(config, table);
  const text::Json* enabled = cri.find("enable_cdi");
  const bool on = enabled != nullptr ? enabled->bool_or(false) : known_at_least(scene, "2.0");
  if (!on) edit.assignments.push_back({table, "enable_cdi", text::Json(true)});
  if (auto all = directories_with(cri["cdi_spec_dirs"], scene.spec_directory))
    edit.assignments.push_back({table, "cdi_spec_dirs", std::move(*all)});
  const auto& disabled = config["disabled_plugins"].items();
  for (const char* name : {"cri", "io.containerd.grpc.v1.cri"})
    if (std::ranges::find(disabled, text::Json(name)) != disabled.end())
      plan.notices.push_back(
          fmt::format("{} disables the CRI plug-in: Kubernetes cannot use this "
                      "containerd; ctr and nerdctl need no switch",
                      edit.file));
  if (edit.assignments.empty()) {
    plan.notices.push_back("containerd has CDI on already");
    return plan;
  }
  plan.edits.push_back(std::move(edit));
  plan.restart = "systemctl restart containerd";
  return plan;
}

}  // namespace flense::cdi
