#include "lint/facts/torch_installs.h"

#include <algorithm>
#include <utility>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/sure_installs.h"
#include "lint/packages/requirement_text.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

bool is_conda(std::string_view program) {
  return is_one_of(program, {"conda", "mamba", "micromamba"});
}

/// What -n, --name, -p or --prefix names, where the word is one; else empty.
std::string_view environment_at(const std::vector<ShellWord>& words, std::size_t at) {
  const std::string_view word = words[at].text;
  if (is_one_of(word, {"-n", "--name", "-p", "--prefix"}))
    return at + 1 < words.size() ? std::string_view(words[at + 1].text) : std::string_view();
  return starts_with_any(word, {"--name=", "--prefix="}) ? word.substr(word.find('=') + 1)
                                                         : std::string_view();
}

/// "envs/NAME/bin"; empty: the environment that is active.
std::string directory_of_environment(std::string_view name) {
  return name.empty() || name == "base" ? std::string()
                                        : fmt::format("envs/{}/bin", file_name(name));
}

/// Of `conda run -n NAME …`.
std::string environment_of_run(const ShellCommand& command, std::size_t first) {
  const auto& words = command.words;
  std::size_t at = first + 1;
  while (at < words.size() && words[at].text != "run") ++at;
  for (++at; at < words.size() && words[at].text.starts_with('-'); ++at) {
    if (const std::string_view name = environment_at(words, at); !name.empty())
      return directory_of_environment(name);
    if (is_one_of(words[at].text, {"--cwd", "-r", "--root-prefix", "-e", "--env"})) ++at;
  }
  return {};
}

}  // namespace

bool brings_torch(std::string_view name) {
  return is_one_of(name, {"accelerate",
                          "chatterbox-tts",
                          "deepspeed",
                          "demucs",
                          "detoxify",
                          "easyocr",
                          "flair",
                          "kornia",
                          "lightning",
                          "lpips",
                          "monai",
                          "open-clip-torch",
                          "openai-whisper",
                          "peft",
                          "pyannote-audio",
                          "pytorch-lightning",
                          "segmentation-models-pytorch",
                          "sentence-transformers",
                          "silero-vad",
                          "stable-baselines3",
                          "stanza",
                          "timm",
                          "torchmetrics",
                          "trl",
                          "ultralytics",
                          "whisperx"});
}

bool is_companion(std::string_view name) {
  return name == "torchvision" || name == "torchaudio";
}

bool brings_torchvision(std::string_view name) {
  return is_one_of(name, {"basicsr", "easyocr", "facexlib", "lpips", "open-clip-torch",
                          "segmentation-models-pytorch", "timm", "ultralytics"});
}

bool has_upper_bound(std::string_view specifier) {
  return specifier.contains('<') || specifier.contains("~=");
}

bool holds_torch(const PackageList& list) {
  return std::ranges::any_of(list.packages, [](const PackageRequest& one) {
    const bool held = !one.version.empty() || has_upper_bound(one.specifier);
    // The newest that it lets in is older, and so is the torch which that one requires.
    const auto before = [&](std::string_view version) {
      return !one.version.empty()
                 ? compare_versions(one.version, version) < 0
                 : has_upper_bound(one.specifier) && !meets(version, one.specifier);
    };
    if (is_one_of(one.name, {"fairseq2", "fastai", "lmdeploy", "sglang", "torch-tensorrt",
                             "torchtext", "vllm"}))
      return held;
    return one.name == "chatterbox-tts" || (one.name == "whisperx" && one.specifier.empty()) ||
           (one.name == "xformers" && before("0.0.35")) ||
           (one.name == "torchvision" && before("0.29.1")) ||
           (one.name == "torchaudio" && before("2.11"));
  });
}

bool is_nightly(const Install& install) {
  return std::ranges::any_of(install.command.indexes,
                             [](const Word& index) { return index.text.contains("/nightly"); });
}

std::string own_environment(const Install& install) {
  const ShellCommand* command = command_at(*install.instruction, install.command.span);
  if (command == nullptr) return {};
  const Program program = program_of(*command);
  if (program.first >= command->words.size()) return {};
  // conda run -n NAME pip …; conda's own -n is told by what it lists.
  if (is_conda(program.name) && install.command.manager != PackageManager::kConda)
    return environment_of_run(*command, program.first);
  // uv pip install --python DIR/bin/python, pip install --target DIR.
  std::string named;
  for (const std::string& option : install.command.options)
    if (starts_with_any(option, {"--python=", "-p=", "--target=", "-t=", "--prefix="}) &&
        option.contains('/'))
      named = option.substr(option.find('=') + 1);
  std::string directory = directory_of(named.empty() ? command->words[program.first].text : named);
  if (!named.empty() && !starts_with_any(file_name(named), {"python"})) directory = named + "/bin";
  if (const std::size_t at = directory.find("/envs/"); at != std::string::npos)
    directory.erase(0, at + 1);
  if (directory.contains("env")) return directory;
  // The distribution's, and the one of conda itself.
  const bool usual = is_one_of(directory, {"/usr/bin", "/usr/local/bin", "/bin"}) ||
                     directory.contains("conda") || directory.contains("forge") ||
                     directory.contains(".local/") || directory.contains('$');
  return directory.starts_with('/') && directory.ends_with("/bin") && !usual ? directory
                                                                             : std::string();
}

