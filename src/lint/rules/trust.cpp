// Downloads whose certificates are not checked.
#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/near_hosts.h"
#include "lint/facts/purpose.h"
#include "lint/facts/script_installs.h"
#include "lint/readers/readers.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// "-sLk", "-kO", "-Lko": letters of curl's without values, the last perhaps with one.
bool joins_insecure(std::string_view text) {
  if (text.size() < 3 || text[0] != '-' || text[1] == '-' || !text.contains('k')) return false;
  const std::size_t other = text.find_first_not_of("fsSLkgvOJiI#", 1);
  return other == text.npos ||
         (other + 1 == text.size() && std::string_view("oXHdu").contains(text[other]));
}

/// curl looks whether the server answers, and keeps nothing of it.
bool only_asks(const StepCommand& command) {
  return command.has("--head") || command.has("/dev/null") ||
         std::ranges::any_of(command.arguments, [](const Argument& word) {
           return word.text.size() > 1 && word.text[0] == '-' && word.text[1] != '-' &&
                  word.text.contains('I') && joins_insecure(word.text + "k");
         });
}

/// What makes a download trust any server; empty: nothing.
std::string unverified(const StepCommand& command, std::string_view text) {
  const bool curl = command.program == "curl" && !only_asks(command);
  const bool off = command.has("false") || command.has("False") || command.has("0");
  if (off && command.program == "git" && text == "http.sslVerify") return "http.sslVerify false";
  if (command.has("config") && text == "ssl_verify" &&
      is_one_of(command.value_of("ssl_verify"), {"false", "False", "no", "off", "0"}))
    return "ssl_verify false";
  if (off && is_one_of(command.program, {"npm", "yarn", "pnpm"}) && text == "strict-ssl")
    return "strict-ssl false";
  if (is_one_of(command.program, {"npm", "yarn", "pnpm"}) && text == "strict-ssl=false")
    return "strict-ssl=false";
  if (curl && (text == "--insecure" || text == "-k")) return std::string(text);
  if (curl && joins_insecure(text)) return std::string(text);
  for (const std::string_view option :
       {"--trusted-host", "--no-check-certificate", "--allow-insecure-host", "http.sslVerify=false",
        "ssl_verify=false"})
    if (text.starts_with(option)) return std::string(option);
  return {};
}

/// Hosts that pip is to trust, by its configuration: `pip config set global.trusted-host HOST`, or
/// a line of pip.conf. Nullopt: none.
std::optional<std::string> configured_hosts(const StepCommand& command) {
  if (command.program.starts_with("pip") && command.has("config") && command.has("set")) {
    for (std::size_t at = 0; at + 1 < command.arguments.size(); ++at)
      if (ends_with_any(command.arguments[at].text, {".trusted-host", ".trusted_host"}))
        return command.arguments[at + 1].text;
    return std::nullopt;
  }
  if (!is_one_of(command.program, {"echo", "printf"})) return std::nullopt;
  for (const Argument& word : command.arguments) {
    const std::string_view text = word.text;
    for (const std::string_view name : {"trusted-host", "trusted_host"}) {
      const std::size_t at = text.find(name);
      if (at == text.npos) continue;
      const std::string_view rest = trim_space(text.substr(at + name.size()));
      if (!rest.starts_with('=')) continue;
      // "\n" ends the line for printf and echo -e.
      return std::string(rest.substr(1, rest.find_first_of("\\\n") - 1));
    }
  }
  return std::nullopt;
}

/// Where a file has these words and no comment of its line in front; pip-compile writes its options
/// into one.
std::size_t outside_comments(std::string_view text, std::string_view words) {
  std::size_t at = text.find(words);
  while (at != text.npos) {
    const std::size_t line = at == 0 ? 0 : text.rfind('\n', at - 1) + 1;
    const std::size_t mark = text.substr(line, at - line).find('#');
    if (mark == text.npos || (mark > 0 && !is_blank(text[line + mark - 1]))) break;
    at = text.find(words, std::min(text.find('\n', at), text.size()));
  }
  return at;
}

