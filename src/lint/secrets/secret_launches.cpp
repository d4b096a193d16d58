// Secrets that a workflow gives a build, and those that are written where containers are started.
#include <algorithm>
#include <array>
#include <utility>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/workload_facts.h"
#include "lint/readers/reader_values.h"
#include "lint/readers/readers.h"
#include "lint/rules/rules.h"
#include "lint/secrets/secret_forms.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// The secrets of a workflow that a value holds, in order: "GH_TOKEN" of ${{ secrets.GH_TOKEN }}.
std::vector<std::string_view> secrets_of_workflow(std::string_view text) {
  constexpr std::string_view kContext = "secrets.";
  std::vector<std::string_view> out;
  for (std::size_t at = text.find("${{"); at != text.npos; at = text.find("${{", at)) {
    const std::size_t end = text.find("}}", at);
    if (end == text.npos) break;
    std::string_view rest = text.substr(at, end - at);
    for (std::size_t begin; (begin = rest.find(kContext)) != rest.npos;) {
      rest.remove_prefix(begin + kContext.size());
      out.push_back(rest.substr(0, rest.find_first_of(" |&=!,)")));
    }
    at = end;
  }
  return out;
}

/// Names of what must not be read by others.
bool names_secret(std::string_view name) {
  const std::string low = to_lower(name);
  return ends_with_any(low, {"token", "_pat", "password", "passwd", "secret", "api_key", "_key"}) ||
         low == "pat";
}

/// The Dockerfile of a build that a workflow starts, whose paths begin at the root of the checkout:
/// where .github lies. Null: not known.
const FileView* dockerfile_of(const ProjectFile& workflow, const std::vector<FileView>& views,
                              const BuildTarget& build) {
  const std::string path =
      build.dockerfile.text.empty()
          ? path_below(build.context.text.empty() ? "." : build.context.text, "Dockerfile")
          : build.dockerfile.text;
  const std::string& own = workflow.source.project_path();
  const std::string root = own.substr(0, std::min(own.rfind(".github/"), own.size()));
  const std::string wanted = normal_path(own.contains(".github/") ? root + path : path);
  const auto at = std::ranges::find_if(views, [&](const FileView& view) {
    return normal_path(view.file->source.project_path()) == wanted;
  });
  return at == views.end() ? nullptr : &*at;
}

/// False where the image that is built takes the argument in none of its stages.
bool may_be_shown(const ProjectFile& workflow, const std::vector<FileView>& views,
                  const BuildTarget& build, std::string_view argument) {
  const FileView* view = dockerfile_of(workflow, views, build);
  const auto takes = [&](const Instruction& one) {
    return one.keyword == Keyword::kArg &&
           std::ranges::any_of(one.pairs,
                               [&](const KeyValue& pair) { return pair.key.text == argument; });
  };
  // ${{ env.DOCKERFILE }}: one of the project's.
  if (view == nullptr && build.dockerfile.text.contains('$') && !views.empty())
    return std::ranges::any_of(views, [&](const FileView& one) {
      return std::ranges::any_of(one.dockerfile->stages, [&](const Stage& stage) {
        return std::ranges::any_of(stage.instructions, takes);
      });
    });
  if (view == nullptr) return true;
  const auto named = view->dockerfile->find_stage(build.stage.text);
  if (!build.stage.text.empty() && !named) return true;
  return std::ranges::any_of(
      view->dockerfile->lineage(named.value_or(view->stages.size() - 1)), [&](std::size_t stage) {
        return std::ranges::any_of(view->dockerfile->stages[stage].instructions, takes);
      });
}

/// A secret of the workflow as an argument of a build.
void workflow_arguments(const ProjectFile& file, const std::vector<FileView>& views,
                        const knowledge::BuildFacts& facts, FindingSink& sink) {
  if (file.kind != FileKind::kWorkflow) return;
  for (const BuildTarget& build : file.names.builds)
    for (const auto& [name, value] : build.args) {
      // The lines of build-args share a place; a command line's words have their own.
      const std::string_view written = file.source.slice(value.span);
      const bool line = value.text.contains("${{");
      if (!line && written.contains('\n')) continue;
      if (names_public(name.text)) continue;
      const bool named = facts.secret(name.text) != nullptr || names_secret(name.text);
      const auto secrets = secrets_of_workflow(line ? std::string_view(value.text) : written);
      const auto at = std::ranges::find_if(secrets, [&](std::string_view one) {
        return !names_public(one) && (named || names_secret(one));
      });
      if (at == secrets.end()) continue;
      const std::string_view secret = *at;
      Span span = value.span;
      if (const std::size_t own = written.find(name.text + "="); line && own != written.npos)
        span = {span.begin + own, span.begin + own + name.text.size()};
      const bool shown = may_be_shown(file, views, build, name.text);
      Finding& found =
          sink.add("secret-in-build-variable", file, span,
                   fmt::format("the build argument {} {} the secret {} {}", name.text,
                               shown ? "puts" : "leaves", secret,
                               shown ? "into the image's history" : "in the records of the build"));
      if (!shown) found.severity = Severity::kWarning;
      found.evidence = {stays(false, shown)};
      found.fix = fmt::format(
          "give it by {0}, and read it in the step that needs it: RUN "
          "--mount=type=secret,id={1},env={1} …",
          line ? fmt::format("secrets: {0}=${{{{ secrets.{1} }}}}", name.text, secret)
               : fmt::format("--secret id={0},env={0}", name.text),
          name.text);
      // It ends with the job.
      found.pedantic = secret == "GITHUB_TOKEN" || !shown;
    }
}

