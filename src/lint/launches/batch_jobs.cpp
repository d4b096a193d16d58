// What the jobs of Slurm's batch scripts do by themselves that Slurm, or one job for all, should:
// images that each job makes, GPUs that nobody asked Slurm for.
#include <algorithm>
#include <optional>

#include "base/ascii.h"
#include "base/format.h"
#include "base/numbers.h"
#include "lint/launches/batch_directives.h"
#include "lint/readers/readers.h"
#include "lint/rules/rules.h"
#include "lint/shell/command_words.h"
#include "lint/shell/reached.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// The place of `build` in `apptainer build`; its end where the command builds no image.
std::size_t build_in(const ShellCommand& command) {
  for (std::size_t at = 0; at + 1 < command.words.size(); ++at)
    if (is_one_of(file_name(command.words[at].text), {"apptainer", "singularity"}))
      return command.words[at + 1].text == "build" ? at + 1 : command.words.size();
  return command.words.size();
}

bool starts_container(const ShellCommand& command) {
  return std::ranges::any_of(command.words,
                             [](const ShellWord& word) {
                               return is_one_of(file_name(word.text), {"apptainer", "singularity"});
                             }) &&
         std::ranges::any_of(command.words, [](const ShellWord& word) {
           return is_one_of(word.text, {"exec", "run"});
         });
}

/// An image that the job builds before it runs it: each job, or each of its tasks, does so anew.
void image_per_job(const ProjectFile& file, const std::vector<ShellCommand>& commands,
                   const std::vector<BatchDirective>& directives, FindingSink& sink) {
  const std::vector<bool> reached = surely_reached(commands);
  std::size_t end = commands.size();  // behind the last start of a container
  while (end > 0 && !starts_container(commands[end - 1])) --end;
  for (std::size_t at = 0; at < end; ++at) {
    const ShellCommand& command = commands[at];
    const std::string program = program_of(command).name;
    const std::size_t verb = build_in(command);
    if (verb >= command.words.size() || !reached[at] ||
        !is_one_of(program, {"srun", "apptainer", "singularity"}))
      continue;
    const auto tasks = std::ranges::find_if(directives, [](const BatchDirective& one) {
      return is_one_of(one.name, {"--ntasks", "-n", "--ntasks-per-node"}) &&
             parse_number(one.value.text).value_or(1) > 1;
    });
    const bool each =
        program == "srun" && tasks != directives.end() &&
        std::none_of(command.words.begin(),
                     command.words.begin() + static_cast<std::ptrdiff_t>(verb),
                     [](const ShellWord& word) {
                       return starts_with_any(word.text, {"--ntasks", "-n", "-N", "--nodes"});
                     });
    Finding& found = sink.add(
        "batch-directive", file, command.words[verb].span,
        each ? fmt::format("srun has each of the {} tasks build the image, into the same file",
                           tasks->value.text)
             : std::string(
                   "the image is built anew in each job, on the time of its nodes, and two jobs "
                   "write the same file"));
    found.evidence = {each ? "srun(1): one copy of the program for each task"
                           : "the script builds the image under no condition, and then runs one"};
    found.fix =
        "build it once, on a login node or in a job of its own, and let this one only exec it";
    found.pedantic = !each;
    return;
  }
}

/// `apptainer exec docker://IMAGE`: each job fetches the layers, and makes a SIF file of them.
void image_converted(const ProjectFile& file, const std::vector<ShellCommand>& commands,
                     FindingSink& sink) {
  for (const ShellCommand& command : commands) {
    if (!starts_container(command)) continue;
    const auto image = std::ranges::find_if(
        command.words, [](const ShellWord& word) { return word.text.starts_with("docker://"); });
    if (image == command.words.end()) continue;
    Finding& found = sink.add("batch-directive", file, image->span,
                              "the job fetches this image and converts it, while its GPUs wait: "
                              "each job or task does, unless the node's cache has it");
    found.evidence = {"Apptainer documentation: images of registries are converted to SIF"};
    found.fix = "apptainer pull IMAGE.sif it once, on a login node, and exec that file";
    found.pedantic = true;
    return;
  }
}

/// What asks Slurm for GPUs, as an option of sbatch, salloc or srun.
bool asks_for_gpus(std::string_view option, std::string_view value) {
  return starts_with_any(option, {"--gpus", "-G", "--exclusive"}) ||
         (starts_with_any(option, {"--gres", "--tres-per-"}) &&
          (value.contains("gpu") || value.contains('$') || value == option)) ||
         (is_one_of(option, {"--constraint", "-C"}) && value.contains("gpu"));
}

