// Package sources and downloads whose signatures or certificates are not checked.
#include <algorithm>
#include <array>
#include <optional>
#include <set>
#include <utility>

#include "base/ascii.h"
#include "base/format.h"
#include "base/version_numbers.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/purpose.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

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
    {"AllowInsecureRepositories", "AllowInsecureRepositories"},
    {"AllowUnauthenticated", "AllowUnauthenticated"},
});

/// An address of a network that the internet does not reach (RFC 1918, 3927, 4193), or of the
/// machine itself.
bool is_private_address(std::string_view host) {
  if (host.contains(':'))
    return host == "::1" || starts_with_any(to_lower(host), {"fc", "fd", "fe80:"});
  const auto parts = parts_of(host, ".");
  if (parts.size() != 4 || !std::ranges::all_of(parts, [](std::string_view part) {
        return all_digits(part) && part.size() <= 3;
      }))
    return false;
  const std::uint64_t second = first_number(parts[1]).value_or(0);
  return is_one_of(parts[0], {"10", "127"}) || (parts[0] == "192" && second == 168) ||
         (parts[0] == "172" && second >= 16 && second < 32) || (parts[0] == "169" && second == 254);
}

/// The machine itself or one of the house: a name without a dot, or of a network of its own.
/// `host`: with its port, or without.
bool is_near_host(std::string_view host) {
  if (host.starts_with('['))
    host = host.substr(1, std::min(host.find(']'), host.size()) - 1);
  else
    host = host.substr(0, host.find(':'));
  return !host.empty() && !host.contains('$') &&
         (is_private_address(host) || host.find_first_of(".:") == host.npos ||
          ends_with_any(host, {".local", ".internal", ".lan", ".svc", ".intranet"}));
}

bool is_near(std::string_view url) {
  const std::size_t scheme = url.find("://");
  if (scheme == url.npos) return false;
  url.remove_prefix(scheme + 3);
  url = url.substr(0, url.find_first_of("/?#"));
  return is_near_host(url.substr(url.rfind('@') + 1));  // behind USER:PASSWORD@
}

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

/// The server of the one https repository that a command writes down, as a file of dnf's or a
/// source line of apt's: "repos.example.com"; empty: another number, or other transports.
std::string server_of_repository(const ShellCommand& command, std::string_view before) {
  std::string out;
  for (const ShellWord& word : command.words) {
    const std::string_view text = word.text;
    for (std::size_t at = text.find(before); at != text.npos; at = text.find(before, at + 1)) {
      std::string_view url = text.substr(at + before.size());
      if (!url.starts_with("https://")) return {};
      url.remove_prefix(8);
      const std::string server(url.substr(0, url.find_first_of("/ \n\\\"'")));
      if (!out.empty() && out != server) return {};
      out = server;
    }
  }
  return out;
}

/// NVIDIA's repository of Nsight, whose key cuda-keyring does not bring.
constexpr std::string_view kDevtoolsKey =
    "name the key of this repository in its place: fetch "
    "https://developer.download.nvidia.com/compute/cuda/repos/ubuntu1804/x86_64/7fa2af80.pub, gpg "
    "--dearmor it to /usr/share/keyrings/nvidia-devtools.gpg, and write "
    "[signed-by=/usr/share/keyrings/nvidia-devtools.gpg] into the source line";

bool is_of_devtools(const ShellCommand& command) {
  return std::ranges::any_of(command.words, [](const ShellWord& word) {
    return holds(word.text, "developer.download.nvidia.com/devtools/repos");
  });
}

bool says(const ShellCommand& command, std::string_view word) {
  return std::ranges::find(command.words, word, &ShellWord::text) != command.words.end();
}

