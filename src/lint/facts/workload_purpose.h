// What a container is started for: whether it is to compute on a GPU at all, by what its owner
// wrote.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lint/project/project.h"

namespace flense::lint {

/// Told to compute on the processor, or that no GPU may be seen: `--device cpu`,
/// VLLM_TARGET_DEVICE=cpu, CUDA_VISIBLE_DEVICES=-1.
bool is_for_processor(const Workload& workload);

/// A comment within the service or container that holds what would ask for a GPU: its owner leaves
/// it to each machine.
bool leaves_gpu_out(const ProjectFile& file, const Workload& workload);

/// A program that compiles, installs or looks, and uses no GPU.
bool is_tool(std::string_view program);

/// One of them anywhere in the command: `python -m pip list`.
bool uses_tool(const Workload& workload);

/// "train.py", "finetune_lora.py"; not "train_tokenizer.py" nor "plot_train_curves.py", which
/// compute on the processor.
bool is_training_script(std::string_view path);

/// The word of a command that trains: such a script, or a module, `python -m model.train`; null:
/// none.
const Word* training_word(const std::vector<Word>& words);

/// Compiles, installs or looks: by its program, or by a command of `bash -c`.
bool only_builds(const Workload& workload);

/// A word of the command that computes on a GPU, or asks for one; empty: none.
std::string gpu_command(const Workload& workload);

}  // namespace flense::lint
