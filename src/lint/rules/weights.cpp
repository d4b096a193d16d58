// Models and data sets in the layers of an image.
#include <algorithm>
#include <array>
#include <optional>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/layer_paths.h"
#include "lint/facts/sent_files.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

struct Weights {
  Span span;
  std::string what;
  std::string evidence;
  bool may_be_small = false;
  bool among_code = false;  ///< one COPY takes both
};

/// Detectors and policies of a few megabytes have these names too.
bool may_be_small(std::string_view path) {
  path = path.substr(0, path.find('?'));
  return path.ends_with(".pt") || path.ends_with(".pth") || path.ends_with(".engine") ||
         path.ends_with(".plan");
}

/// Whether a name tells of gigabytes: "Qwen3-8B", "whisper-large-v3", "stable-diffusion". Of a
/// detector or an encoder of sentences nobody need think twice.
bool names_large(std::string_view text) {
  const std::string low = to_lower(text);
  for (std::size_t at = low.find('b'); at != low.npos; at = low.find('b', at + 1)) {
    if (at == 0 || !is_digit(low[at - 1]) || (at + 1 < low.size() && is_letter(low[at + 1])))
      continue;
    std::size_t begin = at;
    while (begin > 0 && (is_digit(low[begin - 1]) || low[begin - 1] == '.')) --begin;
    if (low[begin] != '0') return true;
  }
  return std::ranges::any_of(
      std::to_array<std::string_view>({"large", "xl", "flux", "diffusion", "llama", "mistral",
                                       "mixtral", "deepseek", "falcon", "hunyuan", "cosyvoice"}),
      [&](std::string_view word) { return low.contains(word); });
}

/// Python that fetches a tokenizer or a file of settings alone.
bool is_small_part(std::string_view script) {
  if (holds(script, "hf_hub_download("))
    return holds(script, ".json") && !holds(script, ".safetensors") && !holds(script, ".bin") &&
           !holds(script, "from_pretrained(");
  return (holds(script, "Tokenizer") || holds(script, "Config") || holds(script, "Processor")) &&
         !holds(script, "Model") && !holds(script, "For") && !holds(script, "Pipeline") &&
         !holds(script, "snapshot_download(") && !holds(script, "pipeline(");
}

/// `hf download` of named files that are no weights, or without the weights.
bool takes_small_files(const StepCommand& download) {
  bool small = download.has("--help"), large = false, excluded = false;
  for (const Argument& word : download.arguments) {
    const std::string_view text = word.text;
    if (text.starts_with('-')) excluded = text.starts_with("--exclude");
    if (excluded) {
      small = small || text.contains(".safetensors");
      continue;
    }
    large = large || is_weights(text);
    small = small || ends_with_any(text, {".json", ".txt", ".md", ".yaml", ".yml", ".csv"});
  }
  return small && !large;
}

