#include "lint/facts/layer_paths.h"

#include <algorithm>
#include <initializer_list>

#include "base/ascii.h"
#include "lint/facts/sent_files.h"
#include "lint/source/blanks.h"

namespace flense::lint {

namespace {

bool is_conda_installer(std::string_view name) {
  const std::string low = to_lower(name);
  return low.ends_with(".sh") &&
         (starts_with_any(low, {"anaconda2-", "anaconda3-", "miniconda2-", "miniconda3-",
                                "miniforge3-", "mambaforge-"}) ||
          is_one_of(low, {"anaconda.sh", "anaconda3.sh", "miniconda.sh", "miniconda3.sh",
                          "miniforge.sh", "miniforge3.sh", "mambaforge.sh"}));
}

}  // namespace

bool makes_files(const Instruction& run) {
  return std::ranges::any_of(commands_of(run), [](const StepCommand& command) {
    return command.has("install") || command.has("update") || command.has("sync") ||
           command.program == "tar" || command.program == "git" || command.program == "unzip" ||
           command.program.contains("conda");
  });
}

std::uint64_t copied_bytes(const SentFiles& sent, const Written& copy, const std::string& path) {
  if (!sent.known() || copy.step->flag("from") != nullptr) return 0;
  for (const Word& word : copy.step->words)
    if (word.span == copy.span) {
      const std::string rest =
          path.size() > copy.path.size() ? path.substr(copy.path.size()) : std::string();
      return sent.bytes_below(word.text + rest);
    }
  return 0;
}

std::string path_of(const Step& step, std::string_view word, const std::string& directory) {
  // Everything in the working directory.
  if (word == "*" || word == "./*" || word == "./") return directory;
  while (word.ends_with('*')) word.remove_suffix(1);
  if (word.empty() || word.starts_with('-') || holds(word, "$") || holds(word, "*")) return {};
  if (word.starts_with("~/") || word == "~")
    return step.home.empty() ? std::string() : normal_path(step.home + std::string(word.substr(1)));
  if (word.starts_with('/')) return normal_path(word);
  return directory.empty() ? std::string() : path_below(directory, word);
}

bool is_small_name(std::string_view path) {
  const std::string name = to_lower(file_name(path));
  // The installers of conda are scripts with an archive behind them.
  if (is_conda_installer(name)) return false;
  for (const std::string_view end : {".sh", ".py", ".asc", ".gpg", ".key", ".pub", ".list", ".repo",
                                     ".txt", ".json", ".toml", ".lock", ".yml", ".yaml"})
    if (name.ends_with(end)) return true;
  return name.contains("keyring") || starts_with_any(name, {"dumb-init", "tini", "gosu"});
}

bool is_archive(std::string_view path) {
  return ends_with_any(path, {".deb", ".rpm", ".run", ".whl", ".sif", ".zip", ".7z", ".tar", ".tgz",
                              ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.zst"}) ||
         is_conda_installer(file_name(path));
}

bool is_much(const Written& one, std::uint64_t bytes) {
  const std::string path = to_lower(one.path);
  const auto names = [&](std::initializer_list<std::string_view> parts) {
    return std::ranges::any_of(parts, [&](std::string_view part) { return path.contains(part); });
  };
  constexpr std::uint64_t kMuch = 50'000'000;  // beside a framework
  if (bytes > 0) return bytes >= kMuch;
  // Of scikit-learn, whatever directory they lie in.
  if (ends_with_any(path, {".joblib", ".pkl", ".pickle"})) return false;
  // "model-analyzer" is code; a clone of weights goes to a directory of models.
  if (one.how == "git clone" && !names({"models", "weights", "checkpoint"})) return false;
  return one.how.contains("environment") || one.how.contains("conda") ||
         is_conda_installer(file_name(one.path)) ||
         names(
             {"venv", "conda", "-packages", "model", "wheels", ".safetensors", ".ckpt", ".gguf"}) ||
         (ends_with_any(path, {".run", ".deb", ".rpm", ".whl", ".zip", ".tgz", ".gz", ".xz"}) &&
          names({"cuda", "cudnn", "tensorrt", "torch"}));
}

bool may_copy_directory(const Instruction& step) {
  return step.words.size() < 2 || std::ranges::any_of(
                                      step.words.begin(), step.words.end() - 1,
                                      [](const Word& word) {
                                        const std::string_view name = file_name(word.text);
                                        return name.find('.', 1) == name.npos ||
                                               word.text.ends_with('/') ||
                                               word.text.find_first_of("*$") != std::string::npos;
                                      });
}

bool is_weights(std::string_view path) {
  path = path.substr(0, path.find('?'));
  for (const std::string_view end :
       {".safetensors", ".ckpt", ".pt", ".pth", ".gguf", ".ggml", ".engine", ".plan", ".onnx"})
    if (path.ends_with(end)) return true;
  return path.ends_with(".bin") &&
         (holds(path, "pytorch_model") ||
          has_part(file_name(path), "._-", {"pretrained", "weights", "checkpoint"}));
}

}  // namespace flense::lint