/// PyPI's name of before 2018, which pip asks no longer.
bool is_renamed(std::string_view host) {
  return host.ends_with("pypi.python.org");
}

/// `hosts` are trusted: of --trusted-host HOST, or of PIP_TRUSTED_HOST. Those that the file reaches
/// by http:// have no certificate to check; others are of the house, a variable's, or gone.
void judge_hosts(std::string_view file, std::string_view hosts, Finding& found) {
  const auto parts = parts_of(hosts, " \t,\"'");
  const auto all = [&](const auto& is) { return !parts.empty() && std::ranges::all_of(parts, is); };
  if (all([&](std::string_view host) {
        return outside_comments(file, fmt::format("http://{}", host)) != file.npos;
      })) {
    found.fix = "name the index by https:// and delete it, where the server has a certificate";
    found.pedantic = true;
  }
  found.pedantic = found.pedantic || hosts.contains('$') || all(is_renamed) || all(is_near_host);
}

/// The command names its index, which is another host: a left-over.
bool is_never_asked(std::string_view command, std::string_view host) {
  host = host.substr(host.find('=') + 1);
  return holds(command, "://") && command.find(host) == command.rfind(host) &&
         !holds(host, "pypi") && !holds(host, "pythonhosted");
}

/// --trusted-host in a file of requirements.
void trusted_hosts(const ProjectFile& file, FindingSink& sink) {
  if (!file.packages || file.kind != FileKind::kRequirements) return;
  for (const std::string& option : file.packages->options) {
    if (!option.starts_with("--trusted-host")) continue;
    const std::size_t at = outside_comments(file.source.text(), "--trusted-host");
    if (at == std::string_view::npos || file.source.text().contains("--hash=")) return;
    constexpr std::size_t kLength = std::string_view("--trusted-host").size();
    Finding& found = sink.add(
        "certificate-check-off", file, {at, at + kLength},
        "with --trusted-host whoever answers in the server's place chooses what is installed");
    found.evidence = {"the file says " + option};
    const std::string_view rest = file.source.text().substr(at + kLength);
    const std::string_view host =
        rest.substr(std::min(rest.find_first_not_of("= \t"), rest.size()));
    judge_hosts(file.source.text(), host.substr(0, host.find_first_of(" \t\r\n")), found);
    return;
  }
}

/// A download by http:// alone: there is no certificate to check.
bool is_plain_http(const StepCommand& command) {
  if (command.program != "wget" && command.program != "curl") return false;
  const auto has = [&](std::string_view scheme) {
    return std::ranges::any_of(command.arguments,
                               [&](const Argument& word) { return holds(word.text, scheme); });
  };
  return has("http://") && !has("https://");
}

/// What these commands fetch is held against a checksum or a signature.
bool verifies(const std::vector<StepCommand>& commands) {
  return compares_sums(commands) || std::ranges::any_of(commands, [](const StepCommand& one) {
           return one.program == "gpgv" || (one.program == "gpg" && one.has("--verify"));
         });
}

/// Whether a step only saves one file, which the next one names.
bool does_nothing_else(const Instruction& fetch, const Instruction& next) {
  const std::vector<StepCommand> commands = commands_of(fetch);
  if (commands.size() != 1 || !is_one_of(commands.front().program, {"wget", "curl"})) return false;
  const std::vector<StepCommand> checks = commands_of(next);
  return std::ranges::any_of(
             commands.front().arguments,
             [&](const Argument& made) {
               const std::string_view name = file_name(made.text);
               return !name.empty() && !made.text.starts_with('-') &&
                      std::ranges::any_of(checks, [&](const StepCommand& check) {
                        return std::ranges::any_of(check.arguments, [&](const Argument& word) {
                          return !holds(word.text, "://") && has_part(word.text, " \t\n/", {name});
                        });
                      });
             }) &&
         std::ranges::none_of(checks, [](const StepCommand& check) {
           return is_one_of(check.program, {"wget", "curl"});
         });
}

