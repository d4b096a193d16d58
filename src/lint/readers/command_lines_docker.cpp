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

constexpr OptionNames kDockerBuildOptions{
    "qDa",
    " --all-tags --check --compress --debug --disable-content-trust --force-rm --load --no-cache "
    "--pull --push --quiet --rm --squash --squash-all --tls-verify "};

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
    // Also that of another container.
    workload.host_ipc = !is_one_of(value.text, {"private", "shareable", "none"});
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
  } else if (name == "--memory-swap") {
    if (const auto bytes = docker_bytes(value.text)) workload.swap_limit = {*bytes, value.span};
  } else if (name == "--name") {
    workload.name = value.text;
  } else if (name == "--entrypoint") {
    workload.command.assign(1, value);
  }
}

}  // namespace

namespace {

/// A long option of docker run with one dash; its first letter is no option, or one that takes the
/// rest for its value.
bool has_one_dash(std::string_view word) {
  return word.starts_with('-') && is_one_of(word.substr(1, word.find('=') - 1),
                                            {"gpus", "shm-size", "rm", "runtime", "ipc", "restart",
                                             "name", "network", "net", "privileged"});
}

}  // namespace

void read_docker(const std::vector<LaunchWord>& words, std::size_t at, Workload base,
                 std::vector<Workload>& out) {
  base.kind =
      words[at].word.text.ends_with("podman") ? WorkloadKind::kPodman : WorkloadKind::kDocker;
  LaunchOptions global(words, at + 1, kDockerOptions);
  while (const auto option = global.next())
    if (option->name == "--gpus") base.early_gpus = Word{option->name, option->value.span};
  std::size_t verb = global.at();
  if (verb < words.size() && words[verb].word.text == "container") ++verb;
  if (verb >= words.size()) return;
  const std::string& name = words[verb].word.text;
  if (name != "run" && name != "create") return;
  LaunchOptions options(words, verb + 1, kDockerRunOptions);
  while (const auto option = options.next()) take_docker(base, *option);
  if (options.at() >= words.size()) return;
  for (std::size_t one = verb + 1; one <= options.at() && !base.one_dash; ++one)
    if (has_one_dash(words[one].word.text)) base.one_dash = words[one].word;
  base.unknown_options = options.met_unknown();
  set_image(base, words[options.at()].word);
  base.arguments = words_from(words, options.at() + 1);
  out.push_back(std::move(base));
}

void add_named_image(CommandNames& out, const Word& word) {
  if (word.text.find('$') != word.text.npos) return;
  if (auto name = parse_image_name(word.text)) out.images.push_back({word, std::move(*name)});
}

void read_docker_names(const std::vector<LaunchWord>& words, std::size_t at, const Workload& base,
                       CommandNames& out) {
  LaunchOptions global(words, at + 1, kDockerOptions);
  while (global.next()) {
  }
  std::size_t verb = global.at();
  if (verb < words.size() && is_one_of(words[verb].word.text, {"image", "buildx", "builder"}))
    ++verb;
  if (verb >= words.size()) return;
  const bool build = words[verb].word.text == "build";
  if (!build && words[verb].word.text != "pull") return;
  BuildTarget target;
  target.path = base.path;
  target.span = base.span;
  std::size_t next = verb + 1;
  while (next < words.size()) {
    LaunchOptions options(words, next, kDockerBuildOptions);
    while (const auto option = options.next()) {
      const std::size_t equals = option->value.text.find('=');
      if (option->name == "-f" || option->name == "--file") target.dockerfile = option->value;
      if (option->name == "-t" || option->name == "--tag") target.tags.push_back(option->value);
      if (option->name == "--target") target.stage = option->value;
      if (option->name == "--build-arg" && equals != std::string::npos)
        target.args.emplace_back(Word{option->value.text.substr(0, equals), option->value.span},
                                 Word{option->value.text.substr(equals + 1), option->value.span});
    }
    // The context, or the image, may stand among the options.
    next = options.at() + 1;
    if (options.at() >= words.size()) break;
    if (!build) return add_named_image(out, words[options.at()].word);
    target.context = words[options.at()].word;
  }
  if (build && !(target.args.empty() && target.tags.empty()))
    out.builds.push_back(std::move(target));
}

}  // namespace flense::lint
