#include "lint/facts/written_paths.h"

#include <algorithm>
#include <array>
#include <span>
#include <utility>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Rules compare paths with each other.
constexpr std::size_t kMostStepPaths = 2'000;

/// The paths of one RUN: `cd` is followed at the top.
class RunPaths {
 public:
  RunPaths(const Instruction& run, std::string directory, std::string home,
           std::vector<Written>& out)
      : run_(run),
        directory_(std::move(directory)),
        home_(std::move(home)),
        mounts_(mount_targets(run)),
        out_(out) {}

  void read() {
    for (const StepCommand& command : commands_of(run_)) one(command);
  }

 private:
  void add(std::string_view path, std::string_view how, const StepCommand& command, bool download) {
    const std::string full = absolute_path(directory_, path, home_);
    if (full.empty() || full == "/dev/null" || out_.size() >= kMostStepPaths) return;
    for (const std::string& mount : mounts_)
      if (lies_in(full, mount)) return;
    out_.push_back({&run_, full, std::string(how), command.shell->span, download});
  }

  void fetched(const StepCommand& command) {
    constexpr auto kWget = std::to_array<std::string_view>(
        {"-O", "--output-document", "-P", "--directory-prefix", "-o", "--output-file", "-t",
         "--tries", "-T", "--timeout", "-U", "--user-agent", "--header"});
    constexpr auto kCurl = std::to_array<std::string_view>(
        {"-o", "--output", "--output-dir", "-H", "--header", "--retry", "-A", "--user-agent", "-x",
         "--proxy", "-d", "--data", "-u", "--user", "-m", "--max-time", "-X", "--request"});
    const bool wget = command.program == "wget";
    const bool aria = command.program == "aria2c";
    const Options options =
        wget ? read_options(command.arguments, kWget) : read_options(command.arguments, kCurl);
    std::string file, folder;
    bool remote_name = wget || aria;
    for (const Option& option : options.options) {
      if (wget && (option.name == "-O" || option.name == "--output-document")) file = option.value;
      if (wget && (option.name == "-P" || option.name == "--directory-prefix"))
        folder = option.value;
      if (!wget && (option.name == "-o" || option.name == "--output")) file = option.value;
      if (aria && option.name == "-d") folder = option.value;
      if (!wget && option.name == "--output-dir") folder = option.value;
      if (!wget && option.name == "--remote-name") remote_name = true;
    }
    // curl -LO, wget -qO FILE
    for (std::size_t at = 0; at < command.arguments.size(); ++at) {
      const std::string_view text = command.arguments[at].text;
      if (text.size() < 2 || text[0] != '-' || text[1] == '-') continue;
      const bool last = at + 1 < command.arguments.size();
      if (wget && text.ends_with('O') && last) file = command.arguments[at + 1].text;
      if (!wget && text.ends_with('o') && last) file = command.arguments[at + 1].text;
      if (!wget && text.find('O') != text.npos) remote_name = true;
    }
    if (file == "-") return;
    if (!file.empty()) {
      add(folder.empty() ? file : folder + "/" + file, command.program, command, true);
      return;
    }
    if (!remote_name) return;
    for (const Argument& word : options.positional) {
      if (word.text.find("://") == std::string::npos) continue;
      const std::string_view url = std::string_view(word.text).substr(0, word.text.find('?'));
      add((folder.empty() ? "" : folder + "/") + std::string(file_name(url)), command.program,
          command, true);
    }
  }

  /// The directory of `python -m venv`, virtualenv and `uv venv`; empty: none is made, or named.
  static std::string environment_of_python(const StepCommand& command) {
    constexpr auto kValued = std::to_array<std::string_view>({"-p",
                                                              "--python",
                                                              "--prompt",
                                                              "--app-data",
                                                              "--try-first-with",
                                                              "--discovery",
                                                              "--creator",
                                                              "--seeder",
                                                              "--activators",
                                                              "--extra-search-dir",
                                                              "--pip",
                                                              "--setuptools",
                                                              "--wheel",
                                                              "-f",
                                                              "--find-links",
                                                              "-i",
                                                              "--index",
                                                              "--index-url",
                                                              "--default-index",
                                                              "--extra-index-url",
                                                              "--cache-dir",
                                                              "--config-file",
                                                              "--project",
                                                              "--link-mode",
                                                              "--exclude-newer"});
    std::span<const Argument> words = command.arguments;
    if (command.program != "virtualenv") {
      const auto verb = std::ranges::find_if(
          words, [](const Argument& word) { return is_one_of(word.text, {"venv", "virtualenv"}); });
      if (verb == words.end() ||
          (command.program != "uv" &&
           !(command.program.starts_with("python") && command.value_of("-m") == verb->text)))
        return {};
      words = words.subspan(static_cast<std::size_t>(verb - words.begin()) + 1);
    }
    const Options options = read_options(words, kValued);
    return options.positional.empty() ? std::string() : options.positional.back().text;
  }

