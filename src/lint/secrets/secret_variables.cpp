// Secrets in the variables of an image and of its build.
#include <algorithm>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/rules/rules.h"
#include "lint/secrets/secret_forms.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Google's key of a web page is no secret; a token that is known by its form is one under any
/// name.
bool is_for_browsers(std::string_view name, std::string_view value) {
  return value.starts_with("AIza") && names_public(name);
}

/// Where a secret has to go instead. What a step needs, a mount gives; what the program reads, the
/// container gets.
std::string instead_of(const FileView& view, const Instruction& instruction,
                       const std::string& name, bool address) {
  if (view.is_definition())
    return fmt::format(
        "delete it; what the program reads, give to the container: apptainer run --env-file with "
        "{}; what %post reads, bring in a file: apptainer build --bind",
        name);
  if (instruction.keyword == Keyword::kEnv && address)
    return fmt::format(
        "delete it; give it to the container: docker run --env-file, env_file of the service, a "
        "Secret of Kubernetes, each with {}",
        name);
  return fmt::format(
      "delete it; give it to the step alone: RUN --mount=type=secret,id={0},env={0} …, with "
      "docker build --secret id={0}; what the program reads, to the container: docker run "
      "--env-file",
      name);
}

/// Whether a value is made of one of these variables: "$NAME", "${NAME:-}".
bool made_of(std::string_view value, const std::set<std::string>& names) {
  for (std::size_t at = value.find('$'); at != value.npos; at = value.find('$', at + 1)) {
    std::string_view rest = value.substr(at + 1);
    if (rest.starts_with('{')) rest.remove_prefix(1);
    std::size_t end = 0;
    while (end < rest.size() && is_token_letter(rest[end]) && rest[end] != '-') ++end;
    if (names.contains(std::string(rest.substr(0, end)))) return true;
  }
  return false;
}

void variables(const FileView& view, FindingSink& sink) {
  const knowledge::BuildFacts& facts = view.project->knowledge->build;
  std::set<std::string> arguments;
  // `shown`: the image has it.
  const auto judge = [&](const Instruction& instruction, bool shown) {
    if (instruction.keyword != Keyword::kArg && instruction.keyword != Keyword::kEnv) return;
    for (const KeyValue& pair : instruction.pairs) {
      const auto* row = facts.secret(pair.key.text);
      const std::string_view value =
          pair.value ? std::string_view(pair.value->text) : std::string_view();
      // For the reader to fill in, or an identifier that every page of the program shows.
      const auto* form = is_for_browsers(pair.key.text, value) ? nullptr : token_in(value, facts);
      const bool password = has_password(value);
      // ENV HF_TOKEN="" clears a value.
      const bool empty = (instruction.keyword == Keyword::kEnv && value.empty()) ||
                         (instruction.keyword == Keyword::kEnv && is_unset(instruction, value)) ||
                         value.starts_with("$(") ||  // no shell runs it
                         is_placeholder(pair.key.text, value);
      const bool written =
          row == nullptr && !names_public(pair.key.text) && is_written_key(pair.key.text, value);
      const bool named = row == nullptr && is_own_password(pair.key.text, value);
      if ((row == nullptr || empty) && form == nullptr && !password && !written && !named) continue;
      // ARG TOKEN, ENV HF_TOKEN=$TOKEN: one secret.
      if (instruction.keyword == Keyword::kArg)
        arguments.insert(pair.key.text);
      else if (form == nullptr && !password && made_of(value, arguments))
        continue;
      // Who builds gives it, or does not.
      const bool given = instruction.keyword == Keyword::kArg && value.empty();
      // What %environment computes, the image holds as a text.
      if (view.is_definition() && (given || (form == nullptr && value.contains('$')))) continue;
      Finding& found = sink.add(
          "secret-in-build-variable", *view.file,
          row != nullptr || written || named ? pair.key.span : pair.value->span,
          given
              ? fmt::format("what a build gets for ARG {} stays in the {}", pair.key.text,
                            shown ? "image's history" : "records of its build")
              : fmt::format("{} {} {} {} in the {}",
                            !view.is_definition()                  ? to_string(instruction.keyword)
                            : instruction.keyword == Keyword::kArg ? "%arguments:"
                                                                   : "%environment:",
                            pair.key.text, shown ? "keeps" : "leaves",
                            row != nullptr || (written && form == nullptr) ? std::string("a secret")
                            : form != nullptr                              ? form->what
                                              : std::string("a password"),
                            shown ? "image" : "records of its build"));
      // What is not written down, at most the records of a build have, which many do not make.
      found.pedantic =
          (!shown && form == nullptr && !password && (value.empty() || value.contains("$"))) ||
          (form == nullptr && !password && (named || is_of_own_service(pair.key.text))) ||
          (form == nullptr && is_of_test(view.file->source.project_path()));
      // What the file itself says everybody has who has the file.
      if (!shown && form == nullptr && !password && !written) found.severity = Severity::kWarning;
      found.evidence = {row != nullptr    ? row->source
                        : form != nullptr ? form->source
                        : written         ? std::string("a key by its name, with its value")
                        : named           ? std::string("a password by its name")
                                          : std::string("the address holds user:password"),
                        stays(view.is_definition(), shown)};
      // A package index is read by the build, a database by the program.
      found.fix =
          (form != nullptr ? "revoke it, for it is known; " : "") +
          instead_of(view, instruction, pair.key.text, password && !value.starts_with("http"));
    }
  };
  // What stands in front of FROM is in no stage.
  for (const Instruction& instruction : view.dockerfile->globals) judge(instruction, false);
  const std::vector<std::size_t> last = view.dockerfile->lineage(view.stages.size() - 1);
  for (const StageView& stage : view.stages) {
    const bool shown = std::ranges::find(last, stage.index) != last.end();
    for (const Instruction& instruction : stage.stage->instructions) judge(instruction, shown);
  }
}

}  // namespace

void judge_secrets(const Project& /*project*/, const std::vector<FileView>& views,
                   FindingSink& sink) {
  for (const FileView& view : views) variables(view, sink);
}

}  // namespace flense::lint
