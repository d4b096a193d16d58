// Podman and CRI-O: a drop-in of registries.conf, whose mirrors are asked for tags alone.
#include <algorithm>

#include "mirror/engine.h"
#include "text/toml.h"

namespace flense::mirror {

namespace {

using text::Json;

constexpr const char* kFolder = "/etc/containers";
constexpr std::string_view kDropIn = "99-flense-mirror.conf";
constexpr const char* kPolicy = "/etc/containers/policy.json";

bool demands_nothing(const Json& requirements) {
  const auto& all = requirements.items();
  return !all.empty() && std::ranges::all_of(all, [](const Json& one) {
    return one["type"].text() == "insecureAcceptAnything";
  });
}

/// "nvcr.io", "nvcr.io/nvidia" and "*.io" are of nvcr.io.
bool is_of_host(std::string_view scope, std::string_view host) {
  if (scope.starts_with("*.")) return host.ends_with(scope.substr(1));
  return scope.substr(0, scope.find('/')) == host;
}

/// Whether the node's policy wants more of images of this host than that they are there. What it
/// says of a part of the host counts for all of it.
bool demands_signatures(const Json& policy, std::string_view host) {
  const Json& scopes = policy["transports"]["docker"];
  bool named = false;
  for (const auto& [scope, requirements] : scopes.members()) {
    if (!is_of_host(scope, host)) continue;
    if (!demands_nothing(requirements)) return true;
    named |= scope == host;
  }
  if (named) return false;
  const Json* others = scopes.find("");
  return !demands_nothing(others != nullptr ? *others : policy["default"]);
}

/// Of two entries with one prefix the engine takes the last, so that ours would hide theirs.
Result<void> check_others(const Scene& scene, std::vector<std::string>& notices) {
  std::vector<std::string> files = {std::string(kFolder) + "/registries.conf"};
  const std::string folder = files.front() + ".d";
  for (const std::string& name : scene.list(folder))
    if (name.ends_with(".conf") && name != kDropIn) files.push_back(folder + "/" + name);
  for (const std::string& file : files) {
    TRY(const std::optional<std::string> text, scene.read(file));
    if (!text) continue;
    TRY(const Json document, text::parse_toml(*text, file));
    if (!document["registries"].is_null())
      return fail(Code::kEnvironment, "{} is of the first form, which has no mirrors", file)
          .hint("rewrite it: man 5 containers-registries.conf");
    for (const Json& one : document["registry"].items()) {
      const std::string prefix(one[one["prefix"].text().empty() ? "location" : "prefix"].text());
      for (const std::string& host : scene.upstream) {
        if (!is_of_host(prefix, host)) continue;
        if (prefix == host || prefix.starts_with('*'))
          return fail(Code::kEnvironment,
                      "{} configures {} already, and an entry for {} would hide it", file, prefix,
                      host)
              .hint(fmt::format("add the mirror there, or leave that host out with --upstream"));
        notices.push_back(
            fmt::format("{} configures {}: images below it take no mirror", file, prefix));
      }
    }
  }
  return {};
}

}  // namespace

Result<cdi::EnginePlan> plan_containers(const Scene& scene) {
  cdi::EnginePlan plan;
  TRY_DO(check_others(scene, plan.notices));
  TRY(const std::optional<std::string> text, scene.read(kPolicy));
  Json policy;
  if (text) {
    TRY(policy, text::parse_json(*text, kPolicy));
  }
  std::string out = fmt::format("# {}\n", note_of(scene));
  bool any = false;
  for (const std::string& host : scene.upstream) {
    if (text && demands_signatures(policy, host)) {
      plan.notices.push_back(fmt::format(
          "{} demands signatures of {}, and an image for some GPUs has none: what upstream has "
          "is taken",
          kPolicy, host));
      continue;
    }
    TRY(const std::string prefix, scene.mirror.prefix(scene.gpu, host));
    any = true;
    // Hosts are of letters, digits, '.', ':' and '-': nothing needs an escape.
    out += fmt::format(
        "\n[[registry]]\nprefix = \"{}\"\nlocation = \"{}\"\n\n[[registry.mirror]]\nlocation = "
        "\"{}\"\npull-from-mirror = \"tag-only\"\n{}",
        host, host, prefix, scene.mirror.plain_http ? "insecure = true\n" : "");
  }
  if (any)
    plan.files.emplace_back(fmt::format("{}/registries.conf.d/{}", kFolder, kDropIn),
                            std::move(out));
  return plan;
}

Result<cdi::EnginePlan> plan_crio(const Scene& scene) {
  TRY(cdi::EnginePlan plan, plan_containers(scene));
  if (!plan.files.empty()) plan.restart = "systemctl reload crio";
  return plan;
}

}  // namespace flense::mirror
