// Packages and package sources whose signatures are not checked.
#include <algorithm>
#include <array>
#include <functional>
#include <optional>
#include <set>
#include <utility>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/script_installs.h"
#include "lint/rules/rules.h"
#include "lint/rules/set_texts.h"
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
    {"--force-yes", "--force-yes"},
    {"trusted=yes", "trusted=yes"},
    {"Trusted: yes", "trusted=yes"},
    {"AllowInsecureRepositories", "AllowInsecureRepositories"},
    {"AllowUnauthenticated", "AllowUnauthenticated"},
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

/// "gpgcheck=0", "gpgcheck = no", where repo_gpgcheck=1 does not still check the list that has the
/// packages' sums. "repo_gpgcheck=0" is about that list alone.
bool switches_off(std::string_view text) {
  constexpr std::string_view kName = "gpgcheck";
  if (holds(text, "repo_gpgcheck=1")) return false;
  for (std::size_t at = text.find(kName); at != text.npos; at = text.find(kName, at + 1)) {
    // zypper's pkg_gpgcheck is of packages too.
    if (at > 0 && text[at - 1] == '_' && !text.substr(0, at).ends_with("pkg_")) continue;
    std::string_view value = text.substr(at + kName.size());
    value.remove_prefix(std::min(value.find_first_not_of(" \t"), value.size()));
    if (!value.starts_with('=')) continue;
    value.remove_prefix(std::min(value.find_first_not_of(" \t=\"'"), value.size()));
    constexpr std::size_t kLongest = 8;
    const std::string word = to_lower(value.substr(0, kLongest));
    if (is_one_of(std::string_view(word).substr(0, word.find_first_of(" \t\n\"',;\\")),
                  {"0", "no", "off", "false"}))
      return true;
  }
  return false;
}

/// What documents write into files of sources or settings, as commands that say it; a document
/// that a shell reads is commands already.
std::vector<ShellCommand> written_documents(const FileView& view, const Instruction& step) {
  std::vector<ShellCommand> out;
  if (step.heredocs.empty() || !mentions(step, [](std::string_view word) {
        return word.ends_with(".repo") || word.ends_with("/yum.conf") ||
               word.ends_with("/dnf.conf") || word.contains("/etc/apt/");
      }))
    return out;
  for (const Heredoc& document : step.heredocs) {
    if (std::ranges::any_of(step.commands, [&](const ShellCommand& command) {
          return command.span.begin >= document.body.begin &&
                 command.span.begin < document.body.end;
        }))
      continue;
    ShellCommand& made = out.emplace_back();
    made.span = document.body;
    made.words = {{"echo", document.body}, {std::string(view.text(document.body)), document.body}};
    made.redirections = {{">", {}}};
  }
  return out;
}

