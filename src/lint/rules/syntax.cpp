// What could not be read, as findings: one for each cause, so that the rest is still checked.

#include <algorithm>
#include <utility>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"
#include "lint/source/templates.h"

namespace flense::lint {

namespace {

std::vector<ParseProblem> problems_of(const ProjectFile& file) {
  std::vector<ParseProblem> out = file.problems;
  if (file.dockerfile)
    out.insert(out.end(), file.dockerfile->problems.begin(), file.dockerfile->problems.end());
  return out;
}

/// "image: {username}/server": for the reader to fill in.
bool has_placeholder(std::string_view text) {
  for (std::size_t at = text.find(": {"); at != text.npos; at = text.find(": {", at + 1)) {
    const std::size_t end =
        text.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_-", at + 3);
    if (end != text.npos && end > at + 3 && text.substr(end, 2) == "}/") return true;
  }
  return false;
}

/// A text that a program of the project fills in, in whatever language; of cookiecutter a directory
/// is.
bool is_template_name(std::string_view path) {
  return has_part(path, "/._-", {"template", "templates"}) || path.contains("{{") ||
         ends_with_any(path,
                       {".in", ".tmpl", ".tpl", ".j2", ".jinja", ".jinja2", ".erb", ".mustache"});
}

/// What a test feeds to a program to see it refused.
bool is_fixture(std::string_view path) {
  return has_part(directory_of(path), "/",
                  {"testdata", "test-data", "test_data", "fixtures", "__fixtures__", "invalid",
                   "broken", "bad", "malformed", "negative", "corpus"});
}

/// "YOUR_REGISTRY/cuda": one part is a name of the shell's kind.
bool has_capital_part(std::string_view name) {
  return std::ranges::any_of(parts_of(name, "/:@"), [](std::string_view part) {
    return part.contains('_') && part.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_") == part.npos;
  });
}

/// A mark of a template on the line of a problem, which a program replaces.
bool has_mark(const ProjectFile& file, const ParseProblem& problem) {
  if (problem.span.empty()) return false;
  const std::string_view line =
      trim_space(file.source.line(file.source.position(problem.span.begin).line));
  const auto pair = [&](std::string_view open, std::string_view close) {
    const std::size_t at = line.find(open);
    return at != line.npos && line.find(close, at + open.size()) != line.npos;
  };
  // "FROM <your repository>/cuda": for the reader to fill in.
  if (const std::size_t open = line.find('<');
      file.dockerfile && starts_with_any(to_lower(line), {"from "}) && open != line.npos &&
      open + 1 < line.size() && is_letter(line[open + 1]) && line.find('>', open) != line.npos)
    return true;
  // A table of TOML has no blank there, and a test of a shell a dash or a variable behind it.
  if (pair("{{", "}}") || pair("{%", "%}") || pair("<%", "%>") || pair("[[ .", "]]") ||
      pair("[[- ", "]]"))
    return true;
  const auto words = parts_of(line, " \t\"'=:,/-");
  if (std::ranges::any_of(
          words, [](auto word) { return is_marked(word, "@", "@") || is_marked(word, "%", "%"); }))
    return true;
  // "FROM BASE_IMAGE": a name in capitals alone.
  const std::string_view message = problem.message;
  if (const std::size_t end = message.find(" is not an image"); end != message.npos) {
    const std::string_view name = message.substr(0, end);
    if (to_upper(name) == name || has_capital_part(name)) return true;
  }
  // In a Dockerfile a variable is no mark, but a line that is one.
  const bool whole = file.dockerfile || line.starts_with("${");
  const std::size_t begin = whole ? 0 : line.find_first_of(":=-") + 1;
  return is_marked(trim_space(line.substr(begin)), "${", "}");
}

/// A file that pip installs in some image of the call; conda has lists of its own form.
bool is_installed(const std::vector<FileView>& views, const ProjectFile& file) {
  return std::ranges::any_of(views, [&](const FileView& view) {
    return std::ranges::any_of(view.installs, [&](const Install& install) {
      return install.command.manager != PackageManager::kConda &&
             std::ranges::find(install.files, &file) != install.files.end();
    });
  });
}

bool is_repeated_key(const ParseProblem& problem) {
  return problem.message.contains("occurs twice");
}

/// Whether the tool that the file is for refuses it for this: not where another tool reads it, or
/// an incomplete object is completed before.
bool surely_refused(const std::vector<FileView>& views, const ProjectFile& file,
                    const ParseProblem& problem) {
  const std::string_view message = problem.message;
  switch (file.kind) {
    case FileKind::kDockerfile:
      // A frontend of its own, or podman's and Buildah's options.
      if (!file.dockerfile->syntax.empty() &&
          !file.dockerfile->syntax.contains("docker/dockerfile"))
        return false;
      // Charliecloud's own, m4's, and Earthly's.
      if (starts_with_any(message,
                          {"RSYNC ", "INCLUDE(", "DEFINE(", "IFDEF(", "IFELSE(", "VERSION "}))
        return false;
      // Dockerfile.rs, dockerfile-utils.rb: a program that makes them.
      if (message == "the file has no FROM")
        return is_one_of(to_lower(file_name(file.source.path())), {"dockerfile", "containerfile"});
      return message.ends_with("is not an instruction") ||
             !to_lower(file_name(file.source.path())).contains("containerfile");
    case FileKind::kRequirements:
      return !message.contains("is not a requirement") || is_installed(views, file);
    case FileKind::kPyproject:
      // TOML 1.1 lets an inline table go over lines.
      return !message.contains("parsing inline table");
    case FileKind::kCompose:
      // Tasks of Ansible are a list, and the services of GitLab's jobs, in files of the same name.
      return !message.ends_with("mapping with services") && !message.starts_with("services is a ");
    case FileKind::kKubernetes:
      // {gpu: ${GPUS}}: envsubst fills it in. Of the branches of ytt one is left.
      return !message.contains("Kubernetes") &&
             !(message.contains("not valid ") && file.source.text().contains("${")) &&
             !(is_repeated_key(problem) && file.source.text().contains("#@"));
    case FileKind::kDevcontainer:
      // Its readers take what they can.
      return false;
    default:
      return true;
  }
}

/// A file that somebody means to write, or that another program reads as it is.
bool is_harmless(const ProjectFile& file, const ParseProblem& problem) {
  // Which tool takes a pod alone, and completes it, is not known.
  if (problem.message.contains("has no apiVersion"))
    return !file.source.text().contains("apiVersion");
  if (!problem.span.empty()) return false;
  // pip reads what PowerShell's > wrote.
  if (problem.message.contains("UTF-16")) return file.source.path().ends_with(".txt");
  return problem.message == "the file holds no instruction";
}

/// Lines that hand a file on as another text, or line by line: "envsubst < Dockerfile", "xargs -L 1
/// pip install < requirements.txt".
class HandedOn {
 public:
  explicit HandedOn(const Project& project) : project_(project) {}

