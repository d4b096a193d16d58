#include "launch/container/seccomp_filter.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <optional>

namespace flense::launch {

namespace {

using text::Json;

/// With one id there is nobody to give a file to. Those with 32 are of 32-bit programs, whose plain
/// ones take ids of 16 bits.
constexpr std::array<std::string_view, 26> kPretended = {
    "chown",      "fchown",     "lchown",     "fchownat",    "setuid",      "setgid",
    "setreuid",   "setregid",   "setresuid",  "setresgid",   "setfsuid",    "setfsgid",
    "setgroups",  "mknod",      "chown32",    "fchown32",    "lchown32",    "setuid32",
    "setgid32",   "setreuid32", "setregid32", "setresuid32", "setresgid32", "setfsuid32",
    "setfsgid32", "setgroups32"};
/// What is opened through it is seen by no filter.
constexpr std::string_view kUnseen = "io_uring_setup";

using Names = std::vector<std::string>;

bool holds(const Names& names, std::string_view name) {
  return std::ranges::find(names, name) != names.end();
}

Json rule_for(const Names& names, std::string_view action) {
  Json list = Json::array();
  for (const std::string& name : names) list.push(name);
  return Json::object().set("names", std::move(list)).set("action", action);
}

Json error_for(const Names& names, int error) {
  return rule_for(names, "SCMP_ACT_ERRNO").set("errnoRet", error);
}

/// The rule without the names that have one of their own; null when none is left, or when it is for
/// other machines.
Json rule_without(const Json& rule, const Names& ruled, std::string_view architecture) {
  const Json& machines = rule["architectures"];
  const bool here =
      machines.is_null() || std::ranges::any_of(machines.items(), [&](const Json& one) {
        return one.text() == architecture;
      });
  Json names = Json::array();
  for (const Json& name : rule["names"].items())
    if (!holds(ruled, name.text())) names.push(name);
  if (!here || names.items().empty()) return {};
  Json out = rule;
  out.set("names", std::move(names));
  out.erase("architectures");
  return out;
}

/// Whether a list of the profile's conditions names one of these; nullopt: there is no such list.
std::optional<bool> names_one(const Json& condition, const Names& words) {
  if (condition.items().empty()) return std::nullopt;
  return std::ranges::any_of(condition.items(),
                             [&](const Json& one) { return holds(words, one.text()); });
}

constexpr std::array<std::string_view, 8> kActions = {
    "SCMP_ACT_KILL",  "SCMP_ACT_KILL_PROCESS", "SCMP_ACT_KILL_THREAD", "SCMP_ACT_TRAP",
    "SCMP_ACT_ERRNO", "SCMP_ACT_TRACE",        "SCMP_ACT_ALLOW",       "SCMP_ACT_LOG"};

Result<void> check_action(const Json& action) {
  if (std::ranges::find(kActions, action.text()) != kActions.end()) return {};
  return bad_input("the action '{}' of the seccomp profile is not one that flense can take",
                   action.text());
}

}  // namespace

Result<Json> rules_of_profile(const Json& profile, const std::string& architecture,
                              const std::vector<std::string>& capabilities) {
  if (!profile.is_object() || !profile["syscalls"].is_array())
    return bad_input("no seccomp profile: an object with defaultAction and syscalls was expected");
  TRY_DO(check_action(profile["defaultAction"]));
  const Names here = {architecture};
  Json list = Json::array();
  for (const Json& rule : profile["syscalls"].items()) {
    TRY_DO(check_action(rule["action"]));
    const Json &includes = rule["includes"], &excludes = rule["excludes"];
    // All of a profile's conditions must hold, and the least kernel is always there.
    const bool taken = names_one(includes["arches"], here).value_or(true) &&
                       names_one(includes["caps"], capabilities).value_or(true) &&
                       !names_one(excludes["arches"], here).value_or(false) &&
                       !names_one(excludes["caps"], capabilities).value_or(false);
    if (!taken) continue;
    Json names = Json::array();
    for (const Json& name : rule["names"].items()) names.push(std::string(name.text()));
    if (!rule["name"].text().empty()) names.push(std::string(rule["name"].text()));
    if (names.items().empty()) continue;
    Json one = Json::object().set("names", std::move(names)).set("action", rule["action"]);
    for (const char* key : {"args", "errnoRet"})
      if (!rule[key].is_null()) one.set(key, rule[key]);
    list.push(std::move(one));
  }
  Json out = Json::object().set("defaultAction", profile["defaultAction"]);
  if (!profile["defaultErrnoRet"].is_null()) out.set("defaultErrnoRet", profile["defaultErrnoRet"]);
  return out.set("syscalls", std::move(list));
}

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

Json seccomp_section(const Json& rules, const FilterInput& input) {
  Json list = Json::array();
  Names ruled;
  if (input.pretend) {
    ruled.assign(kPretended.begin(), kPretended.end());
    list.push(error_for(ruled, 0));
  }
  if (input.no_keys) {
    // Without a rule they do not exist, like all unknown calls.
    ruled.insert(ruled.end(), {"add_key", "keyctl", "request_key"});
  }
  Names traced;
  for (const std::string& name : input.traced)
    if (!holds(ruled, name)) traced.push_back(name);
  if (!traced.empty()) {
    list.push(rule_for(traced, "SCMP_ACT_TRACE"));
    const Names unseen = {std::string(kUnseen)};
    list.push(error_for(unseen, ENOSYS));
    ruled.insert(ruled.end(), traced.begin(), traced.end());
    ruled.insert(ruled.end(), unseen.begin(), unseen.end());
  }
  for (const Json& rule : rules["syscalls"].items())
    if (Json left = rule_without(rule, ruled, input.architecture); !left.is_null())
      list.push(std::move(left));
  Json machines = Json::array();
  for (std::string& name : seccomp_architectures(input.architecture))
    machines.push(std::move(name));
  Json out = Json::object().set("defaultAction", rules["defaultAction"]);
  if (!rules["defaultErrnoRet"].is_null()) out.set("defaultErrnoRet", rules["defaultErrnoRet"]);
  out.set("architectures", std::move(machines)).set("syscalls", std::move(list));
  return out;
}

}  // namespace flense::launch
