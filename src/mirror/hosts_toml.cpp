// containerd, and Docker over containerd's store: hosts.toml in a directory for each upstream host.
// Requests by digest go to the mirror, too, and find nothing there that is not what was asked for.
#include <algorithm>

#include "base/ascii.h"
#include "base/glob.h"
#include "base/path.h"
#include "base/version_numbers.h"
#include "mirror/engine.h"
#include "text/toml.h"

namespace flense::mirror {

namespace {

using text::Json;

constexpr const char* kMain = "/etc/containerd/config.toml";

/// The directory of the host: the engine takes the first that is there, and what a new one would
/// hide is told.
Result<std::string> directory_of(const Scene& scene, const std::vector<std::string>& roots,
                                 const std::string& host) {
  std::vector<std::string> names = {host};
  if (const std::size_t colon = host.find(':'); colon != std::string::npos)
    names.insert(names.begin(), host.substr(0, colon) + "_" + host.substr(colon + 1) + "_");
  for (const std::string& root : roots) {
    for (const std::string& name : names)
      if (scene.has(root, name)) return root + "/" + name;
    if (scene.has(root, "_default"))
      return fail(Code::kEnvironment,
                  "{}/_default is for {} too, and a directory for {} alone would hide it", root,
                  host, host)
          .hint(fmt::format("copy it to {}/{} first", root, host));
  }
  return roots.front() + "/" + host;
}

bool is_certificate(std::string_view name) {
  return name.ends_with(".crt") || name.ends_with(".cert") || name.ends_with(".key");
}

/// Of a host without capabilities the engine takes all.
bool asks_for_tags(const Json& host) {
  const Json& can = host["capabilities"];
  const auto has = [&](std::string_view what) {
    return std::ranges::find(can.items(), Json(what)) != can.items().end();
  };
  return (can.is_null() || (has("pull") && has("resolve"))) && host["override_path"].bool_or(false);
}

Result<void> add_host(const Scene& scene, const std::vector<std::string>& roots,
                      const std::string& host, cdi::EnginePlan& plan) {
  TRY(const std::string url, scene.url(host));
  TRY(const std::string directory, directory_of(scene, roots, host));
  cdi::ConfigEdit edit;
  edit.file = directory + "/hosts.toml";
  edit.syntax = cdi::Syntax::kToml;
  TRY(const std::optional<std::string> text, scene.read(edit.file));
  const std::vector<std::string> beside = scene.list(directory);
  // Read where hosts.toml is empty, too.
  if (text.value_or("").empty() && std::ranges::any_of(beside, is_certificate))
    return fail(Code::kEnvironment,
                "{} holds certificates, which a hosts.toml beside them would hide", directory)
        .hint(fmt::format("name them in a {} of your own first (ca, client)", edit.file));
  TRY(const Json document, text::parse_toml(text.value_or(""), edit.file));
  if (const Json& there = document["host"][url]; !there.is_null()) {
    TRY(const std::vector<std::string> hosts, text::toml_names(*text, {"host"}, edit.file));
    if (!asks_for_tags(there) || hosts.front() != url)
      return fail(Code::kEnvironment,
                  "{} has {} already, but not so that it is asked for tags first: it has to come "
                  "before the others, with pull and resolve among its capabilities and "
                  "override_path = true",
                  edit.file, url)
          .hint("take that table out, and flense writes its own");
    plan.notices.push_back(fmt::format("{} has {} already", edit.file, url));
    return {};
  }
  // The time limit is known from containerd 2.1 on, and passed over before.
  edit.table = {{"host", url},
                {{"capabilities", Json(Json::Array{"pull", "resolve"})},
                 {"override_path", true},
                 {"dial_timeout", "2s"}},
                note_of(scene)};
  plan.edits.push_back(std::move(edit));
  return {};
}

Result<cdi::EnginePlan> plan_hosts(const Scene& scene, const std::vector<std::string>& roots) {
  cdi::EnginePlan plan;
  for (const std::string& host : scene.upstream) TRY_DO(add_host(scene, roots, host, plan));
  plan.notices.emplace_back(
      "a mirror that asks for a login is sent the credentials of the pull, which are upstream's "
      "(docs/fleet.md): let nodes read it without one");
  return plan;
}

/// The CRI plug-in's table of registries, by the form's version.
text::TomlTable registry_table(std::int64_t version) {
  const std::string_view plugin = version >= 3   ? "io.containerd.cri.v1.images"
                                  : version == 2 ? "io.containerd.grpc.v1.cri"
                                                 : "cri";
  return {"plugins", std::string(plugin), "registry"};
}

/// The main file and what it imports, in the order in which they count.
Result<std::vector<std::pair<std::string, Json>>> configurations(const Scene& scene) {
  std::vector<std::pair<std::string, Json>> out;
  const auto add = [&](const std::string& path) -> Result<void> {
    TRY(const std::optional<std::string> text, scene.read(path));
    if (!text) return {};
    TRY(Json document, text::parse_toml(*text, path));
    out.emplace_back(path, std::move(document));
    return {};
  };
  TRY_DO(add(kMain));
  if (out.empty()) return out;
  const Json imports = out.front().second["imports"];
  for (const Json& import : imports.items()) {
    std::string pattern(import.text());
    if (!pattern.starts_with('/')) pattern = std::string(parent_path(kMain)) + "/" + pattern;
    const std::string folder(parent_path(pattern));
    for (const std::string& name : scene.list(folder))
      if (const std::string path = folder + "/" + name; path != kMain && glob_match(pattern, path))
        TRY_DO(add(path));
  }
  return out;
}

/// What the CRI plug-in has as config_path; it may be several directories.
Result<std::vector<std::string>> config_path(const Scene& scene) {
  TRY(const auto files, configurations(scene));
  std::string path;
  text::TomlTable table = registry_table(2);
  for (const auto& [file, document] : files) {
    table = registry_table(document["version"].integer_or(1));
    const Json& registry = text::toml_table(document, table);
    if (!registry["mirrors"].members().empty())
      return fail(
                 Code::kEnvironment,
                 "{} has mirrors in [{}]: containerd takes either these or hosts.toml files, never "
                 "both",
                 file, fmt::join(table, "."))
          .hint("write the same as hosts.toml files, and config_path instead of mirrors");
    // containerd 1 takes the whole section of a plug-in from the last file that has one.
    if (!path.empty() && !registry["config_path"].is_string() &&
        !text::toml_table(document, {table[0], table[1]}).is_null())
      return fail(Code::kEnvironment,
                  "{} has a section [{}.\"{}\"] of its own without config_path, and containerd 1 "
                  "takes it instead of the one before: its CRI plug-in reads no hosts.toml",
                  file, table[0], table[1])
          .hint(fmt::format("below [{}.\"{}\".{}] of that file add config_path = \"{}\", too",
                            table[0], table[1], table[2], path));
    if (registry["config_path"].is_string()) path = registry["config_path"].text();
  }
  std::vector<std::string> out;
  for (const std::string_view one : split(path, ':'))
    if (one.starts_with('/')) out.emplace_back(one);
  if (!out.empty()) return out;
  return fail(Code::kEnvironment,
              "{} has no config_path: containerd's CRI plug-in reads no hosts.toml", kMain)
      .hint(fmt::format("below [{}.\"{}\".{}] add config_path = \"/etc/containerd/certs.d\", and "
                        "restart containerd",
                        table[0], table[1], table[2]));
}

}  // namespace

Result<cdi::EnginePlan> plan_containerd(const Scene& scene) {
  constexpr const char* kVerifiers = "/opt/containerd/image-verifier/bin";
  if (!scene.list(kVerifiers).empty())
    return fail(Code::kEnvironment,
                "{} holds programs that judge every image, and an image for some GPUs has none of "
                "the original's signatures",
                kVerifiers)
        .hint("this node takes what upstream has: no mirror");
  TRY(const std::vector<std::string> roots, config_path(scene));
  return plan_hosts(scene, roots);
}

Result<cdi::EnginePlan> plan_docker(const Scene& scene) {
  constexpr const char* kDaemon = "/etc/docker/daemon.json";
  TRY(const std::optional<std::string> text, scene.read(kDaemon));
  TRY(const Json daemon, text::parse_json(text.value_or("{}"), kDaemon));
  const bool reads_hosts = daemon["features"]["containerd-snapshotter"].bool_or(false) &&
                           scene.version && version_at_least(*scene.version, "28.0");
  if (!reads_hosts)
    return fail(Code::kEnvironment,
                "not possible: Docker's own mirror setting takes no path and serves docker.io "
                "alone, so no mirror can be one GPU's")
        .hint(
            "Docker 28 and later with features.containerd-snapshotter set in daemon.json reads "
            "hosts.toml; the tags of single GPUs (1-sm_90) work everywhere");
  if (!daemon["registry-mirrors"].items().empty() &&
      std::ranges::find(scene.upstream, "docker.io") != scene.upstream.end())
    return fail(Code::kEnvironment,
                "{} has registry-mirrors, which a hosts.toml for docker.io switches off", kDaemon)
        .hint("write them as hosts.toml first, or name other hosts with --upstream");
  return plan_hosts(scene, {"/etc/docker/certs.d"});
}

}  // namespace flense::mirror
