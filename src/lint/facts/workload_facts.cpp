#include "lint/facts/workload_facts.h"

#include <algorithm>

#include "base/ascii.h"
#include "base/format.h"
#include "lint/readers/reader_values.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Of one workload; each is looked up among its mounts.
constexpr std::size_t kMostPaths = 256;

bool has_blank(std::string_view text) {
  return text.find_first_of(" \t\n") != text.npos;
}

/// The program of a shell's -c, or of bash -lc.
bool is_script_flag(std::string_view word) {
  return word.size() >= 2 && word.size() <= 5 && word[0] == '-' && word[1] != '-' &&
         word.ends_with('c');
}

}  // namespace

bool is_engine(WorkloadKind kind) {
  return kind == WorkloadKind::kCompose || kind == WorkloadKind::kQuadlet ||
         kind == WorkloadKind::kDocker || kind == WorkloadKind::kPodman ||
         kind == WorkloadKind::kSystemd;
}

std::vector<Word> split_scripts(const std::vector<Word>& words) {
  std::vector<Word> out;
  for (const Word& word : words) {
    const bool script =
        has_blank(word.text) && ((!out.empty() && is_script_flag(out.back().text)) ||
                                 word.text.find('\n') != word.text.npos);
    if (!script) {
      out.push_back(word);
      continue;
    }
    for (Word& inner : split_words(word.text, 0)) {
      const bool exact = word.span.end - word.span.begin == word.text.size();
      inner.span = exact
                       ? Span{word.span.begin + inner.span.begin, word.span.begin + inner.span.end}
                       : word.span;
      out.push_back(std::move(inner));
    }
  }
  return out;
}

std::vector<Word> command_words(const Workload& workload) {
  std::vector<Word> words = workload.command;
  words.insert(words.end(), workload.arguments.begin(), workload.arguments.end());
  return split_scripts(words);
}

namespace {

bool starts_engine(const std::vector<Word>& words, std::size_t at) {
  const std::string_view name = file_name(words[at].text);
  if (name == "serve") return at == 0 || words[at - 1].text != "bench";
  return is_one_of(name, {"tritonserver", "text-generation-launcher", "text-embeddings-router",
                          "trtllm-serve", "torchrun", "deepspeed", "llama-server", "nvidia-smi"}) ||
         name.contains("api_server") || name.contains("launch_server") || name.contains("train");
}

/// `pull`, `list` and others of `ollama` only send a request.
bool is_request_of_ollama(const std::vector<Word>& words, std::size_t at,
                          const Workload& workload) {
  const bool own = at == 0 && workload.command.empty() && workload.image_name &&
                   workload.image_name->familiar().starts_with("ollama/ollama");
  if (!own && (at == 0 || file_name(words[at - 1].text) != "ollama")) return false;
  if (words[at].text == "run") return variable(workload, "OLLAMA_HOST") != nullptr;
  return is_one_of(words[at].text,
                   {"pull", "push", "list", "ls", "ps", "show", "create", "cp", "rm"});
}

/// Of a model from its hub, in whatever language.
bool is_download(const std::vector<Word>& words, std::size_t at) {
  const std::string& word = words[at].text;
  return word.contains("snapshot_download") || word.contains("hf_hub_download") ||
         (is_one_of(file_name(word), {"huggingface-cli", "hf", "modelscope"}) &&
          at + 1 < words.size() && words[at + 1].text == "download");
}

/// "run_benchmark.py" measures a server; "eval_server.py" is one.
bool is_client_name(std::string_view name) {
  const auto has = [&](auto... words) { return has_part(name, "._-", {words...}); };
  return !has("serve", "server") && (has("bench", "benchmark", "benchmarks", "client", "clients",
                                         "eval", "evals", "evaluate", "evaluation", "loadtest") ||
                                     (has("load") && has("test")));
}

}  // namespace

bool is_client(const Workload& workload) {
  const std::vector<Word> words = command_words(workload);
  bool asks = false;
  for (std::size_t at = 0; at < words.size(); ++at) {
    if (is_request_of_ollama(words, at, workload)) {
      asks = true;
      continue;
    }
    if (starts_engine(words, at)) return false;
    // It passes requests on to the engines.
    if (words[at].text.ends_with("launch_router") ||
        is_one_of(file_name(words[at].text), {"sglang-router", "vllm-router"})) {
      asks = true;
      continue;
    }
    // What the image's own entry point makes of its arguments is the engine.
    if (workload.command.empty()) continue;
    const std::string name = to_lower(file_name(words[at].text));
    if (is_download(words, at)) {
      asks = true;
      continue;
    }
    const bool script = ends_with_any(name, {".py", ".sh"});
    const bool client = script && is_client_name(name);
    if (script && !client) return false;
    asks = asks || client ||
           is_one_of(name, {"curl", "wget", "locust", "k6", "guidellm", "genai-perf", "aiperf",
                            "bench_serving", "sglang.bench_serving", "vllm.benchmarks.serve"}) ||
           (name == "bench" && at + 1 < words.size() && words[at + 1].text == "serve");
  }
  return asks;
}

