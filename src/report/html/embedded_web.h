// The page of the HTML report as built from web/.
#pragma once

#include <string_view>

namespace flense::report {

/// HTML with the marks {{title}}, {{policy}}, {{summary}}, {{style}}, {{data}} and {{script}}.
std::string_view web_page();
std::string_view web_style();
std::string_view web_script();

}  // namespace flense::report
