// BuildKit: mirrors of buildkitd.toml, which it asks by tag and by digest alike.
#include <algorithm>

#include "mirror/engine.h"
#include "text/toml.h"

namespace flense::mirror {

Result<cdi::EnginePlan> plan_buildkit(const Scene& scene) {
  using text::Json;
  cdi::EnginePlan plan;
  cdi::ConfigEdit edit;
  edit.file = "/etc/buildkit/buildkitd.toml";
  edit.syntax = cdi::Syntax::kToml;
  TRY(const std::optional<std::string> text, scene.read(edit.file));
  TRY(const Json config, text::parse_toml(text.value_or(""), edit.file));
  for (const std::string& host : scene.upstream) {
    TRY(const std::string prefix, scene.mirror.prefix(scene.gpu, host));
    const auto& present = config["registry"][host]["mirrors"].items();
    const auto at = std::ranges::find(present, Json(prefix));
    if (at != present.end() && at != present.begin())
      return fail(Code::kEnvironment, "{} has {} already, after other mirrors of {}", edit.file,
                  prefix, host)
          .hint("put it first, or take it out");
    edit.assignments.push_back({{"registry", host}, "mirrors", Json(prefix), true});
  }
  if (scene.mirror.plain_http)
    edit.assignments.push_back({{"registry", scene.mirror.host}, "http", Json(true)});
  plan.edits.push_back(std::move(edit));
  plan.notices.push_back(fmt::format(
      "what is built here upon an image of the mirror serves {} alone, as its labels say",
      scene.gpu));
  plan.notices.emplace_back(
      "BuildKit asks mirrors for references by digest, too; the digest decides what it takes, and "
      "upstream answers what the mirror has not");
  plan.restart = "systemctl restart buildkit";
  return plan;
}

}  // namespace flense::mirror
