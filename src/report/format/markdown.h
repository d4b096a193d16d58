// GitHub Flavored Markdown for texts written by others.
#pragma once

#include <string>
#include <string_view>

namespace flense::report {

/// Text that cannot end its table cell, start a tag or a link, or be read as emphasis.
std::string markdown_cell(std::string_view text);

}  // namespace flense::report
