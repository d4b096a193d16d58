// YAML as JSON values, for documents that exist in JSON and in YAML: the core schema of YAML 1.2
// (which is also how Go's yaml.v3 reads untagged scalars), with string keys. What the tree refuses
// (text/yaml_nodes.h) and tags beyond that schema are errors.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "text/json.h"

namespace flense::text {

/// Exactly one document; an empty one is null. `what` names it in errors, which carry line and
/// column.
Result<Json> parse_yaml(std::string_view text, std::string_view what);
/// All documents of a stream ("---" between them).
Result<std::vector<Json>> parse_yaml_documents(std::string_view text, std::string_view what);

/// Block style, members in their stored order, texts quoted where they would be read as something
/// else. What parse_yaml gives back is the same value.
std::string dump_yaml(const Json& value);

}  // namespace flense::text
