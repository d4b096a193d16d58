// Arguments of builds: those that CI hands over, and those that a stage does not have.
#include <algorithm>
#include <map>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/purpose.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// NAME="value" in build-args: no shell takes the quotes off.
void quoted(const ProjectFile& file, FindingSink& sink) {
  if (file.kind != FileKind::kWorkflow) return;
  for (const BuildTarget& build : file.names.builds)
    for (const auto& [name, value] : build.args) {
      const std::string& text = value.text;
      if (text.size() < 2 || (text.front() != '"' && text.front() != '\'') ||
          text.back() != text.front())
        continue;
      const std::string line = name.text + "=" + text;
      Span span = value.span;
      if (const std::size_t at = file.source.slice(span).find(line); at != std::string_view::npos)
        span = {span.begin + at, span.begin + at + line.size()};
      Finding& found =
          sink.add("build-argument-quoted", file, span,
                   fmt::format("the quotes are part of the value that the build gets: {}", text));
      found.evidence = {"docker/build-push-action, build-args: a list of NAME=value, one a line"};
      const std::size_t plain = name.text.find_first_not_of("\"'");
      found.fix = fmt::format("write {}={}", name.text.substr(std::min(plain, name.text.size())),
                              text.substr(1, text.size() - 2));
    }
}

/// Variables that a base sets itself; of other bases nobody knows them here.
bool may_be_set(const GpuImage& base, std::string_view name) {
  const std::string_view repository = base.repository;
  // Of Docker's own library, or somebody's.
  if (base.row == nullptr && repository != "nvidia/cuda" &&
      !is_one_of(repository, {"ubuntu", "debian", "alpine", "fedora", "centos", "rockylinux",
                              "almalinux", "amazonlinux", "oraclelinux", "buildpack-deps", "python",
                              "node", "golang", "gcc", "rust", "busybox", "scratch"}))
    return true;
  if (repository == "nvidia/cuda")
    return starts_with_any(name, {"CUDA", "NV", "NCCL", "CUDNN", "LD_", "LIBRARY_"});
  if (repository.contains('/')) return true;
  // Images of Docker's own library set their own version: NODE_VERSION, PYTHON_VERSION.
  const std::string low = to_lower(name);
  return low.starts_with(repository.substr(0, repository.find_first_of("-_."))) ||
         starts_with_any(low, {"yarn", "gpg", "lang", "java", "rust", "cargo", "go"});
}

/// Arguments that every RUN has without a declaration (Dockerfile reference, Predefined ARGs).
bool is_predefined(std::string_view name) {
  return is_one_of(to_lower(name),
                   {"http_proxy", "https_proxy", "ftp_proxy", "no_proxy", "all_proxy"});
}

/// Variables that a shell, or the builder, sets for every RUN.
bool is_of_shell(std::string_view name) {
  return is_one_of(name, {"HOME", "PATH", "PWD", "OLDPWD", "HOSTNAME", "UID", "EUID", "PPID", "IFS",
                          "RANDOM", "SECONDS", "LINENO", "SHELL", "SHLVL", "OPTARG", "OPTIND",
                          "HOSTTYPE", "OSTYPE", "MACHTYPE"});
}

bool is_name_letter(char c) {
  return is_alphanumeric(c) || c == '_';
}

/// Calls `visit(name, answered)` for each "$NAME" and "${NAME}", and for forms that say what to
/// take for an empty value: those are answered.
template <class Visit>
void each_use(std::string_view text, const Visit& visit) {
  for (std::size_t at = text.find('$'); at != text.npos; at = text.find('$', at + 1)) {
    if (at > 0 && text[at - 1] == '\\') continue;
    std::string_view rest = text.substr(at + 1);
    const bool braced = rest.starts_with('{');
    if (braced) rest.remove_prefix(1);
    const auto end =
        static_cast<std::size_t>(std::ranges::find_if_not(rest, is_name_letter) - rest.begin());
    const std::string_view name = rest.substr(0, end);
    rest.remove_prefix(end);
    if (name.empty()) continue;
    if (!braced || rest.starts_with('}')) {
      visit(name, false);
    } else {
      if (rest.starts_with(':')) rest.remove_prefix(1);
      if (!rest.empty() && is_one_of(rest.substr(0, 1), {"-", "=", "+", "?"})) visit(name, true);
    }
  }
}

