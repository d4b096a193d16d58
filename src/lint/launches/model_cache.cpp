// Where containers keep the models that they download: told by variables, by the image, by what
// they serve.
#include <algorithm>
#include <array>
#include <optional>

#include "base/format.h"
#include "lint/facts/own_images.h"
#include "lint/facts/workload_facts.h"
#include "lint/launches/storage.h"
#include "lint/readers/reader_values.h"
#include "lint/rules/rules.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// The model of a hub that a server of language models is told to serve.
std::optional<Word> served_model(const std::vector<Word>& words) {
  bool server = false;
  for (std::size_t at = 0; at < words.size(); ++at) {
    const std::string_view name = file_name(words[at].text);
    const Word* value = nullptr;
    if (name == "vllm" && at + 2 < words.size() && words[at + 1].text == "serve")
      value = &words[at + 2];
    server = server || is_one_of(name, {"vllm.entrypoints.openai.api_server",
                                        "sglang.launch_server", "text-generation-launcher"});
    if (server && at + 1 < words.size() &&
        is_one_of(name, {"--model", "--model-path", "--model-id"}))
      value = &words[at + 1];
    if (value == nullptr) continue;
    Word model = *value;
    model.text = interpolate(model.text).value_or(std::string());
    if (is_hub_model(model.text)) return model;
  }
  return std::nullopt;
}

class CacheRules {
 public:
  CacheRules(FindingSink& sink, const Project& project, const std::vector<FileView>& views,
             const ProjectFile& file, const Workload& workload)
      : sink_(sink),
        project_(project),
        views_(views),
        file_(file),
        workload_(workload),
        paths_(named_paths(workload, *project.knowledge)) {}

  void run() {
    for (const NamedPath& one : paths_) {
      if (one.name == "TRANSFORMERS_CACHE") deprecated(one);
      if (one.means == "cache" && is_plain_path(one.value))
        cache(one.span, one.value, one.name, one.source, mount_of(workload_, one.value));
    }
    known_cache();
    cache_of_token();
  }

 private:
  void cache(Span span, std::string_view path, std::string_view name, const std::string& source,
             const WorkloadMount* mount) {
    if (mount == nullptr) {
      if (!knows_mounts(file_, workload_)) return;
      Finding& found = sink_.add(
          "cache-in-container", file_, span,
          fmt::format("{} keeps downloads in {} ({}), where nothing is mounted: every new "
                      "container fetches them again",
                      title(workload_), path, name));
      found.evidence.push_back(source);
      found.fix = mount_words(workload_, path, "model-cache");
      return;
    }
    if (workload_.kind != WorkloadKind::kKubernetes || mount->kind != MountKind::kEmptyDir ||
        !file_.template_language.empty())
      return;
    // Compiled kernels are rebuilt in seconds; losing models is what hurts.
    if (name.find("TRITON") != name.npos || name.find("INDUCTOR") != name.npos ||
        name.find("NUMBA") != name.npos)
      return;
    Finding& found =
        sink_.add("cache-in-emptydir", file_, span,
                  fmt::format("{} keeps downloads in {} ({}), an emptyDir: every new pod "
                              "fetches them again",
                              title(workload_), path, name));
    found.evidence.push_back(source);
    found.fix = mount_words(workload_, path, "model-cache");
  }

  /// The image brings the model, or a cache of the hub.
  static bool holds_models(std::string_view dockerfile) {
    return std::ranges::any_of(
        std::to_array<std::string_view>({"download", "from_pretrained", "cache/huggingface"}),
        [&](std::string_view word) { return dockerfile.contains(word); });
  }

