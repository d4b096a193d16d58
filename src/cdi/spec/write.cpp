#include <sys/stat.h>

#include <cerrno>
#include <system_error>

#include "base/file.h"
#include "base/staging.h"
#include "cdi/spec/spec.h"
#include "text/yaml.h"

namespace flense::cdi {

namespace {

using text::Json;

Json texts(const std::vector<std::string>& items) {
  Json out = Json::array();
  for (const std::string& item : items) out.push(item);
  return out;
}

Json annotations(const std::map<std::string, std::string>& all) {
  Json out = Json::object();
  for (const auto& [key, value] : all) out.set(key, value);
  return out;
}

void set_text(Json& out, const char* name, const std::string& value) {
  if (!value.empty()) out.set(name, value);
}

void set_texts(Json& out, const char* name, const std::vector<std::string>& items) {
  if (!items.empty()) out.set(name, texts(items));
}

template <class Number>
void set_number(Json& out, const char* name, const std::optional<Number>& value) {
  if (value) out.set(name, std::int64_t{*value});
}

template <class T>
void set_list(Json& out, const char* name, const std::vector<T>& items, Json (*form)(const T&)) {
  if (items.empty()) return;
  Json list = Json::array();
  for (const T& item : items) list.push(form(item));
  out.set(name, std::move(list));
}

Json node(const DeviceNode& node) {
  Json out = Json::object();
  out.set("path", node.path);
  set_text(out, "hostPath", node.host_path);
  set_text(out, "type", node.type);
  set_number(out, "major", node.major);
  set_number(out, "minor", node.minor);
  set_number(out, "fileMode", node.file_mode);
  set_text(out, "permissions", node.permissions);
  set_number(out, "uid", node.uid);
  set_number(out, "gid", node.gid);
  return out;
}

Json net_device(const NetDevice& device) {
  Json out = Json::object();
  out.set("hostInterfaceName", device.host_interface);
  out.set("name", device.name);
  return out;
}

Json mount(const Mount& mount) {
  Json out = Json::object();
  out.set("hostPath", mount.host_path);
  out.set("containerPath", mount.container_path);
  set_text(out, "type", mount.type);
  set_texts(out, "options", mount.options);
  return out;
}

Json hook(const Hook& hook) {
  Json out = Json::object();
  out.set("hookName", hook.name);
  out.set("path", hook.path);
  set_texts(out, "args", hook.args);
  set_texts(out, "env", hook.env);
  set_number(out, "timeout", hook.timeout);
  return out;
}

Json intel_rdt(const IntelRdt& rdt) {
  Json out = Json::object();
  set_text(out, "closID", rdt.clos_id);
  set_text(out, "l3CacheSchema", rdt.l3_cache_schema);
  set_text(out, "memBwSchema", rdt.mem_bw_schema);
  set_texts(out, "schemata", rdt.schemata);
  if (rdt.enable_cmt) out.set("enableCMT", true);
  if (rdt.enable_mbm) out.set("enableMBM", true);
  if (rdt.enable_monitoring) out.set("enableMonitoring", true);
  return out;
}

Json edits_json(const Edits& edits) {
  Json out = Json::object();
  set_texts(out, "env", edits.env);
  set_list(out, "deviceNodes", edits.device_nodes, node);
  set_list(out, "netDevices", edits.net_devices, net_device);
  set_list(out, "mounts", edits.mounts, mount);
  set_list(out, "hooks", edits.hooks, hook);
  if (edits.intel_rdt) out.set("intelRdt", intel_rdt(*edits.intel_rdt));
  if (!edits.additional_gids.empty()) {
    Json gids = Json::array();
    for (const std::uint32_t gid : edits.additional_gids) gids.push(gid);
    out.set("additionalGids", std::move(gids));
  }
  return out;
}

/// For nobody else to write, whatever the caller's umask: what others may write is not believed.
Result<void> make_directories(const std::filesystem::path& directory) {
  std::error_code ignored;
  if (directory.empty() || std::filesystem::is_directory(directory, ignored)) return {};
  TRY_DO(make_directories(directory.parent_path()));
  if (::mkdir(directory.c_str(), 0755) != 0 && errno != EEXIST)
    return system_error(errno, "cannot create " + directory.string());
  return {};
}

}  // namespace

Json to_json(const Spec& spec) {
  Json out = Json::object();
  out.set("cdiVersion", least_version(spec));
  out.set("kind", spec.kind);
  if (!spec.annotations.empty()) out.set("annotations", annotations(spec.annotations));
  Json devices = Json::array();
  for (const Device& device : spec.devices) {
    Json one = Json::object();
    one.set("name", device.name);
    if (!device.annotations.empty()) one.set("annotations", annotations(device.annotations));
    one.set("containerEdits", edits_json(device.edits));
    devices.push(std::move(one));
  }
  out.set("devices", std::move(devices));
  if (!spec.edits.empty()) out.set("containerEdits", edits_json(spec.edits));
  return out;
}

Result<Format> format_of(const std::filesystem::path& path) {
  if (path.extension() == ".json") return Format::kJson;
  if (path.extension() == ".yaml") return Format::kYaml;
  return fail(Code::kUsage, "{} ends neither in .json nor in .yaml: no engine reads it",
              path.string())
      .hint(path.extension() == ".yml" ? "name it .yaml" : "");
}

std::string spec_text(const Spec& spec, Format format) {
  return format == Format::kJson ? text::dump_json(to_json(spec), 2) + "\n"
                                 : text::dump_yaml(to_json(spec));
}

Result<void> write_spec(const Spec& spec, const std::filesystem::path& path, Format format) {
  TRY(const Format named, format_of(path));
  if (named != format)
    return fail(Code::kUsage, "{} cannot be written as {}: the extension says otherwise",
                path.string(), format == Format::kJson ? "JSON" : "YAML");
  std::vector<Violation> broken = violations_of(spec);
  if (broken.empty()) broken = hazards_of(spec);
  if (!broken.empty())
    return bad_input("{} would not be a valid CDI specification: {}: {}", path.string(),
                     broken.front().place, broken.front().message);
  const std::string text = spec_text(spec, format);
  // Engines watch the directory: an unchanged file is not rewritten.
  if (const auto present = read_spec_text(path); present && present->text == text) return {};
  TRY_DO(make_directories(parent_of(path)));
  TRY(AtomicFile file, AtomicFile::create(path));
  TRY_DO(write_fully(file.fd(), as_bytes(text), path.string()));
  return file.commit();
}

}  // namespace flense::cdi