std::string conda_environment(const Install& install) {
  if (install.command.manager != PackageManager::kConda) return {};
  const ShellCommand* command = command_at(*install.instruction, install.command.span);
  if (command == nullptr) return {};
  std::string_view name;
  for (std::size_t at = 0; at < command->words.size(); ++at)
    if (const std::string_view one = environment_at(command->words, at); !one.empty()) name = one;
  if (name.empty() && !install.files.empty()) name = install.files.front()->packages->name;
  return directory_of_environment(name);
}

std::string surroundings_of(const FileView& view, const Install& install) {
  std::string out = conda_environment(install) + own_environment(install);
  if (!out.empty()) return out;
  const Instruction& step = *install.instruction;
  for (const StepCommand& command : commands_of(step)) {
    if (command.shell->span.begin >= install.command.span.begin) break;
    for (const Argument& word : command.arguments)
      if (word.text.ends_with("/bin/activate"))
        out = directory_of(word.text);
      else if (command.has("activate") && word.text != "activate" && !word.text.starts_with('-'))
        out = directory_of_environment(word.text);
  }
  const Environment& known = environment_of(step);
  if (const auto at = known.find("VIRTUAL_ENV"); out.empty() && at != known.end() && at->second)
    out = path_below(*at->second, "bin");
  if (const auto at = known.find("PATH"); out.empty() && at != known.end() && at->second)
    if (const auto first = at->second->substr(0, at->second->find(':')); first.contains("env"))
      out = first;
  std::string of_shell;  // SHELL ["conda", "run", "-n", NAME, …]
  for (const Instruction& shell : view.dockerfile->stages[install.stage].instructions)
    for (std::size_t at = 0; at + 1 < shell.words.size(); ++at)
      if (shell.keyword == Keyword::kShell && shell.span.begin < step.span.begin &&
          is_one_of(shell.words[at].text, {"-n", "--name", "-p"}))
        of_shell = directory_of_environment(shell.words[at + 1].text);
  if (!of_shell.empty()) out = of_shell;
  if (const std::size_t at = out.find("/envs/"); at != out.npos) out.erase(0, at + 1);
  if (!out.empty()) return out;
  // "python3.10", or "pip3.10".
  const ShellCommand* command = command_at(step, install.command.span);
  const std::string program = command == nullptr ? std::string() : program_of(*command).name;
  return program.contains("3.") ? program.substr(program.find("3.")) : std::string();
}

TorchInstalls torch_installs(const Project& project, const FileView& view, const StageView& stage,
                             const std::string& environment) {
  TorchInstalls out;
  for (const Install* install : view.installs_in(stage.index)) {
    if (!install->command.installs ||
        !(own_environment(*install) == environment ||
          (!environment.empty() && conda_environment(*install) == environment)))
      continue;
    for (const PackageList* list : lists_of(*install)) {
      const ProjectFile& file = file_of(*install, *list, *view.file);
      // A lock holds all extras, and an extra is only installed where it is asked for.
      if (file.kind == FileKind::kUvLock) continue;
      for (Framework& one : frameworks_of(*list, project.knowledge->frameworks)) {
        if (!one.request->group.empty()) continue;
        const bool sure = surely_installs(view, *install, *list, *one.request);
        // The command's index decides, and not the list's default.
        if (list != &install->command && list->indexes.empty() && !install->command.indexes.empty())
          one.variant = {};
        if (one.package == "torch" || one.package == "pytorch")
          out.torch.push_back({install, std::move(one), &file, sure});
        else if (is_companion(one.package) && !install->command.has_option("--no-deps"))
          out.companions.push_back({install, std::move(one), &file, sure});
      }
      if (is_of_system(install->command.manager) || !list->indexes.empty() ||
          !install->command.indexes.empty() || install->command.has_option("--no-deps") ||
          file.kind == FileKind::kPyproject || is_constrained(*list, install))
        continue;
      for (const PackageRequest& request : list->packages)
        if ((brings_torch(request.name) || brings_torchvision(request.name)) &&
            request.manager != PackageManager::kConda) {
          Framework brought;
          brought.package = request.name;
          brought.request = &request;
          out.bringers.push_back({install, std::move(brought), &file,
                                  surely_installs(view, *install, *list, request)});
        }
    }
  }
  return out;
}

}  // namespace flense::lint