/// Whether a word, of which `text` comes into force, switches such a check off.
bool is_unchecked(const ShellCommand& command, bool says_only, std::string_view text,
                  const Unchecked& one) {
  // With insecure lists in its configuration apt still refuses their packages.
  if (one.says.starts_with("Allow"))
    return switches_on(text, one.word) && (!says_only || one.says == "AllowUnauthenticated");
  if (one.says == "gpgcheck=0") return switches_off(text);
  if (!holds(text, one.word)) return false;
  if (one.word.starts_with("--") && (says_only || takes_files(command))) return false;
  return one.says != "--nogpgcheck" || !takes_addresses(command);
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

/// `apt-get update`, `apt-get autoremove`: with the list of such packages there, apt still refuses
/// them.
bool installs_nothing(const ShellCommand& command) {
  const std::string program = program_of(command).name;
  const bool apt = is_one_of(program, {"apt-get", "apt"});
  if ((!apt && !is_one_of(program, {"dnf", "yum", "microdnf"})) || says(command, "install"))
    return false;
  // To dnf `update` is an upgrade.
  return (apt && says(command, "update")) ||
         std::ranges::any_of(std::to_array<std::string_view>({"clean", "autoclean", "autoremove",
                                                              "purge", "remove", "makecache"}),
                             [&](std::string_view verb) { return says(command, verb); });
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

/// The server of a repository that a command writes down, and that is a vendor's; empty: it is none
/// of those who surely publish a key.
std::string vendor_of(const ShellCommand& command, const Unchecked& what) {
  std::string server = server_of_repository(command, what.word == "trusted=yes"    ? "] "
                                                     : what.word == "Trusted: yes" ? "URIs: "
                                                                                   : "baseurl=");
  if (server.starts_with("mirror") ||
      ends_with_any(server, {"nvidia.com", "radeon.com", "intel.com", "ubuntu.com", "debian.org",
                             "microsoft.com"}))
    server.clear();
  return server;
}

/// Commands that run one after the other: of a step, or of a script that one starts.
class Signatures {
 public:
  Signatures(const ProjectFile& file, const Environment& environment, FindingSink& sink)
      : file_(file), environment_(environment), sink_(sink) {}

  /// The keys of the distribution have ended.
  void set_old(bool old) { old_ = old; }
  /// Where the packages of a command are known anyway.
  void set_excuse(std::function<bool(const ShellCommand&)> excuse) { excuse_ = std::move(excuse); }

  void take(const ShellCommand& command) {
    // Google's command deploys what everybody may call.
    if (installs_nothing(command) || program_of(command).name == "gcloud") return;
    // deb [trusted=yes] file:/…: what the image itself holds, or a server of the house.
    const bool near = names_near_repositories(command);
    if (std::ranges::any_of(command.words,
                            [](const ShellWord& word) { return holds(word.text, "baseurl="); }))
      near_before_ = near;
    if (near) return;
    const bool says_only = is_one_of(program_of(command).name, {"echo", "printf"});
    // Of a script: words for whoever reads its log.
    if (is_script(file_.kind) && says_only && command.redirections.empty() &&
        command.joined_by != "|")
      return;
    for (const ShellWord& word : command.words) {
      // $APT: what ENV says that it is.
      const std::optional<std::string> known =
          word.dynamic ? expand(word.text, environment_) : std::nullopt;
      const std::string text = set_text(command, known.value_or(word.text));
      const auto at = std::ranges::find_if(
          kUnchecked, [&](const auto& one) { return is_unchecked(command, says_only, text, one); });
      if (at != kUnchecked.end() && !(near_before_ && at->says == "--nogpgcheck"))
        tell(command, word, *at);
    }
  }

 private:
  void tell(const ShellCommand& command, const ShellWord& word, const Unchecked& what) {
    const std::string vendor = vendor_of(command, what);
    // What lets one step's packages be installed is one cause, in however many of its commands.
    if (said_ && vendor.empty()) return;
    said_ = said_ || vendor.empty();
    Span span = word.span;
    if (const std::size_t place = file_.source.slice(span).find(what.word);
        place != std::string::npos)
      span = {span.begin + place, span.begin + place + what.word.size()};
    Finding& found = sink_.add("package-signature-off", file_, span,
                               fmt::format("with {} nobody checks who signed the packages that are "
                                           "installed as root",
                                           what.says));
    found.evidence = {fmt::format("the step says {}", what.word)};
    if (is_of_devtools(command)) {
      found.fix = std::string(kDevtoolsKey);
    } else if (vendor.empty()) {
      found.fix =
          "delete it: the repositories of the base are signed. Where one is then refused, import "
          "its key: cuda-keyring for NVIDIA's CUDA repository, rpm --import of the repository's "
          ".pub for dnf, or signed-by= in the source line";
    } else {
      found.fix = fmt::format(
          "if {} publishes a key, import it: rpm --import, or signed-by= in the source line",
          vendor);
      // The vendor's own words; the transport says at least who it is.
      found.pedantic = is_one_of(what.says, {"gpgcheck=0", "trusted=yes"});
    }
    // A key may be what comes.
    found.pedantic = found.pedantic || old_ || installs_keys(command) ||
                     (what.word.starts_with("--") && excuse_ && excuse_(command));
  }

  const ProjectFile& file_;
  const Environment& environment_;
  FindingSink& sink_;
  std::function<bool(const ShellCommand&)> excuse_;
  bool old_ = false;
  bool said_ = false;
  bool near_before_ = false;  ///< the repository that was written last is near
};

bool has_ended_keys(const StageView& stage) {
  return is_one_of(stage.image.distribution.value, {"debian7", "debian8", "debian9"});
}

void signatures(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages) {
    std::optional<std::set<std::string, std::less<>>> copied;  // asked once
    for (const Instruction& instruction : stage.stage->instructions) {
      Signatures rule(*view.file, environment_of(instruction), sink);
      rule.set_old(has_ended_keys(stage));
      // Of a repository on the disk, whose package is known, nobody can answer in its place.
      rule.set_excuse([&](const ShellCommand& command) {
        const std::string_view package = repository_package(instruction, command);
        if (package.empty() || compares_sums(commands_of(instruction))) return !package.empty();
        if (!copied) copied = copied_packages(view, stage);
        return copied->contains(package);
      });
      for (const ShellCommand& command : instruction.commands) rule.take(command);
      for (const ShellCommand& command : written_documents(view, instruction)) rule.take(command);
    }
  }
}

/// The same in the scripts of the build; one that several Dockerfiles run is told once.
void script_signatures(const FileView& view, std::set<const ProjectFile*>& told,
                       FindingSink& sink) {
  for (const RunScript& script : scripts_run_by(view)) {
    if (!told.insert(script.file).second) continue;
    Signatures rule(*script.file, *script.environment, sink);
    rule.set_old(has_ended_keys(view.stages[script.stage]));
    for (const ShellCommand& command : script.commands) rule.take(command);
  }
}

}  // namespace

void judge_package_signatures(const Project& /*project*/, const std::vector<FileView>& views,
                              FindingSink& sink) {
  std::set<const ProjectFile*> scripts;
  for (const FileView& view : views) {
    signatures(view, sink);
    script_signatures(view, scripts, sink);
  }
}

}  // namespace flense::lint
