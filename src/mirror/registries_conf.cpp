// Podman and CRI-O: a drop-in of registries.conf, whose mirrors are asked for tags alone.
#include <algorithm>

#include "base/ascii.h"
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

/// As the engine reads a prefix or location, which it takes without slashes at its end. Hosts are
/// of small letters here.
std::string scope_of(std::string_view text) {
  while (text.ends_with('/')) text.remove_suffix(1);
  return to_lower(text);
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
      const std::string prefix =
          scope_of(one[one["prefix"].text().empty() ? "location" : "prefix"].text());
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

/// The last of CRI-O's files that says something of its images counts; empty: none does.
Result<std::string> crio_says(const Scene& scene, std::string_view key) {
  std::vector<std::string> files = {"/etc/crio/crio.conf"};
  const std::string folder = files.front() + ".d";
  for (const std::string& name : scene.list(folder)) files.push_back(folder + "/" + name);
  std::string out;
  for (const std::string& file : files) {
    TRY(const std::optional<std::string> text, scene.read(file));
    TRY(const Json document, text::parse_toml(text.value_or(""), file));
    if (const std::string_view said = document["crio"]["image"][std::string(key)].text();
        !said.empty())
      out = said;
  }
  return out;
}

/// CRI-O's own policy, which counts instead of the node's, and those for single namespaces.
Result<std::vector<std::string>> crio_policies(const Scene& scene) {
  TRY(const std::string own, crio_says(scene, "signature_policy"));
  TRY(std::string folder, crio_says(scene, "signature_policy_dir"));
  if (folder.empty()) folder = "/etc/crio/policies";
  std::vector<std::string> out = {own.empty() ? kPolicy : own};
  for (const std::string& name : scene.list(folder))
    if (name.ends_with(".json")) out.push_back(folder + "/" + name);
  if (own.empty()) return out;
  TRY(const std::optional<std::string> text, scene.read(own));
  if (!text)
    return fail(Code::kEnvironment, "CRI-O's signature_policy is {}, which is not there", own);
  return out;
}

/// `policies` are files; one that is not there demands nothing.
Result<cdi::EnginePlan> plan_drop_in(const Scene& scene, const std::vector<std::string>& policies) {
  cdi::EnginePlan plan;
  TRY_DO(check_others(scene, plan.notices));
  std::vector<std::pair<std::string, Json>> demands;
  for (const std::string& file : policies) {
    TRY(const std::optional<std::string> text, scene.read(file));
    if (!text) continue;
    TRY(Json policy, text::parse_json(*text, file));
    demands.emplace_back(file, std::move(policy));
  }
  std::string out = fmt::format("# {}\n", note_of(scene));
  bool any = false;
  for (const std::string& host : scene.upstream) {
    const auto demand = std::ranges::find_if(
        demands, [&](const auto& one) { return demands_signatures(one.second, host); });
    if (demand != demands.end()) {
      plan.notices.push_back(fmt::format(
          "{} demands signatures of {}, and an image for some GPUs has none: what upstream has "
          "is taken",
          demand->first, host));
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

}  // namespace

Result<cdi::EnginePlan> plan_containers(const Scene& scene) {
  return plan_drop_in(scene, {kPolicy});
}

Result<cdi::EnginePlan> plan_crio(const Scene& scene) {
  TRY(const std::vector<std::string> policies, crio_policies(scene));
  TRY(cdi::EnginePlan plan, plan_drop_in(scene, policies));
  if (!plan.files.empty()) plan.restart = "systemctl reload crio";
  return plan;
}

}  // namespace flense::mirror
