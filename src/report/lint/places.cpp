#include "report/lint/places.h"

#include <map>

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

std::vector<std::string> lint_identities(const lint::Project& project,
                                         const std::vector<lint::Finding>& findings) {
  std::vector<std::string> out;
  std::map<std::string, std::size_t> seen;
  for (const lint::Finding& finding : findings) {
    const LintPlace place = place_of(project, finding);
    const std::string_view text =
        place.source == nullptr || place.whole_file ? "" : place.source->slice(finding.span);
    std::string identity =
        fmt::format("{}\n{}\n{}", finding.rule, lint::normal_path(finding.path), text);
    // The same words at another place.
    if (const std::size_t number = ++seen[identity]; number > 1)
      identity += fmt::format("\n{}", number);
    out.push_back(std::move(identity));
  }
  return out;
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
