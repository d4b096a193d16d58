// Secrets that stay in an image's history.
#include <algorithm>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/readers/readers.h"
#include "lint/rules/rules.h"
#include "lint/rules/secret_forms.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// What an example writes in place of a password.
bool is_usual_password(std::string_view low) {
  return is_one_of(low,
                   {"password", "passwd",  "pass",     "pwd",       "secret",    "admin", "root",
                    "user",     "example", "changeme", "change-me", "change_me", "test",  "dummy",
                    "xxx",      "token",   "apikey",   "api_key",   "key",       "..."}) ||
         low.starts_with('<') || low.starts_with("your") || low.contains("***");
}

/// "https://user:password@host": the password is written, no variable.
bool has_password(std::string_view text) {
  const std::size_t scheme = text.find("://");
  if (scheme == text.npos) return false;
  std::string_view host = text.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/ \t\"'"));
  const std::size_t at = host.rfind('@');
  if (at == host.npos) return false;
  // Nobody reaches the builder's own services from elsewhere.
  const std::string_view server = host.substr(at + 1, host.find(':', at) - at - 1);
  // Neither those of a network of containers: "db", "postgres".
  if (is_one_of(server, {"localhost", "127.0.0.1", "0.0.0.0", "host.docker.internal"}) ||
      server.find_first_of(".$[") == server.npos)
    return false;
  const std::string_view user = host.substr(0, at);
  const std::size_t colon = user.find(':');
  // guest:guest is what the service comes with.
  return colon != user.npos && colon + 1 < user.size() && !holds(user.substr(colon), "$") &&
         user.substr(0, colon) != user.substr(colon + 1) &&
         !is_usual_password(to_lower(user.substr(colon + 1)));
}

constexpr std::string_view kStays =
    "docker history and the image's configuration show it to everyone who has the image";

constexpr std::string_view kRecorded =
    "no stage of the image has it; provenance of mode=max, which docker/build-push-action adds for "
    "public repositories, names the arguments of the build";

constexpr std::string_view kInSif =
    "the image holds its definition and %environment, which apptainer inspect shows to everyone "
    "who has it";

/// `shown`: the image has it.
std::string stays(const FileView& view, bool shown) {
  return std::string(view.is_definition() ? kInSif : shown ? kStays : kRecorded);
}

/// What a program gets that wants a key and checks none, or what the reader has to fill in.
bool is_placeholder(std::string_view name, std::string_view value) {
  constexpr std::size_t kShortest = 12;  // of a token: "sk-1234", "offline" are none
  if (!value.empty() && !value.contains('$') && (name.contains("TOKEN") || name.contains("KEY")) &&
      (value.size() < kShortest || value.find_first_not_of(value.front()) == value.npos))
    return true;
  const std::string low = to_lower(value);
  // WANDB_API_KEY=WANDB_API_KEY
  if (!low.empty() && (low == to_lower(name) || ends_with_any(to_lower(name), {"_" + low})))
    return true;
  // HF_TOKEN=HUGGINGFACE_TOKEN names a variable, /run/secrets/hf a file.
  if (low.contains('_') &&
      std::ranges::all_of(value, [](char c) { return c == '_' || (c >= 'A' && c <= 'Z'); }))
    return true;
  if (starts_with_any(low, {"/run/", "/var/run/", "/etc/", "/secrets/", "/vault/", "file:"}))
    return true;
  return is_one_of(
             low,
             {"minioadmin", "minio",      "minio123",  "admin",  "password", "secret",
              "todo",       "fixme",      "localhost", "local",  "n/a",      "dummy",
              "none",       "null",       "empty",     "fake",   "test",     "unused",
              "not-used",   "not-needed", "token",     "no-key", "sk-dummy", "sk-no-key-required",
              "dummy-key"}) ||
         starts_with_any(low, {"your", "<", "{{", "replace", "insert", "enter", "***", "...",
                               "dummy-", "fake-"}) ||
         // A key that begins so has digits.
         (starts_with_any(low, {"__", "%", "local-", "test-"}) &&
          std::ranges::none_of(low, is_digit)) ||
         is_filled_in(low) || ends_with_any(low, {"_here", "-here"});
}

/// Names of what others may read: a client's public key, the number of an account.
bool names_public(std::string_view name) {
  const std::string low = to_lower(name);
  return has_part(low, "_-",
                  {"public", "publishable", "id", "fingerprint", "name", "username", "cache",
                   "firebase"}) ||
         holds(low, "site_key") || starts_with_any(low, {"vite_", "react_app_", "nuxt_"});
}