/// Whether a word, as it is written, lets something replace "$NAME": it stands neither behind a
/// backslash or another dollar nor in single quotes.
bool is_expanded(std::string_view raw, std::string_view name) {
  bool doubled = false, single = false;
  for (std::size_t at = 0; at < raw.size(); ++at) {
    const char c = raw[at];
    if (single || (c == '\'' && !doubled)) {
      single = c == '\'' ? !single : single;
    } else if (c == '"') {
      doubled = !doubled;
    } else if (c == '\\' || raw.substr(at).starts_with("$$")) {
      ++at;
    } else if (c == '$') {
      std::string_view rest = raw.substr(at + 1);
      if (rest.starts_with('{')) rest.remove_prefix(1);
      if (rest.starts_with(name) &&
          (rest.size() == name.size() || !is_name_letter(rest[name.size()])))
        return true;
    }
  }
  return false;
}

/// The variables that a step uses, and those that it answers for itself: it sets them, or asks
/// whether they are empty.
class StepUses {
 public:
  explicit StepUses(const Instruction& step) {
    if (step.keyword == Keyword::kRun) {
      if (step.heredocs.empty() && is_shell(step.interpreter)) read_run(step);
    } else if (step.keyword == Keyword::kEnv) {
      for (const KeyValue& pair : step.pairs)
        if (pair.value) read(pair.value->text, pair.value->span);
    } else if (step.copies() || step.keyword == Keyword::kWorkdir) {
      for (const Word& word : step.words) read(word.text, word.span);
    }
  }

  const std::vector<std::pair<std::string_view, Span>>& all() const { return uses_; }
  bool answers(std::string_view name) const { return sets_any_ || answered_.contains(name); }

 private:
  void read(std::string_view text, Span span) {
    each_use(text, [&](std::string_view name, bool answered) {
      if (answered)
        answered_.insert(name);
      else
        uses_.emplace_back(name, span);
    });
  }

  void answer_all(std::string_view text) {
    each_use(text, [&](std::string_view name, bool) { answered_.insert(name); });
  }

  void read_run(const Instruction& run) {
    for (const Flag* mount : run.flags_of("mount"))
      for (const std::string_view part : split(mount->value, ','))
        if (part.starts_with("env=")) answered_.insert(part.substr(4));
    for (const ShellCommand& command : run.commands) {
      for (const ShellWord& word : command.words)
        if (word.dynamic) read(word.text, word.span);
      for (const ShellAssignment& set : command.assignments) {
        answered_.insert(set.name);
        if (set.value.dynamic) read(set.value.text, set.value.span);
      }
      if (command.words.empty()) continue;
      const std::string_view program = command.words.front().text;
      sets_any_ =
          sets_any_ || is_one_of(program, {"source", ".", "eval"}) || program.starts_with("((");
      if (is_one_of(program, {"[", "[[", "test"})) read_test(command.words);
      if (program == "case" && command.words.size() > 1) answer_all(command.words[1].text);
      // export $(cat .env)
      if (is_one_of(program, {"export", "declare", "typeset", "local", "readonly", "env"}))
        for (const ShellWord& word : command.words)
          sets_any_ = sets_any_ || starts_with_any(word.text, {"$", "`"});
      // export NAME=…, read NAME, for NAME in …: a word that is, or begins with, the name.
      for (const ShellWord& word : command.words)
        answered_.insert(std::string_view(word.text).substr(0, word.text.find('=')));
    }
  }

  /// -z "$NAME", -n "$NAME", "$NAME" alone, or compared with "", or x"$NAME" with x.
  void read_test(const std::vector<ShellWord>& words) {
    const auto text = [&](std::size_t at) {
      return at < words.size() ? std::string_view(words[at].text) : std::string_view("]");
    };
    for (std::size_t at = 1; at < words.size(); ++at) {
      const bool compared = is_one_of(text(at + 1), {"=", "==", "!="});
      const std::string_view other = text(at + 2);
      if (compared ? text(at).starts_with(other) && text(at).substr(other.size()).starts_with('$')
                   : is_one_of(text(at - 1), {"-z", "-n", "!", "[", "[[", "test"}))
        answer_all(text(at));
    }
  }

  std::vector<std::pair<std::string_view, Span>> uses_;
  std::set<std::string_view> answered_;
  bool sets_any_ = false;
};

