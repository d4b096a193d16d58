// Slurm's batch scripts: what their #SBATCH lines ask for, and Slurm does not do; what each job or
// task does that one, or Slurm, should.
#include <algorithm>
#include <array>
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

/// The name of the first variable in a text; empty: none.
std::string_view variable_in(std::string_view text) {
  const std::size_t at = text.find('$');
  if (at == text.npos) return {};
  text.remove_prefix(at + 1);
  if (text.starts_with('{')) text.remove_prefix(1);
  if (text.empty() || !(is_letter(text[0]) || text[0] == '_')) return {};
  std::size_t end = 1;
  while (end < text.size() && (is_letter(text[end]) || is_digit(text[end]) || text[end] == '_'))
    ++end;
  return text.substr(0, end);
}

/// The script has expansions of the shell that envsubst and Python's templates would spoil.
bool is_run_as_it_is(const ProjectFile& file) {
  return std::ranges::any_of(parts_of(file.source.text(), "\n"), [](std::string_view line) {
    return !line.starts_with('#') && (line.contains("$SLURM_") || line.contains("${SLURM_") ||
                                      line.contains("$(") || line.contains(":-"));
  });
}

/// Of other names a program that renders the file may have the value: Slurm's users fill templates
/// in by Python, make and what not, which lint does not read.
bool is_of_shell(std::string_view name, const std::vector<ShellCommand>& commands) {
  return is_one_of(name, {"USER", "HOME", "PWD", "LOGNAME", "HOSTNAME", "SCRATCH", "WORK"}) ||
         name.starts_with("SLURM_") ||
         std::ranges::any_of(commands, [&](const ShellCommand& command) {
           return std::ranges::any_of(command.assignments,
                                      [&](const ShellAssignment& set) { return set.name == name; });
         });
}

void variables(const Project& project, const ProjectFile& file,
               const std::vector<ShellCommand>& commands,
               const std::vector<BatchDirective>& directives, FindingSink& sink) {
  // The script that holds it puts them in.
  if (!file.embedded.empty()) return;
  const BatchDirective* first = nullptr;
  bool sure = false;
  const bool as_it_is = is_run_as_it_is(file);
  for (const BatchDirective& one : directives) {
    const std::string_view name = variable_in(one.value.text);
    // What --wrap holds a shell runs, and a comment is for people.
    if (name.empty() || is_one_of(one.name, {"--wrap", "--comment"}) ||
        batch_option_given(project, file, one.name))
      continue;
    const bool shell = as_it_is || is_of_shell(name, commands);
    if (first != nullptr && (sure || !shell)) continue;
    first = &one;
    sure = shell;
  }
  if (first == nullptr) return;  // the others have the same cause
  const std::string& value = first->value.text;
  Finding& found =
      sink.add("batch-directive", file, first->value.span,
               fmt::format("Slurm puts no variables into {} lines: {} gets {} as it is written",
                           kBatchMark, first->name, value));
  found.evidence = {"sbatch(1): the lines are read before any shell runs"};
  // Patterns are of names of files alone.
  const bool file_name_of =
      is_one_of(first->name, {"--output", "-o", "--error", "-e", "--input", "-i"});
  found.fix = file_name_of && (value.contains("$USER") || value.contains("${USER}"))
                  ? "write %u for the user's name"
                  : fmt::format("write the value, or give it on the command line: sbatch {}{}… {}",
                                first->name, first->name.starts_with("--") ? "=" : " ",
                                file_name(file.source.path()));
  found.pedantic = !sure;
}

/// The number that torchrun starts, as it is written; empty: it says none, which is one.
std::string started_by(std::string_view text) {
  for (const std::string_view option : {"--nproc_per_node", "--nproc-per-node"}) {
    const std::size_t at = text.find(option);
    if (at == text.npos) continue;
    text.remove_prefix(at + option.size());
    text.remove_prefix(std::min(text.find_first_not_of("= "), text.size()));
    return std::string(text.substr(0, text.find_first_of(" \t\n\\'\"")));
  }
  return {};
}

