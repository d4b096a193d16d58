#include "launch/assemble.h"

#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <system_error>

#include "base/ascii.h"
#include "base/file.h"
#include "cdi/spec/apply.h"
#include "image/model/platform.h"
#include "launch/container/capabilities.h"
#include "launch/container/first_process.h"
#include "launch/container/mount_plan.h"
#include "launch/container/process_plan.h"
#include "launch/container/seccomp_filter.h"
#include "launch/rootfs/programs.h"

namespace flense::launch {

namespace {

FileKind on_host(std::string_view path) {
  struct stat status{};
  if (::stat(std::string(path).c_str(), &status) != 0) return FileKind::kMissing;
  if (S_ISDIR(status.st_mode)) return FileKind::kDirectory;
  return S_ISREG(status.st_mode) ? FileKind::kFile : FileKind::kOther;
}

/// This program's file, which the container gets too.
Result<std::string> own_program() {
  std::error_code error;
  const std::filesystem::path path = std::filesystem::read_symlink("/proc/self/exe", error);
  if (error || !std::filesystem::exists(path, error))
    return fail(Code::kEnvironment, "cannot find this program's own file: {}",
                error ? error.message() : path.string() + " is gone");
  return path.string();
}

/// Elsewhere the host's first process does what this one is for.
bool has_first_process(const RunOptions& options) {
  return options.init && options.own_processes;
}

std::vector<std::string> namespaces_of(const RunOptions& options) {
  std::vector<std::string> out;
  if (options.own_processes) out.emplace_back("pid");
  if (options.own_ipc) out.emplace_back("ipc");
  if (options.own_hostname) out.emplace_back("uts");
  if (!options.host_network) out.emplace_back("network");
  return out;
}

PathKinds path_kinds(int root, const Surroundings& at, const std::vector<GeneratedFile>& files) {
  // Whoever starts this writes the generated files, later.
  return {[&](std::string_view path) {
            for (const auto& [name, text] : files)
              if (path == (at.files / name).native()) return FileKind::kFile;
            return on_host(path);
          },
          [root](std::string_view path) { return kind_in_root(root, path); },
          [root](std::string_view path) { return is_empty_directory(root, path); }};
}

struct Accounts {
  std::string passwd, group;  ///< of the image
};

/// The image's, completed by the caller: with ids of the range its own users are there, and the
/// caller is root to them.
std::vector<GeneratedFile> account_files(const RunOptions& options, const Caller& caller,
                                         const Accounts& accounts) {
  std::vector<GeneratedFile> out;
  if (options.sub_ids) return out;
  if (auto text = passwd_with(accounts.passwd, caller.account))
    out.emplace_back("passwd", std::move(*text));
  if (auto text = group_with(accounts.group, caller.group, caller.account.gid))
    out.emplace_back("group", std::move(*text));
  return out;
}

/// Those that differ from the host's, or that a container without the host's network lacks.
void add_network_files(const RunOptions& options, std::vector<GeneratedFile>& out) {
  constexpr std::uint64_t kMost = 1u << 20;
  const auto of_host = [&](const char* path) {
    return options.host_network ? read_file(path, kMost).value_or("") : std::string();
  };
  if (!options.network.hosts.empty() || !options.hostname.empty())
    out.emplace_back("hosts", hosts_text(of_host("/etc/hosts"), options.network, options.hostname));
  if (options.network.resolver())
    out.emplace_back("resolv.conf", resolver_text(of_host("/etc/resolv.conf"), options.network));
}

Result<MountPlan> mounts(const LaunchInput& input, const Surroundings& at, const Caller& caller,
                         const PathKinds& look, const std::vector<GeneratedFile>& files) {
  MountInput mounts{input.options, caller, look};
  for (const auto& [name, text] : files)
    mounts.generated.emplace_back("/etc/" + name, at.files / name);
  TRY(mounts.devices, cdi::mounts_of(input.devices, input.dev, true));
  if (input.placement || has_first_process(input.options)) {
    TRY(mounts.placer, own_program());
  }
  mounts.own = input.own;
  mounts.recursive_read_only = has_mount_setattr();
  return plan_mounts(mounts);
}

Result<void> choose_filter(const LaunchInput& input, bool compiled_alone, OciInput& oci) {
  const RunOptions& options = input.options;
  const FilterInput filter{image::host_platform().architecture, options.fake_root,
                           options.isolate || options.other_id, input.traced};
  if (!options.filter && (filter.pretend || !filter.traced.empty())) {
    oci.filter =
        seccomp_section(text::Json::object().set("defaultAction", "SCMP_ACT_ALLOW"), filter);
  } else if (!options.seccomp_profile.empty()) {
    TRY(const text::Json profile, text::parse_json(options.seccomp_profile, "the seccomp profile"));
    TRY(const text::Json rules, rules_of_profile(profile, filter.architecture, oci.capabilities));
    oci.filter = seccomp_section(rules, filter);
  } else if (options.filter) {
    oci.compiled_filter = compiled_filter(filter);
    if (oci.compiled_filter.empty() || !compiled_alone) {
      TRY(const text::Json rules, seccomp_rules());
      oci.filter = seccomp_section(rules, filter);
    }
  }
  return {};
}

Result<void> set_limits(const RunOptions& options, const std::string& id, Assembled& out) {
  if (!has_limits(options)) return {};
  out.oci.memory = options.memory;
  out.oci.cpus = options.cpus;
  out.oci.processes = options.processes;
  std::vector<std::string> controllers;
  if (options.memory) controllers.emplace_back("memory");
  if (options.cpus) controllers.emplace_back("cpu");
  if (options.processes) controllers.emplace_back("pids");
  TRY(out.delegation, delegated_cgroup("/proc", kCgroups, std::move(controllers)));
  const std::string& own = out.delegation->path;
  out.oci.cgroup_path = own + (own.ends_with('/') ? "" : "/") + id;
  return {};
}

/// The image's working directory where the image lacks it. What is mounted is the host's business.
void make_directory_of_image(const OciInput& oci, const PathKinds& look, Assembled& out) {
  const std::string path = std::filesystem::path(oci.cwd).lexically_normal().string();
  constexpr std::size_t kLongestName = 255;
  const std::vector<std::string_view> names = split(path, '/');
  const bool plain = path == oci.cwd && !path.ends_with('/') &&
                     std::ranges::none_of(names, [](std::string_view name) {
                       return name.size() > kLongestName ||
                              std::ranges::any_of(name, [](char c) { return c >= 0 && c < ' '; });
                     });
  const bool mounted = std::ranges::any_of(
      oci.mounts, [&](const OciMount& mount) { return is_below(path, mount.destination); });
  if (!plain || mounted || look.in_image(path) != FileKind::kMissing) return;
  std::string above = path;
  while (above.size() > 1 && look.in_image(above) == FileKind::kMissing)
    above.resize(std::max<std::size_t>(above.rfind('/'), 1));
  if (look.in_image(above) != FileKind::kDirectory) return;
  out.missing.push_back({path.substr(1), true});
  out.reasons.push_back(
      fmt::format("working directory: {} of the image is missing in it, and made", path));
}

/// Every mount has a target, nothing leads into /proc, and the command can be started.
Result<void> look_through(const LaunchInput& input, const PathKinds& look, bool cwd_of_image,
                          Assembled& out) {
  const RunOptions& options = input.options;
  const int root = input.root.directory.get();
  OciInput& oci = out.oci;
  if (!options.writable) {
    TRY(TargetPlan targets, plan_targets(std::move(oci.mounts), look));
    oci.mounts = std::move(targets.mounts);
    out.missing = std::move(targets.missing);
    out.reasons.insert(out.reasons.end(), targets.reasons.begin(), targets.reasons.end());
  }
  if (cwd_of_image) make_directory_of_image(oci, look, out);
  const bool as_caller = !options.fake_root && !options.sub_ids;
  TRY(const ContainerPaths paths, check_mounts(root, oci.mounts, out.missing, as_caller));
  // Without links: nothing is left for the engine to follow.
  TRY(oci.cwd, check_directory(paths, oci.cwd));
  TRY(out.command, check_command(paths, oci.args, oci.env.items(), oci.cwd));
  return check_programs(input.root, out.command.looked);
}

/// Everything from the host in the container, and what the image and the options add: a program in
/// it sees this list, what crun makes in /dev, and the root.
void describe_contents(const OciInput& oci, std::vector<std::string>& reasons) {
  reasons.emplace_back("descriptors: 0, 1, 2");
  std::vector<std::string_view> names;
  for (const std::string& item : oci.env.items())
    names.push_back(std::string_view(item).substr(0, item.find('=')));
  reasons.push_back(fmt::format("environment: {}", fmt::join(names, ", ")));
  for (const OciMount& mount : oci.mounts)
    reasons.push_back(fmt::format("mount: {} {} {} {}", mount.destination, mount.type, mount.source,
                                  fmt::join(mount.options, ",")));
}

void describe_root(const LaunchInput& input, std::vector<std::string>& reasons) {
  std::string how = "read-only, no overlay";
  if (input.options.writable)
    how = input.options.overlay
              ? fmt::format("writable, changes are kept in {}", *input.options.overlay)
              : "writable, changes are kept in memory and lost at the end";
  reasons.insert(reasons.begin(), fmt::format("root: {}, {}", input.root.path.string(), how));
}

}  // namespace

Result<Assembled> assemble(const LaunchInput& input, const Surroundings& at) {
  const RunOptions& options = input.options;
  const int root = input.root.directory.get();
  const Caller caller = find_caller(input.environment);
  TRY(const ImageSettings settings, image_settings(input.image_config));
  const Accounts accounts{read_in_root(root, "etc/passwd", kMaxAccounts).value_or(""),
                          read_in_root(root, "etc/group", kMaxAccounts).value_or("")};
  Assembled out;
  OciInput& oci = out.oci;
  out.files = account_files(options, caller, accounts);
  add_network_files(options, out.files);
  const PathKinds look = path_kinds(root, at, out.files);

  TRY(MountPlan mount_plan, mounts(input, at, caller, look, out.files));
  TRY(ProcessPlan process,
      plan_process({options, settings, caller, accounts.passwd, accounts.group,
                    mount_plan.directory_bound, input.environment, input.devices.env}));
  oci.root = at.root;
  oci.root_read_only = !options.writable;
  oci.mounts = std::move(mount_plan.mounts);
  oci.args = std::move(process.args);
  oci.env = std::move(process.env);
  oci.cwd = std::move(process.cwd);
  oci.terminal = options.tty && ::isatty(STDIN_FILENO) == 1;
  oci.user = process.user;
  oci.groups = std::move(process.groups);
  oci.host = at.host;
  oci.namespaces = namespaces_of(options);
  if (options.own_hostname) oci.hostname = options.hostname.empty() ? at.id : options.hostname;
  TRY(oci.capabilities,
      plan_capabilities({options.fake_root || (options.sub_ids && oci.user.uid == 0),
                         options.added_capabilities, options.dropped_capabilities}));
  oci.limits = options.limits;
  oci.sysctls = options.sysctls;
  oci.labels = options.labels;
  oci.follows_host = mount_plan.follows_host;
  out.groups = std::move(process.host_groups);
  if (options.sub_ids) {
    TRY(out.sub_ids, find_sub_ids(caller.account));
    TRY_DO(check_in_range(*out.sub_ids, oci.user));
    oci.uids = out.sub_ids->uids.count + 1;
    oci.gids = out.sub_ids->gids.count + 1;
  }
  oci.devices = input.devices;
  TRY_DO(choose_filter(input, at.compiled_filter_alone, oci));
  TRY_DO(set_limits(options, at.id, out));

  out.reasons = std::move(process.reasons);
  out.reasons.emplace_back(
      options.host_network ? "network: the host's (--isolate gives a container its own, empty one)"
                           : "network: none but loopback");
  out.reasons.insert(out.reasons.end(), mount_plan.reasons.begin(), mount_plan.reasons.end());
  TRY_DO(look_through(input, look, process.cwd_of_image, out));
  describe_contents(oci, out.reasons);
  describe_root(input, out.reasons);
  out.program = oci.args.front();
  if (has_first_process(options)) {
    const std::array<std::string, 2> words = {kPlacer, std::string(kFirstProcessWord)};
    oci.args.insert(oci.args.begin(), words.begin(), words.end());
  }
  if (input.placement) {
    const std::vector<std::string> words = placing_words(*input.placement);
    oci.args.insert(oci.args.begin(), words.begin(), words.end());
  }
  return out;
}

}  // namespace flense::launch