/// A setting of apt's that is on: "APT::Get::AllowUnauthenticated=true" of -o, or the line
/// 'APT::Get::AllowUnauthenticated "true";' of a configuration. Names and values are read in any
/// case.
bool switches_on(std::string_view text, std::string_view setting) {
  const std::string low = to_lower(text), name = to_lower(setting);
  const std::size_t at = low.find(name);
  if (at == low.npos) return false;
  std::string_view value = std::string_view(low).substr(at + name.size());
  value.remove_prefix(std::min(value.find_first_not_of(" \t=\"'\\"), value.size()));
  return starts_with_any(value, {"true", "yes", "on", "enable", "with", "1"});
}

/// gpgcheck=0, where repo_gpgcheck=1 does not still check the list that has the packages' sums, and
/// not s/gpgcheck=0/gpgcheck=1/, which switches it on. "repo_gpgcheck=0" is about that list alone.
bool switches_off(std::string_view text, bool by_sed) {
  constexpr std::string_view kOff = "gpgcheck=0";
  if (holds(text, "repo_gpgcheck=1")) return false;
  for (std::size_t at = text.find(kOff); at != text.npos; at = text.find(kOff, at + 1))
    if (at == 0 || text[at - 1] != '_') return !by_sed || text.find("gpgcheck=1", at) == text.npos;
  return false;
}

/// Whether a word switches such a check off.
bool is_unchecked(const ShellCommand& command, std::string_view text, const Unchecked& one) {
  const std::string program = program_of(command).name;
  const bool says_only = is_one_of(program, {"echo", "printf"});
  if (one.says.starts_with("Allow"))
    // What is only said to the reader; and with insecure lists in its configuration apt still
    // refuses their packages.
    return switches_on(text, one.word) &&
           (!says_only || (one.says == "AllowUnauthenticated" &&
                           (!command.redirections.empty() || command.joined_by == "|")));
  if (one.says == "gpgcheck=0") return switches_off(text, program == "sed");
  if (one.word.starts_with("--") && (says_only || takes_files(command))) return false;
  return holds(text, one.word) && !(one.says == "--nogpgcheck" && takes_addresses(command));
}

/// The command installs keys and nothing else.
bool installs_keys(const ShellCommand& command) {
  bool installs = false, keys = false, value = false;
  for (const ShellWord& word : command.words) {
    const std::string_view text = word.text;
    if (std::exchange(value, is_one_of(text, {"-o", "-c", "-t", "--option"}))) continue;
    if (installs && !text.starts_with('-')) {
      if (!text.substr(0, text.find('=')).ends_with("-keyring")) return false;
      keys = true;
    }
    installs = installs || text == "install";
  }
  return keys;
}

/// `apt-get update`, which installs nothing: with the list of such packages there, apt still
/// refuses them.
bool only_updates(const ShellCommand& command) {
  const std::string program = program_of(command).name;
  return (program == "apt-get" || program == "apt") && says(command, "update") &&
         !says(command, "install");
}

/// File names of .deb packages that a stage has by COPY.
std::set<std::string, std::less<>> copied_packages(const FileView& view, const StageView& stage) {
  std::set<std::string, std::less<>> out;
  for (const std::size_t one : view.dockerfile->lineage(stage.index))
    for (const Instruction& copy : view.dockerfile->stages[one].instructions)
      if (copy.keyword == Keyword::kCopy)
        for (const Word& word : copy.words)
          if (word.text.ends_with(".deb")) out.emplace(file_name(word.text));
  return out;
}

/// The package of a repository that lies on the disk ("libtool-repo_1.0_arm64.deb"), where commands
/// up to one install it and add its key; empty: they do not.
std::string_view repository_package(const Instruction& run, const ShellCommand& end) {
  bool key = false;
  std::string_view package;
  for (const ShellCommand& command : run.commands) {
    if (&command == &end) break;
    const bool places = is_one_of(program_of(command).name, {"apt-key", "cp", "gpg", "install"});
    const bool files = takes_files(command);
    for (const ShellWord& word : command.words) {
      key = key || (places && word.text.starts_with("/var/"));
      if (files && word.text.ends_with(".deb") && file_name(word.text).contains("-repo"))
        package = file_name(word.text);
    }
  }
  return key ? package : std::string_view();
}