  /// Where `uv sync` makes the environment of a project, and `uv venv` one without a name; empty:
  /// elsewhere, or the command makes none.
  std::string environment_of_project(const StepCommand& command) const {
    if (command.program != "uv" || command.arguments.empty()) return {};
    const std::string& verb = command.arguments.front().text;
    if ((verb != "sync" && verb != "venv") || command.has("--active") || command.has("--dry-run"))
      return {};
    const VariableState stated = variable_at(run_, command.shell, "UV_PROJECT_ENVIRONMENT");
    if (stated.set) return stated.value.value_or("");
    const std::string project = command.value_of("--project");
    return project.empty() ? ".venv" : project + "/.venv";
  }

  void one(const StepCommand& command) {
    const std::string& program = command.program;
    if (program == "cd" && !command.arguments.empty()) {
      const std::string to = absolute_path(directory_, command.arguments.front().text, home_);
      directory_ = command.shell->depth == 0 ? to : std::string();
    } else if (program == "wget" || program == "curl" || program == "aria2c") {
      fetched(command);
    } else if (const std::string clone = clone_target(command); !clone.empty()) {
      add(clone, "git clone", command, true);
    } else if (program == "huggingface-cli" || program == "hf") {
      if (command.arguments.empty() || command.arguments.front().text != "download") return;
      std::string folder = command.value_of("--local-dir");
      if (folder.empty()) folder = command.value_of("--cache-dir");
      add(folder.empty() ? "~/.cache/huggingface" : folder, program + " download", command, true);
    } else if (program == "tar" || program == "bsdtar") {
      std::string folder = command.value_of("-C");
      if (folder.empty()) folder = command.value_of("--directory");
      if (!folder.empty()) add(folder, "tar", command, false);
    } else if (program == "unzip") {
      const std::string folder = command.value_of("-d");
      if (!folder.empty()) add(folder, "unzip", command, false);
    } else if (program == "cp" || program == "mv") {
      if (command.arguments.size() > 1) add(command.arguments.back().text, program, command, false);
    } else if (const std::string environment = environment_of_python(command);
               !environment.empty()) {
      add(environment, "the virtual environment", command, false);
    } else if (const std::string of_project = environment_of_project(command);
               !of_project.empty()) {
      add(of_project, "the virtual environment", command, false);
    } else if (is_shell(program) && command.has("-b") && !command.value_of("-p").empty()) {
      add(command.value_of("-p"), "the conda installer", command, false);
    } else if ((program == "aws" || program == "gsutil" || program == "gcloud") &&
               command.arguments.size() > 2) {
      add(command.arguments.back().text, program, command, true);
    }
  }

  const Instruction& run_;
  std::string directory_, home_;
  std::vector<std::string> mounts_;
  std::vector<Written>& out_;
};

}  // namespace

std::vector<Written> written_paths(const StageSteps& steps) {
  std::vector<Written> out;
  for (const Step& at : steps.all()) {
    const Instruction& step = *at.instruction;
    if (step.keyword == Keyword::kRun) RunPaths(step, at.start(), at.home, out).read();
    if (out.size() >= kMostStepPaths) break;
    if (!step.copies() || step.words.size() < 2) continue;
    const std::string target = with_values(step.words.back().text, environment_of(step));
    const std::string full = absolute_path(at.directory.empty() ? "/" : at.directory, target, {});
    if (full.empty()) continue;
    const bool folder = target.ends_with('/') || target == "." || step.words.size() > 2;
    for (std::size_t word = 0; word + 1 < step.words.size() && out.size() < kMostStepPaths;
         ++word) {
      const std::string& source = step.words[word].text;
      // A directory's content goes to the target itself, a file goes into the directory.
      const std::string_view name = file_name(source);
      const bool file = folder && name.find('.') != name.npos && name != "." && name != "..";
      out.push_back({&step, file ? normal_path(full + "/" + std::string(name)) : full,
                     std::string(to_string(step.keyword)), step.words[word].span,
                     source.find("://") != std::string::npos});
    }
  }
  return out;
}

}  // namespace flense::lint
