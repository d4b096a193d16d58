#include "launch/container/mount_plan.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "cdi/spec/apply.h"
#include "launch/container/numa.h"

namespace flense::launch {

namespace {

constexpr std::uint64_t kShmBytes = 64u << 20;  // as docker; only where it is our own

class Planner {
 public:
  explicit Planner(const MountInput& input) : input_(input), options_(input.options) {}

  Result<MountPlan> plan() {
    kernel();
    devices();
    scratch();
    if (options_.sub_ids || options_.other_id)
      explain("home and working directory: not bound, they belong to another user there");
    else if (!options_.isolate) {
      home();
      directory();
    }
    host_files();
    TRY_DO(requested());
    sort();
    if (!input_.placer.empty())
      add(kPlacer, "bind", input_.placer, {"bind", "ro", "nosuid", "nodev"});
    brought_by_devices();
    cover_own();
    keep_to_themselves();
    return std::move(out_);
  }

 private:
  void add(std::string destination, std::string type, std::string source,
           std::vector<std::string> options) {
    out_.mounts.push_back(
        {std::move(destination), std::move(type), std::move(source), std::move(options)});
  }
  void bind(const std::string& source, const std::string& target, bool read_only = false,
            const std::vector<std::string>& flags = {}) {
    add(target, "bind", source, {"rbind", read_only ? "ro" : "rw"});
    out_.mounts.back().options.insert(out_.mounts.back().options.end(), flags.begin(), flags.end());
  }
  /// A later entry for the same place replaces the earlier one.
  void clear(const std::string& destination) {
    std::erase_if(out_.mounts, [&](const OciMount& one) { return one.destination == destination; });
  }
  /// Parents first, otherwise in the order of addition: nothing hides a requested mount.
  void sort() {
    std::ranges::stable_sort(out_.mounts, {},
                             [](const OciMount& one) { return cdi::depth_of(one.destination); });
  }
  void explain(std::string reason) { out_.reasons.push_back(std::move(reason)); }
  bool covered(std::string_view path) const {
    return std::any_of(out_.mounts.begin(), out_.mounts.end(), [&](const OciMount& mount) {
      return mount.type == "bind" && is_below(path, mount.destination);
    });
  }

  void kernel() {
    if (options_.own_processes)
      add("/proc", "proc", "proc", {"nosuid", "noexec", "nodev"});
    else
      bind("/proc", "/proc");
    // The kernel lets a network namespace have its own view of the devices in it. Control groups
    // and the kernel's own file systems are mounts below: "rro" covers them, too.
    if (options_.host_network)
      add("/sys", "bind", "/sys",
          {"rbind", "nosuid", "noexec", "nodev", input_.recursive_read_only ? "rro" : "ro"});
    else
      add("/sys", "sysfs", "sysfs", {"nosuid", "noexec", "nodev", "ro"});
  }

  /// crun itself makes null, zero, full, random, urandom, tty and the links in it.
  void devices() {
    add("/dev", "tmpfs", "tmpfs", {"nosuid", "noexec", "mode=755", "size=1m"});
    add("/dev/pts", "devpts", "devpts",
        {"nosuid", "noexec", "newinstance", "ptmxmode=0666", "mode=0620"});
    const bool own_memory = options_.own_ipc || of_another() || options_.shm_size.has_value();
    if (own_memory || input_.look.on_host("/dev/shm") != FileKind::kDirectory) {
      add("/dev/shm", "tmpfs", "shm",
          {"nosuid", "noexec", "nodev", "mode=1777",
           fmt::format("size={}", options_.shm_size.value_or(kShmBytes))});
    } else {
      bind("/dev/shm", "/dev/shm");
      explain("/dev/shm: the host's, so that ranks of a node share it (--shm-size gives its own)");
    }
    if (options_.own_ipc)
      add("/dev/mqueue", "mqueue", "mqueue", {"nosuid", "noexec", "nodev"});
    else if (input_.look.on_host("/dev/mqueue") == FileKind::kDirectory)
      bind("/dev/mqueue", "/dev/mqueue");
  }

  /// The caller could not remove what another id left in the host's directory.
  bool of_another() const { return options_.sub_ids || options_.other_id; }
  bool own_scratch() const { return options_.isolate || options_.own_tmp || of_another(); }

  void scratch() {
    add("/run", "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=755", "size=64m"});
    for (const char* place : {"/tmp", "/var/tmp"}) {
      if (own_scratch() || input_.look.on_host(place) != FileKind::kDirectory)
        add(place, "tmpfs", "tmpfs", {"nosuid", "nodev", "mode=1777"});
      else
        bind(place, place);
    }
    explain(own_scratch() ? "/tmp, /var/tmp: fresh memory"
                          : "/tmp, /var/tmp: the host's, writable");
  }