void signatures(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages) {
    std::optional<std::set<std::string, std::less<>>> copied;  // asked once
    // Of a repository on the disk, whose package is known, nobody can answer in its place.
    const auto brings_repository = [&](const Instruction& run, const ShellCommand& command) {
      const std::string_view package = repository_package(run, command);
      if (package.empty() || compares_sums(run)) return !package.empty();
      if (!copied) copied = copied_packages(view, stage);
      return copied->contains(package);
    };
    for (const Instruction& instruction : stage.stage->instructions) {
      // What lets one step's packages be installed is one cause, in however many of its commands.
      bool said = false;
      for (const ShellCommand& command : instruction.commands) {
        if (only_updates(command)) continue;
        std::optional<std::string> server;  // asked once
        for (const ShellWord& word : command.words) {
          const auto at = std::ranges::find_if(
              kUnchecked, [&](const auto& one) { return is_unchecked(command, word.text, one); });
          if (at == kUnchecked.end()) continue;
          // deb [trusted=yes] file:/…: what the image itself holds, or a server of the house.
          if (at->says == "trusted=yes" &&
              std::ranges::any_of(command.words, [](const ShellWord& other) {
                const std::size_t url = other.text.find("] http");
                return holds(other.text, "file:") || holds(other.text, "copy:") ||
                       (url != std::string::npos && is_near(other.text.substr(url + 2)));
              }))
            continue;
          if (!server)
            server = server_of_repository(command, at->says == "trusted=yes" ? "] " : "baseurl=");
          const bool vendors =
              !server->empty() && !server->starts_with("mirror") &&
              !ends_with_any(*server, {"nvidia.com", "radeon.com", "intel.com", "ubuntu.com",
                                       "debian.org", "microsoft.com"});
          if (said && !vendors) continue;
          said = said || !vendors;
          Span span = word.span;
          if (const std::size_t place = view.text(span).find(at->word); place != std::string::npos)
            span = {span.begin + place, span.begin + place + at->word.size()};
          Finding& found =
              sink.add("package-signature-off", *view.file, span,
                       fmt::format("with {} nobody checks who signed the packages that are "
                                   "installed as root",
                                   at->says));
          found.evidence = {fmt::format("the step says {}", at->word)};
          if (is_of_devtools(command)) {
            found.fix = std::string(kDevtoolsKey);
          } else if (!vendors) {
            found.fix =
                "delete it: the repositories of the base are signed. Where one is then refused, "
                "import its key: cuda-keyring for NVIDIA's CUDA repository, rpm --import of the "
                "repository's .pub for dnf, or signed-by= in the source line";
          } else {
            found.fix = fmt::format(
                "if {} publishes a key, import it: rpm --import, or signed-by= in the source line",
                *server);
            // The vendor's own words; the transport says at least who it is.
            found.pedantic = is_one_of(at->says, {"gpgcheck=0", "trusted=yes"});
          }
          // The keys of an old Debian have ended too; and a key may be what comes.
          found.pedantic =
              found.pedantic || installs_keys(command) ||
              (at->word.starts_with("--") && brings_repository(instruction, command)) ||
              is_one_of(stage.image.distribution.value, {"debian7", "debian8", "debian9"});
        }
      }
    }
  }
}

