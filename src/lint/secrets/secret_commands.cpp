// Secrets on the command lines of a build.
#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/rules/rules.h"
#include "lint/secrets/secret_forms.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// True for what a secret mount brings: /run/secrets, or a variable of the mount.
bool from_secret_mount(const Instruction& run, std::string_view word) {
  if (holds(word, "/run/secrets")) return true;
  for (const Flag* mount : run.flags_of("mount")) {
    bool secret = false;
    std::string target;
    for (const auto& [key, value] : mount->pairs()) {
      if (key == "type" && value == "secret") secret = true;
      if ((key == "target" || key == "dst" || key == "env") && !value.empty()) target = value;
    }
    if (secret && (holds(word, "$") || (!target.empty() && holds(word, target)))) return true;
  }
  return false;
}

/// The word of a command that is a secret by its place; null: none.
const ShellWord* secret_word(const ShellCommand& command) {
  const Program program = program_of(command);
  const auto& words = command.words;
  const auto text = [&](std::size_t at) {
    return at < words.size() ? std::string_view(words[at].text) : std::string_view();
  };
  const std::size_t first = program.first;
  const bool hub = program.name == "huggingface-cli" || program.name == "hf";
  const bool login =
      text(first + 1) == "login" || (text(first + 1) == "auth" && text(first + 2) == "login");
  for (std::size_t at = first + 1; at < words.size(); ++at) {
    if (hub && text(at) == "--token" && at + 1 < words.size()) return &words[at + 1];
    if (hub && text(at).starts_with("--token=")) return &words[at];
    if ((program.name == "docker" || program.name == "podman") && login &&
        (text(at) == "-p" || text(at) == "--password") && at + 1 < words.size())
      return &words[at + 1];
    if (program.name == "ngc" && text(at) == "--api-key" && at + 1 < words.size())
      return &words[at + 1];
    if (program.name == "wandb" && login && at > first + 1 && !text(at).starts_with("-"))
      return &words[at];
  }
  return nullptr;
}

/// `huggingface-cli login` of a RUN: it writes the token into the hub's folder, wherever it comes
/// from.
bool keeps_token(const Instruction& run, const ShellCommand& command) {
  const Program program = program_of(command);
  const auto has = [&](std::string_view wanted) {
    return std::ranges::any_of(command.words,
                               [&](const ShellWord& word) { return word.text == wanted; });
  };
  if (!is_one_of(program.name, {"huggingface-cli", "hf"}) || !has("login") || has("--help"))
    return false;
  // In a folder that is no part of the layer, or deleted again.
  const std::string home = variable_at(run, &command, "HF_HOME").value.value_or("");
  return !variable_at(run, &command, "HF_TOKEN_PATH").set &&
         std::ranges::none_of(mount_targets(run),
                              [&](const std::string& target) {
                                return target.contains("huggingface") ||
                                       target.ends_with("/.cache") ||
                                       (!home.empty() && lies_in(home, target));
                              }) &&
         std::ranges::none_of(run.step_commands, [](const StepCommand& other) {
           return other.has("logout") ||
                  (other.program == "rm" &&
                   std::ranges::any_of(other.arguments, [](const Argument& word) {
                     return word.text.contains("huggingface") || word.text.contains("HF_HOME") ||
                            file_name(word.text) == "token";
                   }));
         });
}

/// The header of a request with a token that is written, no variable.
bool has_bearer(const ShellWord& word) {
  constexpr std::string_view kHeader = "authorization: bearer ";
  const std::size_t at = to_lower(word.text).find(kHeader);
  return at != std::string::npos && !word.dynamic &&
         !is_placeholder("", std::string_view(word.text).substr(at + kHeader.size()));
}

/// "root:password" of `echo root:password |`; null: it is of no such form, or in a variable.
const ShellWord* password_in(const ShellCommand& command) {
  if (command.joined_by != "|" || command.words.size() < 2 ||
      !is_one_of(program_of(command).name, {"echo", "printf"}))
    return nullptr;
  const ShellWord& word = command.words.back();
  const std::size_t colon = word.text.find(':');
  return word.dynamic || colon == 0 || colon + 1 >= word.text.size() ? nullptr : &word;
}

