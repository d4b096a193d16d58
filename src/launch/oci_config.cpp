#include "launch/oci_config.h"

#include <array>
#include <cmath>

namespace flense::launch {

namespace {

using text::Json;

constexpr std::array<const char*, 8> kRootCapabilities = {
    "CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FOWNER",  "CAP_FSETID",
    "CAP_SETGID", "CAP_SETUID",       "CAP_SETFCAP", "CAP_KILL"};

/// With one id there is nobody to give a file to: these report success and change nothing. Those
/// with 32 are of 32-bit programs, whose plain ones take ids of 16 bits.
constexpr std::array<const char*, 26> kPretended = {
    "chown",      "fchown",     "lchown",     "fchownat",    "setuid",      "setgid",
    "setreuid",   "setregid",   "setresuid",  "setresgid",   "setfsuid",    "setfsgid",
    "setgroups",  "mknod",      "chown32",    "fchown32",    "lchown32",    "setuid32",
    "setgid32",   "setreuid32", "setregid32", "setresuid32", "setresgid32", "setfsuid32",
    "setfsgid32", "setgroups32"};

constexpr std::uint64_t kCpuPeriod = 100'000;  // microseconds

Json list(const auto& items) {
  Json out = Json::array();
  for (const auto& item : items) out.push(std::string(item));
  return out;
}

Json capabilities(bool some) {
  Json out = Json::object();
  for (const char* set : {"bounding", "effective", "inheritable", "permitted", "ambient"})
    out.set(set, some ? list(kRootCapabilities) : Json::array());
  return out;
}

Json process(const OciInput& input) {
  Json user = Json::object();
  user.set("uid", input.user.uid);
  user.set("gid", input.user.gid);
  Json out = Json::object();
  out.set("terminal", input.terminal);
  out.set("user", std::move(user));
  out.set("args", list(input.args));
  out.set("env", list(input.env));
  out.set("cwd", input.cwd);
  out.set("capabilities", capabilities(input.fake_root || (input.uids > 1 && input.user.uid == 0)));
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

Json pretences(std::string_view architecture) {
  Json rule = Json::object();
  rule.set("names", list(kPretended));
  rule.set("action", "SCMP_ACT_ERRNO");
  rule.set("errnoRet", 0);
  Json rules = Json::array();
  rules.push(std::move(rule));
  Json out = Json::object();
  out.set("defaultAction", "SCMP_ACT_ALLOW");
  const std::vector<std::string> architectures = seccomp_architectures(architecture);
  if (!architectures.empty()) out.set("architectures", list(architectures));
  out.set("syscalls", std::move(rules));
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
  return out;
}

Json linux_part(const OciInput& input) {
  Json out = Json::object();
  out.set("namespaces", namespaces(input));
  out.set("uidMappings", mapping(input.user.uid, input.host.uid, input.uids));
  out.set("gidMappings", mapping(input.user.gid, input.host.gid, input.gids));
  if (input.fake_root) out.set("seccomp", pretences(input.architecture));
  if (input.memory || input.cpus) out.set("resources", resources(input));
  if (!input.cgroup_path.empty()) out.set("cgroupsPath", input.cgroup_path);
  return out;
}

Json mounts(const OciInput& input) {
  Json out = Json::array();
  for (const OciMount& mount : input.mounts) {
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

std::vector<std::string> seccomp_architectures(std::string_view architecture) {
  if (architecture == "amd64" || architecture == "386")
    return {"SCMP_ARCH_X86_64", "SCMP_ARCH_X86", "SCMP_ARCH_X32"};
  if (architecture == "arm64" || architecture == "arm")
    return {"SCMP_ARCH_AARCH64", "SCMP_ARCH_ARM"};
  if (architecture == "ppc64le") return {"SCMP_ARCH_PPC64LE"};
  if (architecture == "s390x") return {"SCMP_ARCH_S390X", "SCMP_ARCH_S390"};
  if (architecture == "riscv64") return {"SCMP_ARCH_RISCV64"};
  return {};
}

Json oci_config(const OciInput& input) {
  Json root = Json::object();
  root.set("path", input.root);
  root.set("readonly", input.root_read_only);
  Json out = Json::object();
  out.set("ociVersion", "1.0.0");
  out.set("process", process(input));
  out.set("root", std::move(root));
  if (!input.hostname.empty()) out.set("hostname", input.hostname);
  out.set("mounts", mounts(input));
  out.set("linux", linux_part(input));
  if (input.uids > 1) {
    // Else crun drops the groups that render nodes and shared directories open to.
    Json annotations = Json::object();
    annotations.set("run.oci.keep_original_groups", "1");
    out.set("annotations", std::move(annotations));
  }
  return out;
}

}  // namespace flense::launch