/// What makes a download trust any server; empty: nothing.
std::string unverified(const StepCommand& command, const ShellWord& word) {
  const std::string_view text = word.text;
  const bool curl = command.program == "curl";
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
  if (curl && text.size() > 2 && text[0] == '-' && text[1] != '-' && text.contains('k') &&
      text.find_first_not_of("fsSLkgv", 1) == text.npos)
    return std::string(text);
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

/// Everything that is fetched is of a server nearby, or its checksum follows in the same step.
bool is_checked(const Instruction& run, const StepCommand& command) {
  if (command.program != "wget" && command.program != "curl") return false;
  bool near = false, far = false;
  for (const Argument& word : command.arguments) {
    near = near || is_near(word.text);
    far = far || (word.text.contains("://") && !is_near(word.text));
  }
  return (near && !far) || compares_sums(run) ||
         std::ranges::any_of(commands_of(run), [](const StepCommand& other) {
           return other.program == "gpgv" || (other.program == "gpg" && other.has("--verify"));
         });
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

void certificates(const FileView& view, FindingSink& sink) {
  constexpr auto kVariables = std::to_array<std::string_view>(
      {"PIP_TRUSTED_HOST", "GIT_SSL_NO_VERIFY", "UV_INSECURE_HOST"});
  bool meant = false;
  const auto report = [&](Span span, const std::string& what) -> Finding& {
    Finding& found = sink.add(
        "certificate-check-off", *view.file, span,
        fmt::format("with {} whoever answers in the server's place chooses what the build gets",
                    what));
    found.evidence = {fmt::format("the step says {}", what)};
    // pip's option, variable and setting are one cause.
    if (what.contains("trusted-host") || what == "PIP_TRUSTED_HOST") found.cause = "trusted host";
    found.pedantic = meant;
    return found;
  };
  for (const StageView& stage : view.stages)
    for (const Instruction& instruction : stage.stage->instructions) {
      meant = gives_reason(comments_above(view.file->source, instruction.span));
      if (instruction.keyword == Keyword::kEnv)
        for (const KeyValue& pair : instruction.pairs)
          // "$HOSTS" may be empty.
          if (is_one_of(pair.key.text, kVariables) && pair.value && !pair.value->text.empty() &&
              !pair.value->text.starts_with('$')) {
            Finding& found = report(pair.key.span, pair.key.text);
            if (pair.key.text != "GIT_SSL_NO_VERIFY")
              judge_hosts(view.file->source.text(), pair.value->text, found);
          }
      if (instruction.keyword != Keyword::kRun) continue;
      for (const StepCommand& command : commands_of(instruction)) {
        if (is_plain_http(command) || is_checked(instruction, command) || command.has("--no-index"))
          continue;
        if (const auto hosts = configured_hosts(command)) {
          judge_hosts(view.file->source.text(), *hosts,
                      report(command.shell->span, "trusted-host"));
          continue;
        }
        for (const ShellWord& word : command.shell->words)
          if (const std::string what = unverified(command, word); !what.empty()) {
            // Which host that is the builder says: a mirror of the same house.
            Finding& found = report(word.span, what);
            if (const std::string_view hashes = hashes_of(command); !hashes.empty())
              mend_hashes(found, what, hashes);
            if (!is_one_of(what, {"--trusted-host", "--allow-insecure-host"})) break;
            for (std::size_t at = 0; at + 1 < command.shell->words.size(); ++at)
              if (command.shell->words[at].span == word.span) {
                const ShellWord& host = command.shell->words[word.text.contains('=') ? at : at + 1];
                judge_hosts(view.file->source.text(), host.text.substr(host.text.find('=') + 1),
                            found);
                found.pedantic = found.pedantic || host.dynamic ||
                                 is_never_asked(view.text(command.shell->span), host.text);
              }
            break;
          }
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
        found.fix = nvidia ? "install cuda-keyring in place of the key and its source line"
                           : "write the key to /etc/apt/keyrings/NAME.gpg (gpg --dearmor) and "
                             "[signed-by=/etc/apt/keyrings/NAME.gpg] into the source line";
      }
}

}  // namespace

void judge_trust(const Project& project, const std::vector<FileView>& views, FindingSink& sink) {
  for (const auto& file : project.files) trusted_hosts(*file, sink);
  for (const FileView& view : views) {
    signatures(view, sink);
    apt_key(view, sink);
    certificates(view, sink);
  }
}

}  // namespace flense::lint
