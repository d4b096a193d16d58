// Secrets that stay in an image's history, and package sources whose signatures are not checked.
#include <algorithm>
#include <array>
#include <set>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

bool is_token_letter(char c) {
  return is_letter(c) || is_digit(c) || c == '_' || c == '-';
}

/// A token by its form, somewhere in a text; null: none.
const knowledge::SecretFormRow* token_in(std::string_view text,
                                         const knowledge::BuildFacts& facts) {
  for (const knowledge::SecretFormRow& row : facts.secret_forms) {
    for (std::size_t at = text.find(row.prefix); at != text.npos;
         at = text.find(row.prefix, at + 1)) {
      if (at > 0 && is_token_letter(text[at - 1])) continue;
      std::size_t end = at;
      while (end < text.size() && end - at < row.length && is_token_letter(text[end])) ++end;
      if (end - at < row.length) continue;
      return &row;
    }
  }
  return nullptr;
}

/// "https://user:password@host": the password is written, no variable.
bool has_password(std::string_view text) {
  const std::size_t scheme = text.find("://");
  if (scheme == text.npos) return false;
  std::string_view host = text.substr(scheme + 3);
  host = host.substr(0, host.find_first_of("/ \t\"'"));
  const std::size_t at = host.rfind('@');
  if (at == host.npos) return false;
  const std::string_view user = host.substr(0, at);
  const std::size_t colon = user.find(':');
  return colon != user.npos && colon + 1 < user.size() && !holds(user.substr(colon), "$");
}

constexpr std::string_view kStays =
    "docker history and the image's configuration show it to everyone who has the image";

/// What a program gets that wants a key and checks none, or what the reader has to fill in.
bool is_placeholder(std::string_view value) {
  const std::string low = to_lower(value);
  return is_one_of(low, {"dummy", "none", "null", "empty", "fake", "test", "placeholder", "unused",
                         "xxx", "changeme", "change-me", "not-needed", "not-used", "token",
                         "no-key", "sk-no-key-required", "sk-dummy", "dummy-key"}) ||
         starts_with_any(low, {"your", "<", "replace"});
}