std::vector<NamedPath> named_paths(const Workload& workload, const knowledge::Knowledge& known) {
  std::vector<NamedPath> out;
  const std::vector<Word> words = command_words(workload);
  for (std::size_t i = 0; i < words.size() && out.size() < kMostPaths; ++i) {
    if (!words[i].text.starts_with("--")) continue;
    const std::size_t equals = words[i].text.find('=');
    const knowledge::LaunchPathRow* row =
        known.launch.argument(std::string_view(words[i].text).substr(0, equals));
    if (row == nullptr) continue;
    if (equals != std::string::npos)
      out.push_back(
          {row->means, row->name, words[i].text.substr(equals + 1), words[i].span, row->source});
    else if (i + 1 < words.size() && !words[i + 1].text.starts_with("--"))
      out.push_back({row->means, row->name, words[i + 1].text, words[i + 1].span, row->source});
  }
  for (const Variable& one : workload.variables) {
    if (!one.value || one.value->empty() || out.size() >= kMostPaths) continue;
    if (const knowledge::LaunchPathRow* row = known.launch.variable(one.name))
      out.push_back({row->means, row->name, *one.value, one.span, row->source});
  }
  return out;
}

const WorkloadMount* mount_of(const Workload& workload, std::string_view path) {
  const WorkloadMount* found = nullptr;
  const std::string wanted = normal_path(path);
  std::size_t longest = 0;
  for (const WorkloadMount& mount : workload.mounts) {
    const std::string target = normal_path(mount.target);
    if (target.empty() || target.size() < longest) continue;
    const bool covers = wanted == target || (wanted.starts_with(target) &&
                                             (target == "/" || wanted[target.size()] == '/'));
    if (!covers) continue;
    found = &mount;
    longest = target.size();
  }
  return found;
}

bool is_plain_path(std::string_view path) {
  return path.starts_with('/') && path.size() > 1 && path.find_first_of("$%{}*") == path.npos;
}

bool is_hub_model(std::string_view value) {
  const std::size_t slash = value.find('/');
  // models/best.pt lies in the working directory.
  if (is_one_of(value.substr(0, slash), {"model", "models", "checkpoints", "ckpt", "data",
                                         "weights", "output", "outputs", "artifacts"}))
    return false;
  return slash != value.npos && slash > 0 && slash + 1 < value.size() &&
         value.find('/', slash + 1) == value.npos && value[0] != '.' && value[0] != '~' &&
         value.find_first_of("$:\\ {}%") == value.npos;
}

bool is_small_model(std::string_view name) {
  const std::string low = to_lower(file_name(name));
  bool small = false;
  for (const std::string_view part : parts_of(low, "-_")) {
    small = small || is_one_of(part, {"tiny", "mini", "small", "base", "nano", "gpt2"}) ||
            starts_with_any(part, {"distil", "minilm", "yolo", "resnet", "bge", "bert", "roberta",
                                   "deberta", "e5", "gte", "clip", "whisper", "mpnet"});
    // Parameters: "0.6b" and "350m" are few, "7b" and "8x7b" are many.
    const bool number = !part.empty() && is_digit(part.front());
    if (number && part.ends_with('b')) return part.starts_with("0.");
    if (number && part.ends_with('m')) return true;
  }
  return small;
}

const knowledge::LaunchImageRow* known_image(const Workload& workload,
                                             const knowledge::Knowledge& known) {
  return workload.image_name ? known_image(*workload.image_name, known) : nullptr;
}

const knowledge::LaunchImageRow* known_image(const ImageName& image,
                                             const knowledge::Knowledge& known) {
  const std::string name = image.familiar();
  if (const auto* row = known.launch.image(name)) return row;
  // A mirror keeps the last two parts: registry.example.org/team/vllm/vllm-openai.
  const std::size_t last = name.rfind('/');
  const std::size_t mirror =
      last == std::string::npos || last == 0 ? std::string::npos : name.rfind('/', last - 1);
  return mirror == std::string::npos ? nullptr : known.launch.image(name.substr(mirror + 1));
}

std::uint64_t gpu_count(const Workload& workload) {
  std::uint64_t out = 0;
  for (const GpuAsk& ask : workload.gpus) {
    // Shares of one, as a device plugin slices its time.
    const std::uint64_t count = ask.resource.ends_with(".shared") ? 1 : ask.count.value_or(1);
    out = std::max<std::uint64_t>(out, std::max<std::uint64_t>(count, ask.devices.size()));
  }
  return out;
}

