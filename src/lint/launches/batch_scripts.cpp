// Slurm's batch scripts: what their #SBATCH lines ask for, and Slurm does not do; what each task
// does that one should.
#include <algorithm>
#include <optional>

#include "base/ascii.h"
#include "base/format.h"
#include "base/numbers.h"
#include "lint/readers/readers.h"
#include "lint/rules/rules.h"
#include "lint/shell/command_words.h"
#include "lint/shell/reached.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

constexpr std::string_view kMark = "#SBATCH";

/// "--output" with "logs/%j.out", also of "-o logs/%j.out".
struct Directive {
  std::string name;
  Word value;
};

/// Of the lines in front of the first command, where sbatch stops to read them.
std::vector<Directive> directives_of(const SourceText& source) {
  constexpr std::size_t kMost = 1000;
  std::vector<Directive> out;
  for (std::size_t number = 1; number <= source.line_count() && out.size() < kMost; ++number) {
    const std::string_view line = source.line(number);
    if (line.empty() || (line.starts_with('#') && !line.starts_with(kMark))) continue;
    if (!line.starts_with(kMark)) break;
    const Span span = source.line_span(number);
    const ShellText read = split_shell(source.text(), {span.begin + kMark.size(), span.end});
    for (const ShellCommand& command : read.commands)
      for (std::size_t at = 0; at < command.words.size(); ++at) {
        const ShellWord& word = command.words[at];
        if (!word.text.starts_with('-')) continue;
        const std::size_t equal = word.text.find('=');
        if (equal != std::string::npos)
          out.push_back({word.text.substr(0, equal), {word.text.substr(equal + 1), word.span}});
        else if (at + 1 < command.words.size() && !command.words[at + 1].text.starts_with('-'))
          out.push_back({word.text, {command.words[at + 1].text, command.words[at + 1].span}});
      }
  }
  return out;
}

/// What another program fills in before sbatch reads it.
bool is_template(const Project& project, const ProjectFile& file) {
  const std::string& path = file.source.project_path();
  if (!file.template_language.empty() || has_part(path, "/._-", {"template", "templates", "tmpl"}))
    return true;
  const std::string_view name = file_name(path);
  return std::ranges::any_of(project.files, [&](const auto& other) {
    const std::string_view text = other->source.text();
    if (other.get() == &file || !text.contains(name)) return false;
    if (text.contains("envsubst") || text.contains("sed ")) return true;
    return std::ranges::any_of(parts_of(text, "\n"), [&](std::string_view line) {
      return line.contains(name) && (line.contains("eval ") || line.contains("perl ") ||
                                     line.contains("cat ") || line.contains("awk "));
    });
  });
}

/// Whether another script gives sbatch this option for the file.
bool is_given_by_caller(const Project& project, const ProjectFile& file, std::string_view option) {
  const std::string_view name = file_name(file.source.project_path());
  return std::ranges::any_of(project.files, [&](const auto& other) {
    const std::string_view text = other->source.text();
    if (other.get() == &file || !is_script(other->kind) || !text.contains("sbatch") ||
        !text.contains(name))
      return false;
    const auto gives = [&](const ShellCommand& command) {
      const auto has = [&](auto&& is) { return std::ranges::any_of(command.words, is); };
      return program_of(command).name == "sbatch" &&
             has([&](const ShellWord& word) { return file_name(word.text) == name; }) &&
             has([&](const ShellWord& word) {
               return word.text == option || word.text.starts_with(std::string(option) + "=") ||
                      (!option.starts_with("--") && word.text.starts_with(option));
             });
    };
    return std::ranges::any_of(scripts_of(*other), [&](const std::vector<ShellCommand>& commands) {
      return std::ranges::any_of(commands, gives);
    });
  });
}

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
               const std::vector<ShellCommand>& commands, const std::vector<Directive>& directives,
               FindingSink& sink) {
  const Directive* first = nullptr;
  bool sure = false;
  const bool as_it_is = is_run_as_it_is(file);
  for (const Directive& one : directives) {
    const std::string_view name = variable_in(one.value.text);
    // What --wrap holds a shell runs, and a comment is for people.
    if (name.empty() || is_one_of(one.name, {"--wrap", "--comment"}) ||
        is_given_by_caller(project, file, one.name))
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
                           kMark, first->name, value));
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
                       const std::vector<Directive>& directives, FindingSink& sink) {
  const auto tasks = std::ranges::find(directives, "--ntasks-per-node", &Directive::name);
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
                   const std::vector<Directive>& directives, FindingSink& sink) {
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
    const auto tasks = std::ranges::find_if(directives, [](const Directive& one) {
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
    found.fix = fmt::format("write {}", kMark);
    return;
  }
}

}  // namespace

void judge_batch_scripts(const Project& project, const std::vector<FileView>& /*views*/,
                         FindingSink& sink) {
  for (const auto& file : project.files) {
    if (file->kind != FileKind::kShell) continue;
    misspelt(*file, sink);
    if (!file->source.text().contains("\n#SBATCH")) continue;
    const std::vector<Directive> directives = directives_of(file->source);
    if (directives.empty()) continue;
    const std::vector<ShellCommand> commands =
        split_shell(file->source.text(), {0, file->source.text().size()}).commands;
    if (is_template(project, *file)) continue;
    variables(project, *file, commands, directives, sink);
    launcher_per_task(*file, commands, directives, sink);
    image_per_job(*file, commands, directives, sink);
  }
}

}  // namespace flense::lint