/// srun starts torchrun once for each task, and each starts a process for each GPU.
void launcher_per_task(const ProjectFile& file, const std::vector<ShellCommand>& commands,
                       const std::vector<BatchDirective>& directives, FindingSink& sink) {
  const auto tasks = std::ranges::find(directives, "--ntasks-per-node", &BatchDirective::name);
  if (tasks == directives.end()) return;
  bool own = false;  // the number of tasks is another one
  for (const ShellCommand& command : commands) {
    for (const ShellAssignment& set : command.assignments)
      own = own || is_one_of(set.name, {"SLURM_NTASKS", "SLURM_NPROCS"});
    const Program program = program_of(command);
    if (program.name == "export")
      for (const ShellWord& word : command.words)
        own = own || starts_with_any(word.text, {"SLURM_NTASKS=", "SLURM_NPROCS="}) ||
              (word.text.starts_with("SLURM_NTASKS_PER_NODE=") &&
               word.text.substr(word.text.find('=') + 1) != tasks->value.text);
    if (program.name != "srun") continue;
    std::string text;
    bool stated = own;
    const ShellWord* launcher = nullptr;
    for (const ShellWord& word : command.words) {
      stated = stated || (launcher == nullptr &&
                          (starts_with_any(word.text, {"--ntasks", "-n", "-N", "--nodes", "$"})));
      if (launcher == nullptr &&
          (word.text.contains("torchrun") || word.text.contains("torch.distributed.")))
        launcher = &word;
      text += word.text + " ";
    }
    const std::string started = started_by(text);
    const auto count = parse_number(tasks->value.text);
    // `if [ $SLURM_LOCALID = 0 ]` in front of it: one task starts it; with an else it is one of
    // two.
    const bool asks = text.contains("SLURM_LOCALID") &&
                      (has_part(text, " \n\t;", {"if", "[", "[[", "test"}) || text.contains("&&"));
    if (stated || launcher == nullptr || asks || has_part(text, " \n\t;", {"else"}) ||
        started.empty() || started == "1" || started.contains("$((") || started.contains("TASK") ||
        !((count && *count > 1) || started == tasks->value.text))
      continue;
    Finding& found = sink.add(
        "batch-directive", file, tasks->value.span,
        fmt::format("srun starts torchrun {} times on each node, and each starts {} processes",
                    tasks->value.text, started));
    found.evidence = {fmt::format("srun {}", launcher->text.substr(0, 60)),
                      "srun(1): one copy of the program for each task"};
    found.fix =
        "write --ntasks-per-node=1 with the processors and GPUs of all tasks, and let torchrun "
        "start "
        "the processes";
    return;
  }
}

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
void image_converted(const ProjectFile& file, FindingSink& sink) {
  const auto one = std::ranges::find_if(file.workloads, [](const Workload& workload) {
    return workload.kind == WorkloadKind::kApptainer &&
           workload.image.text.starts_with("docker://");
  });
  if (one == file.workloads.end()) return;
  Finding& found = sink.add("batch-directive", file, one->image.span,
                            "the job fetches this image and converts it, while its GPUs wait: "
                            "each job or task does, unless the node's cache has it");
  found.evidence = {"Apptainer documentation: images of registries are converted to SIF"};
  found.fix =
      "fetch it once, on a login node: apptainer pull IMAGE.sif docker://…, and exec that file";
  found.pedantic = true;
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
    if (!set || set->text.empty()) continue;
    // Of the batch script itself it is 0.
    const bool local = is_one_of(set->text, {"$SLURM_LOCALID", "${SLURM_LOCALID}"});
    if (!local && !std::ranges::all_of(set->text, [](char c) { return is_digit(c) || c == ','; }))
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
                  kName, first->text.starts_with('$') ? "0" : first->text));
  found.evidence = {
      "Slurm documentation, Generic Resource Scheduling: Slurm sets CUDA_VISIBLE_DEVICES for the "
      "job and each step"};
  found.fix = "delete it, and ask for the GPUs: --gres=gpu:N, srun --gpus-per-task=1";
  found.pedantic = true;
}