/// Python that loads a model of its own library's, or fetches a data set, by name.
std::optional<Weights> loaded_by(std::string_view script, Span span) {
  constexpr auto kCalls = std::to_array<std::string_view>(
      {"from_pretrained(", "snapshot_download(", "hf_hub_download(", "whisper.load_model(",
       "WhisperModel(", "clip.load(", "load_dataset(", "download=True"});
  const auto call =
      std::ranges::find_if(kCalls, [&](std::string_view one) { return holds(script, one); });
  if (call == kCalls.end() || is_small_part(script)) return std::nullopt;
  const bool data = is_one_of(*call, {"load_dataset(", "download=True"});
  return Weights{span, data ? "a data set" : "a model",
                 std::string(*call) + (call->ends_with('(') ? "…)" : ""), !names_large(script)};
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

/// What a command downloads; empty where it is kept in a mount.
std::optional<Weights> downloaded(const StepCommand& command) {
  const Span span = command.shell->span;
  const std::string& program = command.program;
  const auto has_part = [&](std::string_view part) {
    return std::ranges::any_of(command.arguments,
                               [&](const Argument& word) { return holds(word.text, part); });
  };
  const std::string first = command.arguments.empty() ? "" : command.arguments.front().text;
  if ((program == "huggingface-cli" || program == "hf") && first == "download") {
    if (takes_small_files(command)) return std::nullopt;
    const bool data = command.value_of("--repo-type") == "dataset";
    return Weights{span, data ? "a data set" : "a model", program + " download"};
  }
  if (program == "wget" || program == "curl" || program == "aria2c") {
    for (const Argument& word : command.arguments)
      // Most ONNX files that are fetched by name are megabytes.
      if (holds(word.text, "://") && is_weights(word.text) && !word.text.ends_with(".onnx"))
        return Weights{word.span, "weights", word.text, may_be_small(word.text)};
      else if (is_known_data(word.text))
        return Weights{word.span, "a data set", word.text};
  }
  if (is_one_of(program, {"aws", "gsutil", "gcloud"}) && (command.has("cp") || command.has("sync")))
    for (const Argument& word : command.arguments) {
      if (!holds(word.text, "://")) continue;
      if (is_weights(word.text))
        return Weights{word.span, "weights", word.text, may_be_small(word.text)};
      break;
    }
  // What lies in Google's Drive only the name of the target tells.
  if (program == "gdown")
    for (const Argument& word : command.arguments)
      if (!holds(word.text, "://") && names_model(word.text))
        return Weights{span, "what is kept as " + word.text, "gdown", true};
  if (program == "text-generation-server" && first == "download-weights")
    return Weights{span, "a model", "text-generation-server download-weights"};
  // Spaces are programs.
  if (program == "git" && has_part("huggingface.co/") && first == "clone" &&
      !has_part("huggingface.co/spaces/"))
    return Weights{span, has_part("huggingface.co/datasets/") ? "a data set" : "a model",
                   "git clone of huggingface.co"};
  if (program == "ollama" && first == "pull") return Weights{span, "a model", "ollama pull"};
  if (program == "kaggle" && command.has("download"))
    return Weights{span, "a data set", "kaggle download"};
  if (program == "modelscope" && first == "download")
    return Weights{span, "a model", "modelscope download"};
  const bool python = program.starts_with("python");
  if (python && command.has("-c")) return loaded_by(command.value_of("-c"), span);
  const std::string& script = python || is_shell(program) ? first : program;
  if (fetches_by_name(script) && !command.has("--help") && !command.has("--dry-run"))
    return Weights{span, fmt::format("what {} fetches", file_name(script)), script, true};
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
  return false;
}

/// The step deletes what it has fetched, when it has made something of it.
bool is_deleted(const Instruction& run, const StepCommand& fetch) {
  const std::vector<std::string> caches = named_caches(run, fetch);
  return std::ranges::any_of(commands_of(run), [&](const StepCommand& other) {
    return other.program == "rm" && other.shell->span.begin > fetch.shell->span.begin &&
           std::ranges::any_of(other.arguments, [&](const Argument& gone) {
             if (gone.text.starts_with('-')) return false;
             if ((gone.text.contains("/.cache/huggingface") && !gone.text.contains("token")) ||
                 std::ranges::find(caches, gone.text) != caches.end())
               return fetch.value_of("--local-dir").empty();
             return std::ranges::any_of(fetch.arguments, [&](const Argument& made) {
               const std::string_view name = file_name(made.text);
               return !name.empty() && file_name(gone.text) == name;
             });
           });
  });
}

/// The last layer, linked: it is taken over as it is whatever changes below.
bool is_own_last_layer(const StageSteps& steps, const Instruction& copy) {
  if (copy.flag("link") == nullptr) return false;
  for (const Step& step : steps.all())
    if (step.instruction->span.begin > copy.span.begin &&
        (step.instruction->keyword == Keyword::kRun || step.instruction->copies()))
      return false;
  return true;
}

/// Named as people name what a program reads or keeps.
bool is_data_directory(std::string_view source) {
  return is_one_of(file_name(source), {"data", "dataset", "datasets", "checkpoints", "checkpoint",
                                       "ckpt", "ckpts", "weights", "models"});
}

/// The same names but "models", under which code lies as often.
bool names_weights_or_data(std::string_view source) {
  return is_one_of(to_lower(file_name(source)),
                   {"data", "dataset", "datasets", "checkpoints", "checkpoint", "ckpt", "ckpts",
                    "weights", "modelweights", "model_weights", "model-weights", "pretrained",
                    "pretrained_models", "pretrained_weights"});
}

/// More than lists of packages, settings and licenses, and than the code of others, which change
/// seldom.
bool takes_code(const Instruction& copy) {
  for (std::size_t at = 0; at + 1 < copy.words.size(); ++at)
    if (!has_part(copy.words[at].text, "/",
                  {"vendor", "vendored", "third_party", "third-party", "thirdparty", "external",
                   "submodules", "wheels"}) &&
        !ends_with_any(copy.words[at].text,
                       {".txt", ".in", ".toml", ".lock", ".yml", ".yaml", ".json", ".cfg", ".md",
                        ".conf", ".ini", ".sh", "setup.py", "LICENSE", "NOTICE"}))
      return true;
  return false;
}

/// The end of the last step that ends the build unless checksums are the stated ones: a model
/// before it belongs to what the image is. 0: there is none.
std::size_t last_check(const StageSteps& steps) {
  std::size_t out = 0;
  for (const Step& step : steps.all()) {
    if (step.instruction->keyword != Keyword::kRun) continue;
    if (compares_sums(commands_of(*step.instruction))) out = step.instruction->span.end;
  }
  return out;
}

/// Whether a comment right above, or a variable of the hub, says that it has to work without a
/// network.
bool is_meant(const FileView& view, Span place) {
  for (const std::string_view name :
       {"HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "HF_DATASETS_OFFLINE"})
    if (view.file->source.text().contains(name)) return true;
  constexpr std::size_t kFar = 1'000;
  std::string_view text = view.text({place.begin < kFar ? 0 : place.begin - kFar, place.begin});
  // The step's own comment: up to the last line that is empty or no comment.
  std::string said;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    const std::string_view line = trim_space(text.substr(0, end));
    if (line.starts_with('#'))
      said += to_lower(line) + " ";
    else if (line.empty())
      said.clear();
    if (end == text.npos) break;
    text.remove_prefix(end + 1);
  }
  return std::ranges::any_of(
      std::to_array<std::string_view>({"offline", "no network", "without network", "air-gap",
                                       "airgap", "without a network", "no internet"}),
      [&](std::string_view word) { return said.contains(word); });
}

void weights(const FileView& view, const StageSteps& steps, const SentFiles& sent,
             FindingSink& sink) {
  const std::uint64_t least = view.project->knowledge->build.limit("weights");
  const std::size_t checked = last_check(steps);
  bool code_before = false;
  const std::string_view text = view.file->source.text();
  const bool skips_lfs = (text.contains("GIT_LFS_SKIP_SMUDGE") || text.contains("--skip-smudge")) &&
                         !text.contains("lfs pull") && !text.contains("lfs fetch");
  const auto report = [&](const Weights& one) {
    Finding& found = sink.add(
        "weights-in-image", *view.file, one.span,
        fmt::format("{} in a layer: every host pulls and keeps it with each version "
                    "of the image{}",
                    one.what,
                    code_before ? ", and as it stands behind the code, each change of the code "
                                  "makes it anew"
                                : ""));
    found.evidence = {one.evidence};
    // What stands before the code is loaded once, and mostly meant; so is one that is made to be
    // carried to where there is no network.
    found.pedantic = !(code_before || one.among_code) || one.may_be_small ||
                     has_part(view.file->source.project_path(), "/._-",
                              {"offline", "airgap", "airgapped", "air"}) ||
                     one.span.begin < checked || is_meant(view, one.span);
    // SageMaker's endpoints mount nothing.
    constexpr std::string_view kStage =
        "put it into a stage of its own and end with COPY --link --from=weights";
    found.fix = text.contains("/opt/ml/")
                    ? std::string(kStage)
                    : fmt::format(
                          "mount it: a volume, a claim, or an OCI artifact as image volume; "
                          "if it must be in the image, {}",
                          kStage);
  };
  for (const Step& step : steps.all()) {
    const Instruction& one = *step.instruction;
    const bool copies = one.copies();
    if (one.keyword == Keyword::kRun) {
      for (const StepCommand& command : commands_of(one))
        if (auto found = downloaded(command); found && !(command.program == "git" && skips_lfs) &&
                                              !goes_to_mount(one, command) &&
                                              !is_deleted(one, command)) {
          // In a branch it may be for other builds; without LFS a clone holds pointers.
          found->may_be_small = found->may_be_small || command.shell->depth > 0 ||
                                (command.program == "git" && !text.contains("lfs"));
          report(*found);
          break;
        }
    }
    if (!copies || one.words.size() < 2) continue;
    const bool from_context = one.flag("from") == nullptr;
    for (std::size_t at = 0; at + 1 < one.words.size(); ++at) {
      Word source = one.words[at];
      // data/* is data/
      if (source.text.ends_with("/*")) source.text.pop_back();
      while (source.text.size() > 1 && source.text.ends_with('/')) source.text.pop_back();
      if (is_weights(source.text)) {
        const bool pattern = holds(source.text, "*");
        const std::uint64_t bytes = from_context && !pattern ? sent.bytes_below(source.text) : 0;
        // A file known to be small is not a burden.
        if ((bytes > 0 && bytes < least) || (bytes == 0 && source.text.ends_with(".onnx")) ||
            is_own_last_layer(steps, one))
          continue;
        report({source.span, "weights", source.text,
                pattern || (bytes == 0 && may_be_small(source.text))});
        break;
      }
      if (!from_context || is_own_last_layer(steps, one)) continue;
      // Not in the checkout, or nobody listed it: its name is all that is known.
      if (names_weights_or_data(source.text) && sent.below(source.text).empty()) {
        report({source.span, "what " + source.text + " holds", "COPY " + source.text, true});
        break;
      }
      if (!sent.known()) continue;
      if (is_data_directory(source.text)) {
        const std::uint64_t held = sent.bytes_below(source.text);
        if (held >= least) {
          report({source.span, fmt::format("{} of {}", human_bytes(held), source.text),
                  "COPY " + source.text});
          break;
        }
      }
      std::uint64_t bytes = 0;
      std::string example;
      for (const ContextFile* file : sent.below(source.text))
        if (is_weights(file->path)) {
          bytes += file->bytes;
          if (example.empty()) example = file->path;
        }
      if (bytes < least) continue;
      report({source.span, fmt::format("{} of weights", human_bytes(bytes)),
              fmt::format("{} in the build context", example), false, true});
      break;
    }
    code_before = code_before || (from_context && takes_code(one));
  }
}

}  // namespace

void judge_weights(const Project& /*project*/, const std::vector<FileView>& views,
                   FindingSink& sink) {
  for (const FileView& view : views) {
    const StageSteps steps(view, view.stages.size() - 1);
    const SentFiles sent(view);
    weights(view, steps, sent, sink);
  }
}

}  // namespace flense::lint
