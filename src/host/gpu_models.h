// The GPUs of this machine as the kernel driver names them, without any vendor library.
#pragma once

#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include "base/result.h"
#include "host/profile.h"
#include "knowledge/knowledge.h"

namespace flense::host {

/// Model lines of PROC/driver/nvidia/gpus/*/information ("NVIDIA H100 80GB HBM3"), each model once;
/// empty without an NVIDIA driver. `proc` is /proc, or a fixture.
std::vector<std::string> nvidia_models(const std::filesystem::path& proc);

/// The architecture of a model of either vendor by the product table: the longest product name that
/// is some of its words.
/// Environment error for a model that the table does not know.
Result<std::string> architecture_of_model(const knowledge::Gpus& gpus, std::string_view model);
/// The same as a fact.
Text architecture_by_name(const knowledge::Gpus& gpus, std::string_view model);

/// Tells the processor architecture of machines all of whose GPUs are only beside one (GH200:
/// arm64), where nothing else does.
void infer_processors(const knowledge::Knowledge& tables, std::span<Profile> profiles);

}  // namespace flense::host
