// Command lines that start containers: docker, nerdctl, podman, apptainer, singularity, and srun or
// sbatch with pyxis.
#pragma once

#include <string>
#include <vector>

#include "lint/project/workload.h"
#include "lint/shell/shell.h"

namespace flense::lint {

/// What the commands start, in their order. Variables that the commands themselves assign are
/// replaced where their value is known; `environment` holds what is known before.
std::vector<Workload> launched_by(const std::vector<ShellCommand>& commands,
                                  const std::string& path, Environment environment = {});

}  // namespace flense::lint
