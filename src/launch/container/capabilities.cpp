#include "launch/container/capabilities.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "base/ascii.h"

namespace flense::launch {

namespace {

/// What package managers use.
constexpr std::array<std::string_view, 8> kOfRoot = {
    "CAP_CHOWN",  "CAP_DAC_OVERRIDE", "CAP_FOWNER",  "CAP_FSETID",
    "CAP_SETGID", "CAP_SETUID",       "CAP_SETFCAP", "CAP_KILL"};
/// For debuggers where Yama lets a process trace its children alone; over the container's own.
constexpr std::string_view kTracing = "CAP_SYS_PTRACE";

constexpr std::array<std::string_view, 41> kKnown = {
    "AUDIT_CONTROL",   "AUDIT_READ",   "AUDIT_WRITE",
    "BLOCK_SUSPEND",   "BPF",          "CHECKPOINT_RESTORE",
    "CHOWN",           "DAC_OVERRIDE", "DAC_READ_SEARCH",
    "FOWNER",          "FSETID",       "IPC_LOCK",
    "IPC_OWNER",       "KILL",         "LEASE",
    "LINUX_IMMUTABLE", "MAC_ADMIN",    "MAC_OVERRIDE",
    "MKNOD",           "NET_ADMIN",    "NET_BIND_SERVICE",
    "NET_BROADCAST",   "NET_RAW",      "PERFMON",
    "SETFCAP",         "SETGID",       "SETPCAP",
    "SETUID",          "SYS_ADMIN",    "SYS_BOOT",
    "SYS_CHROOT",      "SYS_MODULE",   "SYS_NICE",
    "SYS_PACCT",       "SYS_PTRACE",   "SYS_RAWIO",
    "SYS_RESOURCE",    "SYS_TIME",     "SYS_TTY_CONFIG",
    "SYSLOG",          "WAKE_ALARM"};

struct Instead {
  std::string_view name, text;
};
constexpr std::array<Instead, 9> kInstead = {{
    {"SYS_ADMIN", "--security-opt seccomp=unconfined is for perf and Nsight; -v makes the mounts"},
    {"PERFMON", "--security-opt seccomp=unconfined, as far as kernel.perf_event_paranoid lets you"},
    {"IPC_LOCK", "--ulimit memlock=-1 locks memory as far as your own limit"},
    {"SYS_NICE", "processors and memory policies can be chosen without it; leave it out"},
    {"SYS_RESOURCE", "--ulimit raises limits as far as your own"},
    {"NET_ADMIN", "the network is the host's, and no container changes it"},
    {"NET_RAW", "the network is the host's: ping needs net.ipv4.ping_group_range there"},
    {"NET_BIND_SERVICE", "listen on a port above 1023"},
    {"ALL", "name those that are needed; SYS_PTRACE can be given"},
}};

Failure refused(std::string_view name, bool root_inside) {
  const bool of_root = std::ranges::find(kOfRoot, fmt::format("CAP_{}", name)) != kOfRoot.end();
  const auto at = std::ranges::find(kInstead, name, &Instead::name);
  if (name != "ALL" && std::ranges::find(kKnown, name) == kKnown.end())
    return fail(Code::kUsage, "there is no capability '{}'", name)
        .hint("capabilities(7) lists them: SYS_PTRACE, CHOWN, …");
  return fail(Code::kUsage, "--cap-add {}: a container of flense cannot have it{}", name,
              of_root && !root_inside ? " as you" : "")
      .hint(of_root && !root_inside ? "--fake-root and --sub-ids give it to uid 0 of the container"
            : at != kInstead.end()  ? std::string(at->text)
                                    : "leave it out: no container has more than you have");
}

std::vector<std::string> names_of(const std::vector<std::string>& typed) {
  constexpr std::string_view kPrefix = "CAP_";
  std::vector<std::string> out;
  for (const std::string& word : typed)
    for (const std::string_view one : split(word, ',')) {
      std::string name = to_upper(one);
      if (name.starts_with(kPrefix)) name.erase(0, kPrefix.size());
      out.push_back(std::move(name));
    }
  return out;
}

}  // namespace

Result<std::vector<std::string>> plan_capabilities(const CapabilityInput& input) {
  std::vector<std::string> out;
  if (input.root_inside) out.assign(kOfRoot.begin(), kOfRoot.end());
  for (const std::string& name : names_of(input.dropped)) {
    if (name == "ALL")
      out.clear();
    else if (std::ranges::find(kKnown, name) == kKnown.end())
      return refused(name, input.root_inside);
    std::erase(out, "CAP_" + name);
  }
  for (const std::string& name : names_of(input.added)) {
    std::string full = "CAP_" + name;
    const bool of_root = std::ranges::find(kOfRoot, full) != kOfRoot.end();
    if (full != kTracing && !(of_root && input.root_inside))
      return refused(name, input.root_inside);
    if (std::ranges::find(out, full) == out.end()) out.push_back(std::move(full));
  }
  return out;
}

bool leave_files_alone(const std::vector<std::string>& capabilities) {
  return std::ranges::all_of(capabilities, [](std::string_view name) { return name == kTracing; });
}

}  // namespace flense::launch
