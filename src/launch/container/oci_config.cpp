#include "launch/container/oci_config.h"

#include <array>
#include <cmath>

#include "base/ascii.h"
#include "cdi/spec/apply.h"

namespace flense::launch {

namespace {

using text::Json;

/// As runc and podman have them: what would tell of the host, and what would change it. A place
/// that this kernel does not have costs one look.
constexpr std::array<std::string_view, 11> kMasked = {
    "/proc/acpi",   "/proc/asound",

    "/proc/kcore",  "/proc/keys",       "/proc/latency_stats", "/proc/sched_debug",
    "/proc/scsi",   "/proc/timer_list", "/proc/timer_stats",   "/sys/devices/virtual/powercap",
    "/sys/firmware"};
constexpr std::array<std::string_view, 5> kReadOnly = {"/proc/bus", "/proc/fs", "/proc/irq",
                                                       "/proc/sys", "/proc/sysrq-trigger"};

constexpr std::uint64_t kCpuPeriod = 100'000;  // microseconds

Json list(const auto& items) {
  Json out = Json::array();
  for (const auto& item : items) out.push(std::string(item));
  return out;
}

Json capabilities(const std::vector<std::string>& names) {
  Json out = Json::object();
  for (const char* set : {"bounding", "effective", "inheritable", "permitted", "ambient"})
    out.set(set, list(names));
  return out;
}

Json limits(const std::vector<ResourceLimit>& limits) {
  Json out = Json::array();
  for (const ResourceLimit& limit : limits) {
    Json one = Json::object();
    one.set("type", fmt::format("RLIMIT_{}", to_upper(limit.name)));
    one.set("hard", limit.hard);
    one.set("soft", limit.soft);
    out.push(std::move(one));
  }
  return out;
}

Json texts(const std::vector<std::pair<std::string, std::string>>& pairs) {
  Json out = Json::object();
  for (const auto& [name, value] : pairs) out.set(name, value);
  return out;
}

Json process(const OciInput& input) {
  Json user = Json::object();
  user.set("uid", input.user.uid);
  user.set("gid", input.user.gid);
  if (!input.groups.empty()) {
    Json groups = Json::array();
    for (const std::uint32_t group : input.groups) groups.push(group);
    user.set("additionalGids", std::move(groups));
  }
  Json out = Json::object();
  out.set("terminal", input.terminal);
  out.set("user", std::move(user));
  out.set("args", list(input.args));
  out.set("env", list(input.env.items()));
  out.set("cwd", input.cwd);
  out.set("capabilities", capabilities(input.capabilities));
  if (!input.limits.empty()) out.set("rlimits", limits(input.limits));
  out.set("noNewPrivileges", true);
  return out;
}

Json extent(std::uint32_t inside, std::uint32_t outside, std::uint32_t count) {
  Json out = Json::object();
  out.set("containerID", inside);
  out.set("hostID", outside);
  out.set("size", count);
  return out;
}

/// The kernel takes no extent that crosses from one of the outer namespace's to another.
Json mapping(std::uint32_t inside, std::uint32_t outside, std::uint32_t count) {
  Json out = Json::array();
  if (count > 1) {
    out.push(extent(0, 0, 1));
    out.push(extent(1, 1, count - 1));
  } else {
    out.push(extent(inside, outside, 1));
  }
  return out;
}

Json namespaces(const OciInput& input) {
  Json out = Json::array();
  const auto add = [&](const std::string& type) {
    Json one = Json::object();
    one.set("type", type);
    out.push(std::move(one));
  };
  add("mount");
  add("user");
  for (const std::string& type : input.namespaces) add(type);
  return out;
}

Json resources(const OciInput& input) {
  Json out = Json::object();
  if (input.memory) {
    Json memory = Json::object();
    memory.set("limit", *input.memory);
    out.set("memory", std::move(memory));
  }
  if (input.cpus) {
    Json cpu = Json::object();
    cpu.set("period", kCpuPeriod);
    cpu.set("quota", static_cast<std::int64_t>(std::llround(*input.cpus * kCpuPeriod)));
    out.set("cpu", std::move(cpu));
  }
  if (input.processes) out.set("pids", Json::object().set("limit", *input.processes));
  return out;
}

Json linux_part(const OciInput& input) {
  Json out = Json::object();
  out.set("namespaces", namespaces(input));
  out.set("uidMappings", mapping(input.user.uid, input.host.uid, input.uids));
  out.set("gidMappings", mapping(input.user.gid, input.host.gid, input.gids));
  out.set("maskedPaths", list(kMasked));
  out.set("readonlyPaths", list(kReadOnly));
  if (input.filter) out.set("seccomp", *input.filter);
  if (input.memory || input.cpus || input.processes) out.set("resources", resources(input));
  if (!input.sysctls.empty()) out.set("sysctl", texts(input.sysctls));
  if (input.follows_host) out.set("rootfsPropagation", "rslave");
  if (!input.cgroup_path.empty()) out.set("cgroupsPath", input.cgroup_path);
  return out;
}

Json mount_list(const std::vector<OciMount>& mounts) {
  Json out = Json::array();
  for (const OciMount& mount : mounts) {
    Json one = Json::object();
    one.set("destination", mount.destination);
    one.set("type", mount.type);
    one.set("source", mount.source);
    one.set("options", list(mount.options));
    out.push(std::move(one));
  }
  return out;
}

}  // namespace

Result<Json> oci_config(const OciInput& input) {
  Json root = Json::object();
  root.set("path", input.root);
  root.set("readonly", input.root_read_only);
  Json out = Json::object();
  out.set("ociVersion", "1.0.0");
  out.set("process", process(input));
  out.set("root", std::move(root));
  if (!input.hostname.empty()) out.set("hostname", input.hostname);
  out.set("mounts", mount_list(input.mounts));
  out.set("linux", linux_part(input));
  Json annotations = Json::object();
  // Otherwise crun drops the groups that render nodes and shared directories are open to.
  if (input.uids > 1 && input.groups.empty()) annotations.set("run.oci.keep_original_groups", "1");
  // An engine that does not know this compiles linux.seccomp, which is equivalent.
  if (!input.compiled_filter.empty())
    annotations.set("run.oci.seccomp_bpf_data", input.compiled_filter);
  for (const auto& [name, value] : input.labels)
    annotations.set(fmt::format("{}{}", kLabelPrefix, name), value);
  if (!annotations.members().empty()) out.set("annotations", std::move(annotations));
  TRY_DO(cdi::apply_rest(input.devices, out));
  return out;
}

}  // namespace flense::launch
