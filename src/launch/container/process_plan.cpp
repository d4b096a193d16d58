#include "launch/container/process_plan.h"

#include <algorithm>
#include <array>

namespace flense::launch {

namespace {

constexpr std::string_view kDefaultPath =
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// By these a rank finds its place in the job; nothing in them is of the host's file system.
constexpr std::array<std::string_view, 4> kBatchVariables = {"SLURM_", "PMI_", "PMIX_", "PALS_"};

std::string_view name_of(std::string_view item) {
  return item.substr(0, item.find('='));
}

Result<std::vector<std::string>> arguments(const ProcessInput& input) {
  const RunOptions& options = input.options;
  // As docker does: who replaces the entry point does not mean the image's arguments to it.
  std::vector<std::string> out =
      options.entrypoint ? std::vector<std::string>{*options.entrypoint} : input.image.entrypoint;
  const std::vector<std::string>& rest =
      !options.command.empty() || options.entrypoint ? options.command : input.image.command;
  out.insert(out.end(), rest.begin(), rest.end());
  if (!out.empty()) return out;
  return with_hint(
      Result<std::vector<std::string>>(fail(Code::kUsage, "the image names no command to start")),
      "write it after the image: flense run IMAGE COMMAND");
}

std::vector<std::string> environment(const ProcessInput& input) {
  const RunOptions& options = input.options;
  std::vector<std::string> env;
  for (const std::string& item : input.image.env)
    if (item.find('=') != std::string::npos && item.front() != '=') set_variable(env, item);
  if (!variable_in(env, "PATH")) set_variable(env, std::string(kDefaultPath));
  if (!options.isolate)
    for (const std::string& item : input.host_environment)
      for (const std::string_view prefix : kBatchVariables)
        if (item.starts_with(prefix)) set_variable(env, item);
  const Account& account = input.caller.account;
  if (options.home && !options.isolate && !options.sub_ids && !options.other_id &&
      !account.home.empty())
    set_variable(env, "HOME=" + account.home);
  else if (!variable_in(env, "HOME"))
    set_variable(env, "HOME=/tmp");
  if (!account.name.empty() && !options.fake_root && !options.user && !options.sub_ids)
    set_variable(env, "USER=" + account.name);
  if (options.tty && !variable_in(env, "TERM"))
    set_variable(env, "TERM=" + variable_in(input.host_environment, "TERM").value_or("xterm"));
  for (const std::string& item : options.env) set_variable(env, item);
  return env;
}

}  // namespace

void set_variable(std::vector<std::string>& env, std::string item) {
  const auto at = std::find_if(env.begin(), env.end(), [&](const std::string& one) {
    return name_of(one) == name_of(item);
  });
  if (at == env.end())
    env.push_back(std::move(item));
  else
    *at = std::move(item);
}

std::optional<std::string> variable_in(const std::vector<std::string>& env, std::string_view name) {
  for (const std::string& item : env)
    if (name_of(item) == name && item.size() > name.size()) return item.substr(name.size() + 1);
  return std::nullopt;
}

Result<ProcessPlan> plan_process(const ProcessInput& input) {
  const RunOptions& options = input.options;
  ProcessPlan out;
  TRY(out.args, arguments(input));
  out.env = environment(input);
  const Account& account = input.caller.account;
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
    if (known && known->home.starts_with('/') && !variable_in(input.image.env, "HOME") &&
        !variable_in(options.env, "HOME"))
      set_variable(out.env, "HOME=" + known->home);
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
  if (options.workdir) {
    out.cwd = *options.workdir;
  } else if (input.image.working_directory.starts_with('/')) {
    out.cwd = input.image.working_directory;
  } else {
    out.cwd = input.directory_bound ? input.caller.directory : "/";
  }
  if (!out.cwd.starts_with('/'))
    return fail(Code::kUsage, "--workdir {} is no absolute path", out.cwd);
  return out;
}

}  // namespace flense::launch
