#include "lint/layers/fetched_models.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/layer_paths.h"
#include "lint/layers/model_calls.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// `hf download` of named files that are no weights, or without the weights.
bool takes_small_files(const StepCommand& download) {
  bool small = download.has("--help") || download.has("--dry-run"), large = false, excluded = false;
  for (const Argument& word : download.arguments) {
    const std::string_view text = word.text;
    if (text.starts_with('-')) excluded = text.starts_with("--exclude");
    if (excluded) {
      small = small || text.contains(".safetensors");
      continue;
    }
    large = large || is_weights(text);
    small = small || text.starts_with("tokenizer") ||
            ends_with_any(text, {".json", ".txt", ".md", ".yaml", ".yml", ".csv"});
  }
  return small && !large;
}

/// A path that is named as people name weights and data.
bool names_model(std::string_view path) {
  return is_weights(path) ||
         has_part(to_lower(path), "/",
                  {"checkpoints", "checkpoint", "ckpt", "ckpts", "weights", "pretrained",
                   "pretrained_models", "pretrained_weights", "models", "dataset", "datasets"});
}

/// An archive of a known data set, of gigabytes.
bool is_known_data(std::string_view url) {
  return (url.contains("images.cocodataset.org/zips/") || url.contains("image-net.org/data/") ||
          url.contains("host.robots.ox.ac.uk/pascal/VOC/")) &&
         ends_with_any(url, {".zip", ".tar", ".tar.gz"});
}

/// "download_model.py", "fetch-weights.sh": a script by whose name a model is fetched.
bool fetches_by_name(std::string_view path) {
  const std::string name = to_lower(file_name(path));
  if (!ends_with_any(name, {".py", ".sh"})) return false;
  const auto has = [&](auto... words) { return has_part(name, "._-", {words...}); };
  if (has("list", "check", "test")) return false;
  return is_one_of(name, {"download.py", "download.sh"}) ||
         (has("download", "predownload", "fetch", "prefetch", "preload", "get", "pull") &&
          has("model", "models", "weight", "weights", "checkpoint", "checkpoints", "ckpt",
              "ckpts"));
}

/// "alphafold_params_2022.tar", "sam-weights.zip"; a release of somebody's code is none.
bool is_archive_of_weights(std::string_view url) {
  url = url.substr(0, url.find('?'));
  return ends_with_any(url, {".tar", ".tar.gz", ".tgz", ".zip"}) && !url.contains("/archive/") &&
         has_part(
             file_name(url), "._-",
             {"weights", "checkpoint", "checkpoints", "ckpt", "ckpts", "params", "pretrained"});
}

/// Programs that fetch the models of their own, or the large files of a repository.
std::string tool_of_models(const StepCommand& command) {
  const auto begins = [&](auto... words) {
    std::size_t at = 0;
    return command.arguments.size() >= sizeof...(words) &&
           (... && (command.arguments[at++].text == words));
  };
  const std::string& program = command.program;
  if (command.has("--help")) return {};
  if (is_one_of(program,
                {"totalseg_download_weights", "nnUNet_install_pretrained_model_from_zip",
                 "nnUNetv2_install_pretrained_model_from_zip", "nnUNet_download_pretrained_model"}))
    return program;
  if (program == "docling-tools" && begins("models", "download")) return "docling-tools";
  if (program == "mhcflurry-downloads" && begins("fetch")) return "mhcflurry-downloads";
  if (program == "dvc" && (begins("pull") || begins("fetch"))) return "dvc pull";
  return {};
}

bool is_lfs_fetch(const StepCommand& command) {
  return command.program == "git" && command.arguments.size() > 1 &&
         command.arguments[0].text == "lfs" &&
         is_one_of(command.arguments[1].text, {"pull", "fetch"});
}

/// The text of a here-document behind a command: the lines up to its name.
std::string_view heredoc_behind(const FileView& view, const ShellRedirection& redirection) {
  std::string_view text = view.file->source.text().substr(redirection.target.span.end);
  text.remove_prefix(std::min(text.find('\n'), text.size()));
  std::size_t end = 0;
  while (end < text.size()) {
    const std::size_t next = std::min(text.find('\n', end + 1), text.size());
    if (trim_space(text.substr(end, next - end)) == redirection.target.text) break;
    end = next;
  }
  return text.substr(0, end);
}

/// What `python -c` or a here-document gives Python to run; empty: neither does.
std::string script_of(const FileView& view, const StepCommand& command) {
  if (command.has("-c")) return command.value_of("-c");
  for (const ShellRedirection& one : command.shell->redirections) {
    if (one.op != "<<" && one.op != "<<-") continue;
    const std::string_view text = heredoc_behind(view, one);
    // One that changes programs speaks of calls too.
    if (!holds(text, "write_text(") && !holds(text, ".replace(")) return std::string(text);
  }
  return {};
}