/// "#SBTACH --gpus=1": to Slurm a comment, as to everybody.
void misspelt(const ProjectFile& file, FindingSink& sink) {
  constexpr std::size_t kMost = 200;
  for (std::size_t number = 1; number <= std::min(file.source.line_count(), kMost); ++number) {
    const std::string_view line = file.source.line(number);
    if (!line.empty() && !line.starts_with('#')) return;
    const std::string_view mark = line.substr(0, line.find_first_of(" \t"));
    if (!is_one_of(mark, {"#SBTACH", "#SBACTH", "#SABTCH", "#SBATHC", "#BSATCH", "#SBATH", "#SBACH",
                          "#SATCH", "#SBTCH", "#SBATC", "#BATCH", "#SBBATCH", "#SBATCHH"}) ||
        !trim_space(line.substr(mark.size())).starts_with('-'))
      continue;
    const std::size_t begin = file.source.line_span(number).begin;
    Finding& found =
        sink.add("batch-directive", file, {begin, begin + mark.size()},
                 fmt::format("{} is a comment: Slurm gives the job nothing of what these lines ask "
                             "for",
                             mark));
    found.evidence = {"sbatch(1): lines that begin with #SBATCH"};
    found.fix = fmt::format("write {}", kBatchMark);
    return;
  }
}

/// Where a blank parts an option of a line from its value: at "= v100l:1" of
/// "#SBATCH --gpus-per-node= v100l:1"; npos: nowhere.
std::size_t blank_at_equals(std::string_view line) {
  for (std::size_t at = line.find(" --"); at != line.npos; at = line.find(" --", at + 1)) {
    // Behind a comment or in quotes it is a text.
    if (line.substr(0, at).find_first_of("'\"") != line.npos ||
        line.substr(0, at + 1).find(" #") != line.npos)
      return line.npos;
    std::size_t end = at + 3;
    while (end < line.size() && (is_alphanumeric(line[end]) || line[end] == '-')) ++end;
    const std::size_t equals = line.find_first_not_of(" \t", end);
    if (end == at + 3 || equals == line.npos || line[equals] != '=') continue;
    const bool before = equals > end;
    const std::size_t value = line.find_first_not_of(" \t\r", equals + 1);
    const bool behind = value != line.npos && value > equals + 1 && line[value] != '#';
    if (before || behind) return at + 1;
  }
  return line.npos;
}

void parted_options(const ProjectFile& file, FindingSink& sink) {
  constexpr std::size_t kMost = 2000;
  for (std::size_t number = 1; number <= std::min(file.source.line_count(), kMost); ++number) {
    const std::string_view line = file.source.line(number);
    if (!line.starts_with(kBatchMark)) continue;
    const std::size_t at = blank_at_equals(line);
    if (at == line.npos) continue;
    const std::string_view option = line.substr(at, line.find_first_of(" \t=", at) - at);
    const std::size_t begin = file.source.line_span(number).begin + at;
    Finding& found =
        sink.add("batch-directive", file, {begin, begin + option.size()},
                 fmt::format("a blank parts {} from its value: Slurm does not get it, and the job "
                             "is refused or runs without",
                             option));
    found.evidence = {"sbatch(1): --OPTION=VALUE, or --OPTION VALUE"};
    found.fix = fmt::format("write {}=VALUE without a blank", option);
  }
}

/// Anything that may give the job GPUs: an option for them, or a partition, an account or a
/// constraint, of which only the cluster knows.
bool may_get_gpus(const BatchDirective& one) {
  return starts_with_any(one.name, {"--gres", "--gpu", "--tres", "--partition", "--qos",
                                    "--constraint", "--nodelist", "--reservation", "--cluster"}) ||
         is_one_of(one.name, {"-G", "-p", "-q", "-C", "-w", "-M"}) ||
         std::ranges::any_of(
             std::to_array<std::string_view>({"gpu", "v100", "a100", "h100", "cpu"}),
             [&](std::string_view word) { return one.value.text.contains(word); });
}

