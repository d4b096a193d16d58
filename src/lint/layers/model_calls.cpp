#include "lint/layers/model_calls.h"

#include <algorithm>
#include <array>
#include <vector>

#include "base/ascii.h"
#include "lint/facts/layer_paths.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

/// Of the hub and of the libraries that name what is large.
constexpr auto kNamedCalls = std::to_array<std::string_view>(
    {"from_pretrained(", "snapshot_download(", "hf_hub_download(", "whisper.load_model(",
     "WhisperModel(", "clip.load(", "load_dataset(", "download=True"});
/// Constructors and helpers whose models are of any size.
constexpr auto kConstructors = std::to_array<std::string_view>(
    {"SentenceTransformer(", "CrossEncoder(", "TextEmbedding(", "pipeline(", "Reader(",
     "FaceAnalysis(", "YOLO(", "torch.hub.load(", "open_clip.create_model(",
     "open_clip.create_model_and_transforms(", "TTS(", "whisperx.load_model(", "urlretrieve(",
     "pretrained=True"});

/// Python that fetches a tokenizer or a file of settings alone.
bool is_small_part(std::string_view script) {
  if (holds(script, "hf_hub_download("))
    return holds(script, ".json") && !holds(script, ".safetensors") && !holds(script, ".bin") &&
           !holds(script, "from_pretrained(");
  return (holds(script, "Tokenizer") || holds(script, "Config") || holds(script, "Processor")) &&
         !holds(script, "Model") && !holds(script, "For") && !holds(script, "Pipeline") &&
         !holds(script, "snapshot_download(") && !holds(script, "pipeline(");
}

/// Whether a place lies in a text of three quotes, or of a line in quotes or behind a '#'.
bool is_text(std::string_view script, std::size_t at) {
  for (const std::string_view quotes : {"\"\"\"", "'''"}) {
    std::size_t before = 0;
    for (std::size_t one = script.find(quotes); one < at; one = script.find(quotes, one + 3))
      ++before;
    if (before % 2 != 0) return true;
  }
  const std::size_t line = at == 0 ? 0 : script.rfind('\n', at - 1) + 1;
  char quote = 0;
  for (const char c : script.substr(line, at - line)) {
    if (quote != 0)
      quote = c == quote ? '\0' : quote;
    else if (c == '\'' || c == '"')
      quote = c;
    else if (c == '#')
      return true;
  }
  return quote != 0;
}

/// What stands between the parentheses of a call that opens right before `begin`.
std::string_view arguments_of_call(std::string_view script, std::size_t begin) {
  std::size_t depth = 1, end = begin;
  for (; end < script.size() && depth > 0; ++end) {
    if (script[end] == '(') ++depth;
    if (script[end] == ')') --depth;
  }
  return script.substr(begin, end - begin - (depth == 0 ? 1 : 0));
}

/// The text that an argument of a call hands over as the model's name: the first, or one that is
/// named so. Without its quotes.
std::vector<std::string_view> names_in(std::string_view arguments) {
  std::vector<std::string_view> out;
  for (std::string_view one : parts_of(arguments, ",")) {
    one = trim_space(one);
    const std::size_t equals = one.find('=');
    const std::string_view key = equals == one.npos ? "" : trim_space(one.substr(0, equals));
    const bool named = is_one_of(
        key, {"model", "model_name", "model_name_or_path", "model_path", "repo_id", "repo_or_dir"});
    if (!named && !out.empty()) continue;
    if (named) one = trim_space(one.substr(equals + 1));
    while (one.starts_with('\'') || one.starts_with('"') || one.starts_with('\\'))
      one.remove_prefix(1);
    out.push_back(one.substr(0, one.find_first_of("'\"\\")));
  }
  return out;
}

/// "yolov8m.pt", "yolo11x-seg.pt"; n and s are of some megabytes, other names of one's own.
bool is_large_detector(std::string_view name) {
  if (!name.starts_with("yolo") || !name.ends_with(".pt")) return false;
  name.remove_prefix(4);
  if (name.starts_with('v')) name.remove_prefix(1);
  while (!name.empty() && is_digit(name.front())) name.remove_prefix(1);
  return !name.empty() && std::string_view("mlxbce").contains(name.front());
}

/// Whether a call of this name fetches something that counts.
bool fetches(std::string_view call, std::string_view script, std::string_view arguments) {
  const std::vector<std::string_view> names = names_in(arguments);
  if (std::ranges::any_of(names, [](std::string_view name) {
        return starts_with_any(name, {"/", "./", "../", "~/"});
      }))
    return false;
  // What is there already, read as it comes, or a few small files of it.
  for (const std::string_view word :
       {"local_files_only=True", "streaming=True", "allow_patterns", "ignore_patterns"})
    if (arguments.contains(word)) return false;
  if (call == "pipeline(") return holds(script, "transformers") || holds(script, "modelscope");
  if (call == "Reader(") return holds(script, "easyocr");
  if (call == "YOLO(") return is_large_detector(names.front());
  if (call == "TTS(") return arguments.contains('\'') || arguments.contains('"');
  if (call == "torch.hub.load(") return !holds(arguments, "local") && !holds(arguments, "silero");
  if (call == "urlretrieve(")
    return std::ranges::any_of(parts_of(script, "'\""), [](std::string_view part) {
      return holds(part, "://") && is_fetched_weights(part);
    });
  return call == "FaceAnalysis(" || !trim_space(arguments).empty();
}

bool calls(std::string_view script, std::string_view call) {
  for (std::size_t at = script.find(call); at != script.npos; at = script.find(call, at + 1)) {
    if (at > 0 && (is_alphanumeric(script[at - 1]) || script[at - 1] == '_')) continue;
    if (is_text(script, at)) continue;
    if (!call.ends_with('(') || fetches(call, script, arguments_of_call(script, at + call.size())))
      return true;
  }
  return false;
}

/// Those of faces and backgrounds that are known for their hundreds of megabytes.
bool is_large_onnx(std::string_view url) {
  const std::string name = to_lower(file_name(url));
  return std::ranges::any_of(
      std::to_array<std::string_view>({"inswapper", "hyperswap", "gfpgan", "u2net.", "_r100"}),
      [&](std::string_view word) { return name.contains(word); });
}

}  // namespace

std::optional<ModelCall> model_call_in(std::string_view script) {
  for (const std::string_view one : kNamedCalls)
    if (calls(script, one) && !is_small_part(script))
      return ModelCall{std::string(one), is_one_of(one, {"load_dataset(", "download=True"}),
                       !names_large(script)};
  for (const std::string_view one : kConstructors)
    if (calls(script, one)) return ModelCall{std::string(one), false, true};
  return std::nullopt;
}

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

bool is_fetched_weights(std::string_view url) {
  url = url.substr(0, url.find('?'));
  // Most ONNX files that are fetched by name are megabytes.
  if (url.ends_with(".onnx")) return is_large_onnx(url);
  if (is_weights(url)) return true;
  const std::string_view name = file_name(url);
  return ends_with_any(url, {".nemo", ".h5", ".weights", ".caffemodel", ".keras"}) ||
         (name.starts_with("ggml-") && name.ends_with(".bin"));
}

}  // namespace flense::lint