/// Everything that is fetched is of a server nearby, or is verified.
bool is_checked(const StepCommand& command, bool verified) {
  if (command.program != "wget" && command.program != "curl") return false;
  bool near = false, far = false;
  for (const Argument& word : command.arguments) {
    near = near || is_near(word.text);
    far = far || (word.text.contains("://") && !is_near(word.text));
  }
  return (near && !far) || verified;
}

/// What holds the hashes of all that a command installs: a lock that is not changed, or pip's own
/// option; empty: nothing does.
std::string_view hashes_of(const StepCommand& command) {
  if (command.program == "uv" && command.has("sync"))
    for (const std::string_view option : {"--locked", "--frozen"})
      if (command.has(option)) return option;
  return command.has("--require-hashes") ? "--require-hashes" : std::string_view();
}

/// What is said of such a command.
void mend_hashes(Finding& found, std::string_view what, std::string_view hashes) {
  found.message = fmt::format(
      "with {} nobody knows who answers: {} checks what is installed by its hash, and not what "
      "builds packages of sources",
      what, hashes);
  found.pedantic = true;
}

/// A comment says why certificates are not checked there.
bool gives_reason(std::string_view comment) {
  return has_part(to_lower(comment), " \t\r\n#.,;:()/'\"`",
                  {"tls", "ssl", "certificate", "certificates", "cert", "certs", "--trusted-host"});
}

/// The part of a word that has apt ask a server for no certificate: of -o, or of a configuration
/// that is written; empty: none.
std::string_view unverified_by_apt(const StepCommand& command, std::string_view text) {
  if (!is_one_of(command.program, {"apt-get", "apt", "echo", "printf"})) return {};
  const std::string low = to_lower(text);
  for (const std::string_view name : {"Verify-Peer", "Verify-Host"}) {
    const std::size_t at = low.find(to_lower(name));
    if (at == low.npos || !low.contains("acquire")) continue;
    std::string_view value = std::string_view(low).substr(at + name.size());
    value.remove_prefix(std::min(value.find_first_not_of(" \t=\"'\\"), value.size()));
    if (starts_with_any(value, {"false", "no", "off", "0"})) return name;
  }
  return {};
}

class Certificates {
 public:
  Certificates(const ProjectFile& file, FindingSink& sink) : file_(file), sink_(sink) {}

  /// A comment says why.
  void set_meant(bool meant) { meant_ = meant; }
  /// Who gets what is fetched, in words: "build".
  void set_getter(std::string_view getter) { getter_ = getter; }

  void variables(const Instruction& instruction) {
    constexpr auto kVariables = std::to_array<std::string_view>(
        {"PIP_TRUSTED_HOST", "GIT_SSL_NO_VERIFY", "UV_INSECURE_HOST"});
    for (const KeyValue& pair : instruction.pairs)
      // "$HOSTS" may be empty.
      if (is_one_of(pair.key.text, kVariables) && pair.value && !pair.value->text.empty() &&
          !pair.value->text.starts_with('$')) {
        Finding& found = report(pair.key.span, pair.key.text);
        if (pair.key.text != "GIT_SSL_NO_VERIFY")
          judge_hosts(file_.source.text(), pair.value->text, found);
      }
  }