  /// `variable`: what stands there for another text; sed has to name it, and the others need not.
  bool names(const ProjectFile& file, std::string_view variable) {
    if (!std::exchange(read_, true))
      for (const auto& other : project_.files)
        if (is_script(other->kind) || other->dockerfile || other->kind == FileKind::kWorkflow)
          for (const std::string_view line : split(other->source.text(), '\n'))
            if (lines_.size() < kMost && line.size() < kLongest &&
                has_part(
                    line, kBetween,
                    {"envsubst", "sed", "m4", "gomplate", "jinja2", "j2", "xargs", "read", "done"}))
              lines_.push_back(line);
    const std::string_view name = file_name(file.source.path());
    return std::ranges::any_of(lines_, [&](std::string_view line) {
      return has_part(line, " \t/|)<>;\"'", {name}) &&
             (!has_part(line, kBetween, {"sed"}) || (!variable.empty() && line.contains(variable)));
    });
  }

 private:
  static constexpr std::size_t kMost = 100, kLongest = 4096;
  static constexpr std::string_view kBetween = " \t/|($`;@";
  const Project& project_;
  std::vector<std::string_view> lines_;
  bool read_ = false;
};

/// "BASE_IMAGE" of "FROM $BASE_IMAGE has no value here"; empty: the problem is of no variable.
std::string_view variable_of(const ProjectFile& file, const ParseProblem& problem) {
  const std::string_view text = file.source.slice(problem.span);
  const std::size_t at = text.find('$');
  if (at == text.npos) return {};
  const std::size_t begin = std::min(text.find_first_not_of("${", at), text.size());
  const std::size_t end = std::min(text.find_first_of(" :}/\t\r\n", begin), text.size());
  return text.substr(begin, end - begin);
}

/// A file in which two Compose files, or two objects of Kubernetes, stand one behind the other:
/// every key that both have occurs twice.
const ParseProblem* second_document(const ProjectFile& file,
                                    const std::vector<ParseProblem>& problems) {
  const bool compose = file.kind == FileKind::kCompose;
  if (!compose && file.kind != FileKind::kKubernetes) return nullptr;
  const std::string_view sign =
      compose ? "\"services\" occurs twice" : "\"apiVersion\" occurs twice";
  const auto at = std::ranges::find_if(problems, [&](const ParseProblem& problem) {
    // At the beginning of its line: the file's own.
    return problem.message.contains(sign) && !problem.span.empty() &&
           (problem.span.begin == 0 || file.source.text()[problem.span.begin - 1] == '\n');
  });
  return at == problems.end() ? nullptr : &*at;
}

/// What is not valid syntax here may be valid once the values are filled in.
void judge_template(const ProjectFile& file, const std::vector<ParseProblem>& problems,
                    FindingSink& sink) {
  Finding& found =
      sink.add("template-language", file, problems.empty() ? Span{} : problems.front().span,
               fmt::format("the file is a {} template: it is judged as far as it can "
                           "be read without its values",
                           file.template_language));
  for (const ParseProblem& problem : problems) found.evidence.push_back(problem.message);
  found.fix = file.template_language == "Helm"
                  ? "lint what it renders to: helm template . | flense lint -"
                  : "lint the rendered file";
}

/// Whether a shell's quotes are open behind this text.
class Quotes {
 public:
  void read(std::string_view text) {
    for (std::size_t at = 0; at < text.size(); ++at) {
      const char c = text[at];
      if (c == '\\' && open_ != '\'')
        ++at;
      else if (open_ == '\0' && (c == '"' || c == '\''))
        open_ = c;
      else if (c == open_)
        open_ = '\0';
    }
  }
  bool open() const { return open_ != '\0'; }

