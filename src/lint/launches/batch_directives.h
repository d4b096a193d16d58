// What the #SBATCH lines of Slurm's batch scripts ask for (sbatch(1)).
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lint/project/project.h"

namespace flense::lint {

constexpr std::string_view kBatchMark = "#SBATCH";

/// "--output" with "logs/%j.out", also of "-o logs/%j.out"; without a value an empty one.
struct BatchDirective {
  std::string name;
  Word value;
};

/// Of the lines in front of the first command, where sbatch stops to read them.
std::vector<BatchDirective> batch_directives(const SourceText& source);

/// What another program fills in before sbatch reads it.
bool is_batch_template(const Project& project, const ProjectFile& file);

/// Whether another script gives sbatch this option for the file.
bool batch_option_given(const Project& project, const ProjectFile& file, std::string_view option);

}  // namespace flense::lint