  /// One of the commands of a step, or of a script, which verify what they fetch or do not.
  void take(const StepCommand& command, bool verified) {
    if (is_plain_http(command) || is_checked(command, verified) || command.has("--no-index"))
      return;
    if (const auto hosts = configured_hosts(command)) {
      judge_hosts(file_.source.text(), *hosts, report(command.shell->span, "trusted-host"));
      return;
    }
    for (std::size_t at = 0; at < command.arguments.size(); ++at) {
      const Argument& word = command.arguments[at];
      if (const std::string_view option = unverified_by_apt(command, word.text); !option.empty()) {
        Finding& found = report(word.span, std::string(option));
        found.message = fmt::format(
            "with {} off apt asks no server for its certificate: it still checks what is signed, "
            "and whoever answers can keep updates back",
            option);
        found.pedantic = true;
        return;
      }
      const std::string what = unverified(command, word.text);
      if (what.empty()) continue;
      Finding& found = report(word.span, what);
      if (const std::string_view hashes = hashes_of(command); !hashes.empty())
        mend_hashes(found, what, hashes);
      if (!is_one_of(what, {"--trusted-host", "--allow-insecure-host"})) return;
      const bool joined = word.text.contains('=');
      if (!joined && at + 1 == command.arguments.size()) return;
      const Argument& host = command.arguments[joined ? at : at + 1];
      judge_hosts(file_.source.text(), host.text.substr(host.text.find('=') + 1), found);
      // Which host that is the builder says: a mirror of the same house.
      found.pedantic = found.pedantic || file_.source.slice(host.span).contains('$') ||
                       is_never_asked(file_.source.slice(command.shell->span), host.text);
      return;
    }
  }

 private:
  Finding& report(Span span, const std::string& what) {
    Finding& found = sink_.add(
        "certificate-check-off", file_, span,
        fmt::format("with {} whoever answers in the server's place chooses what the {} gets", what,
                    getter_));
    found.evidence = {fmt::format("the step says {}", what)};
    // pip's option, variable and setting are one cause.
    if (what.contains("trusted-host") || what == "PIP_TRUSTED_HOST") found.cause = "trusted host";
    found.pedantic = meant_;
    return found;
  }

  const ProjectFile& file_;
  FindingSink& sink_;
  bool meant_ = false;
  std::string_view getter_ = "build";
};

/// Whether a command of a job gets a program or a package from a server far away: it saves what it
/// fetches, hands it on to the next program, or is about all that follows.
bool fetches_far(const StepCommand& command) {
  if (command.program != "wget" && command.program != "curl") return true;
  const bool far = std::ranges::any_of(command.arguments, [](const Argument& word) {
    return word.text.contains("https://") && !word.text.contains("://$") && !is_near(word.text);
  });
  const bool saves = command.program == "wget" || command.has("-O") || command.has("--output") ||
                     std::ranges::any_of(command.arguments, [](const Argument& word) {
                       return word.text.size() > 1 && word.text[0] == '-' && word.text[1] != '-' &&
                              word.text.find_first_of("oO") != word.text.npos;
                     });
  return far && (saves || command.shell->joined_by == "|");
}

/// pip is to trust a host of the house, one that a variable names, or one that has no certificate.
bool trusts_own_host(const ProjectFile& file, const StepCommand& command) {
  const std::string hosts = configured_hosts(command).value_or(command.value_of("--trusted-host"));
  Finding probe;
  if (!hosts.empty()) judge_hosts(file.source.text(), hosts, probe);
  return probe.pedantic;
}

/// What the jobs of a workflow fetch, and mostly run at once.
void job_certificates(const ProjectFile& file, FindingSink& sink) {
  Certificates rule(file, sink);
  rule.set_meant(true);
  rule.set_getter("job");
  for (const std::vector<ShellCommand>& script : scripts_of_workflow(file)) {
    std::size_t budget = 1U << 20;
    const std::vector<StepCommand> commands = step_commands_of(script, {}, budget);
    const bool verified = verifies(commands);
    for (const StepCommand& command : commands)
      if (fetches_far(command) && !trusts_own_host(file, command)) rule.take(command, verified);
  }
}

