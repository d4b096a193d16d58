// srun and sbatch with pyxis, the SPANK plugin whose --container options start enroot containers.
#include <algorithm>
#include <charconv>

#include "lint/readers/launch_words.h"
#include "lint/readers/reader_values.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

constexpr std::size_t kMostDirectives = 1000;
constexpr OptionNames kSrun{
    "EHIkKlOQsuvVXZ",
    " --contiguous --disable-status --exact --exclusive --help --hold --immediate "
    "--kill-on-bad-exit "
    "--label --multi-prog --no-allocate --no-kill --overcommit --overlap --oversubscribe "
    "--preserve-env --propagate --pty --quiet --reboot --requeue --no-requeue --spread-job "
    "--test-only --treewidth --unbuffered --usage --use-min-nodes --verbose --version --whole "
    "--container-writable --container-readonly --container-mount-home --no-container-mount-home "
    "--container-remap-root --no-container-remap-root --container-entrypoint "
    "--no-container-entrypoint --parsable --wait-all-nodes --spread "};

/// "4", "h100:4", "gpu:h100:4": the count is the last part.
std::optional<std::uint64_t> count_of(std::string_view text) {
  text = text.substr(text.rfind(':') + 1);
  text = text.substr(0, text.find('('));
  std::uint64_t out = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  if (read.ec != std::errc() || read.ptr != text.data() + text.size()) return std::nullopt;
  return out;
}

void ask_gres(Workload& workload, std::string_view text, Span span) {
  GpuAsk out;
  out.count = count_of(text).value_or(1);
  if (text.contains('$')) out.count = std::nullopt;
  out.span = span;
  workload.gpus.push_back(std::move(out));
}

void take_slurm(Workload& workload, const LaunchOption& option) {
  const std::string& name = option.name;
  const Word& value = option.value;
  if (name == "--container-writable") {
    workload.writable_root = true;
  } else if (name == "--container-readonly") {
    workload.writable_root = false;
  } else if (name == "--container-mount-home") {
    WorkloadMount mount;
    mount.source = mount.target = "$HOME";
    mount.span = value.span;
    workload.mounts.push_back(std::move(mount));
  } else if (!option.has_value) {
    return;
  } else if (name == "--container-image") {
    workload.image = value;
    std::string image = value.text;
    if (image.starts_with("docker://")) image.erase(0, 9);
    // enroot's notation for the registry: nvcr.io#nvidia/pytorch:25.01-py3
    if (const std::size_t hash = image.find('#'); hash != image.npos) image[hash] = '/';
    const bool file = image.starts_with('/') || image.starts_with('.') || image.contains('$') ||
                      image.ends_with(".sqsh");
    if (!file) workload.image_name = parse_image_name(image);
  } else if (name == "--container-mounts") {
    for (const Word& part : split_commas(value)) {
      WorkloadMount mount = short_mount(part.text, part.span);
      mount.kind = MountKind::kBind;
      if (mount.source.empty()) mount.source = mount.target;
      workload.mounts.push_back(std::move(mount));
    }
  } else if (name == "--container-env") {
    for (const Word& part : split_commas(value))
      workload.variables.push_back({part.text, std::nullopt, part.span});
  } else if (name == "--container-name") {
    workload.name = value.text;
  } else if (name == "--gpus" || name == "-G" || name == "--gpus-per-node" ||
             name == "--gpus-per-task") {
    ask_gres(workload, value.text, value.span);
  } else if (name == "--gres") {
    for (const Word& part : split_commas(value))
      if (part.text == "gpu" || part.text.starts_with("gpu:"))
        ask_gres(workload, part.text, part.span);
  }
}

Workload prepared(Workload base) {
  base.kind = WorkloadKind::kSrun;
  // enroot's root is writable by default only if the administrator says so; the container uses the
  // host's /dev/shm.
  base.writable_root = false;
  base.host_ipc = true;
  return base;
}

}  // namespace

std::size_t read_srun(const std::vector<LaunchWord>& words, std::size_t at, Workload base,
                      std::vector<Workload>& out) {
  Workload workload = prepared(std::move(base));
  LaunchOptions options(words, at + 1, kSrun);
  while (const auto option = options.next()) take_slurm(workload, *option);
  workload.unknown_options = options.met_unknown();
  if (!workload.image.text.empty() || !workload.name.empty()) {
    workload.arguments = words_from(words, options.at());
    out.push_back(std::move(workload));
  }
  return options.at();
}

BatchOptions read_batch_options(const SourceText& source, const Environment& environment) {
  BatchOptions out;
  Workload base;
  base.path = source.path();
  out.workload = prepared(std::move(base));
  std::size_t directives = 0;
  for (std::size_t number = 1; number <= source.line_count(); ++number) {
    const std::string_view line = source.line(number);
    constexpr std::string_view kDirective = "#SBATCH";
    if (line.empty() || (line.starts_with('#') && !line.starts_with(kDirective))) continue;
    // sbatch stops at the first line that is not a comment.
    if (!line.starts_with(kDirective)) break;
    if (++directives > kMostDirectives) break;
    const Span span = source.line_span(number);
    const ShellText read = split_shell(source.text(), {span.begin + kDirective.size(), span.end});
    for (const ShellCommand& command : read.commands) {
      const std::vector<LaunchWord> words = launch_words(command, environment);
      LaunchOptions options(words, 0, kSrun);
      while (const auto option = options.next()) {
        if (option->name == "--container-image") out.workload.span = command.span;
        take_slurm(out.workload, *option);
      }
    }
  }
  return out;
}

}  // namespace flense::lint
