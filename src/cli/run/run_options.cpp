#include "cli/run/run_options.h"

#include <algorithm>
#include <array>
#include <filesystem>

#include "base/ascii.h"
#include "base/file.h"
#include "cli/shared/variants.h"

namespace flense::cli {

namespace {

constexpr std::array<std::string_view, 2> kNetworks = {"host", "none"};
constexpr std::array<std::string_view, 4> kUserNamespaces = {"host", "auto", "keep-id", "private"};
constexpr std::array<std::string_view, 2> kNamespaces = {"host", "private"};
constexpr std::array<std::string_view, 3> kIpcNamespaces = {"host", "private", "shareable"};

std::string current_directory() {
  std::error_code error;
  const std::filesystem::path out = std::filesystem::current_path(error);
  return error ? "/" : out.string();
}

Result<launch::MountRequest> volume_here(const std::string& text) {
  return launch::parse_volume(text, current_directory());
}

Result<launch::MountRequest> mount_here(const std::string& text) {
  return launch::parse_mount(text, current_directory());
}

Result<std::vector<launch::MountRequest>> binds_here(const std::string& text) {
  return launch::parse_binds(text, current_directory());
}

Result<launch::MountRequest> home_here(const std::string& text) {
  return launch::parse_home(text, current_directory());
}

Result<bool> is_private(const std::string& word) {
  return word != "host";
}

/// The options that one letter of docker's, podman's or apptainer's users stands for.
void declare_container(Options& options, RunRequest& request) {
  launch::RunOptions& run = request.options;
  options
      .add("--volume", "SRC:DST", "bind SRC of the host at DST; :ro for read-only", request.volumes,
           volume_here)
      .letter("-v");
  options
      .add("--bind", "SRC:DST", "the same, as apptainer calls it: several with commas",
           request.binds, binds_here)
      .letter("-B");
  options.add("--mount", "SPEC", "type=bind,src=…,dst=…[,ro] or type=tmpfs,dst=…[,size=…]",
              request.mounts, mount_here);
  add_env(options, request.env);
  options.add("--env-file", "FILE", "the same, a line each", request.env.files).file();
  options.add("--tmpfs", "DIR", "fresh memory at DIR; DIR:size=64m,mode=700,ro,noexec",
              request.tmpfs, [](const std::string& word) { return launch::parse_tmpfs(word); });
  options
      .add("--scratch", "DIR", "fresh memory at DIR; several with commas", request.scratch,
           [](const std::string& word) { return launch::parse_scratch(word); })
      .letter("-S");
  options
      .add("--workdir", "DIR", "working directory (default: the image's)", run.workdir,
           parse_absolute)
      .letter("-w")
      .also_means("-w is the working directory, as in docker; apptainer's -w is --writable");
  options.add("--user", "USER", "the id you have in the container: uid[:gid] or a name", run.user)
      .letter("-u")
      .also_means("-u is the user, as in docker; apptainer's -u is the default");
  options.add("--group-add", "GROUP", "a group that you have; root may add others", run.groups);
  options
      .add("--entrypoint", "PROGRAM", "instead of the image's entry point; \"\" for none",
           run.entrypoint)
      .maybe_empty();
  options.flag("--init", "with a PID namespace: a first process that reaps and passes signals on",
               run.init);
  options.accept("--interactive", "accepted: standard input is always connected").letter("-i");
  options.flag("--tty", "give the command a terminal of its own", run.tty).letter("-t");
  options.accept("--rm", "accepted: nothing remains of a container");
  options.add("--name", "NAME", "for flense exec and flense shell", run.name, launch::check_name);
  options.add("--cidfile", "FILE", "write the container's name to a new FILE", request.cidfile)
      .file();
  options.add("--label", "NAME=VALUE", "note it with the container", run.labels, parse_pair)
      .letter("-l");
  options.add("--shm-size", "SIZE", "a /dev/shm of its own (default: the host's)", run.shm_size,
              parse_memory);
  options
      .add("--memory", "SIZE", "limit, where control groups are delegated", run.memory,
           parse_memory)
      .letter("-m");
  options.add("--cpus", "N", "limit, where control groups are delegated", run.cpus, parse_cpus);
  options.add("--pids-limit", "N", "limit, where control groups are delegated", run.processes,
              parse_processes);
  options.add("--cpuset-cpus", "LIST", "start the command on these processors", run.on_cpus,
              parse_cpu_list);
  options.add("--cpuset-mems", "LIST", "take memory of these NUMA nodes first", run.on_nodes,
              parse_cpu_list);
  options.add("--ulimit", "NAME=SOFT[:HARD]", "a limit, as far as your own goes", run.limits,
              [](const std::string& word) { return launch::parse_limit(word); });
  options.flag("--writable", "let the command change the image, in memory", run.writable);
  options.add("--overlay", "DIR", "the same, changes are kept in DIR", run.overlay)
      .letter("-o")
      .directory();
  options.flag("--mount-image", "as root: have the kernel mount a squashfs or SIF, unpack nothing",
               request.mount_image);
}

void declare_isolation(Options& options, RunRequest& request) {
  launch::RunOptions& run = request.options;
  options.flag("--isolate",
               "own process, ipc, host name and network namespaces, nothing of the host bound",
               run.isolate);
  options.flag("--contain", "fresh /tmp; neither home nor working directory", request.contain);
  options.flag("--containall", "--isolate with the host's network and name", request.containall)
      .letter("-C");
  options.flag("--compat", "--containall and --writable", request.compat);
  options
      .add("--network", "KIND", "host (default) or none", request.host_network,
           [](const std::string& word) { return Result<bool>(word == "host"); })
      .one_of(kNetworks)
      .also_means(
          "the network is the host's, with its ports; --network none or --isolate gives none");
  options.add("--pid", "KIND", "host (default) or private", request.own_processes, is_private)
      .one_of(kNamespaces)
      .also_means("apptainer's --pid is --pid private; flense exec enters another container");
  options.add("--ipc", "KIND", "host (default) or private", request.own_ipc, is_private)
      .one_of(kIpcNamespaces)
      .also_means("apptainer's --ipc is --ipc private; flense exec enters another container");
  options.add("--uts", "KIND", "host (default) or private", request.own_hostname, is_private)
      .one_of(kNamespaces)
      .also_means("apptainer's --uts is --uts private");
  options.add("--hostname", "NAME", "the container's own host name", run.hostname, parse_host_name)
      .letter("-h")
      .also_means("-h is the host name, as in docker; --help shows the options");
  options.add("--add-host", "NAME:IP", "a line of /etc/hosts", run.network.hosts,
              [](const std::string& word) { return launch::parse_added_host(word); });
  options.add("--dns", "IP", "a nameserver instead of the host's", run.network.nameservers,
              [](const std::string& word) { return launch::parse_nameserver(word); });
  options.add("--dns-search", "DOMAIN", "a search domain instead of the host's",
              run.network.search);
  options.add("--dns-option", "WORD", "an option of the resolver", run.network.resolver_options);
  options.add("--sysctl", "NAME=VALUE", "a setting of the container's own namespaces", run.sysctls,
              parse_pair);
  options.flag("--no-home", "do not bind the home directory", request.no_home);
  options
      .add("--home", "SRC[:DST]", "bind SRC as the home directory, instead of yours", request.home,
           home_here)
      .letter("-H");
  options.add("--no-mount", "NAMES", "leave out home, cwd, tmp", request.not_mounted,
              parse_not_mounted);
  options.flag("--fake-root", "be uid 0 in the container; chown and the like pretend",
               run.fake_root);
  options.flag("--die-with-parent",
               "all of the container ends with flense, and flense with what started it",
               run.die_with_parent);
  options
      .add("--userns", "KIND",
           "host (default), or auto: as root, an id of the host that nobody has", run.other_id,
           [](const std::string& word) { return Result<bool>(word == "auto"); })
      .one_of(kUserNamespaces)
      .also_means("apptainer's --userns is the default");
  options.add("--security-opt", "WORD",
              "seccomp=FILE, or seccomp=unconfined: no filter, as profilers need", request.security,
              parse_security);
  options.add("--cap-add", "NAME", "SYS_PTRACE, or of those that the mode has",
              run.added_capabilities);
  options.add("--cap-drop", "NAME", "ALL, or one that the mode has", run.dropped_capabilities);
  options.flag("--sub-ids", "be the image's user (or -u), with the ids of /etc/subuid",
               run.sub_ids);
}

void declare_devices(Options& options, launch::RunOptions& run) {
  options.add("--gpus", "GPUS", "all, 0,1, device=UUID, MIG instances, CDI names, a number, none",
              run.gpu.gpus);
  options.flag("--nv", "NVIDIA GPUs, if there are any", run.gpu.nvidia);
  options.flag("--rocm", "AMD GPUs, if there are any", run.gpu.rocm);
  options.add("--device", "NAME", "a CDI device or a node of /dev", run.gpu.devices);
  options.flag("--rdma", "the InfiniBand and RoCE cards beside the GPUs", run.rdma);
  options.flag("--bind-numa", "run on the processors and in the memory beside the GPUs",
               run.bind_numa);
  options
      .add("--cdi-spec-dir", "DIR", "CDI specifications (default: /etc/cdi, /var/run/cdi)",
           run.cdi_directories)
      .directory();
}

Failure do_not_go_together(std::string_view one, std::string_view other) {
  return fail(Code::kUsage, "{} and {} do not go together", one, other);
}

Result<void> check_other_id(const RunRequest& request) {
  const launch::RunOptions& run = request.options;
  const std::array<std::pair<bool, std::string_view>, 11> given = {{
      {run.sub_ids, "--sub-ids"},
      {!run.name.empty(), "--name"},
      {request.bundle.has_value(), "--bundle"},
      {request.mount_image, "--mount-image"},
      {run.overlay.has_value(), "--overlay"},
      {run.memory.has_value(), "--memory"},
      {run.cpus.has_value(), "--cpus"},
      {run.processes.has_value(), "--pids-limit"},
      {request.cidfile.has_value(), "--cidfile"},
      {!run.groups.empty(), "--group-add"},
      {request.trace.has_value(), "--trace"},
  }};
  for (const auto& [is_given, option] : given)
    if (is_given) return do_not_go_together("--userns auto", option);
  return {};
}

Result<void> check_together(const RunRequest& request) {
  const launch::RunOptions& run = request.options;
  if (run.fake_root && run.user) return do_not_go_together("--fake-root", "--user");
  if (run.other_id) TRY_DO(check_other_id(request));
  if (run.fake_root && run.sub_ids) return do_not_go_together("--fake-root", "--sub-ids");
  if (run.bind_numa && !launch::asks_for_devices(run.gpu))
    return fail(Code::kUsage, "--bind-numa binds to GPUs, and none was asked for")
        .hint("--gpus all, or --nv, --rocm, --device");
  if (run.die_with_parent && !run.name.empty())
    return fail(Code::kUsage,
                "--die-with-parent and --name do not go together: flense exec cannot join a "
                "container that may end at any time");
  if (request.trace && request.bundle)
    return fail(Code::kUsage, "--trace and --bundle do not go together: a bundle starts nothing");
  if (run.bind_numa && !(run.on_cpus.empty() && run.on_nodes.empty()))
    return do_not_go_together("--bind-numa", "--cpuset-cpus or --cpuset-mems");
  if (!run.hostname.empty() && request.own_hostname == false)
    return do_not_go_together("--hostname", "--uts host");
  if (request.cidfile && request.bundle) return do_not_go_together("--cidfile", "--bundle");
  return {};
}

/// What apptainer's words for more or less of the host come to.
void contain(const RunRequest& request, launch::RunOptions& out) {
  const bool all = request.containall || request.compat;
  const NotMounted& not_mounted = request.not_mounted;
  out.isolate = out.isolate || all;
  out.home = !request.no_home && !request.contain && !not_mounted.home && !request.home;
  out.directory = !request.contain && !not_mounted.directory;
  out.own_tmp = request.contain || not_mounted.tmp;
  out.writable = out.writable || out.overlay.has_value() || request.compat;
  out.host_network = request.host_network.value_or(all || !out.isolate);
  out.own_processes = request.own_processes.value_or(out.isolate);
  out.own_ipc = request.own_ipc.value_or(out.isolate);
  out.own_hostname = request.own_hostname.value_or((out.isolate && !all) || !out.hostname.empty());
}

bool is_name(std::string_view text) {
  return std::ranges::all_of(text, [](char c) { return is_alphanumeric(c) || c == '_'; });
}

}  // namespace

Option& add_env(Options& options, VariableOptions& env) {
  return options
      .add("--env", "NAME=VALUE", "set a variable; NAME alone takes it along", env.variables)
      .letter("-e");
}

Result<std::vector<std::string>> read_variables(const VariableOptions& env, const Io& io) {
  constexpr std::uint64_t kMaxEnvFile = 1u << 20;
  std::vector<std::string> out;
  for (const std::string& file : env.files) {
    TRY(const std::string text, read_file(file, kMaxEnvFile));
    TRY(const std::vector<std::string> items, launch::parse_env_file(text, file, io.environment));
    out.insert(out.end(), items.begin(), items.end());
  }
  for (const std::string& text : env.variables) {
    if (text.find('=') == text.npos && !is_name(text) && !io.environment(text))
      return usage_error(
          fmt::format("-e {} names no variable", text),
          "-e NAME=VALUE sets one, as in docker; apptainer's -e is --cleanenv, which "
          "is the default");
    TRY(auto item, launch::parse_variable(text, io.environment));
    if (item) out.push_back(std::move(*item));
  }
  return out;
}

void declare(Options& options, RunRequest& request) {
  declare_container(options, request);
  declare_isolation(options, request);
  declare_devices(options, request.options);
  options
      .add("--bundle", "DIR", "write the OCI bundle, print how it is started, and stop",
           request.bundle)
      .directory();
  options
      .add("--trace", "FILE", "write the image paths that the command meets, for slim --trace-file",
           request.trace)
      .file();
  options.accept("--print-defaults", "print the options in force, with those of ~/.flense.toml");
  options.flag("--no-preflight", "start without asking whether the image runs here",
               request.no_preflight);
  options.flag("--explain", "say every decision on standard error", request.explain);
  add_data(options, request);
  declare(options, request.places);
  declare_no_variant(options, request.image);
  declare(options, request.image);
  // Defaults of a site: what is bound, which GPUs and caches. What opens a container further is for
  // the command line.
  for (const char* name :
       {"--volume",       "--bind",     "--mount",   "--tmpfs",   "--env",     "--env-file",
        "--gpus",         "--nv",       "--rocm",    "--device",  "--rdma",    "--bind-numa",
        "--cdi-spec-dir", "--shm-size", "--ulimit",  "--isolate", "--no-home", "--network",
        "--data",         "--tmpdir",   "--platform"})
    std::ranges::find(options.all, name, &Option::name)->setting();
}

Result<launch::RunOptions> run_options(const RunRequest& request, const Io& io) {
  TRY_DO(check_together(request));
  launch::RunOptions out = request.options;
  out.command.assign(request.words.begin() + 1, request.words.end());
  const auto add = [&](const std::vector<launch::MountRequest>& mounts) {
    out.mounts.insert(out.mounts.end(), mounts.begin(), mounts.end());
  };
  if (request.home) add({*request.home});
  add(request.volumes);
  for (const auto& several : request.binds) add(several);
  add(request.mounts);
  add(request.tmpfs);
  for (const auto& several : request.scratch) add(several);
  if (request.home) out.env.push_back("HOME=" + request.home->target);
  TRY(const std::vector<std::string> env, read_variables(request.env, io));
  out.env.insert(out.env.end(), env.begin(), env.end());
  contain(request, out);
  for (const auto& [name, value] : out.sysctls) TRY_DO(launch::check_sysctl(out, name));
  if (out.processes == std::uint64_t{0}) out.processes.reset();
  out.filter = request.security.filter;
  if (!request.security.profile.empty()) {
    constexpr std::uint64_t kMaxProfile = 4u << 20;
    TRY(out.seccomp_profile, with_context(read_file(request.security.profile, kMaxProfile),
                                          "reading --security-opt seccomp"));
  }
  return out;
}

}  // namespace flense::cli
