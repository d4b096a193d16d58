#include "lint/facts/long_start.h"

#include "base/format.h"
#include "lint/source/blanks.h"

namespace flense::lint {

bool may_load_models(const FileView& view, std::string& why) {
  const GpuImage& image = view.stages.back().image;
  for (const Install* install : view.installs_in(view.stages.size() - 1))
    for (const PackageList* list : lists_of(*install))
      for (const PackageRequest& request : list->packages)
        if (is_gpu_package(request.name) || request.name == "transformers") {
          why = request.name + " is installed";
          return true;
        }
  if (image.vendor.known()) why = image.vendor.evidence;
  return image.vendor.known();
}

namespace {

/// Programs that load a model before they listen.
bool is_model_server(std::string_view word) {
  return is_one_of(file_name(word),
                   {"vllm", "sglang", "text-generation-launcher", "text-embeddings-router",
                    "tritonserver", "llama-server", "lmdeploy", "infinity_emb", "trtllm-serve"}) ||
         starts_with_any(word, {"vllm.entrypoints", "sglang.launch_server", "llama_cpp.server"});
}

}  // namespace

std::string long_start(const FileView& view, const StageSteps& steps) {
  const StageView& last = view.stages.back();
  if (const auto* row = view.project->knowledge->launch.image(last.image.repository);
      row != nullptr && row->role == "serve")
    return row->source;
  for (const Install* install : view.installs_in(view.stages.size() - 1))
    for (const PackageList* list : lists_of(*install))
      for (const std::string_view name :
           {"vllm", "sglang", "tensorrt-llm", "lmdeploy", "infinity-emb", "aphrodite-engine"})
        if (list->find(name) != nullptr) return fmt::format("{} is installed", name);
  for (const Step& step : steps.all()) {
    const Instruction& one = *step.instruction;
    const bool start = one.keyword == Keyword::kCmd || one.keyword == Keyword::kEntrypoint;
    for (const StepCommand& command : commands_of(one)) {
      if (start && is_model_server(command.program)) return command.program + " is started";
      for (const Argument& word : command.arguments)
        if (start
                ? is_model_server(word.text)
                : command.program.starts_with("python") && (holds(word.text, "from_pretrained(") ||
                                                            holds(word.text, "snapshot_download(")))
          return start ? word.text + " is started" : "a model is fetched in the build";
      if (is_one_of(command.program, {"hf", "huggingface-cli", "ollama"}) &&
          (command.has("download") || command.has("pull")))
        return "a model is fetched in the build";
    }
    if (one.keyword == Keyword::kVolume)
      for (const Word& word : one.words)
        if (file_name(word.text).starts_with("model"))
          return "its models are in the volume " + word.text;
    if (one.keyword == Keyword::kEnv)
      for (const KeyValue& pair : one.pairs)
        if (ends_with_any(pair.key.text, {"MODEL_DIR", "MODELS_DIR", "MODEL_PATH", "MODEL_ID"}))
          return pair.key.text + " names its model";
    if (one.copies())
      for (const Word& word : one.words)
        if (ends_with_any(word.text, {".safetensors", ".gguf", ".ggml"}))
          return word.text + " is in the image";
  }
  return {};
}

bool is_queue_worker(const StageSteps& steps) {
  for (const Step& step : steps.all()) {
    const Keyword keyword = step.instruction->keyword;
    if (keyword != Keyword::kCmd && keyword != Keyword::kEntrypoint &&
        keyword != Keyword::kHealthcheck)
      continue;
    for (const StepCommand& command : commands_of(*step.instruction))
      if (is_one_of(command.program, {"celery", "rq", "dramatiq", "arq"}) || command.has("celery"))
        return true;
  }
  return false;
}

}  // namespace flense::lint