void variables(const FileView& view, FindingSink& sink) {
  const knowledge::BuildFacts& facts = view.project->knowledge->build;
  std::set<std::string> arguments;
  const auto judge = [&](const Instruction& instruction) {
    if (instruction.keyword != Keyword::kArg && instruction.keyword != Keyword::kEnv) return;
    for (const KeyValue& pair : instruction.pairs) {
      const auto* row = facts.secret(pair.key.text);
      const std::string_view value =
          pair.value ? std::string_view(pair.value->text) : std::string_view();
      const auto* form = token_in(value, facts);
      const bool password = has_password(value);
      // ENV HF_TOKEN="" clears a value.
      const bool empty =
          (instruction.keyword == Keyword::kEnv && value.empty()) || is_placeholder(value);
      if ((row == nullptr || empty) && form == nullptr && !password) continue;
      // ARG TOKEN, ENV TOKEN=$TOKEN: one secret.
      if (instruction.keyword == Keyword::kArg)
        arguments.insert(pair.key.text);
      else if (arguments.contains(pair.key.text) && value.contains("$"))
        continue;
      Finding& found = sink.add(
          "secret-in-build-variable", *view.file, row != nullptr ? pair.key.span : pair.value->span,
          fmt::format("{} {} keeps {} in the image", to_string(instruction.keyword), pair.key.text,
                      row != nullptr    ? std::string("a secret")
                      : form != nullptr ? form->what
                                        : std::string("a password")));
      found.evidence = {row != nullptr    ? row->source
                        : form != nullptr ? form->source
                                          : std::string("the address holds user:password"),
                        std::string(kStays)};
      found.fix = fmt::format(
          "delete it; give it to the step alone: RUN --mount=type=secret,id={0},env={0} …, with "
          "docker build --secret id={0}",
          pair.key.text);
    }
  };
  for (const Instruction& instruction : view.dockerfile->globals) judge(instruction);
  for (const StageView& stage : view.stages)
    for (const Instruction& instruction : stage.stage->instructions) judge(instruction);
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
    if (secret && (holds(word, "$(") || (!target.empty() && holds(word, target)))) return true;
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

void command_lines(const FileView& view, FindingSink& sink) {
  const knowledge::BuildFacts& facts = view.project->knowledge->build;
  for (const StageView& stage : view.stages)
    for (const Instruction& run : stage.stage->instructions) {
      if (run.keyword != Keyword::kRun) continue;
      const auto report = [&](Span span, const std::string& what, const std::string& evidence) {
        Finding& found = sink.add("secret-on-command-line", *view.file, span,
                                  fmt::format("{} on the line of a RUN stays in the history of the "
                                              "image, and in the layer where the tool stores it",
                                              what));
        found.evidence = {evidence, std::string(kStays)};
        found.fix =
            "read it from a mount: RUN --mount=type=secret,id=HF_TOKEN,env=HF_TOKEN …; "
            "huggingface-cli takes HF_TOKEN without a login";
      };
      for (const ShellCommand& command : run.commands) {
        if (const ShellWord* word = secret_word(command);
            word != nullptr && !from_secret_mount(run, word->text)) {
          report(word->span, "a token", "the argument of a login or --token");
          continue;
        }
        bool said = false;
        for (const ShellAssignment& set : command.assignments) {
          const auto* row = facts.secret(set.name);
          if (row == nullptr || set.value.text.empty() || said ||
              from_secret_mount(run, set.value.text))
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
          } else if (holds(word.text, "Authorization: Bearer ") && !word.dynamic) {
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

constexpr std::string_view kOldKey = "7fa2af80";

void repository_key(const FileView& view, const StageView& stage, FindingSink& sink) {
  // Beside the new one, or the package that brings it, the old key is idle.
  for (const std::string_view word : {"3bf863cc", "cuda-keyring"})
    if (commands_mention(view, stage.index, word)) return;
  const auto judge = [&](std::string_view word, Span span) {
    if (!holds(word, kOldKey)) return;
    // dnf takes the new key from the repository's own file; the repository machine-learning still
    // has this one.
    for (const std::string_view other :
         {"/rhel", "/fedora", "/sles", "/opensuse", "machine-learning"})
      if (holds(word, other)) return;
    Finding& found =
        sink.add("cuda-repository-key", *view.file, span,
                 "7fa2af80 is the key that NVIDIA withdrew in April 2022: the repository's "
                 "signatures do not match it, and apt-get update fails");
    found.evidence = {"NVIDIA, Updating the CUDA Linux GPG Repository Key (2022-04-27): 3bf863cc"};
    found.fix =
        "install cuda-keyring_1.1-1_all.deb of the same directory; at least write 3bf863cc in "
        "place of 7fa2af80";
    const std::string_view raw = view.text(span);
    if (const std::size_t place = raw.find(kOldKey); place != raw.npos)
      found.edits.push_back(
          {{span.begin + place, span.begin + place + kOldKey.size()}, "3bf863cc"});
  };
  for (const Instruction& instruction : stage.stage->instructions) {
    for (const ShellCommand& command : instruction.commands) {
      // `apt-key del 7fa2af80` is what NVIDIA's instructions say.
      const bool deletes = std::ranges::any_of(command.words, [](const ShellWord& word) {
        return word.text == "del" || word.text == "rm";
      });
      if (deletes) continue;
      for (const ShellWord& word : command.words) judge(word.text, word.span);
    }
    if (instruction.keyword == Keyword::kAdd)
      for (const Word& word : instruction.words) judge(word.text, word.span);
  }
}

struct Unchecked {
  std::string_view word;
  std::string_view says;
};
constexpr auto kUnchecked = std::to_array<Unchecked>({
    {"--nogpgcheck", "--nogpgcheck"},
    {"--no-gpg-checks", "--no-gpg-checks"},
    {"gpgcheck=0", "gpgcheck=0"},
    {"--allow-unauthenticated", "--allow-unauthenticated"},
    {"trusted=yes", "trusted=yes"},
    {"AllowInsecureRepositories=true", "AllowInsecureRepositories"},
    {"AllowUnauthenticated=true", "AllowUnauthenticated"},
});

/// Packages by their https addresses alone: dnf checks no signatures of these anyway, and this is
/// how a distribution's repositories come with their keys.
bool takes_addresses(const ShellCommand& command) {
  std::size_t addresses = 0;
  for (const ShellWord& word : command.words) {
    if (word.text.starts_with("https://"))
      ++addresses;
    else if (addresses > 0 && !word.text.starts_with('-'))
      return false;
  }
  return addresses > 0;
}

void signatures(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages)
    for (const Instruction& instruction : stage.stage->instructions)
      for (const ShellCommand& command : instruction.commands)
        for (const ShellWord& word : command.words) {
          const auto at = std::ranges::find_if(
              kUnchecked, [&](const Unchecked& one) { return holds(word.text, one.word); });
          if (at == kUnchecked.end()) continue;
          if (at->says == "--nogpgcheck" && takes_addresses(command)) continue;
          // deb [trusted=yes] file:/…: what the image itself holds.
          if (at->says == "trusted=yes" &&
              std::ranges::any_of(command.words, [](const ShellWord& other) {
                return holds(other.text, "file:") || holds(other.text, "copy:");
              }))
            continue;
          // "repo_gpgcheck=0" still checks the signatures of packages.
          if (at->says == "gpgcheck=0") {
            const std::size_t place = word.text.find("gpgcheck=0");
            if (place > 0 && word.text[place - 1] == '_') continue;
          }
          Span span = word.span;
          if (const std::size_t place = view.text(span).find(at->word); place != std::string::npos)
            span = {span.begin + place, span.begin + place + at->word.size()};
          Finding& found =
              sink.add("package-signature-off", *view.file, span,
                       fmt::format("with {} nobody checks who signed the packages that are "
                                   "installed as root",
                                   at->says));
          found.evidence = {fmt::format("the step says {}", at->word)};
          found.fix =
              "import the key of the repository: cuda-keyring_1.1-1_all.deb for apt, rpm "
              "--import of the repository's .pub for dnf, or signed-by= in the source line";
        }
}

/// What makes a download trust any server; empty: nothing.
std::string unverified(const StepCommand& command, const ShellWord& word) {
  const std::string_view text = word.text;
  const bool curl = command.program == "curl";
  const bool off = command.has("false") || command.has("False") || command.has("0");
  if (off && command.program == "git" && text == "http.sslVerify") return "http.sslVerify false";
  if (off && command.has("config") && text == "ssl_verify") return "ssl_verify false";
  if (curl && (text == "--insecure" || text == "-k")) return std::string(text);
  if (curl && text.size() > 2 && text[0] == '-' && text[1] != '-' && text.contains('k') &&
      text.find_first_not_of("fsSLkgv", 1) == text.npos)
    return std::string(text);
  for (const std::string_view option :
       {"--trusted-host", "--no-check-certificate", "--allow-insecure-host", "http.sslVerify=false",
        "ssl_verify=false"})
    if (text.starts_with(option)) return std::string(option);
  return {};
}

/// --trusted-host in a file of requirements.
void trusted_hosts(const ProjectFile& file, FindingSink& sink) {
  if (!file.packages || file.kind != FileKind::kRequirements) return;
  for (const std::string& option : file.packages->options) {
    if (!option.starts_with("--trusted-host")) continue;
    const std::size_t at = file.source.text().find("--trusted-host");
    if (at == std::string_view::npos) return;
    Finding& found = sink.add(
        "certificate-check-off", file, {at, at + std::string_view("--trusted-host").size()},
        "with --trusted-host whoever answers in the server's place chooses what is installed");
    found.evidence = {"the file says " + option};
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

void certificates(const FileView& view, FindingSink& sink) {
  constexpr auto kVariables = std::to_array<std::string_view>(
      {"PIP_TRUSTED_HOST", "GIT_SSL_NO_VERIFY", "UV_INSECURE_HOST"});
  const auto report = [&](Span span, const std::string& what) -> Finding& {
    Finding& found = sink.add(
        "certificate-check-off", *view.file, span,
        fmt::format("with {} whoever answers in the server's place chooses what is installed",
                    what));
    found.evidence = {fmt::format("the step says {}", what)};
    return found;
  };
  for (const StageView& stage : view.stages)
    for (const Instruction& instruction : stage.stage->instructions) {
      if (instruction.keyword == Keyword::kEnv)
        for (const KeyValue& pair : instruction.pairs)
          // "$HOSTS" may be empty.
          if (is_one_of(pair.key.text, kVariables) && pair.value && !pair.value->text.empty() &&
              !pair.value->text.starts_with('$'))
            report(pair.key.span, pair.key.text);
      if (instruction.keyword != Keyword::kRun) continue;
      for (const StepCommand& command : commands_of(instruction)) {
        if (is_plain_http(command)) continue;
        for (const ShellWord& word : command.shell->words)
          if (const std::string what = unverified(command, word); !what.empty()) {
            // Which host that is the builder says: a mirror of the same house.
            Finding& found = report(word.span, what);
            for (std::size_t at = 0; at + 1 < command.shell->words.size(); ++at)
              if (command.shell->words[at].span == word.span && what == "--trusted-host")
                found.pedantic = command.shell->words[at + 1].dynamic;
            break;
          }
      }
    }
}

/// Where wheels or distributions put what they did not compile here.
bool holds_wheels(std::string_view path) {
  while (path.size() > 1 && (path.ends_with('/') || path.ends_with('*'))) path.remove_suffix(1);
  for (const std::string_view part : {"-packages", "venv", "conda", "/lib/python"})
    if (holds(path, part)) return true;
  return is_one_of(path, {"/", "/usr", "/usr/lib", "/usr/local", "/usr/local/lib", "/opt",
                          "/install", "/root", "/home"});
}

/// strip over the shared libraries of a whole directory.
void stripped_libraries(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages)
    for (const Instruction& run : stage.stage->instructions) {
      const std::vector<StepCommand> commands = commands_of(run);
      const bool libraries = std::ranges::any_of(commands, [](const StepCommand& command) {
        return std::ranges::any_of(command.arguments, [](const Argument& word) {
          return holds(word.text, "*.so") || holds(word.text, ".so*");
        });
      });
      // What a build of its own put into its directory is the builder's to strip.
      const bool wheels = std::ranges::any_of(commands, [](const StepCommand& command) {
        return std::ranges::any_of(command.arguments,
                                   [](const Argument& word) { return holds_wheels(word.text); });
      });
      if (!libraries || !wheels) continue;
      for (const StepCommand& command : commands) {
        const auto& words = command.shell->words;
        const auto at = std::ranges::find_if(
            words, [](const ShellWord& word) { return file_name(word.text) == "strip"; });
        if (at == words.end()) continue;
        const bool debug = std::ranges::any_of(words, [](const ShellWord& word) {
          return is_one_of(word.text, {"--strip-debug", "-g", "-S", "-d", "-R"});
        });
        if (debug) continue;
        Finding& found = sink.add(
            "libraries-stripped", *view.file, at->span,
            "strip rewrites every library: those of wheels, which patchelf has changed, may no "
            "longer load");
        found.evidence = {
            "pypa/manylinux#119, pypa/auditwheel#716: \"ELF load command "
            "address/offset not properly aligned\""};
        break;
      }
    }
}

/// debian:sid and its like: newer than every release.
bool is_rolling(std::string_view repository, std::string_view base) {
  const std::string_view tag = base.substr(std::min(base.rfind(':'), base.size()));
  return repository == "debian" &&
         starts_with_any(tag, {":sid", ":unstable", ":testing", ":forky"});
}

void apt_key(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages)
    for (const Instruction& instruction : stage.stage->instructions)
      for (const StepCommand& command : commands_of(instruction)) {
        if (command.program != "apt-key" || (!command.has("add") && !command.has("adv"))) continue;
        const std::string& distribution = stage.image.distribution.value;
        // With a file of its own, which signed-by= can name, only the command is old.
        const bool own_file = command.has("--keyring");
        // The pool of these servers was switched off in 2021.
        const bool dead = std::ranges::any_of(command.arguments, [](const Argument& word) {
          return word.text.contains("sks-keyservers.net");
        });
        const bool gone = is_one_of(distribution, {"debian13", "ubuntu24.10", "ubuntu25.04",
                                                   "ubuntu25.10", "ubuntu26.04"}) ||
                          is_rolling(stage.image.repository, stage.stage->base_resolved);
        Finding& found = sink.add(
            "apt-key", *view.file, command.program_span,
            dead       ? std::string("the key servers of sks-keyservers.net are gone since 2021: "
                                           "this step fails")
            : gone     ? fmt::format("{} no longer has apt-key",
                                 distribution.empty() ? "the base" : distribution)
            : own_file ? std::string("newer distributions have no apt-key")
                       : std::string("a key that apt-key adds is trusted for every repository, and "
                                     "newer distributions have no apt-key"));
        // Where the base still has it, the build works.
        found.pedantic = !gone && !dead;
        found.evidence = {"apt-key(8): deprecated since apt 2.1.8, removed in apt 2.9.19"};
        const bool nvidia =
            std::ranges::any_of(instruction.commands, [&](const ShellCommand& other) {
              return std::ranges::any_of(
                  other.words, [](const ShellWord& word) { return holds(word.text, "nvidia"); });
            });
        found.fix = nvidia ? "install cuda-keyring_1.1-1_all.deb: it brings the key and the source "
                             "line"
                           : "write the key to /etc/apt/keyrings/NAME.gpg (gpg --dearmor) and "
                             "[signed-by=/etc/apt/keyrings/NAME.gpg] into the source line";
      }
}

}  // namespace

void judge_build(const Project& project, const std::vector<FileView>& views, FindingSink& sink) {
  for (const auto& file : project.files) trusted_hosts(*file, sink);
  for (const FileView& view : views) {
    variables(view, sink);
    command_lines(view, sink);
    for (const StageView& stage : view.stages) repository_key(view, stage, sink);
    signatures(view, sink);
    apt_key(view, sink);
    certificates(view, sink);
    stripped_libraries(view, sink);
  }
}

}  // namespace flense::lint