/// Secrets that are written where containers are started: in variables of services and pods, in
/// files of variables, in scripts and workflows.
class WrittenSecrets {
 public:
  WrittenSecrets(const ProjectFile& file, const knowledge::BuildFacts& facts, FindingSink& sink)
      : file_(file), facts_(facts), sink_(sink) {}

  void judge() {
    if (!may_hold_one()) return;
    for (const Workload& workload : file_.workloads) {
      if (workload.node == nullptr) continue;
      variables(workload.variables);
      passwords(workload.variables);
      for (const Word& word : command_words(workload)) jupyter(word.text, word.span);
    }
    variables(file_.variables);
    if (file_.kind == FileKind::kWorkflow && file_.yaml)
      for (const text::YamlNode* document : file_.yaml->documents) workflow(*document, 0);
    scripts(scripts_of(file_));
    scripts(scripts_of_workflow(file_));
  }

 private:
  void scripts(const std::vector<std::vector<ShellCommand>>& all) {
    for (const std::vector<ShellCommand>& commands : all)
      for (const ShellCommand& command : commands) {
        for (const ShellAssignment& set : command.assignments)
          variable(set.name, set.value.text, set.value.span);
        for (const ShellWord& word : command.words) {
          const auto [name, value] = parts_of_setting(word.text);
          variable(name, value, word.span);
          jupyter(word.text, word.span);
        }
      }
  }

  /// What the steps of a workflow get: env, and the inputs of an action.
  void workflow(const text::YamlNode& node, unsigned depth) {
    constexpr unsigned kMostDepth = 32;
    if (depth > kMostDepth) return;
    for (const text::YamlNode* item : node.items) workflow(*item, depth + 1);
    for (const text::YamlMember& member : node.members) {
      if (is_one_of(member.key, {"env", "with", "variables"}))
        for (const text::YamlMember& one : member.value->members)
          if (one.value->is_scalar()) variable(one.key, one.value->text, word_of(*one.value).span);
      workflow(*member.value, depth + 1);
    }
  }

  /// Scripts are read once more only then.
  bool may_hold_one() const {
    const std::string_view text = file_.source.text();
    return std::ranges::any_of(
               std::to_array<std::string_view>(
                   {"KEY", "TOKEN", "SECRET", "PASSWORD", "key", "token", "secret", "password"}),
               [&](std::string_view word) { return text.contains(word); }) ||
           token_in(text, facts_) != nullptr;
  }

  /// "NAME=value" of export, of docker's -e; a word alone has no name.
  static std::pair<std::string_view, std::string_view> parts_of_setting(std::string_view word) {
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    if (equals == word.npos || name.empty() || !std::ranges::all_of(name, is_token_letter))
      return {{}, word};
    return {name, word.substr(equals + 1)};
  }

  void variables(const std::vector<Variable>& variables) {
    for (const Variable& one : variables)
      if (one.value) variable(one.name, *one.value, one.span);
  }

  void variable(std::string_view name, std::string_view value, Span span) {
    if (const auto secret = written_secret(name, value, facts_))
      tell(span, secret->what, secret->source, !secret->sure);
  }

  /// Of the databases beside a service, the first of a file.
  void passwords(const std::vector<Variable>& variables) {
    for (const Variable& one : variables) {
      if (told_password_ || !one.value || one.value->empty() || one.value->contains('$') ||
          !names_password(one.name) || written_secret(one.name, *one.value, facts_))
        continue;
      told_password_ = true;
      tell(one.span, "the password " + one.name, "a password by its name", true);
    }
  }

  void jupyter(std::string_view word, Span span) {
    const auto token = jupyter_token(word);
    if (token && !token->empty() && !token->contains('$') && !token->starts_with('{') &&
        !is_placeholder("", *token))
      tell(span, "the token of Jupyter", "who knows it runs code in the container", true);
  }

  void tell(Span span, const std::string& what, const std::string& source, bool pedantic) {
    Finding& found =
        sink_.add("secret-on-command-line", file_, span,
                  fmt::format("{} is written here: everybody has it who has the file", what));
    found.evidence = {source};
    found.fix =
        "revoke it, for it is known; give it from outside the repository: env_file or --env-file "
        "with a file that git ignores, a Secret of Kubernetes, the caller's environment";
    found.pedantic = pedantic || is_of_test(file_.source.project_path());
  }

  const ProjectFile& file_;
  const knowledge::BuildFacts& facts_;
  FindingSink& sink_;
  bool told_password_ = false;
};

}  // namespace

void judge_secret_launches(const Project& project, const std::vector<FileView>& views,
                           FindingSink& sink) {
  for (const auto& file : project.files) {
    workflow_arguments(*file, views, project.knowledge->build, sink);
    WrittenSecrets(*file, project.knowledge->build, sink).judge();
  }
}

}  // namespace flense::lint
