// docker run, podman run, nerdctl run, and create.
#include "lint/readers/launch_words.h"
#include "lint/readers/reader_values.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr OptionNames kDockerOptions{"Dv",
                                     " --debug --tls --tlsverify --version --remote --syslog "
                                     "--experimental --insecure-registry "};
constexpr OptionNames kDockerRunOptions{
    "ditPq",
    " --detach --disable-content-trust --env-host --help --http-proxy --init --interactive "
    "--no-healthcheck --no-hosts --no-hostname --oom-kill-disable --passwd --privileged "
    "--publish-all --quiet --read-only --read-only-tmpfs --replace --rm --rmi --rootfs --sig-proxy "
    "--tls-verify --tty --unsetenv-all --use-api-socket "};

bool switched_on(const LaunchOption& option) {
  return !option.has_value || option.value.text == "true" || option.value.text == "1";
}

void take_docker(Workload& workload, const LaunchOption& option) {
  const std::string& name = option.name;
  const Word& value = option.value;
  if (name == "--privileged") {
    if (switched_on(option)) workload.privileged = Word{name, value.span};
  } else if (name == "--read-only") {
    workload.writable_root = !switched_on(option);
  } else if (!option.has_value) {
    return;
  } else if (name == "-v" || name == "--volume") {
    workload.mounts.push_back(short_mount(value.text, value.span));
  } else if (name == "--mount") {
    workload.mounts.push_back(mount_of(value));
  } else if (name == "--tmpfs") {
    WorkloadMount mount;
    mount.kind = MountKind::kTmpfs;
    mount.target = value.text.substr(0, value.text.find(':'));
    mount.span = value.span;
    if (const std::size_t size = value.text.find("size="); size != value.text.npos)
      mount.bytes = docker_bytes(
          std::string_view(value.text).substr(size + 5, value.text.find(',', size) - size - 5));
    workload.mounts.push_back(std::move(mount));
  } else if (name == "--gpus") {
    add_gpus(workload, value);
  } else if (name == "--device") {
    add_device(workload, value);
  } else if (name == "--ipc") {
    workload.host_ipc = value.text == "host";
  } else if (name == "--shm-size") {
    workload.shm_bytes = docker_bytes(value.text);
  } else if (name == "-e" || name == "--env") {
    workload.variables.push_back(variable_of(value));
  } else if (name == "--runtime") {
    workload.runtime = value;
  } else if (name == "--group-add") {
    workload.groups.push_back(value);
  } else if (name == "-m" || name == "--memory") {
    workload.memory_limit = docker_bytes(value.text);
  } else if (name == "--name") {
    workload.name = value.text;
  } else if (name == "--entrypoint") {
    workload.command.assign(1, value);
  }
}

}  // namespace

void read_docker(const std::vector<LaunchWord>& words, std::size_t at, Workload base,
                 std::vector<Workload>& out) {
  base.kind =
      words[at].word.text.ends_with("podman") ? WorkloadKind::kPodman : WorkloadKind::kDocker;
  LaunchOptions global(words, at + 1, kDockerOptions);
  while (global.next()) {
  }
  std::size_t verb = global.at();
  if (verb < words.size() && words[verb].word.text == "container") ++verb;
  if (verb >= words.size()) return;
  const std::string& name = words[verb].word.text;
  if (name != "run" && name != "create") return;
  LaunchOptions options(words, verb + 1, kDockerRunOptions);
  while (const auto option = options.next()) take_docker(base, *option);
  if (options.at() >= words.size()) return;
  set_image(base, words[options.at()].word);
  base.arguments = words_from(words, options.at() + 1);
  out.push_back(std::move(base));
}

}  // namespace flense::lint
