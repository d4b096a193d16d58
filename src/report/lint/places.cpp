#include "report/lint/places.h"

#include "base/format.h"

namespace flense::report {

LintPlace place_of(const lint::Project& project, const lint::Finding& finding) {
  LintPlace out;
  const lint::ProjectFile* file = project.find(finding.path);
  if (file == nullptr) return out;
  out.source = &file->source;
  if (finding.span.empty()) return out;
  out.whole_file = false;
  out.begin = out.source->position(finding.span.begin);
  out.end = out.source->position(finding.span.end);
  return out;
}

std::string lint_identity(const LintPlace& place, const lint::Finding& finding) {
  const std::string_view text =
      place.source == nullptr || place.whole_file ? "" : place.source->slice(finding.span);
  return fmt::format("{}\n{}\n{}", finding.rule, lint::normal_path(finding.path), text);
}

std::string xml_text(std::string_view text) {
  std::string out;
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    switch (c) {
      case '&':
        out += "&amp;";
        break;
      case '<':
        out += "&lt;";
        break;
      case '>':
        out += "&gt;";
        break;
      case '"':
        out += "&quot;";
        break;
      case '\n':
        out += "&#10;";
        break;
      default:
        out += byte < 0x20 && c != '\t' ? '?' : c;
    }
  }
  return out;
}

}  // namespace flense::report
