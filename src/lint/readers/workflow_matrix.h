// `strategy.matrix` of GitHub's workflows: the combinations of values that a job runs with.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "lint/source/source.h"
#include "text/yaml_nodes.h"

namespace flense::lint {

/// The values of one run of a job, by name.
using MatrixRun = std::map<std::string, const text::YamlNode*, std::less<>>;

/// The runs of `matrix`: axes, exclude, include; at most 256, and empty where an expression makes
/// them, or where it is larger than GitHub takes.
std::vector<MatrixRun> matrix_runs(const text::YamlNode& matrix);

/// The text with "${{ matrix.NAME }}" and "${{ matrix.NAME.MEMBER }}" replaced, at the place of the
/// first value; nullopt where it names none, or something else.
std::optional<Word> filled(std::string_view text, const MatrixRun& run);

}  // namespace flense::lint
