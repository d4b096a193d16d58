#include "lint/facts/workload_purpose.h"

#include <algorithm>
#include <array>

#include "base/ascii.h"
#include "lint/facts/workload_facts.h"
#include "lint/shell/shell.h"
#include "lint/source/blanks.h"

namespace flense::lint {

bool is_for_processor(const Workload& workload) {
  const std::vector<Word> words = command_words(workload);
  for (std::size_t at = 0; at < words.size(); ++at) {
    const std::string& word = words[at].text;
    if (is_one_of(word, {"--no-cuda", "--cpu", "--gpus=0", "--n_gpu=0", "--use_gpu=false",
                         "--use-gpu=false", "--use_gpu=0", "--use-gpu=0", "trainer.gpus=0",
                         "+trainer.gpus=0"}) ||
        is_one_of(word, {"--device=cpu", "--accelerator=cpu", "device=cpu", "accelerator=cpu",
                         "trainer=cpu", "trainer.accelerator=cpu"}) ||
        (is_one_of(word, {"--device", "--accelerator"}) && at + 1 < words.size() &&
         words[at + 1].text == "cpu"))
      return true;
  }
  // Beside a GPU that is asked for, an empty value is that of a variable nobody has set.
  return workload.gpus.empty() && std::ranges::any_of(workload.variables, [](const Variable& one) {
           if (!one.value) return false;
           std::string_view value = *one.value;
           // In a list of Compose the quotes are a part of the value.
           if (value == "\"\"" || value == "''") value = {};
           if (one.name == "CUDA_VISIBLE_DEVICES") return value.empty() || value == "-1";
           if (one.name == "NVIDIA_VISIBLE_DEVICES") return is_one_of(value, {"void", "none"});
           return is_one_of(one.name, {"VLLM_TARGET_DEVICE", "DEVICE", "ACCELERATOR"}) &&
                  value == "cpu";
         });
}

bool leaves_gpu_out(const ProjectFile& file, const Workload& workload) {
  if (workload.node == nullptr) return false;
  const std::string_view text = file.source.text();
  const std::size_t line = text.substr(0, workload.span.begin).rfind('\n') + 1;
  const auto blanks_of = [](std::string_view one) {
    return std::min(one.find_first_not_of(" -"), one.size());
  };
  std::string_view rest = text.substr(line);
  const std::size_t own = blanks_of(take_line(rest));
  // A service's keys stand deeper than its name, a container's beside it.
  const std::size_t least = workload.kind == WorkloadKind::kCompose ? own + 1 : own;
  while (!rest.empty()) {
    const std::string_view one = take_line(rest);
    const std::string_view words = trim_space(one);
    if (words.empty()) continue;
    if (blanks_of(one) < least || (one.find_first_not_of(' ') < own && words.front() == '-')) break;
    if (words.front() != '#') continue;
    std::string_view said =
        trim_space(words.substr(std::min(words.find_first_not_of('#'), words.size())));
    if (said.starts_with("- ")) said = trim_space(said.substr(2));
    // A pod gets a GPU by nothing else: of the usual resources the manifest waits for its owner.
    const bool pod = workload.kind == WorkloadKind::kKubernetes;
    if (pod ? said.contains("/gpu:") && !starts_with_any(said, {"nvidia.com/", "amd.com/"})
            : starts_with_any(said, {"runtime: nvidia", "gpus:", "driver: nvidia",
                                     "capabilities: [gpu", "capabilities: [\"gpu"}))
      return true;
  }
  return false;
}

bool is_tool(std::string_view program) {
  constexpr auto kTools = std::to_array<std::string_view>(
      {"nvcc",  "make",      "cmake",     "ninja",      "pip",       "pip3",     "conda",
       "git",   "ls",        "cat",       "cp",         "tar",       "rsync",    "find",
       "chmod", "which",     "echo",      "true",       "wget",      "curl",     "dpkg",
       "apt",   "apt-get",   "apt-cache", "dpkg-query", "du",        "tree",     "printenv",
       "sleep", "sha256sum", "md5sum",    "ldd",        "cuobjdump", "nvdisasm", "readelf"});
  return is_one_of(file_name(program), kTools);
}

bool uses_tool(const Workload& workload) {
  const std::vector<Word> words = command_words(workload);
  return std::ranges::any_of(words, [](const Word& word) { return is_tool(word.text); });
}

namespace {

/// By its words, without a folder and an ending.
bool names_training(std::string_view name) {
  return has_part(name, "._-",
                  {"train", "training", "trainer", "finetune", "finetuning", "pretrain"}) &&
         // What is done before and after, on the processor.
         !has_part(name, "._-",
                   {"tokenizer", "split", "plot", "download", "test", "prepare", "preprocess",
                    "data", "dataset", "val", "curves", "convert"});
}

}  // namespace

bool is_training_script(std::string_view path) {
  const std::string name = to_lower(file_name(path));
  return name.ends_with(".py") && names_training(name);
}

const Word* training_word(const std::vector<Word>& words) {
  for (std::size_t at = 0; at < words.size(); ++at) {
    if (is_training_script(words[at].text)) return &words[at];
    if (at < 1 || words[at - 1].text != "-m") continue;
    const std::string module = to_lower(words[at].text);
    if (names_training(module.substr(module.rfind('.') + 1))) return &words[at];
  }
  return nullptr;
}

bool only_builds(const Workload& workload) {
  const std::vector<Word> words = command_words(workload);
  if (words.empty()) return false;
  if (is_tool(words.front().text)) return true;
  return is_shell(words.front().text) && std::ranges::any_of(words, [&](const Word& word) {
           return std::ranges::any_of(parts_of(word.text, " ;&|\n"),
                                      [&](std::string_view part) { return is_tool(part); });
         });
}

std::string gpu_command(const Workload& workload) {
  const std::vector<Word> words = command_words(workload);
  std::string out;
  bool runs = false;  // a script that is named: `mypy train.py` only reads it
  for (std::size_t at = 0; at < words.size(); ++at) {
    const std::string_view name = file_name(words[at].text);
    if (name == "cpu" || words[at].text == "--no-cuda") return {};
    // python -m py_compile
    if (words[at].text == "-m" && at + 1 < words.size() &&
        is_one_of(words[at + 1].text, {"py_compile", "mypy", "black", "ruff", "flake8", "pytest",
                                       "unittest", "pylint", "isort"}))
      return {};
    runs = runs || (at == 0 && (is_shell(name) || is_training_script(name))) ||
           name.starts_with("python") ||
           is_one_of(name, {"torchrun", "deepspeed", "accelerate", "mpirun", "horovodrun", "uv",
                            "conda", "poetry", "pipenv", "srun"});
    // llama.cpp is told how many layers go to the GPU.
    if (is_one_of(words[at].text, {"--n-gpu-layers", "-ngl", "--n_gpu_layers", "--gpu-layers"}) &&
        at + 1 < words.size() && words[at + 1].text != "0")
      out = words[at].text;
    if ((runs && is_training_script(name)) ||
        is_one_of(name, {"nvidia-smi", "torchrun", "deepspeed", "trtexec", "vllm"}))
      out = name;
  }
  return out;
}

}  // namespace flense::lint