void command_lines(const FileView& view, FindingSink& sink) {
  const bool ssh =
      holds(view.file->source.text(), "sshd") || holds(view.file->source.text(), "openssh-server");
  const knowledge::BuildFacts& facts = view.project->knowledge->build;
  const std::vector<std::size_t> last = view.dockerfile->lineage(view.stages.size() - 1);
  for (const StageView& stage : view.stages)
    for (const Instruction& run : stage.stage->instructions) {
      if (run.keyword != Keyword::kRun) continue;
      const bool shown = std::ranges::find(last, stage.index) != last.end();
      const auto report = [&](Span span, const std::string& what,
                              const std::string& evidence) -> Finding* {
        // The definition holds the name alone.
        const bool named = view.text(span).contains('$') || view.text(span).contains("{{");
        if (view.is_definition() && named) return nullptr;
        Finding& found =
            sink.add("secret-on-command-line", *view.file, span,
                     fmt::format("{} on the line of a {} stays in {}", what,
                                 view.is_definition() ? "command of %post" : "RUN",
                                 view.is_definition() ? "the image, with its definition"
                                 : shown ? "the history of the image, and in the layer where the "
                                           "tool stores it"
                                         : "the records of its build"));
        found.evidence = {evidence, stays(view.is_definition(), shown)};
        // What is not written down, at most the records have.
        found.pedantic = !shown && named;
        if (view.is_definition())
          found.fix =
              "delete it: bring it in a file that the command reads, apptainer build --bind; what "
              "the program needs, give to the container: apptainer run --env-file";
        return &found;
      };
      for (const ShellCommand& command : run.commands) {
        if (const ShellWord* word = secret_word(command);
            word != nullptr && !from_secret_mount(run, word->text) && !is_unset(run, word->text) &&
            !is_placeholder("", word->text.substr(word->text.find('=') + 1))) {
          report(word->span, "a token", "the argument of a login or --token");
          continue;
        }
        const ShellWord* token = secret_word(command);
        const bool filled =
            token != nullptr && !is_placeholder("", token->text.substr(token->text.find('=') + 1));
        if (shown && !view.is_definition() && filled && keeps_token(run, command)) {
          Finding& found = sink.add(
              "secret-on-command-line", *view.file, command.span,
              "the login writes the token into the hub's folder, and that into this layer");
          found.evidence = {
              "huggingface_hub documentation, login: the token is saved in "
              "HF_HOME/token"};
          // Then the step has no token at all.
          found.pedantic =
              is_unset(run, token->text) &&
              std::ranges::none_of(run.commands, [&](const ShellCommand& other) {
                return std::ranges::any_of(other.assignments, [&](const ShellAssignment& set) {
                  return uses_variable(token->text, set.name);
                });
              });
          found.fix =
              "leave the login out: RUN --mount=type=secret,id=HF_TOKEN,env=HF_TOKEN in the "
              "step that downloads; HF_TOKEN of the container for what the program loads";
          continue;
        }
        if (ssh && &command != run.commands.data() && program_of(command).name == "chpasswd")
          if (const ShellWord* word = password_in(*(&command - 1)))
            if (Finding* found =
                    report(word->span, "a password", "it goes to chpasswd, beside an sshd")) {
              found->fix =
                  "let people in by keys: PasswordAuthentication no, and authorized_keys mounted "
                  "when the container starts";
              // Often of a container that nobody else reaches.
              found->pedantic = true;
            }
        bool said = false;
        for (const ShellAssignment& set : command.assignments) {
          const auto* row = facts.secret(set.name);
          if (row == nullptr || set.value.text.empty() || said ||
              is_placeholder(set.name, set.value.text) || from_secret_mount(run, set.value.text))
            continue;
          // The ARG that it comes from is already reported.
          if (set.value.dynamic && !holds(set.value.text, "$(")) continue;
          if (holds(set.value.text, "$(")) continue;
          report(set.value.span, set.name, row->source);
          said = true;
        }
        for (const ShellWord& word : command.words) {
          if (said) break;
          if (const auto* form = token_in(word.text, facts)) {
            report(word.span, form->what, form->source);
            said = true;
          } else if (has_bearer(word) && !from_secret_mount(run, word.text)) {
            report(word.span, "a token", "the header Authorization: Bearer");
            said = true;
          } else if (has_password(word.text)) {
            report(word.span, "a password", "the address holds user:password");
            said = true;
          }
        }
      }
    }
}

/// Jupyter's token in what the image starts, or in a configuration that a step writes.
void jupyter_tokens(const FileView& view, FindingSink& sink) {
  const auto judge = [&](std::string_view word, Span span) {
    const auto token = jupyter_token(word);
    if (!token || token->empty() || token->contains('$') || token->starts_with('{') ||
        is_placeholder("", *token))
      return;
    Finding& found = sink.add("secret-on-command-line", *view.file, span,
                              "the token of Jupyter is written here: everybody has it who has the "
                              "image");
    found.evidence = {"who knows it runs code in the container", stays(view.is_definition(), true)};
    found.fix =
        "delete it: Jupyter then makes one at each start and prints it; or give JUPYTER_TOKEN to "
        "the container: docker run --env-file";
    found.pedantic = true;
  };
  for (const std::size_t stage : view.dockerfile->lineage(view.stages.size() - 1))
    for (const Instruction& one : view.dockerfile->stages[stage].instructions) {
      if (one.keyword == Keyword::kCmd || one.keyword == Keyword::kEntrypoint)
        for (const Word& word : one.words) judge(word.text, word.span);
      if (one.keyword == Keyword::kRun)
        for (const ShellCommand& command : one.commands)
          for (const ShellWord& word : command.words) judge(word.text, word.span);
    }
}

}  // namespace

void judge_secret_commands(const Project& /*project*/, const std::vector<FileView>& views,
                           FindingSink& sink) {
  for (const FileView& view : views) {
    command_lines(view, sink);
    jupyter_tokens(view, sink);
  }
}

}  // namespace flense::lint