bool takes_all_gpus(const Workload& workload) {
  return std::ranges::any_of(workload.gpus, [](const GpuAsk& ask) { return ask.all; });
}

bool is_complete(const ProjectFile& file, const Workload& workload) {
  if (!file.template_language.empty()) return false;
  // docker run $OPTIONS image: the variable may hold anything.
  if (workload.image.text.starts_with('$') && workload.node == nullptr) return false;
  const bool manifest =
      workload.kind == WorkloadKind::kCompose || workload.kind == WorkloadKind::kKubernetes;
  if (!manifest || workload.node == nullptr) return true;
  // KServe's controller merges runtimes, models and presets: each holds a part.
  if (workload.object != nullptr &&
      (*workload.object)["apiVersion"].text_or().starts_with("serving.kserve.io/"))
    return false;
  // What the values of a chart leave out its templates may say.
  if (workload.object != nullptr &&
      is_one_of((*workload.object)["kind"].text_or(), {"HelmRelease", "Application"}))
    return false;
  // Without an image it is an override file or a patch.
  if (workload.image.text.empty() && !workload.build_context) return false;
  return workload.node->find("extends") == nullptr;
}

bool is_added_elsewhere(const Project& project, const ProjectFile& file, const Workload& workload,
                        bool (*gives)(const Workload&)) {
  if (workload.kind != WorkloadKind::kCompose) return false;
  const std::string directory = directory_of(file.source.path());
  // What another one extends is a part of it.
  const auto extends = [&](const Workload& one) {
    const text::YamlNode& base = (*one.node)["extends"];
    return (base.is_scalar() ? base : base["service"]).text_or() == workload.name && gives(one);
  };
  if (std::ranges::any_of(file.workloads, extends)) return true;
  return std::ranges::any_of(project.files, [&](const auto& other) {
    return other.get() != &file && other->kind == FileKind::kCompose &&
           std::ranges::any_of(other->workloads, [&](const Workload& one) {
             // From elsewhere only what has no image of its own is an addition.
             return extends(one) ||
                    (one.name == workload.name && gives(one) &&
                     (one.image.text.empty() || directory_of(other->source.path()) == directory));
           });
  });
}

bool is_patched(const Project& project, const Workload& workload,
                std::initializer_list<std::string_view> keys) {
  if (workload.object == nullptr) return false;
  const std::string_view name = (*workload.object)["metadata"]["name"].text_or();
  for (const auto& file : project.files) {
    if (file->kind != FileKind::kKubernetes || !file->template_language.empty()) continue;
    // A patch that stands in the kustomization, by paths or as a part of the object.
    const std::string_view text = file->source.text();
    if (file_name(file->source.path()).starts_with("kustomization") && text.contains("patch") &&
        std::ranges::any_of(keys, [&](std::string_view key) {
          return text.contains(fmt::format("/{}", key)) || text.contains(fmt::format("  {}:", key));
        }))
      return true;
    for (const Workload& other : file->workloads)
      if (other.node != nullptr && other.node->find("image") == nullptr &&
          other.object != nullptr && other.name == workload.name &&
          (*other.object)["metadata"]["name"].text_or() == name &&
          std::ranges::any_of(
              keys, [&](std::string_view key) { return other.node->find(key) != nullptr; }))
        return true;
  }
  return false;
}

const Variable* variable(const Workload& workload, std::string_view name) {
  for (const Variable& one : workload.variables)
    if (one.name == name) return &one;
  return nullptr;
}

std::vector<std::pair<Word, Word>> build_arguments(const Workload& workload) {
  std::vector<std::pair<Word, Word>> out;
  if (workload.node == nullptr) return out;
  const text::YamlNode& stated = (*workload.node)["build"]["args"];
  for (const text::YamlMember& member : stated.members)
    out.emplace_back(Word{member.key, span_of(member.at)}, word_of(*member.value));
  for (const text::YamlNode* item : stated.items) {
    const std::size_t equals = item->text.find('=');
    const std::string name = item->text.substr(0, equals);
    out.emplace_back(
        Word{name, span_of(item->at)},
        Word{equals == item->text.npos ? "${" + name + "}" : item->text.substr(equals + 1),
             span_of(item->at)});
  }
  return out;
}

bool speaks_of_gpu_memory(std::string_view text) {
  const std::string low = to_lower(text);
  const auto has = [&](auto... words) { return (low.contains(words) || ...); };
  // Who tells them apart means the host's.
  return has("vram", "gpu ram", "video memory", "gpu mem", "gpu-memory") &&
         !has("host", "system", "cpu", " not ", "is ram", "to ram", "main memory");
}

std::string title(const Workload& workload) {
  const std::string_view what = workload.kind == WorkloadKind::kCompose ? "service" : "container";
  if (workload.name.empty()) return fmt::format("the {}", what);
  return fmt::format("the {} {}", what, workload.name);
}

}  // namespace flense::lint