/// A partition of GPUs gives none by itself, on most clusters.
void partition_without_gpu(const Project& project, const ProjectFile& file,
                           const std::vector<BatchDirective>& directives, FindingSink& sink) {
  const BatchDirective* partition = nullptr;
  for (const BatchDirective& one : directives) {
    const std::string name = to_lower(one.value.text);
    if (is_one_of(one.name, {"--partition", "-p"}) && name.contains("gpu") &&
        !name.contains("no") && !name.contains("cpu"))
      partition = &one;
    if (starts_with_any(one.name, {"--gres", "--gpu", "--tres"}) ||
        is_one_of(one.name, {"-G", "--exclusive"}))
      return;
  }
  const std::string_view text = file.source.text();
  if (partition == nullptr || text.contains("--gres") || text.contains("--gpus") ||
      !(text.contains("train") || text.contains("python")) ||
      batch_option_given(project, file, "--gres") || batch_option_given(project, file, "--gpus"))
    return;
  Finding& found = sink.add(
      "batch-directive", file, partition->value.span,
      fmt::format("{} is a partition with GPUs, and the job asks for none: most clusters give it "
                  "no GPU, or refuse it",
                  partition->value.text));
  found.evidence = {"sbatch(1): a job has the GPUs that --gres or --gpus asks for"};
  found.fix = fmt::format("add {} --gpus=1, or --gres=gpu:1", kBatchMark);
  found.pedantic = true;
}

/// `module load cuda` and then a training, in a job that asks for no GPU.
void training_without_gpu(const Project& project, const ProjectFile& file,
                          const std::vector<ShellCommand>& commands,
                          const std::vector<BatchDirective>& directives, FindingSink& sink) {
  if (std::ranges::any_of(directives, may_get_gpus) ||
      std::ranges::any_of(
          std::to_array<std::string_view>({"--gres", "--gpus", "-G", "-p", "--partition"}),
          [&](std::string_view option) { return batch_option_given(project, file, option); }))
    return;
  const ShellWord* module = nullptr;
  const ShellCommand* training = nullptr;
  for (const ShellCommand& command : commands) {
    const Program program = program_of(command);
    const auto says = [&](auto&& is) { return std::ranges::any_of(command.words, is); };
    // It compiles for GPUs, or asks for them on its own.
    if (is_one_of(program.name, {"nvcc", "make", "cmake", "ninja", "sbatch", "salloc"}) ||
        says([](const ShellWord& word) {
          return starts_with_any(word.text, {"--gres", "--gpus", "--device=cpu"});
        }))
      return;
    if (is_one_of(program.name, {"module", "ml"})) {
      for (const ShellWord& word : command.words)
        if (module == nullptr &&
            starts_with_any(word.text, {"cuda", "cudnn", "nccl", "CUDA", "cuDNN", "NCCL"}))
          module = &word;
    } else if (module != nullptr && training == nullptr &&
               (starts_with_any(program.name, {"python"}) ||
                is_one_of(program.name, {"srun", "torchrun", "accelerate", "deepspeed"})) &&
               says([](const ShellWord& word) {
                 return file_name(word.text).contains("train") && !word.text.starts_with('-');
               })) {
      training = &command;
    }
  }
  if (training == nullptr) return;
  Finding& found = sink.add(
      "batch-directive", file, training->span,
      fmt::format("the job loads {} and trains, and asks for no GPU: it runs on processors",
                  module->text));
  found.evidence = {"sbatch(1): a job has the GPUs that --gres or --gpus asks for"};
  found.fix = fmt::format("add {} --gpus=1, or the --gres of this cluster", kBatchMark);
  found.pedantic = true;
}

}  // namespace

void judge_batch_scripts(const Project& project, const std::vector<FileView>& /*views*/,
                         FindingSink& sink) {
  for (const auto& file : project.files) {
    if (file->kind != FileKind::kShell) continue;
    misspelt(*file, sink);
    if (!file->source.text().contains("\n#SBATCH")) continue;
    parted_options(*file, sink);
    const std::vector<BatchDirective> directives = batch_directives(file->source);
    if (directives.empty()) continue;
    const std::vector<ShellCommand> commands =
        split_shell(file->source.text(), {0, file->source.text().size()}).commands;
    if (is_batch_template(project, *file)) continue;
    variables(project, *file, commands, directives, sink);
    launcher_per_task(*file, commands, directives, sink);
    image_per_job(*file, commands, directives, sink);
    image_converted(*file, sink);
    devices_by_hand(*file, commands, sink);
    partition_without_gpu(project, *file, directives, sink);
    training_without_gpu(project, *file, commands, directives, sink);
  }
}

}  // namespace flense::lint