 private:
  char open_ = '\0';
};

/// Whether the words could follow the instruction: `FROM` may also be an argument of a program.
bool fits_instruction(std::string_view keyword, const std::vector<std::string_view>& words) {
  if (words.empty()) return false;
  const std::string_view first = words.front();
  const auto plain = static_cast<std::size_t>(
      std::ranges::count_if(words, [](std::string_view word) { return !word.starts_with("--"); }));
  // In quotes they are no commands.
  const bool quoted = std::ranges::any_of(
      words, [](std::string_view word) { return word.find_first_of("\"'") != word.npos; });
  const bool commands = !quoted && std::ranges::any_of(words, [](std::string_view word) {
    return is_one_of(word, {"&&", "||", "|", ";", ">", "<"});
  });
  if (is_one_of(keyword, {"RUN", "CMD", "ENTRYPOINT", "HEALTHCHECK"})) return true;
  if (commands) return false;
  if (is_one_of(keyword, {"ADD", "COPY"})) return plain >= 2;
  if (keyword == "LABEL") return first.contains('=') || (plain >= 2 && quoted);
  if (keyword == "ENV") return first.contains('=') || plain == 2;
  if (keyword == "FROM")
    return plain == 1 || (plain == 3 && same_text(words[words.size() - 2], "as"));
  if (keyword == "EXPOSE") return is_digit(first[0]) || first[0] == '$';
  if (keyword == "SHELL") return first.starts_with('[');
  if (is_one_of(keyword, {"USER", "WORKDIR", "STOPSIGNAL"})) return plain == 1 || quoted;
  return true;
}

/// "RUN" where a line begins with an instruction as people write them; else empty.
std::string_view instruction_at(std::string_view line, char escape) {
  line = trim_space(line);
  if (line.ends_with(escape)) line = trim_space(line.substr(0, line.size() - 1));
  const std::string_view word = line.substr(0, line.find_first_of(" \t"));
  if (!is_one_of(word,
                 {"ADD", "ARG", "CMD", "COPY", "ENTRYPOINT", "ENV", "EXPOSE", "FROM", "HEALTHCHECK",
                  "LABEL", "RUN", "SHELL", "STOPSIGNAL", "USER", "VOLUME", "WORKDIR"}))
    return {};
  std::vector<std::string_view> words = parts_of(line.substr(word.size()), " \t");
  std::erase(words, "");
  return fits_instruction(word, words) ? word : std::string_view();
}

/// A '\' at the end of a RUN makes the next instruction a part of its command.
void swallowed(const ProjectFile& file, FindingSink& sink) {
  for (const Stage& stage : file.dockerfile->stages)
    for (const Instruction& run : stage.instructions) {
      if (run.keyword != Keyword::kRun || !run.heredocs.empty() || run.exec_form) continue;
      Quotes quotes;
      std::size_t at = run.arguments.begin;
      for (const std::string_view line : split(file.source.slice(run.arguments), '\n')) {
        const Span span{at, at + line.size()};
        at = span.end + 1;
        if (trim_space_left(line).starts_with('#')) continue;
        const std::string_view keyword =
            span.begin == run.arguments.begin || quotes.open() || line.empty() || is_blank(line[0])
                ? ""
                : instruction_at(line, file.dockerfile->escape);
        if (keyword.empty()) {
          quotes.read(line);
          continue;
        }
        Finding& found = sink.add(
            "syntax", file, {span.begin, span.begin + keyword.size()},
            fmt::format("the line before ends in '{}', so this {} is a part of its command",
                        file.dockerfile->escape, keyword));
        found.evidence = {
            "Dockerfile reference: empty lines and comments do not end an instruction"};
        found.fix =
            fmt::format("take the '{}' off the end of the line before", file.dockerfile->escape);
        const std::string& path = file.source.project_path();
        found.pedantic = file.dockerfile->fragment || is_template_name(path) || is_fixture(path);
        break;
      }
    }
}

}  // namespace

void judge_syntax(const Project& project, const std::vector<FileView>& views, FindingSink& sink) {
  HandedOn handed_on(project);
  for (const auto& file : project.files) {
    const std::vector<ParseProblem> problems = problems_of(*file);
    if (!file->template_language.empty()) {
      judge_template(*file, problems, sink);
      continue;
    }
    if (file->kind == FileKind::kDockerfile) swallowed(*file, sink);
    std::size_t foreign = 0;
    const ParseProblem* joined = second_document(*file, problems);
    for (const ParseProblem& problem : problems) {
      if (joined != nullptr && is_repeated_key(problem)) {
        if (&problem != joined) continue;
        const bool compose = file->kind == FileKind::kCompose;
        Finding& found = sink.add(
            "syntax", *file, problem.span,
            compose ? "a second Compose file begins here: of every key that occurs twice, Compose "
                      "takes the last, or refuses the file"
                    : "a second object begins here without a line --- in front: of every key that "
                      "occurs twice the last is taken, or the file is refused");
        found.fix = compose ? "keep one of the two, or make two files of them"
                            : "write a line --- in front of it";
        continue;
      }
      // Of an empty ARG above, which is told.
      if (problem.message.contains("has no value here") &&
          std::ranges::any_of(problems, [](const ParseProblem& other) {
            return other.message == "ARG needs at least one argument";
          }))
        continue;
      // A head of YAML, or a text that is no Dockerfile: one cause.
      if (problem.message.contains("is not an instruction") && ++foreign > 1) continue;
      Finding& found = sink.add("syntax", *file, problem.span, problem.message);
      if (problem.message.ends_with("is not a requirement")) found.cause = "requirement";
      const std::string& path = file->source.project_path();
      found.pedantic = (file->dockerfile && file->dockerfile->fragment) || is_template_name(path) ||
                       is_fixture(path) || is_harmless(*file, problem) ||
                       has_placeholder(file->source.text()) || has_mark(*file, problem) ||
                       !surely_refused(views, *file, problem) ||
                       (file->dockerfile && !variable_of(*file, problem).empty() &&
                        handed_on.names(*file, variable_of(*file, problem))) ||
                       (file->kind == FileKind::kRequirements && !is_installed(views, *file) &&
                        handed_on.names(*file, {}));
    }
  }
}

}  // namespace flense::lint
