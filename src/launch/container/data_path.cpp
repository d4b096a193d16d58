#include "launch/container/data_path.h"

#include <algorithm>
#include <array>
#include <optional>
#include <set>

#include "base/format.h"
#include "base/path.h"

namespace flense::launch {
namespace {

using Use = DataPath::Use;

struct Word {
  std::string_view name;
  Use use;
};

/// Options of training, inference and conversion programs, without dashes; '_' counts as '-'.
constexpr std::array<Word, 34> kOptions = {{
    {"output", Use::kOutput},
    {"output-dir", Use::kOutput},
    {"output-path", Use::kOutput},
    {"output-file", Use::kOutput},
    {"outdir", Use::kOutput},
    {"out", Use::kOutput},
    {"out-dir", Use::kOutput},
    {"o", Use::kOutput},
    {"save", Use::kOutput},
    {"save-dir", Use::kOutput},
    {"save-path", Use::kOutput},
    {"save-model", Use::kOutput},
    {"checkpoint-dir", Use::kOutput},
    {"checkpoint", Use::kOutput},
    {"checkpoints", Use::kOutput},
    {"checkpoint-path", Use::kOutput},
    {"ckpt-dir", Use::kOutput},
    {"log-dir", Use::kOutput},
    {"logdir", Use::kOutput},
    {"logging-dir", Use::kOutput},
    {"result-dir", Use::kOutput},
    {"results-dir", Use::kOutput},
    {"work-dir", Use::kOutput},
    {"tensorboard-dir", Use::kOutput},
    {"cache-dir", Use::kCache},
    {"download-dir", Use::kCache},
    {"data", Use::kInput},
    {"data-dir", Use::kInput},
    {"data-path", Use::kInput},
    {"dataset", Use::kInput},
    {"dataset-dir", Use::kInput},
    {"train-data", Use::kInput},
    {"model-path", Use::kInput},
    {"input", Use::kInput},
}};

constexpr std::array<Word, 22> kVariables = {{
    {"HF_HOME", Use::kCache},
    {"HF_HUB_CACHE", Use::kCache},
    {"HF_DATASETS_CACHE", Use::kCache},
    {"TRANSFORMERS_CACHE", Use::kCache},
    {"TORCH_HOME", Use::kCache},
    {"TORCH_EXTENSIONS_DIR", Use::kCache},
    {"TORCHINDUCTOR_CACHE_DIR", Use::kCache},
    {"TRITON_CACHE_DIR", Use::kCache},
    {"TRITON_HOME", Use::kCache},
    {"CUDA_CACHE_PATH", Use::kCache},
    {"NUMBA_CACHE_DIR", Use::kCache},
    {"CUPY_CACHE_DIR", Use::kCache},
    {"JAX_COMPILATION_CACHE_DIR", Use::kCache},
    {"XDG_CACHE_HOME", Use::kCache},
    {"PIP_CACHE_DIR", Use::kCache},
    {"MPLCONFIGDIR", Use::kCache},
    {"WANDB_DIR", Use::kOutput},
    {"MLFLOW_TRACKING_DIR", Use::kOutput},
    {"MIOPEN_USER_DB_PATH", Use::kCache},
    {"MIOPEN_CUSTOM_CACHE_DIR", Use::kCache},
    {"VLLM_CACHE_ROOT", Use::kCache},
    {"TMPDIR", Use::kCache},
}};

constexpr std::size_t kMaxWords = 4096, kMaxWord = 4096;

const Word* option_of(std::string_view word) {
  if (!word.starts_with('-')) return nullptr;
  const bool is_long = word.starts_with("--");
  word.remove_prefix(is_long ? 2 : 1);
  std::string name(word);
  std::ranges::replace(name, '_', '-');
  const auto at = std::ranges::find(kOptions, std::string_view(name), &Word::name);
  if (at == kOptions.end()) return nullptr;
  // One dash before one letter, or before a word as in older programs; two dashes before "o" are
  // something else.
  return is_long && at->name.size() == 1 ? nullptr : &*at;
}

/// nullopt for what is no path: a number, a URL, a name of a hub ("org/model"), stdout.
std::optional<std::string> path_of(std::string_view word, std::string_view workdir, Use use) {
  if (word.empty() || word == "-" || word.size() > kMaxWord) return std::nullopt;
  if (word.find("://") != word.npos || word.find('\0') != word.npos) return std::nullopt;
  const bool plain = word.starts_with('/') || word.starts_with("./") || word.starts_with("../") ||
                     word == "." || word == "..";
  // A relative name of an input may equally be the name of a data set.
  if (!plain && use == Use::kInput) return std::nullopt;
  if (!plain && word.find_first_not_of("0123456789.") == word.npos) return std::nullopt;
  if (!plain && (word == "True" || word == "False" || word == "true" || word == "false"))
    return std::nullopt;
  const std::string dir =
      word.starts_with('/') ? std::string() : std::string(workdir.substr(workdir.starts_with('/')));
  return "/" + resolve_link_text(dir, word);
}

bool lies_in(std::string_view path, std::string_view folder) {
  while (folder.size() > 1 && folder.ends_with('/')) folder.remove_suffix(1);
  if (folder == "/" || path == folder) return true;
  return path.starts_with(folder) && path.substr(folder.size()).starts_with('/');
}

/// The innermost mount that holds the path decides.
enum class Ground { kWritable, kReadOnly, kRoot };
Ground ground_of(const DataPathQuestion& question, std::string_view path) {
  std::size_t best = 0;
  Ground out = Ground::kRoot;
  const auto consider = [&](const std::vector<std::string>& mounts, Ground ground) {
    for (const std::string& mount : mounts)
      if (lies_in(path, mount) && mount.size() > best) {
        best = mount.size();
        out = ground;
      }
  };
  consider(question.writable, Ground::kWritable);
  consider(question.read_only, Ground::kReadOnly);
  return out;
}

/// The directory to mount: that of a file, as its name has an extension, else the path itself.
std::string folder_of(const std::string& path) {
  const std::string_view name = base_name(path);
  const std::size_t dot = name.rfind('.');
  const bool is_file = dot != name.npos && dot > 0 && name.size() - dot <= 12;
  const std::string parent(parent_path(path));
  return is_file && !parent.empty() ? parent : path;
}

std::string example(const std::string& folder) {
  const std::string_view name = base_name(folder);
  return fmt::format("-v $PWD/{}:{}", name.empty() ? "data" : name, folder);
}

}  // namespace

std::vector<DataPath> data_paths(const DataPathQuestion& question) {
  std::vector<DataPath> out;
  const auto add = [&](Use use, std::string_view word, std::string_view value) {
    const auto path = path_of(value, question.workdir, use);
    if (path && std::ranges::find(out, *path, &DataPath::path) == out.end())
      out.push_back({use, std::string(word), *path});
  };
  const std::size_t count = std::min(question.command.size(), kMaxWords);
  for (std::size_t i = 1; i < count; ++i) {
    const std::string_view word = question.command[i];
    if (word == "--") continue;
    const std::size_t equals = word.find('=');
    const std::string_view name = word.substr(0, equals);
    if (const Word* option = option_of(name)) {
      if (equals != word.npos)
        add(option->use, name, word.substr(equals + 1));
      else if (i + 1 < count && !question.command[i + 1].starts_with("--"))
        add(option->use, name, question.command[++i]);
    }
  }
  for (const std::string& item : question.environment) {
    const std::size_t equals = item.find('=');
    if (equals == item.npos) continue;
    const std::string_view name = std::string_view(item).substr(0, equals);
    const auto variable = std::ranges::find(kVariables, name, &Word::name);
    if (variable != kVariables.end())
      add(variable->use, name, std::string_view(item).substr(equals + 1));
  }
  return out;
}

std::vector<std::string> data_path_warnings(
    const DataPathQuestion& question, const std::function<bool(const std::string&)>& in_image) {
  std::vector<std::string> out;
  std::set<std::string> told;
  for (const DataPath& one : data_paths(question)) {
    const Ground ground = ground_of(question, one.path);
    if (ground == Ground::kWritable) continue;
    const std::string folder = folder_of(one.path);
    if (one.use == Use::kInput) {
      const bool there = ground == Ground::kReadOnly || (in_image && in_image(one.path));
      if (there || !told.insert(folder).second) continue;
      out.push_back(fmt::format("{} names {}, which neither the image nor a mount has: {}",
                                one.word, one.path, example(folder)));
      continue;
    }
    if (!told.insert(folder).second) continue;
    if (ground == Ground::kReadOnly)
      out.push_back(fmt::format("{} names {}, which is on a read-only mount", one.word, one.path));
    else if (question.writable_root)
      out.push_back(
          fmt::format("{} names {} in the image: what is written there is kept in memory "
                      "and lost at the end; {} keeps it",
                      one.word, one.path, example(folder)));
    else
      out.push_back(fmt::format("{} names {} in the image, which is read-only: {}", one.word,
                                one.path, example(folder)));
  }
  return out;
}

std::vector<std::string> place_warnings(const PlaceQuestion& question,
                                        const std::function<bool(const std::string&)>& on_network) {
  std::vector<std::string> out;
  const auto far = [&](const std::string& path) { return !path.empty() && on_network(path); };
  if (far(question.roots))
    out.push_back(fmt::format(
        "unpacked images are on a network file system ({}): every file that a program opens is "
        "looked up over the network; FLENSE_CACHE=DIR on a disk of this machine is faster",
        question.roots));
  if (far(question.sandbox))
    out.push_back(fmt::format(
        "the image directory {} is on a network file system, where each of its many small files "
        "is slow to open; an archive of it is unpacked on this machine instead",
        question.sandbox));
  if (far(question.workdir))
    out.push_back(
        fmt::format("the working directory {} is on a network file system", question.workdir));
  for (const DataPath& cache : question.caches)
    if (far(cache.path))
      out.push_back(fmt::format(
          "{} is {} on a network file system, where compilers' caches are slow and locks may fail; "
          "a directory on a disk of this machine is better: -e {}=/tmp/cache",
          cache.word, cache.path, cache.word));
  return out;
}

}  // namespace flense::launch
