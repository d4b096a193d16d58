// What decides the CUDA of a build and may be different tomorrow: bases without a digest, wheels
// without a version, installers that change daily; and conda environments that PATH does not match.
#include <algorithm>
#include <array>
#include <map>
#include <set>

#include "base/format.h"
#include "knowledge/table_rows.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/script_installs.h"
#include "lint/packages/requirement_text.h"
#include "lint/rules/rules.h"

namespace flense::lint {

namespace {

void digests(const FileView& view, FindingSink& sink) {
  std::set<std::string> said;
  for (const StageView& stage : view.stages) {
    if (!stage.own_base || !stage.reachable || !stage.image.vendor.known()) continue;
    const auto& image = stage.stage->image;
    // Without a tag another rule applies.
    if (!image || !image->digest.empty() || image->tag.empty() || image->tag == "latest") continue;
    if (!said.insert(stage.stage->base_resolved).second) continue;
    Finding& found = sink.add("gpu-base-digest", *view.file, stage.stage->base.span,
                              fmt::format("{}:{} is rebuilt under the same tag, and no digest is "
                                          "written",
                                          image->familiar(), image->tag));
    found.evidence = {stage.image.vendor.evidence};
    found.fix =
        fmt::format("write {}:{}@sha256:… (docker buildx imagetools inspect {}:{} tells it)",
                    image->familiar(), image->tag, image->familiar(), image->tag);
  }
}

/// Packages whose version decides which CUDA comes.
bool decides_cuda(std::string_view name) {
  constexpr auto kNames = std::to_array<std::string_view>(
      {"torch", "tensorflow", "jax", "jaxlib", "vllm", "sglang", "onnxruntime-gpu",
       "paddlepaddle-gpu", "pytorch", "pytorch-gpu", "tensorrt", "torchvision", "torchaudio"});
  return std::ranges::find(kNames, name) != kNames.end();
}

/// An index of one CUDA alone, jax[cuda13], the plugin of a CUDA beside it.
bool is_cuda_decided(const PackageRequest& request, const PackageList& list,
                     const std::vector<Word>& indexes) {
  if (request.name.starts_with("jax"))
    return std::ranges::any_of(
        list.packages, [](const PackageRequest& one) { return !cuda_of_package(one).empty(); });
  return request.name.starts_with("torch") && std::ranges::any_of(indexes, [](const Word& index) {
           return !variant_of_index(index.text).empty() || index.text.contains('$');
         });
}

/// Packages that PyPI builds without CUDA, unless an extra asks for it.
bool is_for_processors(const PackageRequest& request) {
  return is_one_of(request.name, {"tensorflow", "jax", "jaxlib"}) &&
         std::ranges::none_of(request.extras, [](const std::string& extra) {
           return extra.contains("cuda") || extra.contains("rocm");
         });
}

/// Builds of every night have no versions to keep.
bool takes_nightly(const PackageList& list) {
  return list.has_option("--pre") && std::ranges::any_of(list.indexes, [](const Word& index) {
           return index.text.contains("nightl");
         });
}

/// torch of `pip install torch && pip uninstall torch`, and what a shell took the version off,
/// which is a finding of its own.
bool is_gone_or_cut(const Install& install, const PackageRequest& request) {
  for (const StepCommand& command : commands_of(*install.instruction))
    if (command.has("uninstall") && command.has(request.name)) return true;
  const ShellCommand* command = command_at(*install.instruction, install.command.span);
  return command != nullptr && std::ranges::any_of(command->redirections, [&](const auto& one) {
           return one.target.text.starts_with('=') && one.target.span.begin > request.span.begin &&
                  one.target.span.begin - request.span.begin < request.name.size() + 3;
         });
}

/// What builds an image from a list; without one the list is somebody's notebook or test.
struct Use {
  const Install* install = nullptr;
  const GpuImage* base = nullptr;
  const std::vector<Word>* indexes = nullptr;  ///< of the command
};

bool has_constraints(const PackageList& list) {
  return std::ranges::any_of(list.options, [](const std::string& option) {
    return option.starts_with("-c=") || option.starts_with("--constraint") ||
           option.starts_with("--override");
  });
}

void unpinned(const ProjectFile& file, const PackageList& list, const Use& use, FindingSink& sink) {
  if (has_constraints(list) || is_for_other_device(file.source.path())) return;
  for (const Word& index : list.indexes)
    if (is_for_other_device(index.text)) return;
  for (const PackageRequest& request : list.packages) {
    if (!decides_cuda(request.name) || !request.url.empty() || !request.version.empty()) continue;
    // "==${TORCH_VERSION}" names one, although it is not known here.
    if (request.specifier.find('$') != std::string::npos ||
        request.specifier.find("==") != std::string::npos)
      continue;
    // Their torch is what they require.
    if (request.name.starts_with("torch") && request.name != "torch" &&
        (list.find("torch") != nullptr || list.find("pytorch") != nullptr ||
         (use.base != nullptr && use.base->framework.value == "torch")))
      continue;
    if (use.install != nullptr && is_gone_or_cut(*use.install, request)) continue;
    if (is_for_processors(request) && (use.base == nullptr || !use.base->vendor.known())) continue;
    // pip leaves what the base holds.
    if (use.base != nullptr && use.base->framework.value == request.name &&
        request.specifier.empty())
      continue;
    Finding& found = sink.add(
        "gpu-wheel-unpinned", file, request.span,
        fmt::format("{}{} leaves its version open, and the version decides the CUDA, the least "
                    "driver and the GPUs",
                    request.name, request.specifier));
    found.evidence = {request.specifier.empty()
                          ? "no version is written"
                          : "the specifier leaves a choice: " + request.specifier};
    // A range is what a library asks for; an application is nothing without a version.
    found.pedantic = !request.specifier.empty() || use.base == nullptr ||
                     is_example(file.source.path()) || takes_nightly(list) ||
                     is_cuda_decided(request, list, list.indexes) ||
                     is_cuda_decided(request, list, *use.indexes) || list.has_option("--no-deps") ||
                     list.has_option("--no-dependencies");
    found.fix = fmt::format("write one version: {}{}…", request.name,
                            request.manager == PackageManager::kConda ? "=" : "==");
    return;  // the others of the list follow from it
  }
}

void unpinned_lists(const Project& project, const std::vector<FileView>& views, FindingSink& sink) {
  for (const FileView& view : views)
    for (const Install& install : view.installs) {
      const bool system = install.command.manager == PackageManager::kApt ||
                          install.command.manager == PackageManager::kDnf ||
                          install.command.manager == PackageManager::kApk;
      if (!system && view.stages[install.stage].reachable && !has_constraints(install.command))
        unpinned(*view.file, install.command,
                 {&install, &view.stages[install.stage].image, &install.command.indexes}, sink);
    }
  std::set<std::pair<const ProjectFile*, std::size_t>> said;
  for (const FileView& view : views)
    for (const ScriptInstall& one : script_installs_of(view)) {
      const bool python = one.list.manager != PackageManager::kApt &&
                          one.list.manager != PackageManager::kDnf &&
                          one.list.manager != PackageManager::kApk;
      // One script of several images is judged once.
      if (python && said.emplace(one.script, one.list.span.begin).second)
        unpinned(*one.script, one.list, {nullptr, &view.stages[one.stage].image, &one.list.indexes},
                 sink);
    }
  std::set<const ProjectFile*> held;
  std::map<const ProjectFile*, Use> used;
  for (const FileView& view : views)
    for (const Install& install : view.installs) {
      if (has_constraints(install.command)) held.insert(install.files.begin(), install.files.end());
      for (const ProjectFile* file : install.files)
        used.try_emplace(file,
                         Use{nullptr, &view.stages[install.stage].image, &install.command.indexes});
    }
  // What pip-compile makes of a list of names has the versions.
  for (const auto& file : project.files)
    if (const std::string& path = file->source.path();
        path.ends_with(".in") && project.find(path.substr(0, path.size() - 2) + "txt") != nullptr)
      held.insert(file.get());
  // Ranges are normal in pyproject.toml; a lock file pins them.
  for (const auto& file : project.files)
    if (file->packages && !held.contains(file.get()) &&
        (file->kind == FileKind::kRequirements || file->kind == FileKind::kCondaEnvironment))
      unpinned(*file, *file->packages, used[file.get()], sink);
}

/// Whether the stage's Python is chosen behind its installer.
bool chooses_python(const FileView& view, const StageView& stage) {
  for (const std::string_view word : {"python=", "create", ".yml", ".yaml"})
    if (commands_mention(view, stage.index, word)) return true;
  return false;
}

void floating(const FileView& view, FindingSink& sink) {
  const auto& rows = view.project->knowledge->images.floating_installers;
  const bool gpu = is_gpu_file(view);
  const auto judge = [&](const StageView& stage, std::string_view word, Span span) {
    if (word.size() > 500) return;
    for (const knowledge::FloatingInstallerRow& row : rows) {
      if (!knowledge::matches_pattern(row.pattern, word)) continue;
      Finding& found =
          sink.add("floating-installer", *view.file, span, fmt::format("this is {}", row.what));
      found.evidence = {row.source};
      found.fix = "take " + row.instead;
      // Of a tool hardly a version makes a difference; another Python does.
      found.pedantic = !gpu ||
                       is_one_of(row.what, {"the current uv", "the current Miniforge",
                                            "the current micromamba"}) ||
                       (row.what.contains("conda") && chooses_python(view, stage));
      return;
    }
  };
  for (const StageView& stage : view.stages) {
    if (!stage.reachable) continue;
    if (stage.own_base) judge(stage, stage.stage->base_resolved, stage.stage->base.span);
    for (const Instruction& instruction : stage.stage->instructions) {
      for (const ShellCommand& command : instruction.commands)
        for (const ShellWord& word : command.words) {
          const auto known = word.dynamic && instruction.environment
                                 ? expand(word.text, *instruction.environment)
                                 : std::nullopt;
          judge(stage, known ? *known : word.text, word.span);
        }
      if (instruction.keyword == Keyword::kAdd)
        for (const Word& word : instruction.words) judge(stage, word.text, word.span);
      if (const Flag* from = instruction.flag("from")) judge(stage, from->value, from->span);
    }
  }
}

bool is_conda_run(const std::vector<std::string>& words) {
  if (words.size() < 2) return false;
  const std::string_view program = std::string_view(words[0]).substr(words[0].rfind('/') + 1);
  return (program == "conda" || program == "mamba") && words[1] == "run";
}

void conda_run(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages) {
    if (!stage.reachable) continue;
    for (const Instruction& instruction : stage.stage->instructions) {
      const bool shell = instruction.keyword == Keyword::kShell;
      if (!shell && instruction.keyword != Keyword::kEntrypoint &&
          instruction.keyword != Keyword::kCmd)
        continue;
      if (!shell && !stage.final) continue;
      std::vector<std::string> words;
      Span span = instruction.arguments;
      if (instruction.exec_form || shell) {
        for (const Word& word : instruction.words) words.push_back(word.text);
        if (instruction.words.size() > 1)
          span = {instruction.words[0].span.begin, instruction.words[1].span.end};
      } else if (!instruction.commands.empty()) {
        const ShellCommand& command = instruction.commands.front();
        const Program program = program_of(command);
        for (std::size_t at = program.first; at < command.words.size(); ++at)
          words.push_back(command.words[at].text);
        if (words.size() > 1)
          span = {command.words[program.first].span.begin,
                  command.words[program.first + 1].span.end};
      }
      if (!is_conda_run(words)) continue;
      const bool live = std::ranges::any_of(words, [](const std::string& word) {
        return word == "--no-capture-output" || word == "--live-stream" || word == "-s";
      });
      if (shell && live) continue;
      Finding& found = sink.add(
          "conda-run-entrypoint", *view.file, span,
          shell ? "conda run as the shell holds back the output of every step until it has ended"
                : fmt::format("conda run stays in front of the program: SIGTERM does not reach "
                              "it{}",
                              live ? "" : ", and its output is held back until it ends"));
      found.evidence = {"conda/conda#10351, conda/conda#8586"};
      found.fix = shell ? "add --no-capture-output, or put the environment's bin folder in front "
                          "of PATH"
                        : "call the program by its path: ENTRYPOINT "
                          "[\"/opt/conda/envs/NAME/bin/python\", \"app.py\"], or put that folder "
                          "in front of PATH";
    }
  }
}

/// "NAME" of ".../envs/NAME/…"; empty: none.
std::string environment_in(std::string_view path) {
  const std::size_t at = path.find("/envs/");
  if (at == path.npos) return {};
  const std::string_view rest = path.substr(at + 6);
  const std::string_view name = rest.substr(0, rest.find_first_of("/:\"' "));
  return name.find('$') == name.npos ? std::string(name) : std::string();
}

/// Names of the environments that a stage creates; false: one of them is unknown.
bool environments_of(const FileView& view, std::size_t stage, std::set<std::string>& out) {
  bool any = false;
  for (const Install* install : view.installs_in(stage)) {
    const PackageList& list = install->command;
    if (list.manager != PackageManager::kConda) continue;
    if (list.verb != "create" && list.verb != "env create" && list.verb != "env update") continue;
    any = true;
    std::string name;
    for (const std::string& option : list.options) {
      for (const std::string_view prefix : {"-n=", "--name="})
        if (option.starts_with(prefix)) name = option.substr(prefix.size());
      for (const std::string_view prefix : {"-p=", "--prefix="})
        if (option.starts_with(prefix)) {
          const std::string path = option.substr(prefix.size());
          name = environment_in(path + "/");
          if (name.empty()) name = path;
        }
    }
    if (name.empty() && install->files.size() == 1) name = install->files[0]->packages->name;
    if (name.empty() || name.find('$') != std::string::npos) return false;
    out.insert(name);
  }
  return any;
}

void environment_path(const FileView& view, FindingSink& sink) {
  for (const StageView& stage : view.stages) {
    if (!stage.reachable) continue;
    std::set<std::string> made;
    if (!environments_of(view, stage.index, made)) continue;
    const auto judge = [&](const std::string& name, Span span, std::string_view where) {
      if (name.empty() || name == "base" || made.contains(name)) return;
      std::string all;
      for (const std::string& one : made) all += (all.empty() ? "" : ", ") + one;
      Finding& found = sink.add(
          "conda-environment-path", *view.file, span,
          fmt::format("{} names the environment '{}', and the one that is made is called '{}'",
                      where, name, all));
      found.evidence = {"environments that the stage creates: " + all};
      found.fix = fmt::format("write {} in place of {}", *made.begin(), name);
    };
    for (const Instruction& instruction : stage.stage->instructions) {
      if (instruction.keyword == Keyword::kEnv)
        for (const KeyValue& pair : instruction.pairs) {
          if (!pair.value) continue;
          if (pair.key.text == "PATH")
            judge(environment_in(pair.value->text), pair.value->span, "PATH");
          if (pair.key.text == "CONDA_DEFAULT_ENV" &&
              pair.value->text.find('$') == std::string::npos)
            judge(pair.value->text, pair.value->span, "CONDA_DEFAULT_ENV");
        }
      if (instruction.exec_form || instruction.keyword == Keyword::kShell) {
        for (std::size_t at = 0; at + 1 < instruction.words.size(); ++at)
          if (at > 0 &&
              (instruction.words[at].text == "-n" || instruction.words[at].text == "--name") &&
              is_conda_run({instruction.words[0].text, instruction.words[1].text}))
            judge(instruction.words[at + 1].text, instruction.words[at + 1].span,
                  to_string(instruction.keyword));
      }
    }
  }
}

/// "numpy>=1.24" where the shell reads a package and a redirection.
struct Redirected {
  Span span;
  std::string name;
  bool quoted = false;
};

bool is_bound(const ShellRedirection& one) {
  const std::string& text = one.target.text;
  return (one.op == ">" || one.op == "<") &&
         (text.starts_with('=') ||
          (!text.empty() && text.find_first_not_of("0123456789.,*") == std::string::npos));
}

std::vector<Redirected> redirected_in(const ShellCommand& command, std::string_view file) {
  std::vector<Redirected> out;
  for (const ShellRedirection& redirection : command.redirections) {
    const std::size_t bound = redirection.target.span.begin;
    if (!is_bound(redirection) || (!out.empty() && bound < out.back().span.end)) continue;
    // The word that ends where the redirection begins is the package.
    for (std::size_t at = 1; at < command.words.size(); ++at) {
      const ShellWord& word = command.words[at];
      if (word.text.starts_with('-') || word.span.end > bound ||
          bound - word.span.end > redirection.op.size())
        continue;
      const auto request = parse_requirement(word.text);
      if (!request) continue;
      Span whole{word.span.begin, redirection.target.span.end};
      // torch>=2,<3: the next bound follows at once.
      for (const ShellRedirection& next : command.redirections)
        if (next.target.span.begin == whole.end + next.op.size()) whole.end = next.target.span.end;
      out.push_back({whole, request->name,
                     file.substr(whole.begin, whole.end - whole.begin).find_first_of("\"'") !=
                         std::string_view::npos});
    }
  }
  return out;
}

/// pip install torch>=2.0 without quotes: the shell writes a file "=2.0".
void redirected(const ProjectFile& file, const ShellCommand& command, FindingSink& sink) {
  constexpr std::size_t kMost = 1'000;  // each bound is looked for among all words
  if (command.redirections.empty() || command.redirections.size() > kMost ||
      command.words.size() > kMost)
    return;
  const std::string program = program_of(command).name;
  if (!program.starts_with("pip") && program != "uv" && program != "conda" && program != "mamba" &&
      program != "micromamba" && !program.starts_with("python"))
    return;
  const std::vector<Redirected> all = redirected_in(command, file.source.text());
  if (all.empty()) return;
  std::string names, words;
  for (const Redirected& one : all) {
    std::string plain(file.source.slice(one.span));
    std::erase_if(plain, [](char c) { return c == '"' || c == '\''; });
    names += fmt::format("{}{}", names.empty() ? "" : ", ", one.name);
    words += fmt::format("{}\"{}\"", words.empty() ? "" : " ", plain);
  }
  const Redirected& first = all.front();
  Finding& found = sink.add(
      "specifier-redirected", file, first.span,
      fmt::format("without quotes the shell reads '{}' as a file: {} {} installed in any "
                  "version",
                  file.source.slice({first.span.begin + first.name.size(), first.span.end}), names,
                  all.size() == 1 ? "is" : "are"));
  found.evidence = {"POSIX shell: redirection"};
  found.fix = fmt::format("write {}", words);
  for (const Redirected& one : all)
    if (!one.quoted)
      found.edits.push_back({one.span, fmt::format("\"{}\"", file.source.slice(one.span))});
}

}  // namespace

void judge_reproducibility(const Project& project, const std::vector<FileView>& views,
                           FindingSink& sink) {
  unpinned_lists(project, views, sink);
  for (const auto& file : project.files)
    for (const ShellCommand& command : file->names.redirected_installs)
      redirected(*file, command, sink);
  for (const FileView& view : views) {
    digests(view, sink);
    floating(view, sink);
    conda_run(view, sink);
    environment_path(view, sink);
    for (const StageView& stage : view.stages)
      for (const Instruction& run : stage.stage->instructions)
        for (const ShellCommand& command : run.commands) redirected(*view.file, command, sink);
  }
}

}  // namespace flense::lint