/// Google's key of a web page is no secret; a token that is known by its form is one under any
/// name.
bool is_for_browsers(std::string_view name, std::string_view value) {
  return value.starts_with("AIza") && names_public(name);
}

/// A key that is written down under a name that the table does not know: GOOGLE_GEMINI_API_KEY.
bool is_written_key(std::string_view name, std::string_view value) {
  constexpr std::size_t kShortest = 16;
  return ends_with_any(name, {"_API_KEY", "_API_TOKEN", "_ACCESS_TOKEN", "_SECRET_KEY"}) &&
         value.size() >= kShortest && std::ranges::all_of(value, is_token_letter) &&
         std::ranges::any_of(value, is_digit) && std::ranges::any_of(value, is_letter) &&
         !is_placeholder(name, value);
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

/// The key to a service of the container itself, often a known one that its user is to replace.
bool is_of_own_service(std::string_view name) {
  return starts_with_any(name, {"JUPYTER_", "VNC_", "SSH_", "ROOT_"});
}

/// "$NAME" of a name that nothing above sets: empty.
bool is_unset(const Instruction& instruction, std::string_view value) {
  if (!value.starts_with('$')) return false;
  std::string_view name = value.substr(1);
  if (name.starts_with('{') && name.ends_with('}')) name = name.substr(1, name.size() - 2);
  if (name.empty() || !std::ranges::all_of(name, is_token_letter)) return false;
  return !environment_of(instruction).contains(std::string(name));
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

/// What a test feeds to a program.
bool is_of_test(std::string_view path) {
  return has_part(
      directory_of(path), "/",
      {"test", "tests", "testdata", "test-data", "test_data", "fixtures", "__fixtures__"});
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
                         is_placeholder(pair.key.text, value);
      const bool written =
          row == nullptr && !names_public(pair.key.text) && is_written_key(pair.key.text, value);
      if ((row == nullptr || empty) && form == nullptr && !password && !written) continue;
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
          row != nullptr || written ? pair.key.span : pair.value->span,
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
          (form == nullptr && !password && is_of_own_service(pair.key.text)) ||
          (form == nullptr && is_of_test(view.file->source.project_path()));
      // What the file itself says everybody has who has the file.
      if (!shown && form == nullptr && !password && !written) found.severity = Severity::kWarning;
      found.evidence = {row != nullptr    ? row->source
                        : form != nullptr ? form->source
                        : written         ? std::string("a key by its name, with its value")
                                          : std::string("the address holds user:password"),
                        stays(view, shown)};
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
        found.evidence = {evidence, stays(view, shown)};
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
      found.evidence = {std::string(shown ? kStays : kRecorded)};
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

/// Tokens by their form where containers are started: in variables of services and pods, and in
/// scripts.
void written_tokens(const ProjectFile& file, const knowledge::BuildFacts& facts,
                    FindingSink& sink) {
  if (token_in(file.source.text(), facts) == nullptr) return;
  const auto judge = [&](std::string_view text, Span span) {
    const auto* form = token_in(text, facts);
    if (form == nullptr || form->prefix == "AIza") return;  // a web page's key is no secret
    Finding& found =
        sink.add("secret-on-command-line", file, span,
                 fmt::format("{} is written here: everybody has it who has the file", form->what));
    found.evidence = {form->source};
    found.fix =
        "revoke it, for it is known; give it from outside the repository: env_file or --env-file, "
        "a Secret of Kubernetes, the caller's environment";
    found.pedantic = is_of_test(file.source.project_path());
  };
  for (const Workload& workload : file.workloads)
    if (workload.node != nullptr)
      for (const Variable& one : workload.variables)
        if (one.value) judge(*one.value, one.span);
  for (const std::vector<ShellCommand>& commands : scripts_of(file))
    for (const ShellCommand& command : commands) {
      for (const ShellAssignment& set : command.assignments) judge(set.value.text, set.value.span);
      for (const ShellWord& word : command.words) judge(word.text, word.span);
    }
}

}  // namespace

void judge_secrets(const Project& project, const std::vector<FileView>& views, FindingSink& sink) {
  for (const auto& file : project.files) {
    workflow_arguments(*file, views, project.knowledge->build, sink);
    written_tokens(*file, project.knowledge->build, sink);
  }
  for (const FileView& view : views) {
    variables(view, sink);
    command_lines(view, sink);
  }
}

}  // namespace flense::lint
