#include <algorithm>
#include <array>

#include "lint/readers/launch_words.h"
#include "lint/readers/readers.h"
#include "lint/shell/variables.h"
#include "lint/source/blanks.h"

namespace flense::lint {
namespace {

enum class Starter { kNone, kDocker, kApptainer, kSrun };

Starter starter_of(std::string_view word) {
  word.remove_prefix(word.rfind('/') + 1);
  if (is_one_of(word, {"docker", "nvidia-docker", "nerdctl", "podman"})) return Starter::kDocker;
  if (word == "apptainer" || word == "singularity") return Starter::kApptainer;
  if (word == "srun") return Starter::kSrun;
  return Starter::kNone;
}

/// Programs that run the command that follows their own options.
bool is_launcher(std::string_view program) {
  constexpr std::array<std::string_view, 12> kLaunchers = {
      "mpirun", "mpiexec", "nohup",  "timeout", "numactl", "stdbuf",
      "srun",   "xargs",   "ionice", "setsid",  "taskset", "watch"};
  return std::ranges::find(kLaunchers, program) != kLaunchers.end();
}

/// nvidia-docker is docker run with NVIDIA's runtime and the devices that NV_GPU lists.
void add_wrapped_gpus(Workload& base, const Word& program, const ShellCommand& command,
                      const Environment& environment) {
  if (file_name(program.text) != "nvidia-docker") return;
  base.runtime = Word{"nvidia", program.span};
  GpuAsk ask;
  ask.vendor = "nvidia";
  ask.span = program.span;
  const auto own =
      std::ranges::find(command.assignments, std::string_view("NV_GPU"), &ShellAssignment::name);
  const auto outer = environment.find("NV_GPU");
  const bool listed = own != command.assignments.end() || outer != environment.end();
  ask.all = !listed;
  const std::optional<std::string> list = own != command.assignments.end()
                                              ? expand(own->value.text, environment)
                                          : listed ? outer->second
                                                   : std::nullopt;
  for (const std::string_view device : parts_of(list.value_or(""), ", "))
    ask.devices.emplace_back(device);
  base.gpus.push_back(std::move(ask));
}

bool installs_packages(std::string_view program) {
  return program.starts_with("pip") || program.starts_with("python") || program == "uv" ||
         program == "conda" || program == "mamba" || program == "micromamba";
}

class Lines {
 public:
  Lines(const std::string& path, Environment environment)
      : path_(path), environment_(std::move(environment)), variables_(environment_) {}

  void take(const ShellCommand& command) {
    const Program program = program_of(command);
    if (!command.redirections.empty() && installs_packages(program.name))
      names_.redirected_installs.push_back(command);
    if (starter_of(program.name) != Starter::kNone || is_launcher(program.name))
      start(command, program);
    variables_.take(command);
  }

  std::vector<Workload> workloads() { return std::move(out_); }
  CommandNames names() { return std::move(names_); }

 private:
  void start(const ShellCommand& command, const Program& program) {
    const std::vector<LaunchWord> words = launch_words(command, variables_.values());
    Workload base;
    base.path = path_;
    base.span = command.span;
    std::size_t at = std::min(program.first, words.size());
    while (at < words.size()) {
      switch (starter_of(words[at].word.text)) {
        case Starter::kDocker:
          read_docker_names(words, at, base, names_);
          add_wrapped_gpus(base, words[at].word, command, variables_.values());
          return read_docker(words, at, std::move(base), out_);
        case Starter::kApptainer:
          read_apptainer_names(words, at, names_);
          return read_apptainer_command(words, at, std::move(base), out_);
        case Starter::kSrun: {
          const std::size_t before = out_.size();
          at = read_srun(words, at, base, out_);
          if (out_.size() != before) return;
          if (at < words.size() && starter_of(words[at].word.text) != Starter::kNone) continue;
          break;
        }
        case Starter::kNone:
          break;
      }
      // After the launcher's own options.
      do ++at;
      while (at < words.size() && starter_of(words[at].word.text) == Starter::kNone);
    }
  }

  const std::string& path_;
  Environment environment_;
  ShellVariables variables_;
  std::vector<Workload> out_;
  CommandNames names_;
};

}  // namespace

std::vector<Workload> launched_by(const std::vector<ShellCommand>& commands,
                                  const std::string& path, Environment environment) {
  Lines lines(path, std::move(environment));
  for (const ShellCommand& command : commands) lines.take(command);
  return lines.workloads();
}

void read_commands(const std::vector<ShellCommand>& commands, const std::string& path,
                   FileContent& out) {
  Lines lines(path, {});
  for (const ShellCommand& command : commands) lines.take(command);
  CommandNames names = lines.names();
  const auto append = [](auto& to, auto&& from) {
    to.insert(to.end(), std::make_move_iterator(from.begin()), std::make_move_iterator(from.end()));
  };
  append(out.workloads, lines.workloads());
  append(out.names.images, std::move(names.images));
  append(out.names.builds, std::move(names.builds));
  append(out.names.sandboxes, std::move(names.sandboxes));
  append(out.names.redirected_installs, std::move(names.redirected_installs));
}

FileContent read_shell(const SourceText& source) {
  const std::string_view text = source.text();
  FileContent out;
  read_commands(split_shell(text, {0, text.size()}).commands, source.path(), out);
  const BatchOptions batch = read_batch_options(source, {});
  for (Workload& workload : out.workloads)
    if (workload.kind == WorkloadKind::kSrun && workload.gpus.empty())
      workload.gpus = batch.workload.gpus;
  if (!batch.workload.image.text.empty()) out.workloads.push_back(batch.workload);
  return out;
}

}  // namespace flense::lint