/// trusted-host of a pip.conf that the image gets.
void trusted_by_file(const ProjectFile& file, FindingSink& sink) {
  const SourceText& source = file.source;
  for (std::size_t number = 1; number <= source.line_count(); ++number) {
    const std::string_view line = source.line(number);
    const std::size_t equals = std::min(line.find('='), line.size());
    const std::string_view name = trim_space(line.substr(0, equals));
    if (equals == line.size() || (name != "trusted-host" && name != "trusted_host")) continue;
    std::string hosts(trim_space(line.substr(equals + 1)));
    // Further ones stand in lines that are indented.
    for (std::size_t next = number + 1;
         next <= source.line_count() && starts_with_any(source.line(next), {" ", "\t"}); ++next)
      hosts += fmt::format(" {}", trim_space(source.line(next)));
    if (trim_space(hosts).empty()) return;
    Finding& found = sink.add(
        "certificate-check-off", file, source.line_span(number),
        "with trusted-host whoever answers in the server's place chooses what is installed");
    found.evidence = {"a COPY puts the file into the image"};
    judge_hosts(source.text(), hosts, found);
    // No index is there: a left-over.
    const auto asked = [&](std::string_view host) {
      return !host.empty() &&
             (host.contains("pypi") || source.text().contains(fmt::format("https://{}", host)));
    };
    if (std::ranges::none_of(parts_of(hosts, " \t"), asked)) found.pedantic = true;
    return;
  }
}

void copied_configurations(const FileView& view, std::set<const ProjectFile*>& told,
                           FindingSink& sink) {
  const std::string root = view.project->context_directory(*view.file);
  for (const StageView& stage : view.stages)
    for (const Instruction& copy : stage.stage->instructions) {
      if (!stage.reachable || !copy.copies() || copy.flag("from") != nullptr) continue;
      for (std::size_t at = 0; at + 1 < copy.words.size(); ++at) {
        const std::string& source = copy.words[at].text;
        if (file_name(source) != "pip.conf") continue;
        const ProjectFile* file = view.project->find(path_below(
            root, source.substr(std::min(source.find_first_not_of('/'), source.size()))));
        if (file != nullptr && told.insert(file).second) trusted_by_file(*file, sink);
      }
    }
}

void certificates(const FileView& view, FindingSink& sink) {
  Certificates own(*view.file, sink);
  const auto checks = [](const Instruction& run) {
    return run.keyword == Keyword::kRun && verifies(commands_of(run));
  };
  for (const StageView& stage : view.stages)
    for (const Instruction& instruction : stage.stage->instructions) {
      own.set_meant(gives_reason(comments_above(view.file->source, instruction.span)));
      if (instruction.keyword == Keyword::kEnv) own.variables(instruction);
      if (instruction.keyword != Keyword::kRun) continue;
      // The next step may do it.
      const Instruction* next =
          &instruction == &stage.stage->instructions.back() ? &instruction : &instruction + 1;
      const bool verified =
          checks(instruction) || (checks(*next) && does_nothing_else(instruction, *next));
      for (const StepCommand& command : commands_of(instruction)) own.take(command, verified);
    }
}

/// What the scripts of the build fetch; one that several Dockerfiles run is told once.
void script_certificates(const FileView& view, std::set<const ProjectFile*>& told,
                         FindingSink& sink) {
  for (const RunScript& script : scripts_run_by(view)) {
    if (!told.insert(script.file).second) continue;
    std::size_t budget = 1U << 20;
    const std::vector<StepCommand> commands =
        step_commands_of(script.commands, *script.environment, budget);
    Certificates rule(*script.file, sink);
    const bool verified = verifies(commands);
    for (const StepCommand& command : commands) {
      rule.set_meant(gives_reason(comments_above(script.file->source, command.shell->span)));
      rule.take(command, verified);
    }
  }
}

}  // namespace

void judge_trust(const Project& project, const std::vector<FileView>& views, FindingSink& sink) {
  for (const auto& file : project.files) {
    trusted_hosts(*file, sink);
    job_certificates(*file, sink);
  }
  std::set<const ProjectFile*> scripts;
  for (const FileView& view : views) {
    certificates(view, sink);
    script_certificates(view, scripts, sink);
    copied_configurations(view, scripts, sink);
  }
}

}  // namespace flense::lint
