// The comparison of two images for people and programs.
#pragma once

#include <cstddef>
#include <string>

#include "report/format/style.h"
#include "report/images/diff_sections.h"
#include "text/json.h"

namespace flense::report {

inline constexpr const char* kDiffSchema = "flense/diff/v1";

std::string diff_text(const ImageDiff& diff, const Style& style, bool all);
/// GitHub Flavored Markdown, for a comment on a pull request.
std::string diff_markdown(const ImageDiff& diff, bool all);
/// Schema flense/diff/v1 (docs/schemas/diff-v1.json). At most `most` files and files with device
/// code are listed; counts and totals are those of all.
text::Json diff_json(const ImageDiff& diff, std::size_t most);

}  // namespace flense::report