  /// A server of a hub's model in an image that no table knows: by its program, or that of the
  /// Dockerfile.
  void cache_of_server() {
    const FileView* own = own_image(views_, project_, workload_);
    std::vector<Word> words = command_words(workload_);
    if (words.empty() && own != nullptr) words = image_command(*own);
    const std::optional<Word> model = served_model(words);
    if (!model || !knows_mounts(file_, workload_) || !has_no_storage(workload_) ||
        !is_engine(workload_.kind) || variable(workload_, "HF_HUB_OFFLINE") != nullptr ||
        std::ranges::any_of(paths_, [](const NamedPath& one) { return one.means == "cache"; }) ||
        variable(workload_, "TRANSFORMERS_OFFLINE") != nullptr ||
        std::ranges::any_of(words, [](const Word& word) { return word.text == "dummy"; }) ||
        (own != nullptr && holds_models(own->file->source.text())))
      return;
    told_ = true;
    const bool here = model->span.end <= file_.source.text().size() &&
                      file_.source.slice(model->span) == model->text;
    cache(here ? model->span : workload_.span, "/root/.cache/huggingface", model->text,
          "huggingface_hub: downloads are kept in ~/.cache/huggingface", nullptr);
  }

  /// A known image downloads to its usual place, which no variable moves.
  void known_cache() {
    const knowledge::LaunchImageRow* image = known_image(workload_, *project_.knowledge);
    if (image == nullptr) return cache_of_server();
    if (image->cache.empty()) return;
    const bool moved =
        std::ranges::any_of(paths_, [](const NamedPath& one) { return one.means == "cache"; });
    const auto model = std::ranges::find_if(paths_, [](const NamedPath& one) {
      return one.means == "model" && is_hub_model(one.value);
    });
    if (moved || model == paths_.end()) return;
    cache(model->span, image->cache, model->name, image->source, mount_of(workload_, image->cache));
  }

  /// A server that is given a token of the hub for what it downloads, and nothing that lasts.
  void cache_of_token() {
    const auto token = std::ranges::find_if(workload_.variables, [](const Variable& one) {
      return is_one_of(one.name, {"HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HUGGINGFACE_HUB_TOKEN",
                                  "HUGGINGFACE_TOKEN", "HUGGINGFACE_API_TOKEN"});
    });
    const std::vector<Word> words = command_words(workload_);
    // It uploads, or has been told of by what it serves.
    if (told_ || std::ranges::any_of(words, [](const Word& word) {
          return word.text.contains("push_to_hub") || word.text.contains("push-to-hub");
        }))
      return;
    if (token == workload_.variables.end() || workload_.gpus.empty() ||
        !is_engine(workload_.kind) || !knows_mounts(file_, workload_) ||
        !has_no_storage(workload_) || std::ranges::any_of(paths_, [](const NamedPath& one) {
          return one.means == "cache" || one.means == "model";
        }))
      return;
    Finding& found = sink_.add(
        "cache-in-container", file_, token->span,
        fmt::format("{} gets {} for what it downloads, and nothing is mounted: every new container "
                    "fetches its models again",
                    title(workload_), token->name));
    found.evidence.emplace_back("huggingface_hub: downloads are kept in ~/.cache/huggingface");
    found.fix = mount_words(workload_, "/root/.cache/huggingface", "model-cache");
  }

  void deprecated(const NamedPath& one) {
    Finding& found = sink_.add("transformers-cache", file_, one.span,
                               "TRANSFORMERS_CACHE is deprecated, and ignored by Transformers 5");
    found.evidence.push_back(one.source);
    found.fix = "write HF_HUB_CACHE for this directory, or HF_HOME for the one above it";
    const Span name{one.span.begin, one.span.begin + one.name.size()};
    if (file_.source.slice(name) == one.name && variable(workload_, "HF_HUB_CACHE") == nullptr)
      found.edits.push_back({name, "HF_HUB_CACHE"});
  }

  FindingSink& sink_;
  const Project& project_;
  const std::vector<FileView>& views_;
  const ProjectFile& file_;
  const Workload& workload_;
  std::vector<NamedPath> paths_;
  bool told_ = false;
};

}  // namespace

void judge_model_cache(const Project& project, const std::vector<FileView>& views,
                       FindingSink& sink) {
  for (const auto& file : project.files) {
    // Containers of a test are gone with what they fetched.
    if (file->kind == FileKind::kWorkflow) continue;
    for (const Workload& workload : file->workloads)
      if (!workload.init_container) CacheRules(sink, project, views, *file, workload).run();
  }
}

}  // namespace flense::lint
