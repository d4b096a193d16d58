#include "inventory/describe/slim_mark.h"

#include <algorithm>

#include "text/json.h"

namespace flense::inventory {

namespace {

constexpr std::size_t kMostTargets = 100;

std::string value_of(const std::map<std::string, std::string>& labels, const char* name) {
  const auto at = labels.find(name);
  return at == labels.end() ? std::string() : at->second;
}

}  // namespace

std::optional<SlimMark> mark_of_labels(const std::map<std::string, std::string>& labels) {
  if (!labels.contains(kLabelTargets) && !labels.contains(kLabelVersion)) return std::nullopt;
  SlimMark mark;
  const std::string targets = value_of(labels, kLabelTargets);
  for (std::string_view rest = targets; !rest.empty() && mark.targets.size() < kMostTargets;) {
    const std::size_t comma = std::min(rest.find(','), rest.size());
    if (comma > 0) mark.targets.emplace_back(rest.substr(0, comma));
    rest.remove_prefix(std::min(comma + 1, rest.size()));
  }
  mark.driver_floor = value_of(labels, kLabelDriverFloor);
  mark.code_floor = value_of(labels, kLabelCodeFloor);
  mark.level = value_of(labels, kLabelLevel);
  mark.version = value_of(labels, kLabelVersion);
  mark.evidence = std::string("label ") + kLabelTargets;
  return mark;
}

std::optional<SlimMark> mark_of_file(std::string_view text) {
  const Result<text::Json> json = text::parse_json(text, kMarkerPath);
  if (!json || (*json)["schema"].text() != "flense/marker/v1") return std::nullopt;
  SlimMark mark;
  for (const char* make : {"cuda", "amd"})
    for (const text::Json& target : (*json)["targets"][make].items())
      if (mark.targets.size() < kMostTargets) mark.targets.emplace_back(target.text());
  mark.level = (*json)["level"].text();
  mark.version = (*json)["flense"].text();
  mark.evidence = kMarkerPath;
  return mark;
}

}  // namespace flense::inventory