/// What a command downloads.
std::optional<FetchedModel> downloaded(const FileView& view, const StepCommand& command) {
  const Span span = command.shell->span;
  const std::string& program = command.program;
  const auto mentions_text = [&](std::string_view part) {
    return std::ranges::any_of(command.arguments,
                               [&](const Argument& word) { return holds(word.text, part); });
  };
  const std::string first = command.arguments.empty() ? "" : command.arguments.front().text;
  if ((program == "huggingface-cli" || program == "hf") && first == "download") {
    if (takes_small_files(command)) return std::nullopt;
    const bool data = command.value_of("--repo-type") == "dataset";
    return FetchedModel{span, data ? "a data set" : "a model", program + " download"};
  }
  if ((program == "wget" || program == "curl" || program == "aria2c") && !command.has("--spider")) {
    for (const Argument& word : command.arguments)
      if ((holds(word.text, "://") || word.text.starts_with('$')) && is_fetched_weights(word.text))
        return FetchedModel{word.span, "weights", word.text, may_be_small(word.text)};
      else if (is_known_data(word.text))
        return FetchedModel{word.span, "a data set", word.text};
      else if (holds(word.text, "://") && is_archive_of_weights(word.text))
        return FetchedModel{word.span, "weights", word.text, true};
  }
  if (is_one_of(program, {"aws", "gsutil", "gcloud"}) && (command.has("cp") || command.has("sync")))
    for (const Argument& word : command.arguments) {
      // A path in front of the address is what goes there.
      if (word.text.contains('/') && !holds(word.text, "://")) break;
      if (!holds(word.text, "://")) continue;
      if (is_weights(word.text))
        return FetchedModel{word.span, "weights", word.text, may_be_small(word.text)};
      break;
    }
  if (program == "aws" && command.has("s3") && command.has("sync") &&
      std::ranges::any_of(command.arguments, [](const Argument& word) {
        return has_part(to_lower(word.text), "/_${}",
                        {"model", "models", "weights", "checkpoint", "checkpoints"});
      }))
    return FetchedModel{span, "what aws s3 sync fetches", "aws s3 sync", true};
  // What lies in Google's Drive only the name of the target tells, or that it is a whole folder.
  if (program == "gdown" && command.has("--folder"))
    return FetchedModel{span, "a folder of Google Drive", "gdown --folder", true};
  if (program == "gdown")
    for (const Argument& word : command.arguments)
      if (!holds(word.text, "://") && names_model(word.text))
        return FetchedModel{span, "what is kept as " + word.text, "gdown", true};
  if (program == "text-generation-server" && first == "download-weights")
    return FetchedModel{span, "a model", "text-generation-server download-weights"};
  // Spaces are programs.
  if (program == "git" && mentions_text("huggingface.co/") && first == "clone" &&
      !mentions_text("huggingface.co/spaces/"))
    return FetchedModel{span, mentions_text("huggingface.co/datasets/") ? "a data set" : "a model",
                        "git clone of huggingface.co"};
  if (is_lfs_fetch(command) && !view.file->source.text().contains("huggingface.co/"))
    return FetchedModel{span, "what git lfs fetches", "git lfs " + command.arguments[1].text, true};
  if (program == "ollama" && first == "pull") return FetchedModel{span, "a model", "ollama pull"};
  if (program == "kaggle" && command.has("download"))
    return FetchedModel{span, "a data set", "kaggle download"};
  if (program == "modelscope" && first == "download")
    return FetchedModel{span, "a model", "modelscope download"};
  if (const std::string tool = tool_of_models(command); !tool.empty())
    return FetchedModel{span, "what " + tool + " fetches", tool, true};
  const bool python = program.starts_with("python");
  if (const std::string text = python ? script_of(view, command) : std::string(); !text.empty()) {
    const auto call = model_call_in(text);
    if (!call) return std::nullopt;
    return FetchedModel{span, call->data ? "a data set" : "a model",
                        call->name + (call->name.ends_with('(') ? "…)" : ""), call->may_be_small};
  }
  const std::string& script = python || is_shell(program) ? first : program;
  if (fetches_by_name(script) && !command.has("--help") && !command.has("--dry-run"))
    return FetchedModel{span, fmt::format("what {} fetches", file_name(script)), script, true};
  return std::nullopt;
}

/// Where variables of the hub, or of torch, put what is fetched.
std::vector<std::string> named_caches(const Instruction& run, const StepCommand& command) {
  std::vector<std::string> out;
  for (const std::string_view name : {"HF_HOME", "HF_HUB_CACHE", "HUGGINGFACE_HUB_CACHE",
                                      "TRANSFORMERS_CACHE", "TORCH_HOME", "XDG_CACHE_HOME"})
    if (const auto state = variable_at(run, command.shell, name); state.set && state.value)
      out.push_back(*state.value);
  return out;
}