  void home() {
    const std::string& home = input_.caller.account.home;
    if (!options_.home) return explain("home: not bound (--no-home)");
    const bool of_system =
        std::ranges::any_of(std::array{"/dev", "/run", "/proc", "/sys"},
                            [&](const char* place) { return is_below(home, place); });
    if (!home.starts_with('/') || home == "/" || of_system ||
        input_.look.on_host(home) != FileKind::kDirectory)
      return explain("home: not bound, the caller has none");
    const FileKind there = input_.look.in_image(home);
    if (there == FileKind::kFile || there == FileKind::kOther)
      return explain(fmt::format("home: not bound, {} is a file in the image", home));
    bind(home, home);
    explain(fmt::format("home: {} bound, writable (--no-home leaves it out)", home));
  }

  void directory() {
    const std::string& cwd = input_.caller.directory;
    if (cwd.empty() || cwd == "/") return;
    if (!options_.directory) return explain("working directory: not bound, as asked");
    if (covered(cwd)) {
      out_.directory_bound = !is_below(cwd, "/proc") && !is_below(cwd, "/sys");
      return;
    }
    const FileKind there = input_.look.in_image(cwd);
    const bool free = there == FileKind::kMissing ||
                      (there == FileKind::kDirectory && input_.look.is_empty_in_image(cwd));
    if (!free || is_below(cwd, "/dev") || is_below(cwd, "/run"))
      return explain(fmt::format("working directory: not bound, the image has its own {}", cwd));
    bind(cwd, cwd);
    out_.directory_bound = true;
    explain(fmt::format("working directory: {} bound, writable", cwd));
  }

  void host_files() {
    constexpr std::array<const char*, 2> kFiles = {"/etc/resolv.conf", "/etc/hosts"};
    if (!options_.isolate || options_.host_network)
      for (const char* file : kFiles)
        if (input_.look.on_host(file) == FileKind::kFile) bind(file, file, true);
    for (const auto& [target, source] : input_.generated) {
      clear(target);
      bind(source, target, true);
    }
  }

  Result<void> requested() {
    for (const MountRequest& mount : options_.mounts) {
      if (is_below(mount.target, "/proc") || is_below(mount.target, "/sys"))
        return fail(Code::kUsage, "nothing can be mounted on {}", mount.target);
      clear(mount.target);
      if (mount.kind == MountRequest::Kind::kTmpfs) {
        std::vector<std::string> options = {"nosuid", "nodev", "mode=1777"};
        if (mount.size) options.push_back(fmt::format("size={}", *mount.size));
        // The last mode counts.
        options.insert(options.end(), mount.flags.begin(), mount.flags.end());
        if (mount.read_only) options.emplace_back("ro");
        add(mount.target, "tmpfs", "tmpfs", std::move(options));
        continue;
      }
      if (input_.look.on_host(mount.source) == FileKind::kMissing)
        return fail(Code::kEnvironment, "{} does not exist, or is not accessible", mount.source);
      // crun applies the plain words to mounts that are read-only alone.
      std::vector<std::string> flags = mount.flags;
      for (std::string& flag : flags)
        if (input_.recursive_read_only && flag.starts_with("no")) flag.insert(0, "r");
      bind(mount.source, mount.target, mount.read_only, flags);
    }
    return {};
  }

  void brought_by_devices() {
    for (const cdi::Mount& mount : input_.devices) {
      clear(mount.container_path);
      // The option makes it a bind mount, whatever the type says.
      const bool binds = std::ranges::any_of(
          mount.options, [](std::string_view one) { return is_one_of(one, {"bind", "rbind"}); });
      add(mount.container_path, binds ? "bind" : mount.type, mount.host_path, mount.options);
    }
    if (!input_.devices.empty()) sort();
  }

  /// What of flense's own directories lies in something that is bound is covered: who writes to the
  /// root or the state of another container is in that container.
  void cover_own() {
    const std::vector<OciMount> bound = out_.mounts;
    for (const std::filesystem::path& place : input_.own)
      for (const OciMount& mount : bound) {
        const std::string source = mount.source.substr(0, mount.source.find_last_not_of('/') + 1);
        if (mount.type == "bind" && (source.empty() || is_below(place.string(), source)))
          add(mount.destination + place.string().substr(source.size()), "tmpfs", "tmpfs",
              {"nosuid", "nodev", "noexec", "ro", "mode=555", "size=4k"});
      }
  }

  /// Where one mount follows the host's, the others do not.
  void keep_to_themselves() {
    const auto follows = [](const OciMount& mount) {
      return std::ranges::find(mount.options, "rslave") != mount.options.end();
    };
    out_.follows_host = std::ranges::any_of(out_.mounts, follows);
    if (!out_.follows_host) return;
    for (OciMount& mount : out_.mounts)
      if (!follows(mount)) mount.options.emplace_back("rprivate");
  }

  const MountInput& input_;
  const RunOptions& options_;
  MountPlan out_;
};

}  // namespace

bool is_below(std::string_view path, std::string_view directory) {
  return path.starts_with(directory) &&
         (path.size() == directory.size() || directory == "/" || path[directory.size()] == '/');
}

Result<MountPlan> plan_mounts(const MountInput& input) {
  return Planner(input).plan();
}

}  // namespace flense::launch
