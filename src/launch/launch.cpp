#include "launch/launch.h"

#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

#include <array>
#include <climits>
#include <cstdlib>
#include <system_error>

#include "image/model/platform.h"
#include "launch/container/host_kernel.h"
#include "launch/container/mount_plan.h"
#include "launch/container/process_plan.h"
#include "launch/container/seccomp_filter.h"
#include "launch/rootfs/programs.h"

namespace flense::launch {

namespace {

constexpr std::uint64_t kMaxAccounts = 4u << 20;
constexpr const char* kCgroups = "/sys/fs/cgroup";

FileKind on_host(std::string_view path) {
  struct stat status{};
  if (::stat(std::string(path).c_str(), &status) != 0) return FileKind::kMissing;
  if (S_ISDIR(status.st_mode)) return FileKind::kDirectory;
  return S_ISREG(status.st_mode) ? FileKind::kFile : FileKind::kOther;
}

/// By /etc/passwd alone: what a name service says needs its libraries, which a static program
/// cannot load.
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
  std::array<char, PATH_MAX> directory{};
  if (::getcwd(directory.data(), directory.size()) != nullptr) out.directory = directory.data();
  if (!out.directory.starts_with('/')) out.directory.clear();
  return out;
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

Result<std::string> new_id(const RunOptions& options) {
  if (!options.name.empty()) return options.name;
  std::array<unsigned char, 6> bytes{};
  if (::getrandom(bytes.data(), bytes.size(), 0) != static_cast<ssize_t>(bytes.size()))
    return system_error(errno, "cannot make up a name");
  std::string out = "flense-";
  for (const unsigned char byte : bytes) out += fmt::format("{:02x}", byte);
  return out;
}

/// How a launch is set up, before its targets are looked at.
struct Draft {
  OciInput oci;
  std::vector<std::pair<std::string, std::string>> files;
  std::vector<std::string> reasons;
  std::optional<Delegation> delegation;  ///< for limits
  std::optional<SubIds> sub_ids;
};

struct Surroundings {
  std::filesystem::path files;  ///< where generated files will lie
  std::string root;
  Identity host;
  std::string id;
  /// The engine takes the compiled filter for certain, and the other form would only be read.
  bool compiled_filter_alone = false;
};

std::vector<std::string> namespaces_of(const RunOptions& options) {
  std::vector<std::string> out;
  if (options.isolate) out = {"pid", "ipc", "uts"};
  if (!options.host_network) out.emplace_back("network");
  return out;
}

TargetInput target_input(int root) {
  return {on_host, [root](std::string_view path) { return kind_in_root(root, path); },
          [root](std::string_view path) { return is_empty_directory(root, path); }};
}

Result<Draft> draft(const LaunchInput& input, const Surroundings& at) {
  const RunOptions& options = input.options;
  const int root = input.root.directory.get();
  const Caller caller = find_caller(input.environment);
  TRY(const ImageSettings settings, image_settings(input.image_config));
  const std::string passwd = read_in_root(root, "etc/passwd", kMaxAccounts).value_or("");
  const std::string group = read_in_root(root, "etc/group", kMaxAccounts).value_or("");

  Draft out;
  const TargetInput look = target_input(root);
  MountInput mounts{options, caller, look.on_host, look.in_image, look.is_empty_in_image, "", ""};
  // With ids of the range the image's own users are there, and the caller is root to them.
  const auto added = [&](auto text) { return options.sub_ids ? std::nullopt : std::move(text); };
  if (const auto text = added(passwd_with(passwd, caller.account))) {
    out.files.emplace_back("passwd", *text);
    mounts.passwd_file = at.files / "passwd";
  }
  if (const auto text = added(group_with(group, caller.group, caller.account.gid))) {
    out.files.emplace_back("group", *text);
    mounts.group_file = at.files / "group";
  }
  mounts.recursive_read_only = has_mount_setattr();
  // They are written by whoever starts this, later.
  mounts.on_host = [&](std::string_view path) {
    return path == mounts.passwd_file || path == mounts.group_file ? FileKind::kFile
                                                                   : on_host(path);
  };
  TRY(MountPlan mount_plan, plan_mounts(mounts));
  TRY(ProcessPlan process, plan_process({options, settings, caller, passwd, group,
                                         mount_plan.directory_bound, input.environment}));

  OciInput& oci = out.oci;
  if (options.sub_ids) {
    TRY(out.sub_ids, find_sub_ids(caller.account));
    TRY_DO(check_in_range(*out.sub_ids, process.user));
    oci.uids = out.sub_ids->uids.count + 1;
    oci.gids = out.sub_ids->gids.count + 1;
  }
  oci.root = at.root;
  oci.root_read_only = !options.writable;
  oci.args = std::move(process.args);
  oci.env = std::move(process.env);
  oci.cwd = std::move(process.cwd);
  oci.terminal = options.tty && ::isatty(STDIN_FILENO) == 1;
  oci.user = process.user;
  oci.host = at.host;
  oci.namespaces = namespaces_of(options);
  oci.mounts = std::move(mount_plan.mounts);
  if (input.placement) {
    TRY(const std::string program, own_program());
    oci.mounts.push_back({kPlacer, "bind", program, {"bind", "ro", "nosuid", "nodev"}});
  }
  oci.fake_root = options.fake_root;
  oci.groups = std::move(process.groups);
  const FilterInput filter{image::host_platform().architecture, options.fake_root,
                           options.isolate || options.other_id, input.traced};
  if (!options.filter && (filter.pretend || !filter.traced.empty())) {
    oci.filter =
        seccomp_section(text::Json::object().set("defaultAction", "SCMP_ACT_ALLOW"), filter);
  } else if (options.filter) {
    oci.compiled_filter = compiled_filter(filter);
    if (oci.compiled_filter.empty() || !at.compiled_filter_alone) {
      TRY(const text::Json rules, seccomp_rules());
      oci.filter = seccomp_section(rules, filter);
    }
  }
  oci.memory = options.memory;
  oci.cpus = options.cpus;
  if (options.isolate) oci.hostname = at.id;
  if (options.memory || options.cpus) {
    TRY(out.delegation,
        delegated_cgroup("/proc", kCgroups, options.memory.has_value(), options.cpus.has_value()));
    const std::string& own = out.delegation->path;
    oci.cgroup_path = own + (own.ends_with('/') ? "" : "/") + at.id;
  }
  out.reasons = std::move(process.reasons);
  out.reasons.push_back(options.host_network
                            ? "network: the host's (--isolate gives a container its own, empty one)"
                            : "network: none but loopback");
  out.reasons.insert(out.reasons.end(), mount_plan.reasons.begin(), mount_plan.reasons.end());
  return out;
}

std::vector<OciMount> mounts_of(const text::Json& config) {
  std::vector<OciMount> out;
  for (const text::Json& item : config["mounts"].items()) {
    OciMount mount{std::string(item["destination"].text()),
                   std::string(item["type"].text()),
                   std::string(item["source"].text()),
                   {}};
    for (const text::Json& option : item["options"].items())
      mount.options.emplace_back(option.text());
    // A bind mount may be told by its options alone.
    for (const std::string& option : mount.options)
      if (mount.type.empty() && (option == "bind" || option == "rbind")) mount.type = "bind";
    out.push_back(std::move(mount));
  }
  return out;
}

std::vector<std::string> env_of(const text::Json& config) {
  std::vector<std::string> out;
  for (const text::Json& item : config["process"]["env"].items()) out.emplace_back(item.text());
  return out;
}

/// The working directory, and the command behind the words that place it.
void amend_process(const LaunchInput& input, const std::string& directory, text::Json& config) {
  text::Json process = config["process"];
  process.set("cwd", directory);
  if (input.placement) {
    text::Json args = text::Json::array();
    for (const std::string& word : placing_words(*input.placement)) args.push(word);
    for (const text::Json& word : process["args"].items()) args.push(word);
    process.set("args", std::move(args));
  }
  config.set("process", std::move(process));
}

struct Assembled {
  text::Json config;
  std::vector<MissingTarget> missing;
  CommandCheck command;
};

/// What of flense's own directories lies in something that is bound is covered: who writes to the
/// root or the state of another container is in that container.
void cover_own(const std::vector<std::filesystem::path>& own, std::vector<OciMount>& mounts) {
  std::vector<OciMount> covers;
  for (const std::filesystem::path& place : own)
    for (const OciMount& mount : mounts) {
      const std::string source = mount.source.substr(0, mount.source.find_last_not_of('/') + 1);
      if (mount.type == "bind" && (source.empty() || is_below(place.string(), source)))
        covers.push_back({mount.destination + place.string().substr(source.size()),
                          "tmpfs",
                          "tmpfs",
                          {"nosuid", "nodev", "noexec", "ro", "mode=555", "size=4k"}});
    }
  mounts.insert(mounts.end(), covers.begin(), covers.end());
}

/// All that is of the host in the container, and what the image and the options add: what a program
/// in it sees is this list, what crun makes in /dev, and the root.
void describe_contents(const OciInput& oci, const std::vector<std::string>& env,
                       std::vector<std::string>& reasons) {
  reasons.emplace_back("descriptors: 0, 1, 2");
  std::vector<std::string_view> names;
  for (const std::string& item : env)
    names.push_back(std::string_view(item).substr(0, item.find('=')));
  reasons.push_back(fmt::format("environment: {}", fmt::join(names, ", ")));
  for (const OciMount& mount : oci.mounts)
    reasons.push_back(fmt::format("mount: {} {} {} {}", mount.destination, mount.type, mount.source,
                                  fmt::join(mount.options, ",")));
}

/// The configuration with everything merged and every mount's target thought of.
Result<Assembled> assemble(const LaunchInput& input, Draft& plan) {
  const int root = input.root.directory.get();
  text::Json config = oci_config(plan.oci);
  if (input.amend) TRY_DO(input.amend(config));
  TargetInput look = target_input(root);
  look.on_host = [&](std::string_view path) {
    for (const auto& [name, text] : plan.files)
      if (path.ends_with("/" + name)) return FileKind::kFile;
    return on_host(path);
  };
  plan.oci.mounts = mounts_of(config);
  cover_own(input.own, plan.oci.mounts);
  Assembled out;
  if (!input.options.writable) {
    TRY(TargetPlan targets, plan_targets(plan.oci.mounts, look));
    plan.oci.mounts = std::move(targets.mounts);
    out.missing = std::move(targets.missing);
    plan.reasons.insert(plan.reasons.end(), targets.reasons.begin(), targets.reasons.end());
  }
  config.set("mounts", mount_list(plan.oci.mounts));
  const bool as_caller = !input.options.fake_root && !input.options.sub_ids;
  TRY(const ContainerPaths paths, check_mounts(root, plan.oci.mounts, out.missing, as_caller));
  // Without links: nothing is left for the engine to follow.
  TRY(plan.oci.cwd, check_directory(paths, plan.oci.cwd));
  TRY(out.command, check_command(paths, plan.oci.args, env_of(config), plan.oci.cwd));
  TRY_DO(check_programs(input.root, out.command.looked));
  describe_contents(plan.oci, env_of(config), plan.reasons);
  amend_process(input, plan.oci.cwd, config);
  out.config = std::move(config);
  return out;
}

constexpr const char* kLibraries = "libraries";

/// Binds of `from` and below come from `to`.
void move_sources(const std::filesystem::path& from, const std::filesystem::path& to,
                  text::Json& config) {
  std::vector<OciMount> mounts = mounts_of(config);
  for (OciMount& mount : mounts)
    if (is_below(mount.source, from.string()))
      mount.source = to.string() + mount.source.substr(from.string().size());
  config.set("mounts", mount_list(mounts));
}

constexpr const char* kSkeleton = "skeleton";
constexpr const char* kLayeredRoot = "rootfs";

/// For an overlay's lowerdir=, the uppermost first.
Result<std::string> layers_text(const std::vector<std::string>& layers) {
  for (const std::string& layer : layers)
    if (layer.find_first_of(":,\\") != std::string::npos)
      return with_hint(
          Result<std::string>(fail(Code::kEnvironment,
                                   "{} cannot be a layer of an overlay: its name has a "
                                   "colon, a comma or a backslash",
                                   layer)),
          "write the bundle to another place, or set FLENSE_CACHE");
  return fmt::format("{}", fmt::join(layers, ":"));
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

std::string shell_word(std::string_view text) {
  if (!text.empty() && text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                              "0123456789_@%+=:,./-") == std::string_view::npos)
    return std::string(text);
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? "'\\''" : std::string(1, c);
  return out + "'";
}

Result<Launch> plan_launch(const LaunchInput& input, const Engine& engine,
                           const RuntimePlaces& places) {
  const RunOptions& options = input.options;
  Launch out;
  TRY_DO(check_standard_streams());
  TRY(out.id, new_id(options));
  std::filesystem::path place = places.stage();
  if (options.other_id) {
    TRY(place, open_common_stage());
  }
  TRY(Draft plan,
      draft(input, {place, staged_root(place), {0, 0}, out.id, engine.version <= kTriedCrun}));
  TRY(Assembled assembled, assemble(input, plan));
  if (options.overlay) TRY_DO(check_overlay_place(*options.overlay));

  const CgroupLayout layout = cgroup_layout(kCgroups);
  out.stage.place = place;
  out.stage.root = input.root.path;
  if (input.root.mounted) out.stage.mounted_root = input.root.directory.get();
  out.stage.missing = std::move(assembled.missing);
  out.stage.writable = options.writable;
  out.stage.overlay = options.overlay.value_or("");
  out.stage.cgroup_namespaces = !options.isolate && !options.other_id;
  out.stage.cover_unified = layout == CgroupLayout::kHybrid;
  out.stage.delegation = std::move(plan.delegation);
  out.stage.sub_ids = std::move(plan.sub_ids);
  if (input.other != nullptr) out.stage.other_id = input.other->id;
  if (input.libraries >= 0) {
    out.stage.trees.emplace_back(kLibraries, input.libraries);
    move_sources(input.library_directory, place / kLibraries, assembled.config);
  } else {
    out.stage.kept = input.kept;
  }
  const bool terminal = plan.oci.terminal;
  if (input.traced.empty() && (options.die_with_parent || terminal || is_job()))
    out.stage.supervise = Supervision{options.die_with_parent, terminal, options.isolate};
  out.stage.files = std::move(plan.files);
  out.stage.files.emplace_back("config.json", text::dump_json(assembled.config));
  const bool limits = options.memory || options.cpus;
  // Numbers of processes that are not ours mean nothing to `flense exec`: their state ends with
  // them.
  const std::filesystem::path state =
      options.die_with_parent || options.other_id ? place / "crun" : places.state();
  out.stage.argv = {
      engine.program, "--root",
      state,          limits ? "--cgroup-manager=cgroupfs" : "--cgroup-manager=disabled",
      "run",          "-b",
      place};
  // A keyring for each container would meet the user's quota of a few hundred.
  if (!options.isolate) out.stage.argv.emplace_back("--no-new-keyring");
  out.stage.argv.push_back(out.id);
  out.config = std::move(assembled.config);
  out.command = std::move(assembled.command);
  out.program = plan.oci.args.front();
  out.reasons = std::move(plan.reasons);
  describe_root(input, out.reasons);
  out.reasons.push_back(fmt::format("engine: {} {}, control groups: {}{}", engine.program,
                                    engine.version.text(), to_string(layout),
                                    out.stage.cover_unified ? ", version 2 covered" : ""));
  if (engine.version < kMendedCrun)
    out.reasons.push_back(fmt::format(
        "crun before {} follows a link in the place of /dev (CVE-2026-47766); here it could reach "
        "no more than the caller can",
        kMendedCrun.text()));
  if (options.writable)
    out.notices.emplace_back(
        "--writable: the first write to a large file of the image copies all of it, and chmod does "
        "too; keep data on -v mounts");
  return out;
}

Result<Bundle> write_bundle(const LaunchInput& input, const Engine& engine,
                            const RuntimePlaces& places, const std::filesystem::path& directory) {
  if (input.options.writable)
    return fail(Code::kUsage, "--bundle and --writable do not go together: crun makes no overlay");
  if (input.root.mounted)
    return fail(Code::kUsage,
                "--bundle and --mount-image do not go together: the mount ends with this process");
  if (input.options.sub_ids)
    return fail(
        Code::kUsage,
        "--bundle and --sub-ids do not go together: flense maps the ids before crun starts");
  if (input.options.memory || input.options.cpus)
    return fail(Code::kUsage,
                "--bundle does not go together with --memory and --cpus: whoever starts it says in "
                "which control group");
  if (input.options.die_with_parent)
    return fail(
        Code::kUsage,
        "--bundle and --die-with-parent do not go together: whoever starts it sees to that");
  std::error_code error;
  const std::filesystem::path place = std::filesystem::absolute(directory, error);
  if (error) return system_error(error.value(), "cannot use " + directory.string());
  const bool hybrid = cgroup_layout(kCgroups) == CgroupLayout::kHybrid;
  const std::string id = input.options.name.empty() ? "flense-bundle" : input.options.name;
  const Identity caller{::geteuid(), ::getegid()}, root_of_namespace{0, 0};
  std::string root = input.root.path;
  TRY(Draft plan, draft(input, {place, root, hybrid ? root_of_namespace : caller, id}));
  TRY(Assembled assembled, assemble(input, plan));
  const bool layered = !assembled.missing.empty();
  if (layered) {
    // What the image lacks is a layer above it, which only a mount brings together.
    root = place / kLayeredRoot;
    TRY(plan, draft(input, {place, root, root_of_namespace, id}));
    TRY(assembled, assemble(input, plan));
  }
  Bundle out;
  out.command = {
      engine.program,     "--root", places.state(), "--cgroup-manager=disabled", "run", "-b", place,
      "--no-new-keyring", id};
  std::string mounts;
  // crun refuses a hybrid view; a namespace in which that half is covered has none.
  if (hybrid) mounts += "mount -t tmpfs tmpfs /sys/fs/cgroup/unified && ";
  if (layered) {
    TRY(const std::string layers, layers_text({place / kSkeleton, input.root.path}));
    mounts += fmt::format("mount -t overlay overlay -o {} {} && ",
                          shell_word("ro,xino=off,lowerdir=" + layers), shell_word(root));
  }
  if (!mounts.empty()) {
    for (std::string& word : out.command) word = shell_word(word);
    out.command = {"unshare", "-Urm", "sh", "-c",
                   fmt::format("{}exec {}", mounts, fmt::join(out.command, " "))};
  }
  TRY(AtomicDirectory output, AtomicDirectory::create(place));
  if (layered) {
    TRY_DO(make_skeleton(output.staging() / kSkeleton, input.root.directory, assembled.missing));
    std::filesystem::create_directory(output.staging() / kLayeredRoot, error);
    if (error) return system_error(error.value(), "cannot create " + root);
  }
  std::string line;
  for (const std::string& word : out.command) line += " " + shell_word(word);
  plan.files.emplace_back("config.json", text::dump_json(assembled.config, 2) + "\n");
  plan.files.emplace_back(
      "README", fmt::format("Starts with, as the user who wrote it and on this machine:\n\n {}\n\n"
                            "The root file system is {}.\n",
                            line, input.root.path.string()));
  for (const auto& [name, text] : plan.files) {
    TRY(AtomicFile file, AtomicFile::create(output.staging() / name));
    TRY_DO(write_fully(file.fd(), as_bytes(text), name));
    TRY_DO(file.commit());
  }
  TRY_DO(output.commit());
  out.reasons = std::move(plan.reasons);
  describe_root(input, out.reasons);
  return out;
}

}  // namespace flense::launch