/// A cache mount where the hub's files go, or anything that the command names.
bool goes_to_mount(const Instruction& run, const StepCommand& command) {
  const std::vector<std::string> caches = named_caches(run, command);
  for (const CacheMount& mount : cache_mounts(run)) {
    const bool named = std::ranges::any_of(
        caches, [&](const std::string& cache) { return lies_in(cache, mount.target); });
    if (mount.target.empty() || named || holds(mount.target, "huggingface") ||
        mount.target.ends_with("/.cache"))
      return command.value_of("--local-dir").empty();
    for (const Argument& word : command.arguments)
      if (lies_in(word.text, mount.target)) return true;
  }
  // Of other mounts nothing is in a layer either.
  const std::string directory = command.value_of("--local-dir");
  return !directory.empty() &&
         std::ranges::any_of(mount_targets(run),
                             [&](const std::string& target) { return lies_in(directory, target); });
}

/// The step deletes what it has fetched, when it has made something of it.
bool is_deleted(const Instruction& run, const StepCommand& fetch) {
  const std::vector<std::string> caches = named_caches(run, fetch);
  return std::ranges::any_of(commands_of(run), [&](const StepCommand& other) {
    return other.program == "rm" && other.shell->span.begin > fetch.shell->span.begin &&
           std::ranges::any_of(other.arguments, [&](const Argument& gone) {
             if (gone.text.starts_with('-')) return false;
             // It names no clone.
             if (is_lfs_fetch(fetch)) return !gone.text.starts_with("/var/");
             if ((gone.text.contains("/.cache/huggingface") && !gone.text.contains("token")) ||
                 ends_with_any(gone.text, {"/.cache", "/.cache/", "/.cache/*"}) ||
                 std::ranges::find(caches, gone.text) != caches.end())
               return fetch.value_of("--local-dir").empty();
             // What an interpreter is given is its script, what an installer is given its source.
             const bool script = fetch.program.starts_with("python") || is_shell(fetch.program) ||
                                 fetch.program.contains("_install_");
             // The directory above it, or a pattern of its ending.
             const auto holds_it = [&](std::string_view made) {
               std::string_view dir = gone.text;
               while (dir.ends_with('/') || dir.ends_with('*')) dir.remove_suffix(1);
               const std::size_t star = gone.text.rfind("*.");
               return (dir.size() > 1 && made.starts_with(dir) && made.size() > dir.size() &&
                       (made[dir.size()] == '/' || gone.text.ends_with("/*"))) ||
                      (star != gone.text.npos &&
                       made.ends_with(std::string_view(gone.text).substr(star + 1)));
             };
             if (std::ranges::any_of(fetch.arguments,
                                     [&](const Argument& made) { return holds_it(made.text); }) ||
                 std::ranges::any_of(caches, [&](const std::string& cache) {
                   return gone.text.starts_with(cache + "/");
                 }))
               return true;
             return std::any_of(
                 fetch.arguments.begin() + (script && !fetch.arguments.empty() ? 1 : 0),
                 fetch.arguments.end(), [&](const Argument& made) {
                   const std::string_view name = file_name(made.text);
                   return !name.empty() && file_name(gone.text) == name;
                 });
           });
  });
}

/// The command that `uv run`, `poetry run` or `conda run` starts; any other one is itself.
StepCommand started_by(const StepCommand& command) {
  if (!is_one_of(command.program,
                 {"uv", "poetry", "pipenv", "pdm", "conda", "mamba", "micromamba"}) ||
      command.arguments.empty() || command.arguments.front().text != "run")
    return command;
  StepCommand out = command;
  for (std::size_t at = 1; at < command.arguments.size(); ++at) {
    const std::string_view text = command.arguments[at].text;
    if (is_one_of(text, {"-n", "-p", "--name", "--prefix", "--python", "--with", "--extra",
                         "--group", "--project", "--directory"}))
      ++at;
    if (text.starts_with('-')) continue;
    out.program = file_name(text);
    out.arguments.erase(out.arguments.begin(),
                        out.arguments.begin() + static_cast<std::ptrdiff_t>(at) + 1);
    return out;
  }
  return command;
}

}  // namespace

std::optional<FetchedModel> fetched_model(const FileView& view, const Instruction& run,
                                          const StepCommand& command) {
  const StepCommand started = started_by(command);
  auto found = downloaded(view, started);
  if (!found || goes_to_mount(run, started) || is_deleted(run, started)) return std::nullopt;
  return found;
}

bool may_be_small(std::string_view path) {
  path = path.substr(0, path.find('?'));
  return ends_with_any(path, {".pt", ".pth", ".engine", ".plan", ".onnx", ".nemo", ".h5",
                              ".weights", ".caffemodel", ".keras"}) ||
         file_name(path).starts_with("ggml-");
}

}  // namespace flense::lint
