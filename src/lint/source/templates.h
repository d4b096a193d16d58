// Templates that generate YAML: Helm's (Go text/template) and Jinja's. Their expressions are
// replaced by neutral text of the same length, so that the rest can be parsed and keeps its
// positions.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "lint/source/source.h"

namespace flense::lint {

struct TemplateText {
  std::string language;     ///< "Helm", "Jinja"; empty: no template
  std::string text;         ///< as long as the original
  std::vector<Span> holes;  ///< expressions inside lines, in order: their values are unknown
};

/// A line that holds directives only becomes blank, and so do the branches behind an `else`; an
/// expression inside of a line becomes "x". Where the text reads as YAML as it stands, it is a
/// template only if it speaks of Helm's objects or quotes whole values as Ansible does: other
/// programs' formats look alike.
TemplateText strip_templates(std::string_view text, bool reads_as_yaml);

/// Whether a text is nothing but a name between two marks: "@TAG@", "${TAG}".
bool is_marked(std::string_view text, std::string_view open, std::string_view close);

}  // namespace flense::lint
