// Models and data sets in the layers of an image, or in an image file of Apptainer.
#include <algorithm>
#include <array>
#include <optional>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/facts/build_steps.h"
#include "lint/facts/layer_paths.h"
#include "lint/facts/sent_files.h"
#include "lint/layers/fetched_models.h"
#include "lint/layers/model_calls.h"
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
    if (!holds(copy.words[at].text, "://") &&
        !has_part(copy.words[at].text, "/",
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

/// Named as people name a directory of models.
bool names_models(std::string_view directory) {
  return has_part(to_lower(file_name(directory)), "._-",
                  {"model", "models", "weights", "checkpoint", "checkpoints", "ckpt", "ckpts",
                   "pretrained", "huggingface", "hub"});
}

/// What a stage fetches into a directory that a COPY takes out of it.
std::optional<FetchedModel> fetched_in_stage(const FileView& view, const Instruction& copy,
                                             const std::string& directory) {
  const auto stage = view.dockerfile->copied_from(copy);
  if (!stage || directory.size() < 2) return std::nullopt;
  const std::string known = with_values(directory, environment_of(copy));
  const std::string from = normal_path("/" + (known.empty() ? directory : known));
  const StageSteps steps(view, *stage);
  for (const Step& step : steps.all()) {
    if (step.instruction->keyword != Keyword::kRun) continue;
    for (const StepCommand& command : commands_of(*step.instruction)) {
      const bool named =
          names_models(from) ||
          std::ranges::any_of(command.arguments,
                              [&](const Argument& word) {
                                return lies_in(absolute_path(step.directory, word.text, step.home),
                                               from);
                              }) ||
          (command.program == "git" &&
           lies_in(absolute_path(step.directory, clone_target(command), step.home), from));
      if (!named) continue;
      if (auto found = fetched_model(view, *step.instruction, command)) return found;
    }
  }
  return std::nullopt;
}

void weights(const FileView& view, const StageSteps& steps, const SentFiles& sent,
             FindingSink& sink) {
  const std::uint64_t least = view.project->knowledge->build.limit("weights");
  constexpr std::size_t kMostAsked = 200;  // of copies, each of which looks through a stage
  std::size_t asked = 0;
  const std::size_t checked = last_check(steps);
  bool code_before = false;
  const std::string_view text = view.file->source.text();
  const bool skips_lfs = (text.contains("GIT_LFS_SKIP_SMUDGE") || text.contains("--skip-smudge")) &&
                         !text.contains("lfs pull") && !text.contains("lfs fetch");
  const bool definition = view.is_definition();
  const std::string place = definition ? "%files " : "COPY ";
  const auto report = [&](const Weights& one) {
    Finding& found = sink.add(
        "weights-in-image", *view.file, one.span,
        definition
            ? fmt::format("{} in the image file: each change of the definition makes it anew, and "
                          "each copy of the file holds it",
                          one.what)
            : fmt::format("{} in a layer: every host pulls and keeps it with each version "
                          "of the image{}",
                          one.what,
                          code_before ? ", and as it stands behind the code, each change of the "
                                        "code makes it anew"
                                      : ""));
    found.evidence = {one.evidence};
    // What stands before the code is loaded once, and mostly meant; so is one that is made to be
    // carried to where there is no network. One file that holds all is why some take Apptainer.
    found.pedantic = definition || !(code_before || one.among_code) || one.may_be_small ||
                     has_part(view.file->source.project_path(), "/._-",
                              {"offline", "airgap", "airgapped", "air"}) ||
                     one.span.begin < checked || is_meant(view, one.span);
    // SageMaker's endpoints mount nothing.
    constexpr std::string_view kStage =
        "put it into a stage of its own and end with COPY --link --from=weights";
    found.fix = definition
                    ? "keep it beside the image file and bind it: --bind /path/to/models:/models"
                : text.contains("/opt/ml/")
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
        if (auto found = fetched_model(view, one, command);
            found && !(command.program == "git" && skips_lfs)) {
          // In a branch it may be for other builds; without LFS a clone holds pointers.
          const bool small = found->may_be_small || command.shell->depth > 0 ||
                             (command.program == "git" && !text.contains("lfs"));
          report({found->span, found->what, found->evidence, small});
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
        if ((bytes > 0 && bytes < least) ||
            (bytes == 0 && source.text.ends_with(".onnx") && !is_fetched_weights(source.text)) ||
            is_own_last_layer(steps, one))
          continue;
        report({source.span, "weights", source.text,
                pattern || (bytes == 0 && may_be_small(source.text))});
        break;
      }
      if (is_own_last_layer(steps, one)) continue;
      if (!from_context) {
        if (++asked > kMostAsked) continue;
        if (const auto found = fetched_in_stage(view, one, source.text)) {
          report({source.span, found->what, found->evidence, true});
          break;
        }
        continue;
      }
      // Not in the checkout, or nobody listed it: its name is all that is known.
      if (names_weights_or_data(source.text) && sent.below(source.text).empty()) {
        report({source.span, "what " + source.text + " holds", place + source.text, true});
        break;
      }
      if (!sent.known()) continue;
      if (is_data_directory(source.text)) {
        const std::uint64_t held = sent.bytes_below(source.text);
        if (held >= least) {
          report({source.span, fmt::format("{} of {}", human_bytes(held), source.text),
                  place + source.text});
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
