#include "cdi/spec/apply.h"

#include <algorithm>
#include <string_view>

#include "cdi/spec/host_node.h"

namespace flense::cdi {

namespace {

using text::Json;

/// The member of that name, made where it is missing; bad input when it is something else.
Result<Json*> member(Json& parent, const char* name, bool list) {
  Json* found = parent.find_mutable(name);
  if (found == nullptr || found->is_null()) {
    parent.set(name, list ? Json::array() : Json::object());
    found = parent.find_mutable(name);
  }
  if (list ? !found->is_array() : !found->is_object())
    return bad_input("the OCI configuration's {} is not a valid {}", name,
                     list ? "list" : "object");
  return found;
}

/// A list of the configuration, taken out, changed and put back: values have no mutable items.
class List {
 public:
  static Result<List> in(Json& parent, const char* name) {
    TRY(Json * json, member(parent, name, true));
    return List(json);
  }
  std::vector<Json>& items() { return items_; }
  void put_back() { *json_ = Json(std::move(items_)); }
  void drop(std::string_view field, const std::string& value) {
    std::erase_if(items_, [&](const Json& item) { return item[field].text() == value; });
  }

 private:
  explicit List(Json* json) : json_(json), items_(json->items()) {}
  Json* json_;
  std::vector<Json> items_;
};

Json texts(const std::vector<std::string>& all) {
  Json out = Json::array();
  for (const std::string& one : all) out.push(one);
  return out;
}

bool has_user_namespace(const Json& config) {
  return std::ranges::any_of(config["linux"]["namespaces"].items(),
                             [](const Json& space) { return space["type"].text() == "user"; });
}

Failure missing(const DeviceNode& node, const host::Tree& dev) {
  return fail(Code::kEnvironment, "the device node {}", why_missing(host_path_of(node), dev))
      .hint(
          "the driver is not loaded, or the specification is from an earlier boot: flense cdi "
          "validate checks, flense cdi generate regenerates it");
}

/// As the reference library: numbers in the specification win, a missing minor is 0 then.
Result<HostNode> complete(const DeviceNode& node, const host::Tree& dev) {
  const std::int64_t major = node.major.value_or(0);
  if (!node.type.empty() && (major != 0 || node.type == "p"))
    return HostNode{host_path_of(node), node.type, major, node.minor.value_or(0)};
  const std::optional<HostNode> found = look_up(host_path_of(node), dev);
  if (!found) return missing(node, dev);
  const std::string type = node.type == "u" ? "c" : node.type;
  if (!type.empty() && type != found->type)
    return bad_input("{} is of type {}, the specification says {}", host_path_of(node), found->type,
                     node.type);
  HostNode out = *found;
  if (!node.type.empty()) out.type = node.type;
  if (major != 0) {
    out.major = major;
    out.minor = node.minor.value_or(0);
  }
  return out;
}

Result<void> apply_env(const Edits& edits, Json& config) {
  if (edits.env.empty()) return {};
  TRY(Json * process, member(config, "process", false));
  TRY(List env, List::in(*process, "env"));
  for (const std::string& assignment : edits.env) {
    const std::string_view name = std::string_view(assignment).substr(0, assignment.find('=') + 1);
    const auto at = std::ranges::find_if(
        env.items(), [&](const Json& one) { return one.text().starts_with(name); });
    if (at == env.items().end())
      env.items().emplace_back(assignment);
    else
      *at = Json(assignment);
  }
  env.put_back();
  return {};
}

Json device_json(const DeviceNode& node, const HostNode& known, const Json& user) {
  Json out = Json::object();
  out.set("path", node.path);
  out.set("type", known.type);
  if (known.type != "p") {
    out.set("major", known.major);
    out.set("minor", known.minor);
  }
  if (node.file_mode) out.set("fileMode", *node.file_mode);
  // Without an owner in the specification it belongs to the container's own user.
  const std::uint64_t uid = node.uid ? *node.uid : user["uid"].unsigned_or(0);
  const std::uint64_t gid = node.gid ? *node.gid : user["gid"].unsigned_or(0);
  if (node.uid || uid > 0) out.set("uid", uid);
  if (node.gid || gid > 0) out.set("gid", gid);
  return out;
}

Json rule_json(const DeviceNode& node, const HostNode& known) {
  Json out = Json::object();
  out.set("allow", true);
  out.set("type", known.type == "u" ? "c" : known.type);
  out.set("major", known.major);
  out.set("minor", known.minor);
  out.set("access", node.permissions.empty() ? "rwm" : node.permissions);
  return out;
}

Result<void> apply_nodes(const Edits& edits, const host::Tree& dev, Json& config) {
  if (edits.device_nodes.empty()) return {};
  const Json user = config["process"]["user"];
  TRY(Json * linux_part, member(config, "linux", false));
  TRY(Json * resources, member(*linux_part, "resources", false));
  TRY(List rules, List::in(*resources, "devices"));
  TRY(List devices, List::in(*linux_part, "devices"));
  for (const DeviceNode& node : edits.device_nodes) {
    TRY(const HostNode known, complete(node, dev));
    devices.drop("path", node.path);
    devices.items().push_back(device_json(node, known, user));
    // No permissions at all means no rule; a pipe has none.
    if (known.type == "p" || node.permissions == "none") continue;
    Json rule = rule_json(node, known);
    if (std::ranges::find(rules.items(), rule) == rules.items().end())
      rules.items().push_back(std::move(rule));
  }
  rules.put_back();
  devices.put_back();
  return {};
}

bool binds(const std::vector<std::string>& options) {
  return std::ranges::any_of(
      options, [](const std::string& option) { return option == "bind" || option == "rbind"; });
}

/// Its files keep the owners that the container sees.
void map_ids(std::vector<std::string>& options) {
  if (!binds(options)) return;
  const bool mapped = std::ranges::any_of(options, [](const std::string& option) {
    return option.starts_with("idmap") || option.starts_with("ridmap");
  });
  const bool deep = std::ranges::find(options, "rbind") != options.end();
  if (!mapped) options.emplace_back(deep ? "ridmap" : "idmap");
}

Json mount_json(const Mount& mount) {
  Json out = Json::object();
  out.set("destination", mount.container_path);
  out.set("type", mount.type);
  out.set("source", mount.host_path);
  out.set("options", texts(mount.options));
  return out;
}

Result<void> apply_mounts(std::vector<Mount> added, bool rootless, Json& config) {
  if (added.empty()) return {};
  const bool idmapped = !rootless && has_user_namespace(config);
  TRY(List mounts, List::in(config, "mounts"));
  for (Mount& mount : added) {
    if (idmapped) map_ids(mount.options);
    mounts.drop("destination", mount.container_path);
    mounts.items().push_back(mount_json(mount));
  }
  // Whatever is below another mount comes after it.
  std::ranges::stable_sort(mounts.items(), {},
                           [](const Json& mount) { return depth_of(mount["destination"].text()); });
  mounts.put_back();
  return {};
}

Result<void> apply_hooks(const Edits& edits, Json& config) {
  if (edits.hooks.empty()) return {};
  TRY(Json * hooks, member(config, "hooks", false));
  for (const Hook& hook : edits.hooks) {
    Json one = Json::object();
    one.set("path", hook.path);
    if (!hook.args.empty()) one.set("args", texts(hook.args));
    if (!hook.env.empty()) one.set("env", texts(hook.env));
    if (hook.timeout) one.set("timeout", *hook.timeout);
    TRY(Json * list, member(*hooks, hook.name.c_str(), true));
    list->push(std::move(one));
  }
  return {};
}

Result<void> apply_gids(const Edits& edits, Json& config) {
  // 0 means nothing here.
  if (std::ranges::all_of(edits.additional_gids, [](std::uint32_t gid) { return gid == 0; }))
    return {};
  TRY(Json * process, member(config, "process", false));
  TRY(Json * user, member(*process, "user", false));
  TRY(List gids, List::in(*user, "additionalGids"));
  for (const std::uint32_t gid : edits.additional_gids)
    if (gid != 0 && std::ranges::find(gids.items(), Json(gid)) == gids.items().end())
      gids.items().emplace_back(gid);
  gids.put_back();
  return {};
}

Result<void> apply_net_devices(const Edits& edits, Json& config) {
  if (edits.net_devices.empty()) return {};
  TRY(Json * linux_part, member(config, "linux", false));
  TRY(Json * devices, member(*linux_part, "netDevices", false));
  for (const NetDevice& device : edits.net_devices) {
    Json one = Json::object();
    one.set("name", device.name);
    devices->set(device.host_interface, std::move(one));
  }
  return {};
}

Result<void> apply_intel_rdt(const Edits& edits, Json& config) {
  if (!edits.intel_rdt) return {};
  const IntelRdt& rdt = *edits.intel_rdt;
  Json one = Json::object();
  if (!rdt.clos_id.empty()) one.set("closID", rdt.clos_id);
  if (!rdt.l3_cache_schema.empty()) one.set("l3CacheSchema", rdt.l3_cache_schema);
  if (!rdt.mem_bw_schema.empty()) one.set("memBwSchema", rdt.mem_bw_schema);
  if (!rdt.schemata.empty()) one.set("schemata", texts(rdt.schemata));
  if (rdt.enable_cmt) one.set("enableCMT", true);
  if (rdt.enable_mbm) one.set("enableMBM", true);
  if (rdt.enable_monitoring) one.set("enableMonitoring", true);
  TRY(Json * linux_part, member(config, "linux", false));
  linux_part->set("intelRdt", std::move(one));
  return {};
}

}  // namespace

std::size_t depth_of(std::string_view path) {
  std::size_t depth = 0;
  while (!path.empty()) {
    const std::string_view part = path.substr(0, path.find('/'));
    path.remove_prefix(std::min(path.size(), part.size() + 1));
    if (part == ".." && depth > 0)
      --depth;
    else if (!part.empty() && part != "." && part != "..")
      ++depth;
  }
  return depth;
}

Result<std::vector<Mount>> mounts_of(const Edits& edits, const host::Tree& dev, bool rootless) {
  if (const std::vector<Violation> hazards = hazards_of(edits, "edits"); !hazards.empty())
    return bad_input("{}: {}", hazards.front().place, hazards.front().message);
  std::vector<Mount> out;
  if (rootless)
    for (const DeviceNode& node : edits.device_nodes) {
      const std::optional<HostNode> known = look_up(host_path_of(node), dev);
      if (!known) return missing(node, dev);
      // The host's node itself, under the name that was checked. Its own mode and owner decide
      // who may open it.
      out.push_back(
          {known->path, node.path, "bind", {"rbind", "rprivate", "nosuid", "noexec", "rw"}});
    }
  for (Mount mount : edits.mounts) {
    // Nothing else says that a file of the host is meant.
    const bool plain = mount.type.empty() || mount.type == "none" || mount.type == "bind";
    if (plain && !binds(mount.options)) mount.options.insert(mount.options.begin(), "rbind");
    if (mount.type.empty()) mount.type = "bind";
    out.push_back(std::move(mount));
  }
  return out;
}

Result<void> apply_rest(const Edits& edits, Json& config) {
  TRY_DO(apply_net_devices(edits, config));
  TRY_DO(apply_hooks(edits, config));
  TRY_DO(apply_intel_rdt(edits, config));
  return apply_gids(edits, config);
}

Result<void> apply(const Edits& edits, const host::Tree& dev, const ApplyOptions& options,
                   Json& config) {
  if (!config.is_object()) return bad_input("the OCI configuration is not an object");
  TRY(std::vector<Mount> mounts, mounts_of(edits, dev, options.rootless));
  // On a copy: either all of the edits change a configuration or none.
  Json draft = config;
  TRY_DO(apply_env(edits, draft));
  if (!options.rootless) TRY_DO(apply_nodes(edits, dev, draft));
  TRY_DO(apply_net_devices(edits, draft));
  TRY_DO(apply_mounts(std::move(mounts), options.rootless, draft));
  TRY_DO(apply_hooks(edits, draft));
  TRY_DO(apply_intel_rdt(edits, draft));
  TRY_DO(apply_gids(edits, draft));
  config = std::move(draft);
  return {};
}

}  // namespace flense::cdi