/// `echo "$NAME"` alone: it prints an empty line.
bool is_only_printed(const Instruction& step, Span use) {
  return std::ranges::any_of(commands_of(step), [&](const StepCommand& command) {
    return is_one_of(command.program, {"echo", "printf"}) &&
           command.shell->span.begin <= use.begin && use.end <= command.shell->span.end &&
           command.shell->redirections.empty() && command.shell->joined_by != "|";
  });
}

/// ARG in front of the first FROM is for FROM alone: a stage has to declare it again.
void lost_in_stage(const FileView& view, FindingSink& sink) {
  if (!view.dockerfile->template_language.empty() || !is_gpu_file(view)) return;
  std::map<std::string_view, unsigned> globals;  // with their order
  for (const Instruction& global : view.dockerfile->globals)
    for (const KeyValue& pair : global.pairs)
      globals.try_emplace(pair.key.text, static_cast<unsigned>(globals.size()) + 1);
  if (globals.empty()) return;
  const bool crlf = view.file->source.text().contains("\r\n");
  for (const StageView& stage : view.stages) {
    if (!stage.reachable) continue;
    std::set<std::string_view> said;
    for (const Instruction& step : stage.stage->instructions) {
      if (step.keyword == Keyword::kFrom || !step.environment) continue;
      const StepUses uses(step);
      for (const auto& [name, span] : uses.all()) {
        const auto global = globals.find(name);
        if (global == globals.end() || step.environment->contains(name) || uses.answers(name) ||
            (step.keyword == Keyword::kRun && (is_predefined(name) || is_of_shell(name))) ||
            !is_expanded(view.text(span), name) || !said.insert(name).second)
          continue;
        Finding& found = sink.add(
            "arg-not-in-stage", *view.file, span,
            fmt::format("{} is empty here: an ARG in front of the first FROM counts for FROM "
                        "alone",
                        name));
        found.evidence = {
            fmt::format("ARG {} stands in front of FROM, and this stage has none", name),
            "Dockerfile reference, Understand how ARG and FROM interact"};
        found.fix = fmt::format("write ARG {} behind the FROM of this stage", name);
        const std::size_t end = stage.stage->instructions.front().span.end;
        found.edits.push_back(
            {{end, end}, fmt::format("{}ARG {}", crlf ? "\r\n" : "\n", name), global->second});
        found.pedantic = may_be_set(stage.image, name) || is_only_printed(step, span);
      }
    }
  }
}

/// Variables of CUDA that people set, and no image of NVIDIA's does.
bool is_set_nowhere(std::string_view name) {
  return is_one_of(name, {"CUDA_HOME", "CUDA_PATH", "CUDA_ROOT", "CUDNN_PATH"});
}

/// ENV A=/x B=${A}/y: each value is made of what holds before the instruction.
void made_of_itself(const FileView& view, FindingSink& sink) {
  if (!view.dockerfile->template_language.empty() || !is_gpu_file(view)) return;
  for (const StageView& stage : view.stages) {
    if (!stage.reachable) continue;
    for (const Instruction& step : stage.stage->instructions) {
      if (step.keyword != Keyword::kEnv || step.pairs.size() < 2 || !step.environment) continue;
      const StepUses uses(step);
      for (const auto& [name, span] : uses.all()) {
        const auto set = std::ranges::find_if(
            step.pairs, [&](const KeyValue& pair) { return pair.key.text == name; });
        if (set == step.pairs.end() || !set->value || set->value->span == span ||
            step.environment->contains(name) || uses.answers(name) ||
            is_one_of(name, {"PATH", "HOME", "HOSTNAME"}) || !is_expanded(view.text(span), name))
          continue;
        Finding& found = sink.add(
            "arg-not-in-stage", *view.file, span,
            fmt::format("{} is empty here: it gets its value by this same ENV, which counts from "
                        "the next instruction on",
                        name));
        found.evidence = {"Dockerfile reference, Environment replacement"};
        found.fix = fmt::format("set {} by an ENV in front of this one", name);
        found.pedantic = may_be_set(stage.image, name) &&
                         !(stage.image.repository == "nvidia/cuda" && is_set_nowhere(name));
        break;  // its other values have the same cause
      }
    }
  }
}

}  // namespace

void judge_build_arguments(const Project& project, const std::vector<FileView>& views,
                           FindingSink& sink) {
  for (const auto& file : project.files) quoted(*file, sink);
  for (const FileView& view : views) {
    lost_in_stage(view, sink);
    made_of_itself(view, sink);
  }
}

}  // namespace flense::lint
