#include "cli/run_options.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <filesystem>

namespace flense::cli {

namespace {

constexpr std::array<std::string_view, 2> kNetworks = {"host", "none"};
constexpr std::array<std::string_view, 2> kUserNamespaces = {"host", "auto"};

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

Result<double> parse_cpus(const std::string& text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  constexpr double kMost = 100'000;
  if (error != std::errc() || end != text.data() + text.size() || !(value >= 0.01) || value > kMost)
    return fail(Code::kUsage, "--cpus {} is not a number of processors", text);
  return value;
}

/// As docker writes them: 64m, 2g are binary units.
Result<std::uint64_t> parse_memory(const std::string& word, std::string_view option) {
  std::string text = word;
  if (!text.empty() && std::string_view("kmg").find(text.back()) != std::string_view::npos) {
    text.back() = static_cast<char>(text.back() - 'a' + 'A');
    text += "iB";
  }
  return parse_size_of(text, option);
}

/// Whether calls are filtered, by what docker and podman write. What they switch off by the others
/// is off, or cannot be on.
Result<bool> parse_security(const std::vector<std::string>& given) {
  static constexpr std::array<std::string_view, 5> kAccepted = {
      "no-new-privileges", "no-new-privileges:true", "no-new-privileges=true", "label=disable",
      "apparmor=unconfined"};
  bool filter = true;
  for (const std::string& value : given) {
    if (value == "seccomp=unconfined" || value == "seccomp:unconfined")
      filter = false;
    else if (std::ranges::find(kAccepted, value) == kAccepted.end())
      return fail(Code::kUsage, "--security-opt {} is not known", value)
          .hint("seccomp=unconfined allows all system calls; no-new-privileges always holds");
  }
  return filter;
}

/// The options that one letter of docker's, podman's or apptainer's users stands for.
void declare_container(Options& options, RunRequest& request) {
  launch::RunOptions& run = request.options;
  options
      .add("--volume", "SRC:DST", "bind SRC of the host at DST; :ro for read-only", request.volumes,
           volume_here)
      .letter("-v");
  options.add("--bind", "SRC:DST", "the same, as apptainer calls it", request.binds, volume_here)
      .letter("-B");
  options.add("--mount", "SPEC", "type=bind,src=…,dst=…[,ro] or type=tmpfs,dst=…[,size=…]",
              request.mounts, mount_here);
  add_env(options, request.env);
  options.add("--env-file", "FILE", "the same, a line each", request.env.files).file();
  options.add("--workdir", "DIR", "working directory (default: the image's)", run.workdir)
      .letter("-w");
  options.add("--user", "USER", "the id you have in the container: uid[:gid] or a name", run.user)
      .letter("-u");
  options.add("--entrypoint", "PROGRAM", "instead of the image's entry point", run.entrypoint);
  options.accept("--interactive", "accepted: standard input is always connected").letter("-i");
  options.flag("--tty", "give the command a terminal of its own", run.tty).letter("-t");
  options.accept("--rm", "accepted: nothing remains of a container");
  options.add("--name", "NAME", "for flense exec and flense shell", run.name, launch::check_name);
  options.add("--shm-size", "SIZE", "a /dev/shm of its own (default: the host's)", run.shm_size,
              parse_memory);
  options
      .add("--memory", "SIZE", "limit, where control groups are delegated", run.memory,
           parse_memory)
      .letter("-m");
  options.add("--cpus", "N", "limit, where control groups are delegated", run.cpus, parse_cpus);
  options.flag("--writable", "let the command change the image, in memory", run.writable);
  options.add("--overlay", "DIR", "the same, changes are kept in DIR", run.overlay).directory();
  options.flag("--mount-image", "as root: have the kernel mount a squashfs or SIF, unpack nothing",
               request.mount_image);
}

void declare_isolation(Options& options, RunRequest& request) {
  launch::RunOptions& run = request.options;
  options.flag("--isolate",
               "own process, ipc, host name and network namespaces, nothing of the host bound",
               run.isolate);
  options
      .add("--network", "KIND", "host (default) or none", request.host_network,
           [](const std::string& word) { return Result<bool>(word == "host"); })
      .one_of(kNetworks);
  options.flag("--no-home", "do not bind the home directory", request.no_home);
  options.flag("--fake-root", "be uid 0 in the container; chown and the like pretend",
               run.fake_root);
  options.flag("--die-with-parent",
               "all of the container ends with flense, and flense with what started it",
               run.die_with_parent);
  options
      .add("--userns", "KIND",
           "host (default), or auto: as root, an id of the host that nobody has", run.other_id,
           [](const std::string& word) { return Result<bool>(word == "auto"); })
      .one_of(kUserNamespaces);
  options.add("--security-opt", "WORD",
              "seccomp=unconfined: no filter of system calls, as profilers need", run.filter,
              parse_security);
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
  const std::array<std::pair<bool, std::string_view>, 8> given = {{
      {run.sub_ids, "--sub-ids"},
      {!run.name.empty(), "--name"},
      {request.bundle.has_value(), "--bundle"},
      {request.mount_image, "--mount-image"},
      {run.overlay.has_value(), "--overlay"},
      {run.memory.has_value(), "--memory"},
      {run.cpus.has_value(), "--cpus"},
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
  return {};
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
  options.flag("--no-preflight", "start without asking whether the image runs here",
               request.no_preflight);
  options.flag("--explain", "say every decision on standard error", request.explain);
  add_data(options, request);
  declare(options, request.places);
  declare(options, request.image);
}

Result<launch::RunOptions> run_options(const RunRequest& request, const Io& io) {
  TRY_DO(check_together(request));
  launch::RunOptions out = request.options;
  out.command.assign(request.words.begin() + 1, request.words.end());
  for (const auto* mounts : {&request.volumes, &request.binds, &request.mounts})
    out.mounts.insert(out.mounts.end(), mounts->begin(), mounts->end());
  TRY(out.env, read_variables(request.env, io));
  out.home = !request.no_home;
  out.host_network = request.host_network.value_or(!out.isolate);
  out.writable = out.writable || out.overlay.has_value();
  return out;
}

}  // namespace flense::cli
