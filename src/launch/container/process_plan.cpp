#include "launch/container/process_plan.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <climits>

#include "base/file.h"
#include "base/numbers.h"

namespace flense::launch {

namespace {

Result<std::vector<std::string>> arguments(const ProcessInput& input) {
  const RunOptions& options = input.options;
  // As in docker: an overridden entry point does not get the image's arguments.
  std::vector<std::string> out = input.image.entrypoint;
  if (options.entrypoint)
    out = options.entrypoint->empty() ? std::vector<std::string>()
                                      : std::vector<std::string>{*options.entrypoint};
  const std::vector<std::string>& rest =
      !options.command.empty() || options.entrypoint ? options.command : input.image.command;
  out.insert(out.end(), rest.begin(), rest.end());
  if (!out.empty()) return out;
  return fail(Code::kUsage, "the image names no command to start")
      .hint("write it after the image: flense run IMAGE COMMAND");
}

std::optional<std::uint32_t> group_id(std::string_view group_file, std::string_view name) {
  const auto number = parse_number(name);
  return number && *number <= UINT32_MAX ? static_cast<std::uint32_t>(*number)
                                         : find_group(group_file, name);
}

/// A group of the range, of the image; or one of the host, which the process has or root takes.
Result<void> add_group(const ProcessInput& input, const std::string& name, bool of_image,
                       ProcessPlan& out) {
  const Caller& caller = input.caller;
  if (name == "keep-groups") return {};
  const auto id = group_id(of_image ? input.group : caller.group_file, name);
  if (!id)
    return fail(Code::kUsage, "--group-add {}: {} has no such group", name,
                of_image ? "the image" : "this machine")
        .hint("leave it out, or give the number of a group");
  if (of_image) {
    if (std::ranges::find(out.groups, *id) == out.groups.end()) out.groups.push_back(*id);
    return {};
  }
  if (std::ranges::find(caller.groups, *id) != caller.groups.end()) return {};
  if (caller.account.uid != 0)
    return fail(Code::kEnvironment,
                "--group-add {}: you are not in that group ({}), and a container has no more than "
                "you have",
                name, *id)
        .hint(fmt::format("root adds you: usermod -aG {} {}; leave it out if the device opens "
                          "without it",
                          name, caller.account.name));
  out.host_groups.push_back(*id);
  return {};
}

Result<void> add_groups(const ProcessInput& input, ProcessPlan& out) {
  const RunOptions& options = input.options;
  const bool of_image = options.sub_ids && !asks_for_devices(options.gpu);
  for (const std::string& name : options.groups) TRY_DO(add_group(input, name, of_image, out));
  if (!out.host_groups.empty())
    out.reasons.push_back(
        fmt::format("groups: yours, and {} (--group-add)", fmt::join(out.host_groups, ", ")));
  return {};
}

}  // namespace

Caller find_caller(const std::vector<std::string>& environment) {
  Caller out;
  const auto passwd = read_file("/etc/passwd", kMaxAccounts);
  const auto group = read_file("/etc/group", kMaxAccounts);
  if (const auto known = passwd ? find_account(*passwd, ::geteuid()) : std::nullopt)
    out.account = *known;
  out.account.uid = ::geteuid();
  out.account.gid = ::getegid();
  if (out.account.name.empty()) out.account.name = variable_in(environment, "USER").value_or("");
  if (const auto home = variable_in(environment, "HOME")) out.account.home = *home;
  if (out.account.shell.empty()) out.account.shell = "/bin/sh";
  if (group) out.group = group_name(*group, out.account.gid);
  if (group) out.group_file = *group;
  out.groups.push_back(out.account.gid);
  if (const int count = ::getgroups(0, nullptr); count > 0) {
    std::vector<gid_t> further(static_cast<std::size_t>(count));
    further.resize(static_cast<std::size_t>(std::max(0, ::getgroups(count, further.data()))));
    out.groups.insert(out.groups.end(), further.begin(), further.end());
  }
  std::array<char, PATH_MAX> directory{};
  if (::getcwd(directory.data(), directory.size()) != nullptr) out.directory = directory.data();
  if (!out.directory.starts_with('/')) out.directory.clear();
  return out;
}

Result<ProcessPlan> plan_process(const ProcessInput& input) {
  const RunOptions& options = input.options;
  ProcessPlan out;
  TRY(out.args, arguments(input));
  const Account& account = input.caller.account;
  std::string home;
  out.user = {account.uid, account.gid};
  if (options.fake_root) {
    out.user = {0, 0};
    out.reasons.emplace_back("user: uid 0 in the container, the caller outside (--fake-root)");
  } else if (options.sub_ids) {
    const std::string name = options.user.value_or(input.image.user);
    if (!name.empty()) {
      TRY(out.user,
          with_context(resolve_user(name, input.passwd, input.group), "reading the user {}", name));
      out.groups = further_groups(name, input.passwd, input.group);
    } else {
      out.user = {0, 0};
    }
    out.reasons.push_back(
        out.user.uid == 0
            ? "user: uid 0 in the container, the caller outside (--sub-ids)"
            : fmt::format("user: {}:{} in the container, an id of the caller's range outside "
                          "(--sub-ids)",
                          out.user.uid, out.user.gid));
    if (!out.groups.empty() && asks_for_devices(options.gpu)) {
      out.reasons.push_back(
          fmt::format("groups: yours, by which devices open; not the image's {} of its user",
                      fmt::join(out.groups, ", ")));
      out.groups.clear();
    } else if (!out.groups.empty()) {
      out.reasons.push_back(fmt::format("groups: the image's {} of its user, none of yours",
                                        fmt::join(out.groups, ", ")));
    }
    const auto known = find_account(input.passwd, out.user.uid);
    if (known && known->home.starts_with('/')) home = known->home;
  } else if (options.user) {
    TRY(out.user, with_context(resolve_user(*options.user, input.passwd, input.group),
                               "reading --user {}", *options.user));
    out.reasons.push_back(fmt::format("user: {}:{} in the container, the caller outside (--user)",
                                      out.user.uid, out.user.gid));
  } else {
    out.reasons.push_back(fmt::format(
        "user: the caller, {}:{}{}", out.user.uid, out.user.gid,
        input.image.user.empty() ? "" : ", not the image's '" + input.image.user + "'"));
  }
  TRY_DO(add_groups(input, out));
  out.env = plan_environment(
      {options, input.image.env, input.host_environment, account, home, input.device_environment});
  if (options.workdir) {
    out.cwd = *options.workdir;
  } else if (input.image.working_directory.starts_with('/')) {
    out.cwd = input.image.working_directory;
    out.cwd_of_image = true;
  } else {
    out.cwd = input.directory_bound ? input.caller.directory : "/";
  }
  if (!out.cwd.starts_with('/'))
    return fail(Code::kUsage, "--workdir {} is no absolute path", out.cwd)
        .hint("-w DIR is the working directory, as in docker; apptainer's -w is --writable");
  return out;
}

}  // namespace flense::launch
