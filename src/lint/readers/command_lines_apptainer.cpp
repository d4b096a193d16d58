// apptainer and singularity: exec, run, shell, and instances.
#include <algorithm>

#include "lint/readers/launch_words.h"
#include "lint/readers/reader_values.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr OptionNames kApptainerOptions{"dhqsv",
                                        " --debug --nocolor --quiet --silent --verbose --help "};
constexpr OptionNames kApptainerRunOptions{
    "cCefinpuw",
    " --allow-setuid --boot --cleanenv --compat --contain --containall --disable-cache "
    "--docker-login --drop-caps-all --fakeroot --help --ignore-fakeroot-command --ignore-subuid "
    "--ignore-userns --ipc --keep-privs --net --no-compat --no-eval --no-home --no-https --no-init "
    "--no-pid --no-privs --no-setgroups --no-tmp-sandbox --no-umask --nohttps --nv --nvccli --oci "
    "--passphrase --pid --rocm --sharens --sif-fuse --underlay --unsquash --userns --uts "
    "--writable --writable-tmpfs "};

/// Of --bind: SOURCE[:TARGET[:OPTIONS]]; the target is the source where none is written.
WorkloadMount bind_of(const Word& word) {
  WorkloadMount out = short_mount(word.text, word.span);
  out.kind = MountKind::kBind;
  if (out.source.empty()) out.source = out.target;
  return out;
}

void ask_vendor(Workload& workload, std::string_view vendor, Span span) {
  GpuAsk out;
  out.vendor = vendor;
  out.all = true;
  out.span = span;
  workload.gpus.push_back(std::move(out));
}

struct Habits {
  bool home = true, temporary = true;
};

void take(Workload& workload, const LaunchOption& option, Habits& habits) {
  const std::string& name = option.name;
  const Word& value = option.value;
  if (name == "--nv" || name == "--nvccli") {
    if (workload.gpus.empty()) ask_vendor(workload, "nvidia", value.span);
  } else if (name == "--rocm") {
    ask_vendor(workload, "amd", value.span);
  } else if (name == "-w" || name == "--writable" || name == "--writable-tmpfs") {
    workload.writable_root = true;
  } else if (name == "-c" || name == "--contain" || name == "-C" || name == "--containall") {
    habits = {false, false};
  } else if (name == "--no-home") {
    habits.home = false;
  } else if (!option.has_value) {
    return;
  } else if (name == "-B" || name == "--bind") {
    for (const Word& part : split_commas(value)) workload.mounts.push_back(bind_of(part));
  } else if (name == "--mount") {
    workload.mounts.push_back(mount_of(value));
  } else if (name == "-H" || name == "--home") {
    workload.mounts.push_back(bind_of(value));
  } else if (name == "--env") {
    for (const Word& part : split_commas(value)) workload.variables.push_back(variable_of(part));
  } else if (name == "--memory") {
    workload.memory_limit = docker_bytes(value.text);
  }
}

void add_habit(Workload& workload, std::string_view path) {
  WorkloadMount mount;
  mount.source = mount.target = path;
  workload.mounts.push_back(std::move(mount));
}

}  // namespace

void read_apptainer_command(const std::vector<LaunchWord>& words, std::size_t at, Workload base,
                            std::vector<Workload>& out) {
  base.kind = WorkloadKind::kApptainer;
  base.writable_root = false;
  // The container uses the host's memory, including /dev/shm.
  base.host_ipc = true;
  LaunchOptions global(words, at + 1, kApptainerOptions);
  while (global.next()) {
  }
  std::size_t verb = global.at();
  if (verb >= words.size()) return;
  const bool instance = words[verb].word.text == "instance";
  if (instance) ++verb;
  if (verb >= words.size()) return;
  const std::string& name = words[verb].word.text;
  if (instance ? name != "start" && name != "run"
               : name != "exec" && name != "run" && name != "shell")
    return;
  LaunchOptions options(words, verb + 1, kApptainerRunOptions);
  Habits habits;
  while (const auto option = options.next()) take(base, *option, habits);
  if (options.at() >= words.size()) return;
  if (habits.temporary) {
    add_habit(base, "/tmp");
    add_habit(base, "$PWD");
  }
  if (habits.home) add_habit(base, "$HOME");
  base.unknown_options = options.met_unknown();
  const Word& image = words[options.at()].word;
  base.image = image;
  constexpr std::string_view kDocker = "docker://";
  if (image.text.starts_with(kDocker) && !image.text.contains('$'))
    base.image_name = parse_image_name(std::string_view(image.text).substr(kDocker.size()));
  std::size_t rest = options.at() + 1;
  if (instance && rest < words.size()) base.name = words[rest++].word.text;
  base.arguments = words_from(words, rest);
  out.push_back(std::move(base));
}

void read_apptainer_names(const std::vector<LaunchWord>& words, std::size_t at, CommandNames& out) {
  const bool fetches = std::any_of(
      words.begin() + static_cast<std::ptrdiff_t>(at), words.end(),
      [](const LaunchWord& one) { return one.word.text == "pull" || one.word.text == "build"; });
  constexpr std::string_view kDocker = "docker://";
  const auto sandbox = std::find_if(
      words.begin() + static_cast<std::ptrdiff_t>(at), words.end(),
      [](const LaunchWord& one) { return one.word.text == "--sandbox" || one.word.text == "-s"; });
  // The first word behind it that is no option.
  if (fetches && sandbox != words.end())
    if (const auto directory =
            std::find_if(sandbox + 1, words.end(),
                         [](const LaunchWord& one) { return !one.word.text.starts_with('-'); });
        directory != words.end())
      out.sandboxes.push_back(directory->word);
  for (; fetches && at < words.size(); ++at) {
    const Word& word = words[at].word;
    if (word.text.starts_with(kDocker))
      add_named_image(out, {word.text.substr(kDocker.size()), word.span});
  }
}

}  // namespace flense::lint