/// --nv of `apptainer exec`; what stands behind the image is the program's. Null: there is none.
const ShellWord* gpu_option(const ShellCommand& command) {
  if (!starts_container(command)) return nullptr;
  const auto verb = std::ranges::find_if(
      command.words, [](const ShellWord& word) { return is_one_of(word.text, {"exec", "run"}); });
  for (auto at = static_cast<std::size_t>(verb - command.words.begin()) + 1;
       at < command.words.size() && command.words[at].text.starts_with('-'); ++at) {
    const ShellWord& word = command.words[at];
    if (is_one_of(word.text, {"--nv", "--nvccli", "--rocm"})) return &word;
    if (is_one_of(word.text,
                  {"-B", "--bind", "--env", "--env-file", "--mount", "--pwd", "--cwd", "-H",
                   "--home", "--overlay", "-o", "-W", "--workdir", "-S", "--scratch"}))
      ++at;
  }
  return nullptr;
}

/// A container that gets the host's GPUs in a job that was given none.
void no_gpu_asked(const Project& project, const ProjectFile& file,
                  const std::vector<ShellCommand>& commands,
                  const std::vector<BatchDirective>& directives, FindingSink& sink) {
  if (std::ranges::any_of(directives, [](const BatchDirective& one) {
        return asks_for_gpus(one.name, one.value.text);
      }))
    return;
  for (const std::string_view option : {"--gres", "--gpus", "-G"})
    if (batch_option_given(project, file, option)) return;
  const ShellWord* asks = nullptr;
  for (const ShellCommand& command : commands) {
    for (const ShellWord& word : command.words)
      if (asks_for_gpus(word.text.substr(0, word.text.find('=')), word.text)) return;
    if (asks == nullptr) asks = gpu_option(command);
  }
  if (asks == nullptr) return;
  Finding& found = sink.add("batch-directive", file, asks->span,
                            fmt::format("{} gives the container the GPUs of the job, and the job "
                                        "asks Slurm for none",
                                        asks->text));
  found.evidence = {
      "sbatch(1), --gres, --gpus: without them a job has no GPU, or those of others "
      "where the site does not confine devices"};
  found.fix = fmt::format("write {} --gres=gpu:1, or --gpus=1", kBatchMark);
  found.pedantic = true;  // a site may give whole nodes by the partition
}

/// The value of NAME=VALUE in front of a command, alone, or behind export; null: there is none.
std::optional<Word> set_by(const ShellCommand& command, std::string_view name) {
  for (const ShellAssignment& set : command.assignments)
    if (set.name == name) return Word{set.value.text, set.value.span};
  if (program_of(command).name == "export")
    for (const ShellWord& word : command.words)
      if (const std::size_t equals = word.text.find('=');
          equals != std::string::npos && word.text.substr(0, equals) == name)
        return Word{word.text.substr(equals + 1), word.span};
  return std::nullopt;
}

/// CUDA_VISIBLE_DEVICES=0 in a job: the first GPU of the node, whosever it is.
void devices_by_hand(const ProjectFile& file, const std::vector<ShellCommand>& commands,
                     FindingSink& sink) {
  constexpr std::string_view kName = "CUDA_VISIBLE_DEVICES";
  std::optional<Word> first;
  for (const ShellCommand& command : commands) {
    std::optional<Word> set = set_by(command, kName);
    if (!set || set->text.empty() ||
        !std::ranges::all_of(set->text, [](char c) { return is_digit(c) || c == ','; }))
      continue;
    // Several programs share out what the job has.
    if (first && first->text != set->text) return;
    if (!first) first = std::move(set);
  }
  if (!first) return;
  Finding& found = sink.add(
      "batch-directive", file, first->span,
      fmt::format("{} by hand is not what Slurm has given the job: where it does not confine "
                  "devices, jobs of one node meet on GPU {}",
                  kName, first->text));
  found.evidence = {
      "Slurm documentation, Generic Resource Scheduling: Slurm sets CUDA_VISIBLE_DEVICES for the "
      "job and each step"};
  found.fix = "delete it, and ask for the GPUs: --gres=gpu:N, srun --gpus-per-task=1";
  found.pedantic = true;
}

}  // namespace

void judge_batch_jobs(const Project& project, const std::vector<FileView>& /*views*/,
                      FindingSink& sink) {
  for (const auto& file : project.files) {
    if (file->kind != FileKind::kShell || !file->source.text().contains("\n#SBATCH")) continue;
    const std::vector<BatchDirective> directives = batch_directives(file->source);
    if (directives.empty() || is_batch_template(project, *file)) continue;
    const std::vector<ShellCommand> commands =
        split_shell(file->source.text(), {0, file->source.text().size()}).commands;
    image_per_job(*file, commands, directives, sink);
    image_converted(*file, commands, sink);
    no_gpu_asked(project, *file, commands, directives, sink);
    devices_by_hand(*file, commands, sink);
  }
}

}  // namespace flense::lint
