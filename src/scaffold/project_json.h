// The decisions of `flense init` as JSON, schema flense/init/v1 (docs/schemas/init-v1.json).
#pragma once

#include <string_view>

#include "scaffold/project.h"
#include "text/json.h"

namespace flense::scaffold {

/// `written`: the files were written to `directory`; else they only would be.
text::Json project_json(const Project& project, std::string_view directory, bool written);

/// The list of templates.
text::Json templates_json(const std::vector<Template>& all);

}  // namespace flense::scaffold
